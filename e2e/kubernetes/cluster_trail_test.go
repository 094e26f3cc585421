//go:build kubernetes

package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// trail is what administrators have asked of a panel, and what Loki knows of it.
type trail struct {
	c       *cluster
	service string // service_name
	prefix  string // of the paths
	loki    *loki.Client

	mu       sync.Mutex
	url      string // of the panel, as its users have it
	cookies  []*http.Cookie
	asked    int
	answered map[int]bool
}

func (c *cluster) newTrail(t *testing.T, service, url, prefix string) *trail {
	t.Helper()
	client, err := loki.New(adminsessions.Loki{URL: "http://" + c.address(t, "loki", "loki-read")}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return &trail{c: c, service: service, prefix: prefix, loki: client, url: url, answered: map[int]bool{}}
}

// ask makes one request, told by its number, on a connection of its own.
func (tr *trail) ask(ctx context.Context) error {
	tr.mu.Lock()
	tr.asked++
	number, url := tr.asked, tr.url
	tr.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url+tr.prefix+strconv.Itoa(number), http.NoBody)
	if err != nil {
		return err
	}
	for _, cookie := range tr.cookies {
		req.AddCookie(cookie)
	}
	req.Header.Set("X-Auth-Request-User", "anna") // who is nobody is folded when there is much of it
	req.Close = true                              // so that each is given to any of the pods
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode >= http.StatusInternalServerError {
		return fmt.Errorf("%s answers %s", req.URL, resp.Status)
	}
	tr.mu.Lock()
	tr.answered[number] = true
	tr.mu.Unlock()
	return nil
}

// work makes requests, each of which must be answered.
func (tr *trail) work(t *testing.T, n int) {
	t.Helper()
	for range n {
		if err := tr.ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

// busy makes requests until stop, and says how many were not answered.
func (tr *trail) busy(t *testing.T) (stop func() (asked, unanswered int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var group sync.WaitGroup
	var asked, unanswered int
	group.Go(func() {
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			asked++
			if err := tr.ask(t.Context()); err != nil && !errors.Is(err, context.Canceled) {
				unanswered++
				t.Logf("not answered: %v", err)
			}
		}
	})
	return func() (int, int) {
		cancel()
		group.Wait()
		return asked, unanswered
	}
}

// found is what Loki has of the trail.
type found struct {
	requests  map[int]int                // by their number, how often
	sequences map[string]map[uint64]int  // by log and number in it, how often
	instances map[string]map[string]bool // the pods that recorded it, by log
}

func (tr *trail) find(ctx context.Context) (f found, err error) {
	f = found{map[int]int{}, map[string]map[uint64]int{}, map[string]map[string]bool{}}
	now := time.Now()
	entries, err := tr.loki.AllLogs(ctx, `{service_name="`+tr.service+`"}`, now.Add(-2*time.Hour).UnixNano(), now.Add(time.Hour).UnixNano())
	if err != nil {
		return f, err
	}
	for _, e := range entries {
		ev, err := adminsessions.ParseLine(e.Line)
		if err != nil || ev.Sequence == 0 {
			return f, fmt.Errorf("entry %q: %w", e.Line, err)
		}
		id := e.Labels["audit_log_id"]
		if f.sequences[id] == nil {
			f.sequences[id], f.instances[id] = map[uint64]int{}, map[string]bool{}
		}
		f.sequences[id][ev.Sequence]++
		f.instances[id][e.Labels["service_instance_id"]] = true
		if _, rest, ok := strings.Cut(ev.URL, tr.prefix); ok {
			if n, err := strconv.Atoi(rest); err == nil {
				f.requests[n]++
			}
		}
	}
	return f, nil
}

// complete is an error unless every request that was answered is there once, none is
// there twice, and no log lacks a number.
func (tr *trail) complete(ctx context.Context) error {
	f, err := tr.find(ctx)
	if err != nil {
		return err
	}
	tr.mu.Lock()
	defer tr.mu.Unlock()
	missing := 0
	for n := range tr.answered {
		if f.requests[n] == 0 {
			missing++
		}
	}
	if missing > 0 {
		return fmt.Errorf("%d of %d requests are missing", missing, len(tr.answered))
	}
	for n, times := range f.requests {
		if times != 1 {
			return fmt.Errorf("request %d is there %d times", n, times)
		}
	}
	for id, numbers := range f.sequences {
		for n := range slices.Max(slices.Collect(maps.Keys(numbers))) {
			if times := numbers[n+1]; times != 1 {
				return fmt.Errorf("number %d of log %s is there %d times", n+1, id, times)
			}
		}
	}
	return nil
}

// verify waits until the trail is complete.
func (tr *trail) verify(t *testing.T) {
	t.Helper()
	begun := time.Now()
	tr.c.await(t, "the whole trail is there", func() error { return tr.complete(t.Context()) })
	f, err := tr.find(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d requests answered, none missing, none twice, in %d logs; waited %.1f s", len(tr.answered), len(f.sequences), time.Since(begun).Seconds())
}

// missing counts the requests that were answered and are not in Loki.
func (tr *trail) missing(ctx context.Context) (n int, err error) {
	f, err := tr.find(ctx)
	if err != nil {
		return 0, err
	}
	for number := range tr.answered {
		if f.requests[number] == 0 {
			n++
		}
	}
	return n, nil
}

// address is a Service's, HOST:PORT, once the node leads to it.
func (c *cluster) address(t *testing.T, namespace, service string) string {
	t.Helper()
	addr := c.kubectl(t, "-n", namespace, "get", "service", service, "-o", "jsonpath={.spec.clusterIP}:{.spec.ports[0].port}")
	c.await(t, "Service "+service+" leads somewhere", func() error {
		conn, err := net.DialTimeout("tcp", addr, 500*time.Millisecond)
		if err == nil {
			err = conn.Close()
		}
		return err
	})
	return addr
}
