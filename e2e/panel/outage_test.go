package panel_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

var asAnna = http.Header{"Authorization": {"Bearer demo-token-anna"}}

// load is requests from several programs at once, each with an address of its
// own to be found by.
type load struct {
	panel    *panel
	client   *http.Client
	prefix   string
	mu       sync.Mutex
	answered map[string]bool  // by URL: whole answer seen
	took     []time.Duration  // of those
	sent     map[string]bool  // by URL: tried
	failed   map[string]error // by URL
	done     func()           // after each answer, for those who count them
}

func newLoad(p *panel, prefix string) *load {
	return &load{
		panel: p, prefix: prefix, client: &http.Client{Timeout: 20 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 8}},
		answered: make(map[string]bool), sent: make(map[string]bool), failed: make(map[string]error), done: func() {},
	}
}

// run makes count requests from each of workers programs, or until ctx ends.
func (l *load) run(ctx context.Context, workers, count int) {
	defer l.client.CloseIdleConnections()
	var all sync.WaitGroup
	for worker := range workers {
		all.Go(func() {
			for i := 0; i < count && ctx.Err() == nil; i++ {
				l.request(ctx, fmt.Sprintf("%s/admin/api/clients?search=%s-%d-%d&per_page=1", l.panel.url, l.prefix, worker, i))
			}
		})
	}
	all.Wait()
}

func (l *load) request(ctx context.Context, address string) {
	l.mu.Lock()
	l.sent[address] = true
	l.mu.Unlock()
	start := time.Now()
	status, _, err := send(ctx, l.client, http.MethodGet, address, asAnna, "")
	took := time.Since(start)
	if err == nil && status != http.StatusOK {
		err = fmt.Errorf("status %d", status)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.failed[address] = err
		return
	}
	l.answered[address] = true
	l.took = append(l.took, took)
	l.done()
}

func (l *load) median() time.Duration {
	took := slices.Sorted(slices.Values(l.took))
	return took[len(took)/2]
}

// counted is how often each URL stands in Loki.
func counted(t *testing.T, entries []lokitest.Entry) map[string]int {
	counts := make(map[string]int)
	for _, e := range entries {
		counts[eventOf(t, e).URL]++
	}
	return counts
}

// check fails the test for each request of the load that was answered and does
// not stand in Loki once, and for each that stands there twice.
func (l *load) check(t *testing.T, counts map[string]int) {
	t.Helper()
	for address := range l.answered {
		if counts[address] != 1 {
			t.Errorf("%s was answered and is recorded %d times", address, counts[address])
		}
	}
	for address := range l.sent {
		if counts[address] > 1 {
			t.Errorf("%s is recorded %d times", address, counts[address])
		}
	}
}

// missing is how many sequence numbers of the trail are not there, as the
// dashboards and alerts ask for it.
func missing(t *testing.T, loki *lokitest.Server) float64 {
	t.Helper()
	const numbers = `| logfmt seq | seq!="" | unwrap seq [1h]`
	query := fmt.Sprintf(`max by (audit_log_id) (max_over_time(%[1]s %[2]s)) - min by (audit_log_id) (min_over_time(%[1]s %[2]s)) + 1
		- sum by (audit_log_id) (count_over_time(%[1]s [1h]))`, trail, numbers)
	samples, err := loki.Instant(t.Context(), query, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	if len(samples) != 1 {
		t.Fatalf("completeness query: %+v, want one spool's", samples)
	}
	return samples[0].Value
}

// awaitRequests waits until Loki has so many requests, no more and no fewer, and
// returns everything that it has, the trail's own events as well.
func awaitRequests(t *testing.T, loki *lokitest.Server, n int) []lokitest.Entry {
	t.Helper()
	if found := loki.Await(t.Context(), requests, lokitest.Last(time.Hour), n); len(found) != n {
		t.Errorf("%d requests are recorded, want %d", len(found), n)
	}
	return loki.Await(t.Context(), trail, lokitest.Last(time.Hour), n)
}

// awaitAll waits until Loki has so many requests, or more, and returns everything
// that it has. All numbers from 1 on are there.
func awaitAll(t *testing.T, loki *lokitest.Server, n int) []lokitest.Entry {
	t.Helper()
	loki.Await(t.Context(), requests, lokitest.Last(time.Hour), n)
	entries := loki.Await(t.Context(), trail, lokitest.Last(time.Hour), n)
	for i, e := range entries {
		if seq := eventOf(t, e).Sequence; seq != uint64(i+1) {
			t.Fatalf("entry %d has number %d: the trail is out of order or has a gap", i+1, seq)
		}
	}
	// Below 0 some were sent twice: log queries show those once, as seen above,
	// but counts count them twice while they lie in different blocks.
	if n := missing(t, loki); n > 0 {
		t.Errorf("the completeness query says that %v are missing", n)
	}
	return entries
}

func TestLokiStoppedUnderTraffic(t *testing.T) {
	for _, outage := range []struct {
		name        string
		away, there func(*lokitest.Server)
	}{
		{"stopped", (*lokitest.Server).Stop, (*lokitest.Server).Restart},
		{"killed", (*lokitest.Server).Kill, (*lokitest.Server).Restart},
		{"hanging", (*lokitest.Server).Pause, (*lokitest.Server).Resume},
	} {
		t.Run(outage.name, func(t *testing.T) {
			loki := lokitest.Start(t)
			p := startPanel(t, loki)
			const workers, count = 4, 150

			up := newLoad(p, "up")
			up.run(t.Context(), workers, count)

			// Loki goes away in the middle of the traffic and comes back after it.
			away := newLoad(p, "away")
			gone := make(chan struct{})
			answers := 0
			away.done = func() {
				if answers++; answers == count {
					close(gone)
				}
			}
			var traffic sync.WaitGroup
			traffic.Go(func() { away.run(t.Context(), workers, count) })
			<-gone
			outage.away(loki)
			traffic.Wait()
			mustBeHealthyButNotReady(t, p)
			outage.there(loki)

			back := newLoad(p, "back")
			back.run(t.Context(), workers, count)
			for _, l := range []*load{up, away, back} {
				for address, err := range l.failed {
					t.Errorf("%s failed: %v", address, err)
				}
			}
			counts := counted(t, awaitAll(t, loki, 3*workers*count))
			for _, l := range []*load{up, away, back} {
				l.check(t, counts)
			}
			t.Logf("median request: %s with Loki there, %s while it goes away, %s after", up.median(), away.median(), back.median())
			p.awaitReady()
		})
	}
}

// mustBeHealthyButNotReady: the panel serves and records while Loki is away, so
// nobody should take it out of service for that.
func mustBeHealthyButNotReady(t *testing.T, p *panel) {
	t.Helper()
	if status, body, err := get(t.Context(), p.url+"/healthz"); err != nil || status != http.StatusOK || body != "ok" {
		t.Errorf("/healthz while Loki is away: %d %q %v; want 200 ok", status, body, err)
	}
	if status, body, err := get(t.Context(), "http://"+p.ops+"/readyz"); err != nil || status != http.StatusServiceUnavailable {
		t.Errorf("/readyz while Loki is away: %d %q %v; want 503", status, body, err)
	}
}

func TestPanelKilledUnderTraffic(t *testing.T) {
	loki := lokitest.Start(t)
	p := startPanel(t, loki)
	var loads []*load
	for round := range 5 {
		l := newLoad(p, fmt.Sprint("round", round))
		ctx, cancel := context.WithCancel(t.Context())
		enough := make(chan struct{})
		answers := 0
		l.done = func() {
			if answers++; answers == 40+37*round {
				close(enough)
			}
		}
		var traffic sync.WaitGroup
		traffic.Go(func() { l.run(ctx, 4, 100_000) })
		<-enough
		p.kill()
		cancel()
		traffic.Wait()
		loads = append(loads, l)
		p.start()
		p.awaitReady()
	}
	// An orderly end delivers the rest.
	p.stop()

	answered := 0
	for _, l := range loads {
		answered += len(l.answered)
	}
	counts := counted(t, awaitAll(t, loki, answered))
	for _, l := range loads {
		l.check(t, counts)
	}
	t.Logf("%d requests answered, %d recorded", answered, len(counts))
}

func TestPanelStartsWithoutLoki(t *testing.T) {
	loki := lokitest.Start(t)
	loki.Stop()
	p := &panel{t: t, listen: freeport.Address(t), ops: freeport.Address(t), lokiURL: loki.URL(), dataDir: t.TempDir()}
	p.url = "http://" + p.listen
	t.Cleanup(p.kill)
	p.start()
	await(t, "the panel serves", func() error {
		_, _, err := get(t.Context(), p.url+"/healthz")
		return err
	})
	mustBeHealthyButNotReady(t, p)
	l := newLoad(p, "early")
	l.run(t.Context(), 2, 50)

	loki.Restart()
	p.awaitReady()
	l.check(t, counted(t, awaitAll(t, loki, 100)))
}
