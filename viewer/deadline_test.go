package viewer

import (
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
	e := eventAgo(time.Minute, "https://panel.example/found")
	loki := newFakeLoki(t, slow(60*time.Millisecond, holds(e)))
	for _, http2 := range []bool{false, true} {
		server := httptest.NewUnstartedServer(newTestHandler(t, loki.URL))
		server.Config.WriteTimeout = 20 * time.Millisecond
		server.Config.ReadTimeout = 20 * time.Millisecond
		server.EnableHTTP2 = http2
		if http2 {
			server.StartTLS()
		} else {
			server.Start()
		}
		defer server.Close()
		for target, want := range map[string]string{
			"/?q=found": "</html>", "/?sort=url": "</html>", "/?range=7d": "</html>", "/api/events": "/found", "/api/count": "count",
			"/export.csv?range=7d": "/found", "/export.ndjson": "/found", "/assets/page.css": "{",
		} {
			resp, err := server.Client().Get(server.URL + target)
			if err != nil {
				t.Errorf("%s (HTTP/2: %v): %v", target, http2, err)
				continue
			}
			body, err := io.ReadAll(resp.Body)
			resp.Body.Close()
			if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), want) {
				t.Errorf("%s (HTTP/2: %v): status %d, %v, %d bytes without %q", target, http2, resp.StatusCode, err, len(body), want)
			}
		}
	}
}

// TestStalledReaders has many clients ask for an export and read none of it: more
// than the buffers on the way hold.
func TestStalledReaders(t *testing.T) {
	var events []adminsessions.Event
	for i := range 1500 {
		events = append(events, eventAgo(time.Minute+time.Duration(i)*time.Millisecond, "https://panel.example/", func(e *adminsessions.Event) {
			for k := range 16 {
				e.Attributes = append(e.Attributes, attribute.String(fmt.Sprint("a", k), strings.Repeat("x", 1000)))
			}
		}))
	}
	h := newTestHandler(t, newFakeLoki(t, holds(events...)).URL)
	h.writeTimeout = 100 * time.Millisecond
	server := httptest.NewServer(h)
	defer server.Close()
	host := strings.TrimPrefix(server.URL, "http://")
	var refused, served atomic.Int64
	var conns sync.WaitGroup
	open := make(chan net.Conn, 60)
	defer func() {
		close(open)
		for conn := range open {
			conn.Close()
		}
	}()
	for range 60 {
		conns.Go(func() {
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
	conns.Wait()
	if refused.Load() == 0 || served.Load() < maxExports {
		t.Errorf("of 60 exports at once %d were refused, %d not", refused.Load(), served.Load())
	}
	// Others are served meanwhile, and exports again once the stalled are given up.
	if resp, err := http.Get(server.URL + "/"); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("the page: %v, %v", resp, err)
	} else {
		resp.Body.Close()
	}
	deadline := time.After(20 * time.Second)
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for len(h.exports) > 0 {
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
	if n, err := io.Copy(io.Discard, resp.Body); resp.StatusCode != http.StatusOK || err != nil || n < 1500*16*1000 {
		t.Errorf("status %d, %d bytes, %v", resp.StatusCode, n, err)
	}
}
