package instrumentation_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/exchangetest"
)

var exchanges = []exchange{
	{name: "implicit 200", handler: func(http.ResponseWriter, *http.Request) {}, client: get("/"), events: complete(200)},
	{name: "write", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		n, err := w.Write([]byte("hello"))
		fmt.Fprint(w, n, err)
	}, client: get("/"), events: complete(200)},
	{name: "superfluous WriteHeader", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusTeapot)
		w.WriteHeader(http.StatusOK)
	}, client: get("/"), events: complete(418)},
	{name: "HEAD", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		n, err := io.WriteString(w, "hello")
		w.Header().Set("Too-Late", fmt.Sprint(n, err))
	}, client: do("HEAD", "/"), events: complete(200)},
	{name: "no body allowed", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusNoContent)
		_, err := w.Write([]byte("x"))
		if !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	}, client: do("DELETE", "/"), events: complete(204)},
	{name: "interfaces over HTTP/1", handler: writeInterfaces, client: get("/"), events: complete(200)},
	{name: "interfaces over HTTP/2", http2: true, handler: writeInterfaces, client: get("/"), events: complete(200)},
	{name: "interfaces within TimeoutHandler", around: timeoutHandler, handler: writeInterfaces, client: get("/"), events: complete(200)},
	{name: "flush", handler: flushing, client: readInParts, events: complete(200)},
	{name: "flush over HTTP/2", http2: true, handler: flushing, client: readInParts, events: complete(200)},
	{name: "flush by ResponseController", handler: func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		_, _ = io.WriteString(w, "first\n")
		if err := rc.Flush(); err != nil {
			fmt.Fprintln(w, err)
		}
		<-r.Context().Value(proceed{}).(chan struct{})
		_, _ = io.WriteString(w, "second\n")
	}, client: readInParts, events: complete(200)},
	{name: "trailers", handler: trailers, client: get("/"), events: complete(200)},
	{name: "trailers over HTTP/2", http2: true, handler: trailers, client: get("/"), events: complete(200)},
	{name: "early hints", handler: earlyHints, client: seenBy(exchangetest.Informational), events: complete(202)},
	{name: "early hints over HTTP/2", http2: true, handler: earlyHints, client: seenBy(exchangetest.Informational), events: complete(202)},
	{name: "server push", http2: true, handler: func(w http.ResponseWriter, _ *http.Request) {
		p, ok := w.(http.Pusher)
		if !ok {
			http.Error(w, "no pusher", http.StatusInternalServerError)
			return
		}
		// Go's client refuses pushes; the server says so.
		fmt.Fprint(w, p.Push("/style.css", nil))
	}, client: get("/"), events: complete(200)},
	{name: "read from a file", handler: func(w http.ResponseWriter, r *http.Request) {
		_, ok := w.(io.ReaderFrom)
		w.Header().Set("Reader-From", fmt.Sprint(ok))
		http.ServeFile(w, r, r.Context().Value(filePath{}).(string))
	}, client: get("/file"), events: complete(200)},
	{name: "range of a file", handler: func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, r.Context().Value(filePath{}).(string))
	}, client: func(t *testing.T, c conversation) string {
		return send(t, c, "GET", "/file", nil, "Range", "bytes=3-9")
	}, events: complete(206)},
	{name: "deadlines", handler: func(w http.ResponseWriter, r *http.Request) {
		rc := http.NewResponseController(w)
		fmt.Fprintln(w, rc.SetReadDeadline(time.Now().Add(time.Hour)), rc.SetWriteDeadline(time.Now().Add(time.Hour)))
		if err := rc.SetReadDeadline(time.Now().Add(-time.Second)); err != nil {
			fmt.Fprintln(w, err)
		}
		_, err := io.ReadAll(r.Body)
		fmt.Fprintln(w, errors.Is(err, os.ErrDeadlineExceeded))
	}, client: func(t *testing.T, c conversation) string {
		pr, pw := io.Pipe() // a body that does not come
		defer pw.Close()
		return send(t, c, "POST", "/", pr)
	}, events: complete(200)},
	{name: "full duplex", handler: func(w http.ResponseWriter, r *http.Request) {
		if err := http.NewResponseController(w).EnableFullDuplex(); err != nil {
			fmt.Fprintln(w, err)
		}
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "echo", lines.Text())
			_ = http.NewResponseController(w).Flush()
		}
	}, client: seenBy(exchangetest.PingPong), events: complete(200)},
	{name: "full duplex over HTTP/2", http2: true, handler: func(w http.ResponseWriter, r *http.Request) {
		lines := bufio.NewScanner(r.Body)
		for lines.Scan() {
			fmt.Fprintln(w, "echo", lines.Text())
			_ = http.NewResponseController(w).Flush()
		}
	}, client: seenBy(exchangetest.PingPong), events: complete(200)},
	{name: "hijack", handler: func(w http.ResponseWriter, _ *http.Request) {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		defer conn.Close()
		_, isTCP := conn.(*net.TCPConn)
		fmt.Fprintf(rw, "raw %v %T\r\n", isTCP, conn)
		rw.Flush()
	}, client: raw("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), events: []want{{adminsessions.Started, 0, ""}, {adminsessions.Complete, 0, ""}}},
	{name: "hijack over HTTP/2", http2: true, handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _, err := http.NewResponseController(w).Hijack()
		http.Error(w, fmt.Sprint(errors.Is(err, http.ErrNotSupported)), http.StatusNotImplemented)
	}, client: get("/"), events: complete(501)},
	{name: "WebSocket", handler: webSocket(false), client: shakeHands, events: []want{{adminsessions.Started, 101, ""}, {adminsessions.Complete, 101, ""}}},
	{name: "WebSocket by WriteHeader", handler: webSocket(true), client: shakeHands, events: []want{{adminsessions.Started, 101, ""}, {adminsessions.Complete, 101, ""}}},
	{name: "server-sent events", handler: func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream; charset=utf-8")
		for i := range 2 {
			fmt.Fprintf(w, "data: %d\n\n", i)
			w.(http.Flusher).Flush()
		}
		<-r.Context().Done()
	}, client: func(t *testing.T, c conversation) string { return exchangetest.Events(t, c.server, 3) }, events: []want{{adminsessions.Started, 200, ""}, {adminsessions.Complete, 200, ""}}},
	{name: "panic", handler: func(http.ResponseWriter, *http.Request) { panic("boom") },
		client: get("/"), events: []want{{adminsessions.Complete, 500, "panic: string"}}},
	{name: "panic over HTTP/2", http2: true, handler: func(http.ResponseWriter, *http.Request) { panic("boom") },
		client: get("/"), events: []want{{adminsessions.Complete, 500, "panic: string"}}},
	{name: "abort in the middle", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "10")
		_, _ = io.WriteString(w, "hello")
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}, client: get("/"), events: []want{{adminsessions.Complete, 200, "abort"}}},
	{name: "client gone", handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		client: goAway, events: []want{{adminsessions.Complete, 499, "client_gone"}}},
	{name: "client gone over HTTP/2", http2: true, handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		client: goAway, events: []want{{adminsessions.Complete, 499, "client_gone"}}},
	{name: "client gone, handler answers", handler: func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		http.Error(w, "cancelled", http.StatusInternalServerError)
	}, client: goAway, events: []want{{adminsessions.Complete, 500, "client_gone"}}},
	{name: "timeout outside", around: shortTimeout, handler: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() },
		client: get("/"), events: []want{{adminsessions.Complete, 503, "timeout"}}},
	{name: "timeout inside", handler: shortTimeout(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() })).ServeHTTP,
		client: get("/"), events: complete(503)},
	{name: "malformed path", handler: func(w http.ResponseWriter, r *http.Request) { fmt.Fprintf(w, "%q %q", r.URL.Path, r.URL.RawPath) },
		client: raw("GET //a/../b%2Fc%0a;x?%zz=1&b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), events: complete(200)},
	{name: "absolute form", handler: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.URL, r.Host) },
		client: raw("GET http://user:pass@other.example/x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), events: complete(200)},
	{name: "OPTIONS *", handler: func(http.ResponseWriter, *http.Request) {},
		client: raw("OPTIONS * HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), events: nil}, // net/http's own answer: no handler is asked
	{name: "unknown method", handler: func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Method) },
		client: do("FROB", "/"), events: complete(200)},
	{name: "mux 404", handler: routes().ServeHTTP, client: get("/nowhere"), events: complete(404)},
	{name: "mux 405", handler: routes().ServeHTTP, client: do("PUT", "/thing/1"), events: complete(405)},
	{name: "mux redirect", handler: routes().ServeHTTP, client: get("/a//b"), events: complete(307)},
	{name: "mux path values", handler: routes().ServeHTTP, client: get("/thing/42"), events: complete(200)},
	{name: "body", handler: func(w http.ResponseWriter, r *http.Request) {
		err := r.ParseMultipartForm(1 << 10)
		fmt.Fprint(w, err, r.FormValue("name"), r.PostForm)
	}, client: func(t *testing.T, c conversation) string {
		return send(t, c, "POST", "/", strings.NewReader("name=anna&x=1"), "Content-Type", "application/x-www-form-urlencoded")
	}, events: complete(200)},
	{name: "expect 100-continue", handler: func(w http.ResponseWriter, r *http.Request) {
		b, err := io.ReadAll(r.Body)
		fmt.Fprint(w, len(b), err)
	}, client: func(t *testing.T, c conversation) string {
		return send(t, c, "POST", "/", bytes.NewReader(make([]byte, 1000)), "Expect", "100-continue")
	}, events: complete(200)},
}
