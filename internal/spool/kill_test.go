package spool

import (
	"bufio"
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"
)

var killRounds = flag.Int("spool.kills", 12, "how often TestKill kills the writing process")

// TestMain turns the test binary into the process that TestKill kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("SPOOL_TEST_WRITE"); dir != "" {
		writeUntilKilled(dir)
	}
	slog.SetDefault(slog.New(slog.DiscardHandler)) // damage makes thousands of lines
	os.Exit(m.Run())
}

// writeUntilKilled appends from several goroutines and says on standard output
// what Append has returned, after it has.
func writeUntilKilled(dir string) {
	l, err := Open(Options{Dir: dir, SegmentBytes: 64 << 10, SyncInterval: 5 * time.Millisecond})
	if err != nil {
		fmt.Println("error", err)
		os.Exit(1)
	}
	var mu sync.Mutex
	for range 4 {
		go func() {
			for i := 0; ; i++ {
				rec, err := l.Append(context.Background(), time.Now(), fmt.Appendf(nil, "%d %s", i, strings.Repeat("k", i%900)))
				mu.Lock()
				if err != nil {
					fmt.Println("error", err)
				} else {
					fmt.Println("appended", rec.Seq, i)
				}
				mu.Unlock()
			}
		}()
	}
	r := l.Reader()
	for {
		rec, err := r.Next(context.Background())
		if err == nil && rec.Seq%50 == 0 {
			mu.Lock()
			err = l.Ack(rec.Seq)
			fmt.Println("acked", rec.Seq)
			mu.Unlock()
		}
		if err != nil {
			fmt.Println("error", err)
		}
	}
}

// TestKill kills a real process in the middle of its work, again and again on
// the same spool: every record whose Append had returned is there, none that was
// acknowledged comes again, and no number is given twice.
func TestKill(t *testing.T) {
	dir := t.TempDir()
	var acked, highest uint64
	for round := range *killRounds {
		cmd := exec.Command(os.Args[0])
		cmd.Env = append(os.Environ(), "SPOOL_TEST_WRITE="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		appended := map[uint64]string{}
		lines := bufio.NewScanner(out)
		for n := 0; lines.Scan(); n++ {
			var what, index string
			var seq uint64
			if _, err := fmt.Sscan(lines.Text(), &what, &seq, &index); what == "error" || what == "appended" && err != nil {
				if lines.Text() != "" && n < 200+137*round {
					t.Errorf("the writer says %q", lines.Text())
				}
				continue
			}
			switch what {
			case "appended":
				if seq <= highest {
					t.Fatalf("round %d: number %d is given again", round, seq)
				}
				appended[seq] = index
			case "acked":
				acked = max(acked, seq)
			}
			if n == 200+137*round {
				_ = cmd.Process.Kill() // and read what it had said by then
			}
		}
		_ = cmd.Wait()

		l := open(t, Options{Dir: dir, SegmentBytes: 64 << 10, SyncInterval: time.Millisecond})
		if got := l.Stats().AckedSeq; got < acked {
			t.Fatalf("round %d: the cursor is at %d, %d was acknowledged", round, got, acked)
		}
		start := l.Stats().AckedSeq
		last := l.Stats().NextSeq - 1
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		for {
			rec, ok, err := l.Reader().TryNext()
			if err != nil {
				t.Fatal(err)
			}
			if !ok {
				break
			}
			if index, ok := appended[rec.Seq]; ok && !strings.HasPrefix(string(rec.Payload), index+" ") {
				t.Fatalf("round %d: record %d is %.10q, want %s", round, rec.Seq, rec.Payload, index)
			}
			delete(appended, rec.Seq)
			highest = rec.Seq
		}
		for seq := range appended {
			if seq > start {
				t.Fatalf("round %d: record %d is lost", round, seq)
			}
		}
		if s := l.Stats(); s.RecordsLost > 4 { // at most the one each goroutine was writing
			t.Fatalf("round %d: %d records lost of %d", round, s.RecordsLost, last)
		}
		highest = max(highest, last)
		if err := l.Reader().Close(); err != nil {
			t.Error(err)
		}
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if highest < 1000 {
		t.Errorf("only %d records were written", highest)
	}
}
