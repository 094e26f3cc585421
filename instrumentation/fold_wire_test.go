package instrumentation_test

import (
	"bufio"
	"bytes"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/adminsessions/adminsessions/instrumentation"
)

// TestAFloodOverRealConnections sends the cheapest requests there are,
// pipelined, over four connections, while administrators work.
func TestAFloodOverRealConnections(t *testing.T) {
	const connections, batches, batch, administrators, acts = 4, 100, 50, 2, 200
	var s endingSink
	mw, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(&s), instrumentation.WithLogger(discardLogger))
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewServer(mw(foldPanel()))
	defer srv.Close()
	var sending sync.WaitGroup
	for range connections {
		sending.Go(func() {
			conn, err := net.Dial("tcp", srv.Listener.Addr().String())
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			requests := bytes.Repeat([]byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), batch)
			answers := bufio.NewReader(conn)
			for range batches {
				if _, err := conn.Write(requests); err != nil {
					t.Error(err)
					return
				}
				for got := 0; got < batch; {
					line, err := answers.ReadString('\n')
					if err != nil {
						t.Error(err)
						return
					}
					if line == "\r\n" {
						got++
					}
				}
			}
		})
	}
	for i := range administrators {
		sending.Go(func() {
			for j := range acts {
				r, err := http.NewRequestWithContext(t.Context(), "DELETE", fmt.Sprintf("%s/as-anna?act=%d-%d", srv.URL, i, j), nil)
				if err != nil {
					t.Error(err)
					return
				}
				resp, err := srv.Client().Do(r)
				if err != nil {
					t.Error(err)
					return
				}
				_ = resp.Body.Close()
			}
		})
	}
	sending.Wait()
	srv.Close() // no request is under way any more
	s.before[0]()

	known := map[string]bool{}
	anonymous, records := 0, 0
	for _, e := range s.Events() {
		if !e.Anonymous() {
			known[e.URL] = true
			continue
		}
		anonymous += stands(e)
		records++
	}
	if len(known) != administrators*acts {
		t.Errorf("%d of %d acts of administrators recorded", len(known), administrators*acts)
	}
	if sent := connections * batches * batch; anonymous != sent || records > sent/50 {
		t.Errorf("%d records stand for %d of %d requests", records, anonymous, sent)
	}
}

// TestAFloodTakesLittleMemory sends the longest requests that are recorded, from
// more addresses than are told apart.
func TestAFloodTakesLittleMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s sink
		h := newMiddleware(t, &s, instrumentation.WithLogger(discardLogger))(foldPanel())
		before := heap()
		for i := range 12_000 {
			r := httptest.NewRequest("GET", "/"+strings.Repeat("x", 3000), nil)
			r.RemoteAddr = fmt.Sprintf("[2001:db8:%x:%x::1]:1", i>>8, i)
			r.Header.Set("User-Agent", strings.Repeat("y", 3000))
			h.ServeHTTP(httptest.NewRecorder(), r)
		}
		if took := heap() - before; took > 24<<20 {
			t.Errorf("a flood takes %d MiB", took>>20)
		}
	})
}

func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
