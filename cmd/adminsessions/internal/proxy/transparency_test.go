package proxy

import (
	"bufio"
	"compress/gzip"
	"crypto/sha256"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/exchangetest"
)

// exchange is one conversation, had with a panel directly and through the proxy:
// both ends must see the same.
type exchange struct {
	name   string
	panel  http.HandlerFunc
	client func(t *testing.T, s *httptest.Server) string
	// statuses are those on record.
	statuses []int
}

func get(path string, headers ...string) func(*testing.T, *httptest.Server) string {
	return send("GET", path, "", headers...)
}

func send(method, path, body string, headers ...string) func(*testing.T, *httptest.Server) string {
	return func(t *testing.T, s *httptest.Server) string {
		return describe(ask(t, s, method, path, body, headers...))
	}
}

// describe is everything about an answer but what a proxy has its own of.
func describe(resp *http.Response) string {
	b, err := io.ReadAll(resp.Body)
	var s strings.Builder
	fmt.Fprintln(&s, resp.Status, resp.ContentLength, resp.TransferEncoding)
	for _, h := range []http.Header{resp.Header, resp.Trailer} {
		h.Del("X-Request-Id")
		h.Del("Date")
		for _, k := range slices.Sorted(maps.Keys(h)) {
			fmt.Fprintln(&s, k, h[k])
		}
	}
	if len(b) > 4096 {
		b = fmt.Appendf(nil, "%d bytes, %x", len(b), sha256.Sum256(b))
	}
	fmt.Fprintf(&s, "%q broken off: %v", b, err != nil)
	return s.String()
}

// echo answers with what a panel sees of a request, but for what proxies add.
func echo(w http.ResponseWriter, r *http.Request) {
	b, err := io.ReadAll(r.Body)
	w.Header().Set("Content-Type", "text/plain")
	fmt.Fprintln(w, r.Method, r.RequestURI, r.URL.Path, r.URL.RawPath, r.URL.RawQuery, r.ContentLength, r.TransferEncoding, len(b), err)
	fmt.Fprintf(w, "%x\n", sha256.Sum256(b))
	for _, k := range slices.Sorted(maps.Keys(r.Header)) {
		switch k {
		case "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto", "X-Request-Id":
		default:
			fmt.Fprintln(w, k, r.Header[k])
		}
	}
	for _, k := range slices.Sorted(maps.Keys(r.Trailer)) {
		fmt.Fprintln(w, "trailer", k, r.Trailer[k])
	}
}

var exchanges = []exchange{
	{name: "nothing", panel: func(http.ResponseWriter, *http.Request) {}, client: get("/")},
	{name: "text", panel: func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "<html>hello") }, client: get("/")},
	{name: "no Content-Type", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		fmt.Fprint(w, "<script>alert(1)</script>")
	}, client: get("/")},
	{name: "headers", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Set-Cookie"] = []string{"a=1; Path=/", "b=2; HttpOnly"}
		w.Header()["X-Twice"] = []string{"one", "two"}
		w.Header().Set("Server", "panel/1.0")
		w.Header().Set("Content-Encoding", "br")
		w.Header().Set("X-Utf", "Żółć")
		w.WriteHeader(http.StatusTeapot)
	}, client: get("/")},
	{name: "HEAD", panel: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Content-Length", "5") }, client: send("HEAD", "/", "")},
	{name: "204", panel: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(204) }, client: send("DELETE", "/x", ""), statuses: []int{204}},
	{name: "304", panel: func(w http.ResponseWriter, _ *http.Request) { w.Header().Set("Etag", `"x"`); w.WriteHeader(304) }, client: get("/", "If-None-Match", `"x"`), statuses: []int{304}},
	{name: "redirect", panel: func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/elsewhere?x=1", http.StatusFound) }, client: get("/"), statuses: []int{302}},
	{name: "an odd status", panel: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(599) }, client: get("/"), statuses: []int{599}},
	{name: "trailers", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "Announced")
		_, _ = io.WriteString(w, "body")
		w.Header().Set("Announced", "a")
	}, client: get("/")},
	{name: "trailers that were not announced", panel: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "body")
		http.NewResponseController(w).Flush()
		w.Header().Set(http.TrailerPrefix+"Unannounced", "b")
	}, client: get("/")},
	{name: "informational", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</style.css>; rel=preload")
		w.WriteHeader(http.StatusEarlyHints)
		w.WriteHeader(http.StatusProcessing)
		w.Header().Set("Final", "yes")
		w.WriteHeader(http.StatusAccepted)
	}, client: seenBy(exchangetest.Informational), statuses: []int{202}},
	{name: "ranges", panel: func(w http.ResponseWriter, r *http.Request) {
		http.ServeContent(w, r, "x.txt", time.Time{}, strings.NewReader(strings.Repeat("0123456789", 1000)))
	}, client: get("/", "Range", "bytes=3-9"), statuses: []int{206}},
	{name: "gzip", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		z := gzip.NewWriter(w)
		fmt.Fprint(z, strings.Repeat("hello", 1000))
		z.Close()
	}, client: get("/", "Accept-Encoding", "gzip")},
	{name: "a large download", panel: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.Copy(w, io.LimitReader(zeros{}, 20<<20))
	}, client: get("/")},
	{name: "the request's headers", panel: echo, client: get("/a?b=1", "X-Custom", "1", "X-Custom", "2", "Cookie", "a=1; b=2", "Accept-Language", "pl", "Te", "trailers")},
	{name: "no User-Agent", panel: echo, client: get("/", "User-Agent", "")},
	{name: "a form", panel: echo, client: send("POST", "/clients", "a=1&b=%C5%BB", "Content-Type", "application/x-www-form-urlencoded")},
	{name: "an unknown method", panel: echo, client: send("FROB", "/x", "y")},
	{name: "a GET with a body", panel: echo, client: send("GET", "/x", "y")},
	{name: "a large upload", panel: echo, client: func(t *testing.T, s *httptest.Server) string {
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", s.URL+"/upload", io.LimitReader(zeros{}, 20<<20)) // chunked
		return answerOf(t, s, req)
	}},
	{name: "an upload with a trailer", panel: echo, client: func(t *testing.T, s *httptest.Server) string {
		req, _ := http.NewRequestWithContext(t.Context(), "PUT", s.URL+"/upload", io.NopCloser(strings.NewReader("body")))
		req.Trailer = http.Header{"Checksum": {"abc"}}
		return answerOf(t, s, req)
	}},
	{name: "Expect", panel: echo, client: send("POST", "/", strings.Repeat("x", 1000), "Expect", "100-continue")},
	{name: "Expect, refused", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		w.WriteHeader(http.StatusForbidden)
	}, client: send("POST", "/", strings.Repeat("x", 1000), "Expect", "100-continue"), statuses: []int{403}},
	{name: "paths as they are", panel: echo, client: func(t *testing.T, s *httptest.Server) string {
		var all strings.Builder
		for _, target := range []string{
			"//a/../b%2Fc%0a;x?%zz=1&b;c", "/%2e%2e/x", "/a%20b/x", "/a//b/", "/?", "/x?a=1?b", "/%41", "/a+b", "/a;jsessionid=1",
		} {
			fmt.Fprintln(&all, target, raw(t, s, "GET "+target+" HTTP/1.1\r\nHost: panel.example\r\n\r\n"))
		}
		return all.String()
	}},
	{name: "server-sent events", panel: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		for i := range 2 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			_ = http.NewResponseController(w).Flush()
		}
		<-r.Context().Done()
	}, client: func(t *testing.T, s *httptest.Server) string { return exchangetest.Events(t, s, 3) }, statuses: []int{200}},
	{name: "both ways at once", panel: func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).EnableFullDuplex()
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "echo", lines.Text())
			_ = http.NewResponseController(w).Flush()
		}
	}, client: seenBy(exchangetest.PingPong)},
	{name: "WebSocket", panel: webSocket, client: func(t *testing.T, s *httptest.Server) string { return exchangetest.ShakeHands(t, s) }, statuses: []int{101}},
	{name: "broken off", panel: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, client: func(t *testing.T, s *httptest.Server) string {
		resp, err := s.Client().Get(s.URL)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		return describe(resp)
	}, statuses: []int{200}},
}

// A panel can't tell the proxy from its clients, and they can't tell it from
// the panel.
func TestThePanelBehavesAsWithoutTheProxy(t *testing.T) {
	for _, x := range exchanges {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			if x.statuses == nil {
				x.statuses = []int{0}
			}
			r := newRig(t, "", x.panel)
			direct, through := x.client(t, r.panel), x.client(t, r.proxy)
			if through != direct {
				t.Errorf("through the proxy\n%s\nand without it\n%s", through, direct)
			}
			for i, e := range r.requests() {
				if want := x.statuses[i%len(x.statuses)]; want != 0 && e.StatusCode != want {
					t.Errorf("recorded %s", e.Line())
				}
			}
		})
	}
}

func TestOverHTTP2ThePanelBehavesAsWithoutTheProxy(t *testing.T) {
	for _, x := range exchanges {
		switch x.name {
		case "WebSocket", "paths as they are", "Expect, refused", "no Content-Type": // not over HTTP/2, or not by this client
			continue
		}
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			one, two := newRig(t, "", x.panel), startRig(t, "", x.panel, true)
			// The two protocols frame what they carry in different ways.
			plain := strings.NewReplacer("[chunked]", "[]", " -1 ", " ? ")
			want, got := plain.Replace(x.client(t, one.proxy)), plain.Replace(x.client(t, two.proxy))
			if got != want && x.name != "headers" && !strings.Contains(want, "Content-Length") {
				t.Errorf("over HTTP/2\n%s\nand over HTTP/1\n%s", got, want)
			}
		})
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

func answerOf(t *testing.T, s *httptest.Server, req *http.Request) string {
	resp, err := s.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	return describe(resp)
}

// seenBy is what a client that talks with the panel has seen, and its answer.
func seenBy(client func(testing.TB, *httptest.Server) (string, *http.Response)) func(*testing.T, *httptest.Server) string {
	return func(t *testing.T, s *httptest.Server) string {
		seen, resp := client(t, s)
		return seen + describe(resp)
	}
}

func raw(t *testing.T, s *httptest.Server, request string) string {
	conn := rawConn(t, s)
	if _, err := io.WriteString(conn, request); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	return describe(resp)
}

func webSocket(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Upgrade", "websocket")
	w.Header().Set("Connection", "Upgrade")
	w.Header().Set("X-Audit-Note", "opened")
	w.WriteHeader(http.StatusSwitchingProtocols)
	conn, rw, err := http.NewResponseController(w).Hijack()
	if err != nil {
		panic(err)
	}
	defer conn.Close()
	line, err := rw.ReadString('\n')
	fmt.Fprint(rw, "echo ", line, err)
	rw.Flush()
}
