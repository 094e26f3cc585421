package instrumentation_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// foldScript is what some senders do at once, made from bytes: who sends what
// how often, who waits, when the provider takes nothing.
type foldScript []byte

// sentBy counts what a sender has sent.
type sentBy struct {
	mu          sync.Mutex
	anonymous   int
	known       int
	byKind      map[string]int
	first, last map[netip.Addr]time.Time
	n           map[netip.Addr]int
}

func (c *sentBy) note(a netip.Addr, kind string, known bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if known {
		c.known++
		return
	}
	c.anonymous++
	c.byKind[kind]++
	now := time.Now()
	if c.n[a]++; c.n[a] == 1 {
		c.first[a] = now
	}
	c.last[a] = now
}

var foldRequests = []struct {
	method, target, kind string
	known                bool
}{
	{"GET", "/", "GET 200", false},
	{"GET", "/clients/1", "GET 401", false},
	{"POST", "/sign-in?name=anna", "POST 401", false},
	{"POST", "/reset", "POST 200", false},
	{"DELETE", "/as-anna", "DELETE 200", true},
	{"POST", "/sign-in?name=anna&password=right", "", true},
	{"GET", "/nothing/here", "GET 404", false},
	{"BREW", "/", "_OTHER 405", false},
}

func (script foldScript) run(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var full atomic.Bool
		var s endingSink
		s.Fail = func(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
			if full.Load() && e.Anonymous() {
				return fmt.Errorf("full: %w", adminsessions.ErrRefused)
			}
			return nil
		}
		reg := prometheus.NewRegistry()
		mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithAnonymousLimit(3),
			counting(reg), instrumentation.WithLogger(discardLogger))
		if err != nil {
			t.Fatal(err)
		}
		h := mw(foldPanel())
		sent := &sentBy{byKind: map[string]int{}, n: map[netip.Addr]int{}, first: map[netip.Addr]time.Time{}, last: map[netip.Addr]time.Time{}}
		const senders = 3
		var running sync.WaitGroup
		for sender := range senders {
			running.Go(func() {
				for i := sender; i+1 < len(script); i += senders {
					op, arg := script[i], script[i+1]
					switch op % 8 {
					case 0:
						time.Sleep(time.Duration(arg) * 100 * time.Millisecond)
					case 1:
						full.Store(arg%3 == 0)
					default:
						r := foldRequests[int(op>>3)%len(foldRequests)]
						for j := range int(arg) {
							a := netip.AddrFrom4([4]byte{10, 0, 0, op & 3})
							if op%8 == 7 { // from everywhere
								a = netip.AddrFrom4([4]byte{10, op, byte(j >> 8), byte(j)})
							}
							sendAs(h, 1, netip.AddrPortFrom(a, 1).String(), r.method, r.target)
							sent.note(a, r.kind, r.known)
						}
					}
				}
			})
		}
		running.Wait()
		full.Store(false)
		if len(script)%2 == 0 && len(s.before) > 0 {
			s.before[0]()
		} else {
			time.Sleep(2 * window)
			synctest.Wait()
		}
		sent.check(t, s.Events())
		wantMetric(t, reg, "adminsessions_instrumentation_events_folded_pending", 0)
		wantMetric(t, reg, "adminsessions_instrumentation_record_failures_total", 0)
	})
}

func (c *sentBy) check(t *testing.T, events []adminsessions.Event) {
	t.Helper()
	got := map[string]int{}
	byAddress := map[netip.Addr]int{}
	anonymous, known := 0, 0
	for _, e := range events {
		if !e.Anonymous() {
			if known++; e.Count != 0 {
				t.Errorf("somebody is folded: %s", e.Line())
			}
			continue
		}
		anonymous += stands(e)
		got[fmt.Sprintf("%s %d", e.Method, e.StatusCode)] += stands(e)
		if e.Count > 0 && (e.Since.IsZero() || e.Since.After(e.Time)) {
			t.Errorf("from %v to %v: %s", e.Since, e.Time, e.Line())
		}
		if a := e.ClientAddress; a.IsValid() {
			byAddress[a] += stands(e)
			if e.Time.After(c.last[a]) || e.Count > 0 && e.Since.Before(c.first[a]) {
				t.Errorf("%s sent from %v to %v: %s", a, c.first[a], c.last[a], e.Line())
			}
		}
	}
	if anonymous != c.anonymous || known != c.known {
		t.Errorf("events stand for %d anonymous and %d known requests, sent were %d and %d", anonymous, known, c.anonymous, c.known)
	}
	for kind, n := range c.byKind {
		if got[kind] != n {
			t.Errorf("%s: recorded %d of %d", kind, got[kind], n)
		}
	}
	for a, n := range byAddress {
		if n > c.n[a] {
			t.Errorf("%s: recorded %d of %d", a, n, c.n[a])
		}
	}
}

func FuzzFold(f *testing.F) {
	rnd := rand.New(rand.NewPCG(1, 2))
	for n := range 8 {
		script := make([]byte, 20+12*n)
		for i := range script {
			script[i] = byte(rnd.Uint32())
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) < 400 {
			foldScript(script).run(t)
		}
	})
}
