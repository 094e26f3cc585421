package exporter

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// A folder that is removed while the exporter runs costs no event that is still
// known, and what the log says at the end is true.
func TestSpoolRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := filepath.Join(t.TempDir(), "spool")
		log, text := logOf()
		x := startOver(t, &fakeLoki{t: t, answer: func(received) loki.Answer { return away() }}, dir, WithLogger(log))
		emit(t, x, 4)
		time.Sleep(time.Minute)
		if err := os.RemoveAll(dir); err != nil {
			t.Fatal(err)
		}
		emit(t, x, 4)
		time.Sleep(time.Minute)
		if err := x.Ready(); err != nil {
			t.Errorf("not ready: %v", err)
		}
		_ = x.Shutdown(t.Context())
		promised := strings.Contains(text(), "the next start delivers them")
		l := &fakeLoki{t: t}
		x = startOver(t, l, dir)
		shutdown(t, x)
		if n := len(l.entries()); promised && n != 8 || !promised {
			t.Errorf("%d of 8 events delivered; log:\n%s", n, text())
		}
	})
}

// A copy of a spool that is used elsewhere, too: what both have is the same event
// in the same log, what comes is in a log of its own.
func TestSpoolCopied(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, other := filepath.Join(t.TempDir(), "spool"), filepath.Join(t.TempDir(), "spool")
		l := &fakeLoki{t: t}
		x := startOver(t, &fakeLoki{t: t, answer: func(received) loki.Answer { return away() }}, dir)
		emit(t, x, 10)
		id := x.spool.ID()
		shutdown(t, x)
		if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		x, y := startOver(t, l, dir), startOver(t, l, other)
		emit(t, x, 10)
		emit(t, y, 5)
		if y.spool.ID() == id || x.spool.ID() != id {
			t.Errorf("the spool was %s, is %s, its copy %s", id, x.spool.ID(), y.spool.ID())
		}
		shutdown(t, x)
		shutdown(t, y)
		if len(l.stored) != 2 {
			t.Fatalf("%d streams, want 2", len(l.stored))
		}
		for labels, entries := range l.stored {
			want := 5
			if strings.Contains(labels, id) {
				want = 20
			}
			if len(entries) != want {
				t.Errorf("%d entries in %s, want %d", len(entries), labels, want)
			}
		}
	})
}

// What is said of the events must be true while the spool is full.
func TestTheLogIsTrueWhileTheSpoolIsFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		log, text := logOf()
		l := &fakeLoki{t: t, answer: func(received) loki.Answer { return away() }}
		x := startOver(t, l, t.TempDir(), WithLogger(log), WithSpoolLimit(minSpoolLimit))
		lost := 0
		for i := range 4000 {
			ev := testEvent
			ev.Time = time.Now()
			ev.Note = "event " + strconv.Itoa(i)
			if err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled); errors.Is(err, adminsessions.ErrRefused) {
				lost++
			} else if err != nil {
				t.Fatal(err)
			}
		}
		if lost == 0 {
			t.Fatal("the spool did not get full")
		}
		time.Sleep(20 * time.Minute)
		ev := testEvent
		ev.Time = time.Now()
		_ = x.RecordEvent(t.Context(), &ev, adminsessions.Spooled)
		if got := int(x.Stats().Dropped["spool_full"]); got != lost+1 {
			t.Errorf("%d events counted as dropped, want %d", got, lost+1)
		}
		if n := strings.Count(text(), "reason=spool_full"); n < 1 || n > 3 {
			t.Errorf("the log tells %d times of lost events", n)
		}
		if !strings.Contains(text(), "events can't be kept as they should") || strings.Count(text(), "\n") > 20 {
			t.Errorf("log:\n%s", text())
		}
		kill(t, x)
	})
}
