package exporter

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

func TestDeliversInOrderWithinTheBatchWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLoki{t: t}
		x := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 100)
		// The bubble's clock: a sync, and the wait for a batch to fill.
		time.Sleep(defaultSyncInterval/10 + defaultBatchWait)
		synctest.Wait()
		l.check(100, true)
		if len(l.received()) != 1 {
			t.Errorf("%d pushes, want 1", len(l.received()))
		}
		s := x.Stats()
		if s.BacklogEvents != 0 || s.Accepted != 101 || s.Delivered != 101 || s.Pushes != 1 || s.Delay.Count != 1 || s.PushDuration.Count != 1 || s.LastSuccess.IsZero() || !s.LokiUp {
			t.Errorf("stats %+v", s)
		}
		if err := x.Health(); err != nil {
			t.Error(err)
		}
	})
}

func TestEntryTimes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLoki{t: t}
		x := startOver(t, l, t.TempDir())
		now := time.Now()
		for _, back := range []time.Duration{0, 0, time.Microsecond, time.Minute, -time.Second} {
			emitAt(t, x, now.Add(-back))
		}
		shutdown(t, x)
		entries := l.received()[0].entries
		var last time.Time
		for _, e := range entries {
			if !e.Timestamp.After(last) {
				t.Errorf("timestamp %v is not after %v", e.Timestamp, last)
			}
			last = e.Timestamp
		}
		if got := parse(t, entries[3]).Time; !got.Equal(now.Add(-time.Minute)) {
			t.Errorf("an event moved by a minute says that it arrived at %v, want %v", got, now.Add(-time.Minute))
		}
		if strings.Contains(entries[1].Line, " at=") {
			t.Errorf("an event moved by a nanosecond says so: %q", entries[1].Line)
		}
	})
}

func TestOutageOfHours(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Now().Add(3 * time.Hour)
		l := &fakeLoki{t: t, answer: func(received) loki.Answer {
			if time.Now().Before(back) {
				return away()
			}
			return taken
		}}
		x := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		for range 60 {
			emit(t, x, 20)
			time.Sleep(3 * time.Minute)
		}
		if err := x.Health(); err == nil || !strings.Contains(err.Error(), "loki is away") {
			t.Errorf("health while loki is away: %v", err)
		}
		if err := x.Ready(); err != nil {
			t.Errorf("events can be recorded, but ready says %v", err)
		}
		attempts := len(l.received())
		if perHour := attempts / 3; perHour > 300 {
			t.Errorf("%d attempts an hour against a loki that is away", perHour)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		l.check(1200, true)
		if x.Stats().BacklogEvents != 0 || x.Health() != nil {
			t.Errorf("backlog %d, health %v", x.Stats().BacklogEvents, x.Health())
		}
	})
}

func TestRetryAfterIsHonoured(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &fakeLoki{t: t}
		l.answer = func(received) loki.Answer {
			if len(l.received()) == 1 {
				a := loki.Classify(429, "slow down")
				a.RetryAfter = 90 * time.Second
				return a
			}
			return taken
		}
		x := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 1)
		time.Sleep(time.Hour)
		synctest.Wait()
		if d := l.received()[1].at.Sub(l.received()[0].at); d < 90*time.Second || d > 100*time.Second {
			t.Errorf("tried again after %v, want 90s", d)
		}
	})
}

// Nothing is acknowledged before all of a push is answered, and what comes again
// has the same bytes.
func TestAnswerLostWithTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		hole := make(chan loki.Answer)
		l := &fakeLoki{t: t}
		l.answer = func(r received) loki.Answer {
			l.store(r.labels, r.entries...)
			return <-hole
		}
		x := startOver(t, l, dir, WithBatch(0, minBatchBytes))
		emit(t, x, 1000)
		time.Sleep(defaultSyncInterval)
		synctest.Wait()
		if n := len(l.received()); n != 1 {
			t.Fatalf("%d pushes under way, want 1", n)
		}
		if b := x.Stats().BacklogEvents; b != 1001 {
			t.Errorf("backlog %d while the first push is not answered, want 1000 and the first of the trail's own", b)
		}
		x.stop()
		hole <- away()
		x.running.Wait()
		kill(t, x)
		after := &fakeLoki{t: t, stored: l.stored}
		x = startOver(t, after, dir)
		shutdown(t, x)
		after.check(1000, false)
	})
}

// A backlog of a quiet panel: a push that comes again must not begin an hour
// behind its own end, which Loki may know already.
func TestEachPushStaysWithinWhatLokiForgives(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var back atomic.Bool
		l := &fakeLoki{t: t}
		l.answer = func(p received) loki.Answer {
			if len(p.entries) == 0 { // the trail's own
				return away()
			}
			if span := p.entries[len(p.entries)-1].Timestamp.Sub(p.entries[0].Timestamp); span > maxSpan {
				t.Errorf("a push holds %v of events, want at most %v", span, maxSpan)
			}
			if !back.Load() {
				return away()
			}
			return taken
		}
		x := startOver(t, l, t.TempDir())
		for range 20 {
			emit(t, x, 1)
			time.Sleep(7 * time.Minute)
		}
		back.Store(true)
		shutdown(t, x)
		l.check(20, true)
	})
}

func TestBatchesStayUnderLokisMessageLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const limit = 100 << 10
		l := &fakeLoki{t: t, answer: func(r received) loki.Answer {
			if r.size > limit {
				return loki.Classify(500, "rpc error: code = ResourceExhausted desc = grpc: received message larger than max (5 vs. 4)")
			}
			return taken
		}}
		x := startOver(t, l, t.TempDir())
		defer shutdown(t, x)
		emit(t, x, 6000)
		time.Sleep(time.Hour)
		synctest.Wait()
		l.check(6000, false)
		tooLarge := 0
		for _, p := range l.received() {
			if p.size > defaultBatchBytes {
				t.Errorf("a push of %d bytes", p.size)
			}
			if p.size > limit {
				tooLarge++
			}
		}
		// It learns: most pushes fit at once.
		if tooLarge > len(l.received())/4 {
			t.Errorf("%d of %d pushes were too large", tooLarge, len(l.received()))
		}
	})
}

// Batches grow again long after Loki has refused a large one. The batch that is
// compressed by then and waits for its turn, a single event larger than the
// limit was, is sent as it is: what came into it now would be lost.
func TestBatchesThatGrowAgainLoseNothing(t *testing.T) {
	for _, first := range []string{"large", "small"} { // whichever waits at that moment
		t.Run(first, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var pushes atomic.Int64
				l := &fakeLoki{t: t, answer: func(r received) loki.Answer {
					if pushes.Add(1) < growAfter/2 && r.size > 2<<10 {
						return loki.Classify(413, "")
					}
					return taken
				}}
				x := startOver(t, l, t.TempDir(), WithBatch(defaultBatchWait, minBatchBytes))
				defer shutdown(t, x)
				const events = 4 * growAfter
				large := first == "large"
				for range events {
					ev := testEvent
					ev.Time = time.Now()
					if large {
						ev.Note = strings.Repeat("x", 850)
					}
					large = !large
					if err := x.RecordEvent(t.Context(), &ev, adminsessions.Spooled); err != nil {
						t.Fatal(err)
					}
				}
				time.Sleep(time.Hour)
				synctest.Wait()
				l.check(events, false)
			})
		})
	}
}

func TestForceFlush(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var isAway atomic.Bool
		isAway.Store(true)
		l := &fakeLoki{t: t, answer: func(received) loki.Answer {
			if isAway.Load() {
				return away()
			}
			return taken
		}}
		x := startOver(t, l, t.TempDir(), WithBatch(time.Minute, 1<<20))
		defer shutdown(t, x)
		emit(t, x, 3)
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		began := time.Now()
		if err := x.ForceFlush(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("flush with loki away: %v, want the deadline", err)
		}
		if d := time.Since(began); d != 5*time.Second {
			t.Errorf("flush took %v of 5s", d)
		}
		isAway.Store(false)
		if err := x.ForceFlush(t.Context()); err != nil {
			t.Error(err)
		}
		l.check(3, true)
	})
}

func TestShutdownWithLokiAwayIsQuickAndKeepsEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		log, text := logOf()
		x := startOver(t, &fakeLoki{t: t, answer: func(received) loki.Answer { return away() }}, dir, WithLogger(log))
		emit(t, x, 500)
		time.Sleep(10 * time.Minute) // the pause between attempts has grown
		emit(t, x, 500)
		last := 0
		x.BeforeShutdown(func() { emit(t, x, 1); last++ })
		began := time.Now()
		shutdown(t, x)
		if d := time.Since(began); d > time.Second {
			t.Errorf("shutdown took %v", d)
		}
		if last != 1 {
			t.Errorf("what was to be done before the shutdown was done %d times", last)
		}
		if !strings.Contains(text(), "the next start delivers them") || !strings.Contains(text(), "events=1004") {
			t.Errorf("the log does not tell of the backlog:\n%s", text())
		}
		if err := x.RecordEvent(t.Context(), &testEvent, adminsessions.Spooled); err == nil {
			t.Error("an event is accepted after shutdown")
		}
		if err := x.ForceFlush(t.Context()); err == nil {
			t.Error("a flush after shutdown says that it has flushed")
		}
		if err := x.Shutdown(t.Context()); err != nil {
			t.Errorf("a second shutdown: %v", err)
		}
		l := &fakeLoki{t: t}
		x = startOver(t, l, dir)
		shutdown(t, x)
		l.check(1001, true)
	})
}

// A rate limit lets pushes through now and then; that is not told each time.
func TestAFailureThatComesAndGoesDoesNotFloodTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var n atomic.Int32
		l := &fakeLoki{t: t, answer: func(received) loki.Answer {
			if n.Add(1)%2 == 1 {
				return loki.Classify(429, "slow down")
			}
			return taken
		}}
		log, text := logOf()
		x := startOver(t, l, t.TempDir(), WithLogger(log))
		for range 300 {
			emit(t, x, 1)
			time.Sleep(time.Second)
		}
		shutdown(t, x)
		l.check(300, false)
		if lines := strings.Count(text(), "\n"); lines < 2 || lines > 12 {
			t.Errorf("%d lines in five minutes:\n%s", lines, text())
		}
	})
}
