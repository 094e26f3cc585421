package exporter

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// refuseSome is a Loki that refuses some events until the cause is gone.
func refuseSome(t *testing.T, gone *atomic.Bool, bad func(seq uint64) bool) *fakeLoki {
	l := &fakeLoki{t: t}
	l.answer = func(r received) loki.Answer {
		if !gone.Load() && slices.ContainsFunc(r.seqs, bad) {
			return loki.Classify(400, "no")
		}
		return taken
	}
	return l
}

func renameToRetry(t *testing.T, dir string) {
	t.Helper()
	if err := os.Rename(filepath.Join(dir, spooled.QuarantineFile), filepath.Join(dir, spooled.RetryFile)); err != nil {
		t.Fatal(err)
	}
}

func gonefile(t *testing.T, dir, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(dir, name)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%s is still there (%v)", name, err)
	}
}

func TestQuarantineIsDeliveredAgain(t *testing.T) {
	for name, running := range map[string]bool{"while the exporter runs": true, "at its next start": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				var gone atomic.Bool
				l := refuseSome(t, &gone, func(seq uint64) bool { return seq%10 == 3 })
				log, text := logOf()
				x := startOver(t, l, dir, WithLogger(log))
				emit(t, x, 100)
				time.Sleep(time.Minute)
				if n := len(readQuarantine(t, dir)); n != 10 {
					t.Fatalf("%d events in quarantine, want 10", n)
				}
				gone.Store(true)
				if !running {
					shutdown(t, x)
				}
				renameToRetry(t, dir)
				if !running {
					x = startOver(t, l, dir, WithLogger(log))
				}
				emit(t, x, 5)
				time.Sleep(time.Minute)
				synctest.Wait()
				l.check(105, false) // with the same numbers, in the same stream
				if n := len(l.stored); n != 1 {
					t.Errorf("%d streams", n)
				}
				gonefile(t, dir, spooled.RetryFile)
				gonefile(t, dir, spooled.QuarantineFile)
				if n := x.Stats().Retried[retriedDelivered]; n != 10 {
					t.Errorf("%d events counted as delivered again", n)
				}
				if !strings.Contains(text(), "events from quarantine are delivered") || !strings.Contains(text(), "events=10") {
					t.Errorf("log:\n%s", text())
				}
				shutdown(t, x)
			})
		})
	}
}

// The events of a log whose spool is gone go where they belong.
func TestQuarantineOfAnotherSpool(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		first, second := t.TempDir(), t.TempDir()
		var gone atomic.Bool
		l := refuseSome(t, &gone, func(seq uint64) bool { return seq == 2 })
		x := startOver(t, l, first)
		emit(t, x, 3)
		time.Sleep(time.Minute)
		shutdown(t, x)
		gone.Store(true)
		if err := os.Rename(filepath.Join(first, spooled.QuarantineFile), filepath.Join(second, spooled.RetryFile)); err != nil {
			t.Fatal(err)
		}
		x = startOver(t, l, second)
		time.Sleep(time.Minute)
		shutdown(t, x)
		l.check(3, false)
		if len(l.stored) != 1 {
			t.Errorf("%d streams, want that of the first spool", len(l.stored))
		}
	})
}

// What Loki refuses again goes back; what it does not answer waits; and the
// trail goes on meanwhile.
func TestQuarantineThatIsRefusedAgain(t *testing.T) {
	for name, again := range map[string]loki.Answer{"refused": loki.Classify(400, "no"), "away": away(), "not signed in": loki.Classify(401, "")} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir := t.TempDir()
				var gone, retrying atomic.Bool
				l := &fakeLoki{t: t}
				l.answer = func(r received) loki.Answer {
					switch bad := slices.ContainsFunc(r.seqs, func(seq uint64) bool { return seq%10 == 3 && seq <= 100 }); {
					case gone.Load() || !bad:
						return taken
					case retrying.Load():
						return again
					}
					return loki.Classify(400, "no")
				}
				x := startOver(t, l, dir)
				emit(t, x, 100)
				time.Sleep(time.Minute)
				renameToRetry(t, dir)
				retrying.Store(true)
				before := len(l.received())
				for range 60 {
					emit(t, x, 1)
					time.Sleep(time.Minute)
				}
				if n := len(l.received()) - before; n > 60+60*8 {
					t.Errorf("%d pushes in an hour", n)
				}
				if b := x.Stats().BacklogEvents; b > 1 {
					t.Errorf("the trail does not go on: backlog %d", b)
				}
				gone.Store(true)
				if name == "refused" { // none of them was taken: they stay where they are
					if n := x.Stats().Retried[retriedRefused]; n != 0 {
						t.Errorf("%d went back without proof", n)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				l.check(160, false)
				gonefile(t, dir, spooled.RetryFile)
				shutdown(t, x)
			})
		})
	}
}

func TestQuarantineOfWhichSomeIsRefusedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var gone atomic.Bool
		l := &fakeLoki{t: t}
		l.answer = func(r received) loki.Answer {
			bad := func(seq uint64) bool { return seq%10 == 3 && (!gone.Load() || seq == 53) }
			if slices.ContainsFunc(r.seqs, bad) {
				return loki.Classify(400, "no")
			}
			return taken
		}
		x := startOver(t, l, dir)
		emit(t, x, 100)
		time.Sleep(time.Minute)
		gone.Store(true)
		renameToRetry(t, dir)
		time.Sleep(time.Hour)
		l.check(100, false, 53)
		if q := readQuarantine(t, dir); len(q) != 1 || q[0].Sequence != 53 {
			t.Errorf("quarantine: %+v", q)
		}
		if r := x.Stats().Retried; r[retriedDelivered] != 9 || r[retriedRefused] != 1 {
			t.Errorf("counted %v", r)
		}
		gonefile(t, dir, spooled.RetryFile)
		shutdown(t, x)
	})
}

// Whatever somebody has done to the file: what can be read is delivered, what
// can't goes back, and nothing is lost.
func TestRetryFileThatWasEdited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var gone atomic.Bool
		l := refuseSome(t, &gone, func(seq uint64) bool { return seq > 90 })
		x := startOver(t, l, dir)
		emit(t, x, 100)
		time.Sleep(time.Minute)
		gone.Store(true)
		b, err := os.ReadFile(filepath.Join(dir, spooled.QuarantineFile))
		if err != nil {
			t.Fatal(err)
		}
		text := strings.TrimSuffix(string(b), "\n") // the last line has no end
		junk := []string{"", "not json", `{"labels":"{}"}`, `{"labels":"{}","line":"x","timestamp_ns":"5"}`, `{"raw":"AAAA","sequence_number":7}`, "\x00\xff"}
		text = strings.Join(junk, "\n") + "\n" + text
		if err := os.WriteFile(filepath.Join(dir, spooled.RetryFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Remove(filepath.Join(dir, spooled.QuarantineFile)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		l.check(100, false)
		gonefile(t, dir, spooled.RetryFile)
		left, err := os.ReadFile(filepath.Join(dir, spooled.QuarantineFile))
		if want := strings.Join(junk[1:], "\n") + "\n"; err != nil || string(left) != want {
			t.Errorf("in quarantine: %q, %v; want %q", left, err, want)
		}
		shutdown(t, x)
	})
}

func TestRetryFileThatIsNone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		other := filepath.Join(t.TempDir(), "other")
		if err := os.WriteFile(other, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(other, filepath.Join(dir, spooled.RetryFile)); err != nil {
			t.Fatal(err)
		}
		l := &fakeLoki{t: t}
		log, text := logOf()
		x := startOver(t, l, dir, WithLogger(log))
		emit(t, x, 3)
		time.Sleep(10 * time.Minute)
		shutdown(t, x)
		l.check(3, true)
		if b, err := os.ReadFile(other); err != nil || string(b) != "mine" {
			t.Errorf("another file was touched: %q, %v", b, err)
		}
		if n := strings.Count(text(), "\n"); n < 1 || n > 12 {
			t.Errorf("%d lines:\n%s", n, text())
		}
	})
}

// Where the file can't be removed, its events are not sent again and again.
func TestRetryFileThatCannotBeRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		var gone atomic.Bool
		l := refuseSome(t, &gone, func(seq uint64) bool { return seq == 5 })
		log, text := logOf()
		x := startOver(t, l, dir, WithLogger(log), func(c *config) { c.remove = func(string) error { return os.ErrPermission } })
		emit(t, x, 10)
		time.Sleep(time.Minute)
		gone.Store(true)
		renameToRetry(t, dir)
		time.Sleep(time.Minute)
		l.check(10, false)
		before := len(l.received())
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(l.received()); n != before {
			t.Errorf("%d pushes of a file that is done with", n-before)
		}
		if n := strings.Count(text(), "can't be removed"); n != 1 {
			t.Errorf("the log says it %d times", n)
		}
		shutdown(t, x)
	})
}

// A quarantine of tens of thousands is delivered in batches.
func TestLargeQuarantine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := &fakeLoki{t: t}
		x := startOver(t, l, dir)
		const events = 20_000
		f, err := os.Create(filepath.Join(dir, "retry"))
		if err != nil {
			t.Fatal(err)
		}
		line := testEvent.Line()
		for i := range events {
			fmt.Fprintf(f, `{"log_id":"aa","sequence_number":%d,"timestamp_ns":"%d","labels":"{audit_log_id=\"aa\"}","line":%q}`+"\n",
				i+1, time.Now().UnixNano()+int64(i), line+fmt.Sprintf("\tseq=%d", i+1))
		}
		if err := errors.Join(f.Close(), os.Rename(f.Name(), filepath.Join(dir, spooled.RetryFile))); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		l.check(events, true)
		if n := len(l.received()); n > 20 {
			t.Errorf("%d pushes", n)
		}
		shutdown(t, x)
	})
}
