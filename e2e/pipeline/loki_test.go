package pipeline

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestLokiAway takes Loki away in each way a server can go, while events are
// recorded, and brings it back. What Loki had acknowledged before it was killed
// is in its write-ahead log; what it had taken in without an answer is sent
// again.
func TestLokiAway(t *testing.T) {
	loki := startLoki(t)
	for _, test := range []struct {
		name       string
		away, back func()
	}{
		{"killed", loki.Kill, loki.Restart},
		{"stopped", loki.Stop, loki.Restart},
		{"halted", loki.Pause, loki.Resume},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := record(t, "away", exporterOptions(loki.URL(), t.TempDir(), test.name,
				within(loki.URL(), 500*time.Millisecond)))
			// It goes while pushes are under way.
			busy := make(chan struct{})
			go func() {
				defer close(busy)
				r.traffic(1500)
			}()
			await(t, "a first push", func() bool { return r.backlog() > 100 })
			test.away()
			<-busy
			await(t, "the failure to show", func() bool { return r.Health() != nil })
			r.traffic(500)
			if b := r.backlog(); b < 2*500 {
				t.Errorf("backlog = %d while Loki is away, want 1000 events at least", b)
			}

			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			if err := r.provider.ForceFlush(ctx); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("flush while Loki is away: %v, want its deadline exceeded", err)
			}

			test.back()
			r.verify(t, newTrail(loki, test.name), expectation{resent: true})
		})
	}
}

// TestLokiKilledAgainAndAgain kills Loki at random moments of a drain. It is why
// there is one push at a time: with two to the same stream, Loki's write-ahead log
// may hold them in the wrong order, and its replay then discards the earlier one,
// which it had acknowledged.
func TestLokiKilledAgainAndAgain(t *testing.T) {
	rnd := random(t)
	loki := startLoki(t)
	r := record(t, "again", exporterOptions(loki.URL(), t.TempDir(), "again",
		exporter.WithBatch(0, 64<<10)))
	for range 5 {
		r.traffic(2000)
		before := r.backlog()
		stay := uint64(rnd.IntN(2000))
		await(t, "some deliveries", func() bool {
			now := r.backlog()
			return now == 0 || now+stay < before
		})
		loki.Kill()
		r.traffic(200)
		loki.Restart()
	}
	r.verify(t, newTrail(loki, "again"), expectation{resent: true})
}

// TestResendAfterFlush loses an answer and lets Loki write its chunks to the
// store before the same push comes again: the copies lie in different chunks.
func TestResendAfterFlush(t *testing.T) {
	loki := startLoki(t)
	proxy := startProxy(t, loki)
	r := record(t, "flushed", exporterOptions(proxy.URL, t.TempDir(), "flushed"))
	proxy.inject(loseAnswer)
	r.traffic(500)
	await(t, "a lost answer", func() bool { return proxy.faults() >= 2 })
	if err := loki.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	proxy.inject(nil)
	r.verify(t, newTrail(loki, "flushed"), expectation{resent: true})
	verifyIdenticalResends(t, proxy.seen())

	// And the same when Loki has started again.
	loki.Stop()
	loki.Restart()
	newTrail(loki, "flushed").verify(t, expectation{accepted: r.accepted, resent: true})
}

// TestShutdownWhileLokiIsAway ends the exporter with a backlog. The next one,
// on the same spool, delivers it, and goes on with the numbers.
func TestShutdownWhileLokiIsAway(t *testing.T) {
	loki := startLoki(t)
	dir := t.TempDir()
	options := func() []exporter.Option { return exporterOptions(loki.URL(), dir, "shutdown") }
	first := record(t, "first", options())
	first.traffic(300)
	first.flush(t)
	loki.Kill()
	first.traffic(300)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := first.provider.Shutdown(ctx); err != nil {
		t.Errorf("shutdown while Loki is away: %v; what is left in the spool is no error", err)
	}
	loki.Restart()
	second := record(t, "second", options())
	if b := second.backlog(); !about(b, 2*300) {
		t.Errorf("backlog after a restart = %d events, want 600", b)
	}
	second.traffic(300)
	second.verify(t, newTrail(loki, "shutdown"), expectation{accepted: first.accepted, resent: true})
}

// TestOldBacklog delivers the events of three days at once, to a Loki that
// refuses, as it does by default, what is more than an hour behind the newest
// entry of a stream. A second instance of the panel has been delivering all the
// time, and answers are lost, so that pushes come again.
func TestOldBacklog(t *testing.T) {
	const days = 3
	loki := startLoki(t, lokitest.WithArgs("-ingester.max-chunk-age=2h"))
	healthy := record(t, "healthy", exporterOptions(loki.URL(), t.TempDir(), "healthy"))
	healthy.traffic(100)
	healthy.flush(t)

	proxy := startProxy(t, loki)
	proxy.inject(answerWith(503, nil, "")) // Loki is away for this one
	r := record(t, "old", exporterOptions(proxy.URL, t.TempDir(), "old",
		exporter.WithBatch(0, 64<<10)))
	const count = 4000
	start := time.Now().Add(-days * 24 * time.Hour)
	for i := range count {
		r.sources[0].at = start.Add(time.Duration(i) * days * 24 * time.Hour / count)
		r.one(r.sources[0].next())
	}
	proxy.inject(unsteady(random(t).Uint64()))
	tr := newTrail(loki, "old")
	tr.since = (days + 1) * 24 * time.Hour
	r.verify(t, tr, expectation{resent: true})
	healthy.verify(t, newTrail(loki, "healthy"), expectation{})
}
