package pipeline

import (
	"context"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
)

// recorder is an exporter in this process, where a test can look at it, and
// what was recorded through it.
type recorder struct {
	*exporter.Exporter
	provider *exporter.LoggerProvider
	sources  [writers]*source

	mu       sync.Mutex
	accepted []string
	refused  int
}

// record opens an exporter until the test ends. name begins the request ids.
func record(t testing.TB, name string, opts []exporter.Option) *recorder {
	t.Helper()
	exp, err := exporter.New(append(opts, exporter.WithLogger(slog.New(slog.NewTextHandler(t.Output(), nil))))...)
	if err != nil {
		t.Fatal(err)
	}
	r := &recorder{Exporter: exp, provider: exp.LoggerProvider()}
	for g := range r.sources {
		r.sources[g] = newSource(fmt.Sprintf("%s-%d", name, g))
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = r.provider.Shutdown(ctx)
	})
	return r
}

// traffic records n events from each of the goroutines, as fast as they can,
// and returns when the last one is accepted or refused.
func (r *recorder) traffic(n int) {
	var wg sync.WaitGroup
	for _, s := range r.sources {
		wg.Go(func() {
			for range n {
				r.one(s.next())
			}
		})
	}
	wg.Wait()
}

// one records an event.
func (r *recorder) one(e *adminsessions.Event) {
	err := r.provider.RecordEvent(context.Background(), e, adminsessions.Spooled)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.refused++
		return
	}
	r.accepted = append(r.accepted, e.RequestID)
}

// signedIn has somebody behind every event from now on.
func (r *recorder) signedIn() {
	for _, s := range r.sources {
		s.signedIn = true
	}
}

func (r *recorder) backlog() uint64 { return r.Stats().BacklogEvents }

// about reports whether a backlog is of n events, and some of the trail's own.
func about(backlog, n uint64) bool { return backlog >= n && backlog <= n+6 }

// within is a Loki that must answer in time.
func within(address string, timeout time.Duration) exporter.Option {
	return exporter.WithLoki(adminsessions.Loki{URL: address, Timeout: timeout})
}

// flush waits until Loki has acknowledged all that was recorded.
func (r *recorder) flush(t testing.TB) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := r.provider.ForceFlush(ctx); err != nil {
		t.Fatalf("%v; backlog %d, health: %v", err, r.backlog(), r.Health())
	}
	// A checkpoint follows, and then nothing more. After a crash one may come twice.
	most := time.Now().Add(5 * time.Second)
	await(t, "the last checkpoint to be delivered", func() bool {
		s := r.Stats()
		return s.BacklogEvents == 0 && (s.Proof.Size+1 == s.SpoolSequence || time.Now().After(most))
	})
}

// verify flushes, and verifies the whole trail.
func (r *recorder) verify(t *testing.T, tr trail, want expectation) {
	t.Helper()
	r.flush(t)
	if err := r.Health(); err != nil {
		t.Errorf("health after a flush: %v", err)
	}
	want.accepted = append(want.accepted, r.accepted...)
	tr.verify(t, want)
}
