package proxy

import (
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// Whatever a client sends, the panel sees no request that is not on record, and
// none under another path than the record's.
func TestNothingIsSmuggledPastTheRecord(t *testing.T) {
	for name, text := range map[string]string{
		"both lengths":          "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"two lengths":           "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 30\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"a length that is none": "POST /a HTTP/1.1\r\nHost: x\r\nContent-Length: +5\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"chunked in disguise":   "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"a folded header":       "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"a space before colon":  "POST /a HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\nContent-Length: 4\r\n\r\n0\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"a bare line feed":      "POST /a HTTP/1.1\nHost: x\nContent-Length: 0\n\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"a GET with a body":     "GET /a HTTP/1.1\r\nHost: x\r\nContent-Length: 29\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n\r\nGET /c HTTP/1.1\r\nHost: x\r\n\r\n",
		"an upgrade to nothing": "GET /a HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"hop-by-hop":            "GET /a HTTP/1.1\r\nHost: x\r\nConnection: X-Forwarded-For, X-Request-Id, Content-Length, close\r\nContent-Length: 0\r\n\r\n",
		"two hosts":             "GET /a HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
		"a line in the path":    "GET /a\rb HTTP/1.1\r\nHost: x\r\n\r\n",
		"pipelined":             "GET /a HTTP/1.1\r\nHost: x\r\n\r\nGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
		"unread, then another":  "POST /unread HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhelloGET /b HTTP/1.1\r\nHost: x\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			var saw []string
			r := newRig(t, "", http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
				if req.URL.Path != "/unread" {
					_, _ = io.Copy(io.Discard, req.Body)
				}
				mu.Lock()
				defer mu.Unlock()
				saw = append(saw, req.Method+" "+req.URL.Path)
				if req.Header.Get("X-Forwarded-For") != "127.0.0.1" || req.Header.Get("X-Request-Id") == "" {
					t.Errorf("the panel saw %q", req.Header)
				}
			}))
			conn := rawConn(t, r.proxy)
			if _, err := io.WriteString(conn, text); err != nil {
				t.Fatal(err)
			}
			_ = conn.(*net.TCPConn).CloseWrite()
			_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
			_, _ = io.Copy(io.Discard, conn)
			var recorded []string
			for _, e := range r.requests() {
				_, path, _ := strings.Cut(strings.TrimPrefix(e.URL, "http://"), "/")
				recorded = append(recorded, e.Method+" /"+path)
			}
			mu.Lock()
			defer mu.Unlock()
			slices.Sort(saw)
			for _, s := range saw {
				i := slices.Index(recorded, s)
				if i < 0 {
					t.Fatalf("the panel saw %q, on record are %q", saw, recorded)
				}
				recorded = slices.Delete(recorded, i, i+1)
			}
		})
	}
}
