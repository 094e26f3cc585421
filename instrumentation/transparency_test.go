package instrumentation_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/exchangetest"
)

// exchange is one conversation over a real connection, had with a handler by
// itself and with the middleware around it: both must look the same from both
// ends.
type exchange struct {
	name    string
	http2   bool
	around  func(http.Handler) http.Handler // a handler of the standard library outside of everything
	handler http.HandlerFunc
	client  func(t *testing.T, c conversation) string // what the client saw
	events  []want
}

// want is what is recorded of an exchange.
type want struct {
	stage     adminsessions.Stage
	status    int
	errorType string
}

func complete(status int) []want { return []want{{adminsessions.Complete, status, ""}} }

func TestHandlersBehaveAsWithoutTheMiddleware(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file.txt")
	if err := os.WriteFile(file, bytes.Repeat([]byte("0123456789"), 10000), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, x := range exchanges {
		t.Run(x.name, func(t *testing.T) {
			t.Parallel()
			bare := x.play(t, file, nil)
			for name, opts := range map[string][]instrumentation.Option{
				"within otelhttp": {instrumentation.WithOTelHTTP()},
				"alone":           nil,
			} {
				t.Run(name, func(t *testing.T) {
					var s sink
					if got := x.play(t, file, newMiddleware(t, &s, opts...)); got != bare {
						t.Errorf("the client saw\n%s\nand without the middleware\n%s", got, bare)
					}
					var got []want
					ids := map[string]bool{}
					for _, e := range s.Events() {
						got = append(got, want{e.Stage, e.StatusCode, e.ErrorType})
						ids[e.RequestID] = true
					}
					if !slices.Equal(got, x.events) {
						t.Errorf("recorded %+v, want %+v", got, x.events)
					}
					if len(got) > 0 && len(ids) != 1 {
						t.Errorf("records of one request have the ids %v", slices.Collect(maps.Keys(ids)))
					}
				})
			}
		})
	}
}

type (
	proceed  struct{} // context key: the conversation's channel of that name
	filePath struct{} // context key: the file to serve
)

// conversation is what a client has to talk to.
type conversation struct {
	server  *httptest.Server
	proceed chan struct{} // written by the client when it has read the first part
}

// play has the exchange once, over a server of its own, and returns after the
// handler has.
func (x exchange) play(t *testing.T, file string, mw func(http.Handler) http.Handler) string {
	t.Helper()
	var h http.Handler = x.handler
	if mw != nil {
		h = mw(h)
	}
	c := conversation{proceed: make(chan struct{}, 1)}
	ended := make(chan struct{}, 1) // written by the server when the middleware has returned
	recorded := h
	h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() { ended <- struct{}{} }()
		recorded.ServeHTTP(w, r)
	})
	if x.around != nil {
		h = x.around(h)
	}
	c.server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ctx := context.WithValue(r.Context(), proceed{}, c.proceed)
		h.ServeHTTP(w, r.WithContext(context.WithValue(ctx, filePath{}, file)))
	}))
	defer c.server.Close()
	c.server.Config.ErrorLog = log.New(io.Discard, "", 0)
	if x.http2 {
		c.server.EnableHTTP2 = true
		c.server.StartTLS()
	} else {
		c.server.Start()
	}
	saw := x.client(t, c)
	if x.events != nil {
		<-ended
	}
	return saw
}

func timeoutHandler(h http.Handler) http.Handler {
	return http.TimeoutHandler(h, time.Hour, "too slow")
}

func shortTimeout(h http.Handler) http.Handler {
	return http.TimeoutHandler(h, time.Millisecond, "too slow")
}

func writeInterfaces(w http.ResponseWriter, _ *http.Request) {
	_, flush := w.(http.Flusher)
	_, flushError := w.(interface{ FlushError() error })
	_, hijack := w.(http.Hijacker)
	_, push := w.(http.Pusher)
	_, readFrom := w.(io.ReaderFrom)
	_, writeString := w.(io.StringWriter)
	_, closeNotify := w.(http.CloseNotifier) //nolint:staticcheck // handlers may still ask for it
	_, deadlines := w.(interface{ SetReadDeadline(time.Time) error })
	_, duplex := w.(interface{ EnableFullDuplex() error })
	fmt.Fprintln(w, flush, flushError, hijack, push, readFrom, writeString, closeNotify, deadlines, duplex)
}

func flushing(w http.ResponseWriter, r *http.Request) {
	_, _ = io.WriteString(w, "first\n")
	w.(http.Flusher).Flush()
	<-r.Context().Value(proceed{}).(chan struct{})
	_, _ = io.WriteString(w, "second\n")
}

func trailers(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Trailer", "Announced")
	_, _ = io.WriteString(w, "body")
	w.Header().Set("Announced", "a")
	w.Header().Set(http.TrailerPrefix+"Unannounced", "b")
}

func earlyHints(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Link", "</style.css>; rel=preload")
	w.WriteHeader(http.StatusEarlyHints)
	w.WriteHeader(http.StatusProcessing)
	w.Header().Set("Final", "yes")
	w.WriteHeader(http.StatusAccepted)
}

// webSocket shakes hands, and echoes one line.
func webSocket(writeHeader bool) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		if writeHeader {
			w.Header().Set("Upgrade", "websocket")
			w.Header().Set("Connection", "Upgrade")
			w.WriteHeader(http.StatusSwitchingProtocols)
		}
		conn, rw, err := w.(http.Hijacker).Hijack()
		if err != nil {
			panic(err)
		}
		defer conn.Close()
		if !writeHeader {
			fmt.Fprint(rw, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n")
			rw.Flush()
		}
		line, err := rw.ReadString('\n')
		fmt.Fprint(rw, "echo ", line, err)
		rw.Flush()
	}
}

func routes() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /thing/{id}", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Pattern, r.PathValue("id"))
	})
	mux.HandleFunc("/a/b", func(http.ResponseWriter, *http.Request) {})
	return mux
}

func get(path string) func(*testing.T, conversation) string { return do("GET", path) }

func do(method, path string) func(*testing.T, conversation) string {
	return func(t *testing.T, c conversation) string { return send(t, c, method, path, nil) }
}

// send sends a request and describes the whole answer.
func send(t *testing.T, c conversation, method, path string, body io.Reader, header ...string) string {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, c.server.URL+path, body)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	client := c.server.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		return "no answer"
	}
	defer resp.Body.Close()
	return describe(resp)
}

func describe(resp *http.Response) string {
	b, err := io.ReadAll(resp.Body)
	resp.Header.Del("X-Request-Id") // ours
	resp.Header.Del("Date")
	resp.Header.Del("Last-Modified")
	var s strings.Builder
	fmt.Fprintln(&s, resp.Proto, resp.Status, resp.ContentLength, resp.TransferEncoding, resp.Close)
	for _, h := range []http.Header{resp.Header, resp.Trailer} {
		for _, k := range slices.Sorted(maps.Keys(h)) {
			fmt.Fprintln(&s, k, h[k])
		}
	}
	fmt.Fprintf(&s, "%q broken off: %v", b, err != nil)
	return s.String()
}

// seenBy is what a client that talks with the server has seen, and its answer.
func seenBy(client func(testing.TB, *httptest.Server) (string, *http.Response)) func(*testing.T, conversation) string {
	return func(t *testing.T, c conversation) string {
		seen, resp := client(t, c.server)
		return seen + describe(resp)
	}
}

func shakeHands(t *testing.T, c conversation) string { return exchangetest.ShakeHands(t, c.server) }

func readInParts(t *testing.T, c conversation) string {
	resp, err := c.server.Client().Get(c.server.URL)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	first, err := bufio.NewReader(resp.Body).ReadString('\n')
	c.proceed <- struct{}{}
	return fmt.Sprint(first, err, describe(resp))
}

// raw sends text and returns all that comes back.
func raw(request string) func(*testing.T, conversation) string {
	return func(t *testing.T, c conversation) string {
		conn, err := net.Dial("tcp", c.server.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if _, err := io.WriteString(conn, request); err != nil {
			t.Fatal(err)
		}
		b, err := io.ReadAll(conn)
		if err != nil {
			t.Fatal(err)
		}
		var kept []string
		for line := range strings.Lines(string(b)) {
			if !strings.HasPrefix(line, "Date:") && !strings.HasPrefix(line, "X-Request-Id:") {
				kept = append(kept, line)
			}
		}
		return strings.Join(kept, "")
	}
}

// goAway sends a request and leaves without waiting for the answer.
func goAway(t *testing.T, c conversation) string {
	ctx, cancel := context.WithCancel(t.Context())
	req, _ := http.NewRequestWithContext(httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{
		WroteRequest: func(httptrace.WroteRequestInfo) { cancel() },
	}), "GET", c.server.URL, nil)
	_, err := c.server.Client().Do(req)
	return fmt.Sprint(errors.Is(err, context.Canceled))
}
