package spool

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"time"
)

func open(t testing.TB, o Options) *Log {
	t.Helper()
	l, err := Open(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil && !errors.Is(err, ErrClosed) {
			t.Error(err)
		}
	})
	return l
}

func mustAppend(t testing.TB, l *Log, payload string) Record {
	t.Helper()
	rec, err := l.Append(t.Context(), time.Unix(1_800_000_000, 0), []byte(payload))
	if err != nil {
		t.Fatal(err)
	}
	return rec
}

// next reads one record and says "seq payload".
func next(t testing.TB, r *Reader) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	rec, err := r.Next(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%d %s", rec.Seq, rec.Payload)
}

func TestAppendReadAckReopen(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncInterval, SyncAlways, SyncNone} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			o := Options{Dir: t.TempDir(), Sync: policy, SegmentBytes: minSegmentBytes, SyncInterval: 20 * time.Millisecond}
			l := open(t, o)
			id := l.ID()
			for i := range 500 {
				if rec := mustAppend(t, l, fmt.Sprint("event ", i)); rec.Seq != uint64(i+1) {
					t.Fatalf("record %d has number %d", i, rec.Seq)
				}
			}
			r := l.Reader()
			for i := range 300 {
				if got, want := next(t, r), fmt.Sprintf("%d event %d", i+1, i); got != want {
					t.Fatalf("read %q, want %q", got, want)
				}
			}
			if err := l.Ack(250); err != nil {
				t.Fatal(err)
			}
			if err := l.Ack(301); err == nil {
				t.Error("a record that was not read could be acknowledged")
			}
			if err := l.Sync(t.Context()); err != nil {
				t.Fatal(err)
			}
			if s := l.Stats(); s.BacklogEvents != 250 || s.AckedSeq != 250 || s.NextSeq != 501 {
				t.Errorf("stats are %+v", s)
			}
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}

			l = open(t, o)
			if l.ID() != id {
				t.Errorf("identity changed from %s to %s", id, l.ID())
			}
			r = l.Reader()
			if rec := mustAppend(t, l, "after"); rec.Seq != 501 {
				t.Errorf("first number after reopening is %d, want 501", rec.Seq)
			}
			for i := 250; i < 500; i++ {
				if got, want := next(t, r), fmt.Sprintf("%d event %d", i+1, i); got != want {
					t.Fatalf("read %q, want %q", got, want)
				}
			}
			if got := next(t, r); got != "501 after" {
				t.Errorf("read %q", got)
			}
			if err := l.Ack(501); err != nil {
				t.Fatal(err)
			}
			if s := l.Stats(); s.BacklogEvents != 0 || s.RecordsLost != 0 {
				t.Errorf("stats are %+v", s)
			}
		})
	}
}

func TestConcurrentAppends(t *testing.T) {
	for _, policy := range []SyncPolicy{SyncInterval, SyncAlways, SyncNone} {
		t.Run(fmt.Sprint(policy), func(t *testing.T) {
			l := open(t, Options{Dir: t.TempDir(), Sync: policy, SegmentBytes: 64 << 10})
			const callers, each = 16, 200
			var wg sync.WaitGroup
			seqs := make([][]uint64, callers)
			for c := range callers {
				wg.Go(func() {
					for i := range each {
						rec, err := l.Append(t.Context(), time.Now(), fmt.Appendf(nil, "%d %d", c, i))
						if err != nil {
							t.Error(err)
							return
						}
						seqs[c] = append(seqs[c], rec.Seq)
					}
				})
			}
			wg.Wait()
			r := l.Reader()
			var done [callers]int
			var last int64
			for i := range callers * each {
				rec, err := r.Next(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if rec.Seq != uint64(i+1) || rec.Time <= last {
					t.Fatalf("record %d has number %d and time %d after %d", i, rec.Seq, rec.Time, last)
				}
				last = rec.Time
				var c, n int
				if _, err := fmt.Sscan(string(rec.Payload), &c, &n); err != nil {
					t.Fatalf("payload %q: %v", rec.Payload, err)
				}
				if done[c] != n || seqs[c][n] != rec.Seq {
					t.Fatalf("caller %d: record %d (number %d) read where %d was due", c, n, rec.Seq, done[c])
				}
				done[c]++
			}
		})
	}
}

// rest reads to the end and returns the numbers.
func rest(t *testing.T, l *Log) (seqs []uint64) {
	t.Helper()
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		rec, ok, err := l.Reader().TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return seqs
		}
		seqs = append(seqs, rec.Seq)
	}
}

func upTo(from, to uint64) (seqs []uint64) {
	for n := from; n <= to; n++ {
		seqs = append(seqs, n)
	}
	return seqs
}

// TestRecordsOfAllSizes: on a real file system records cross pages, the pieces in
// which pages are made, and segments.
func TestRecordsOfAllSizes(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), SegmentBytes: 1 << 20})
	rnd := rand.New(rand.NewPCG(1, 2))
	sizes := []int{0, 1, 4096, 64 << 10, 128 << 10, 128<<10 - frameOverhead, 200_000, l.opts.MaxRecordBytes, 3}
	for range 60 {
		sizes = append(sizes, rnd.IntN(1<<(1+rnd.IntN(18))))
	}
	for i, n := range sizes {
		mustAppend(t, l, strings.Repeat(string(rune('a'+i%26)), n))
	}
	for i, n := range sizes {
		rec, err := l.Reader().Next(t.Context())
		if err != nil || string(rec.Payload) != strings.Repeat(string(rune('a'+i%26)), n) {
			t.Fatalf("record %d of %d bytes: read %d bytes, %v", i+1, n, len(rec.Payload), err)
		}
	}
	if s := l.Stats(); s.RecordsLost != 0 {
		t.Errorf("%d records lost", s.RecordsLost)
	}
}
