package viewer

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// slow is a Loki that takes some time for each answer.
func slow(d time.Duration, answer http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-time.After(d):
			answer(w, r)
		case <-r.Context().Done():
		}
	}
}

// TestServersDeadlineIsNotThePages has a server that gives a request less time
// than Loki takes for its answer.
func TestServersDeadlineIsNotThePages(t *testing.T) {
	const limit = 250 * time.Millisecond
	e := eventAgo(time.Minute, "https://panel.example/found")
	loki := newFakeLoki(t, slow(limit+limit/4, holds(e)))
	for _, http2 := range []bool{false, true} {
		h := newTestHandler(t, loki.URL)
		// What http.Server.WriteTimeout sets, without its limits for what comes
		// before the request, which a busy machine may not keep.
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if err := http.NewResponseController(w).SetWriteDeadline(time.Now().Add(limit)); err != nil {
				t.Error(err)
			}
			h.ServeHTTP(w, r)
		}))
		server.EnableHTTP2 = http2
		if http2 {
			server.StartTLS()
		} else {
			server.Start()
		}
		t.Cleanup(server.Close)
		for target, want := range map[string]string{
			"/?q=found": "</html>", "/?sort=url": "</html>", "/?range=7d": "</html>", "/api/events": "/found", "/api/count": "count",
			"/export.csv?range=7d": "/found", "/export.ndjson": "/found", "/assets/page.css": "{",
		} {
			t.Run(fmt.Sprintf("%s HTTP2=%t", target, http2), func(t *testing.T) {
				t.Parallel()
				resp, err := server.Client().Get(server.URL + target)
				if err != nil {
					t.Fatal(err)
				}
				body, err := io.ReadAll(resp.Body)
				resp.Body.Close()
				if err != nil || resp.StatusCode != http.StatusOK || (resp.ProtoMajor == 2) != http2 || !strings.Contains(string(body), want) {
					t.Errorf("status %d, %s, %v, %d bytes without %q", resp.StatusCode, resp.Proto, err, len(body), want)
				}
			})
		}
	}
}

// timedConns are a server's connections, on which the time that a client has to
// read is over when the test says so.
type timedConns struct {
	net.Listener
	mu    sync.Mutex
	conns []*timedConn
}

type timedConn struct {
	net.Conn
	mu      sync.Mutex
	limited bool // there is a deadline
}

func (l *timedConns) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &timedConn{Conn: conn}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conns = append(l.conns, c)
	return c, nil
}

func (c *timedConn) SetWriteDeadline(at time.Time) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.limited = !at.IsZero()
	return c.Conn.SetWriteDeadline(at)
}

// pass has every deadline pass that there is now.
func (l *timedConns) pass(t *testing.T) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, c := range l.conns {
		c.mu.Lock()
		if c.limited {
			if err := c.Conn.SetWriteDeadline(time.Unix(1, 0)); err != nil && !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		c.mu.Unlock()
	}
}

// TestStalledReaders has many clients ask for an export and read none of it: more
// than the buffers on the way hold.
func TestStalledReaders(t *testing.T) {
	const stalledEvents = 600 // of 16 kB, twice what buffers hold
	var events []adminsessions.Event
	for i := range stalledEvents {
		events = append(events, eventAgo(time.Minute+time.Duration(i)*time.Millisecond, "https://panel.example/", func(e *adminsessions.Event) {
			for k := range 16 {
				e.Attributes = append(e.Attributes, attribute.String(fmt.Sprint("a", k), strings.Repeat("x", 1000)))
			}
		}))
	}
	h := newTestHandler(t, newFakeLoki(t, holds(events...)).URL)
	h.writeTimeout = time.Hour
	server := httptest.NewUnstartedServer(h)
	conns := &timedConns{Listener: server.Listener}
	server.Listener = conns
	server.Start()
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	const clients = 60
	var refused, served atomic.Int64
	var asked sync.WaitGroup
	open := make(chan net.Conn, clients)
	defer func() {
		close(open)
		for conn := range open {
			conn.Close()
		}
	}()
	for range clients {
		asked.Go(func() {
			conn, err := net.Dial("tcp", host)
			if err != nil {
				t.Error(err)
				return
			}
			open <- conn
			_ = conn.(*net.TCPConn).SetReadBuffer(4096)
			fmt.Fprintf(conn, "GET /export.csv HTTP/1.1\r\nHost: %s\r\n\r\n", host)
			first := make([]byte, len("HTTP/1.1 200"))
			if _, err := io.ReadFull(conn, first); err == nil && strings.HasSuffix(string(first), "429") {
				refused.Add(1)
			} else {
				served.Add(1)
			}
		})
	}
	asked.Wait()
	if refused.Load() != clients-maxExports || served.Load() != maxExports || len(h.exports) != maxExports {
		t.Errorf("of %d exports at once %d were refused, %d not, %d are under way", clients, refused.Load(), served.Load(), len(h.exports))
	}
	// Others are served meanwhile, and exports again once the stalled are given up.
	if resp, err := http.Get(server.URL + "/"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the page: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	deadline := time.After(time.Minute)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(h.exports) > 0 {
		conns.pass(t) // one may have been between two parts, for which there is no limit
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%d stalled readers keep their places", len(h.exports))
		}
	}
	resp, err := http.Get(server.URL + "/export.ndjson")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if n, err := io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK || err != nil || n < stalledEvents*16*1000 {
		t.Errorf("status %d, %d bytes, %v", resp.StatusCode, n, err)
	}
}
