package proxy

import (
	"context"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

// rig is a panel with the proxy before it. Events go to sink.
type rig struct {
	t        testing.TB
	panel    *httptest.Server
	proxy    *httptest.Server
	sink     *recordtest.Sink
	registry *prometheus.Registry
	g        *generation
}

// newRig starts both. In the configuration $PANEL stands for the panel's URL.
func newRig(t testing.TB, config string, panel http.Handler) *rig {
	t.Helper()
	return startRig(t, config, panel, false)
}

func startRig(t testing.TB, config string, panel http.Handler, withTLS bool) *rig {
	t.Helper()
	r := &rig{t: t, sink: new(recordtest.Sink), registry: prometheus.NewRegistry()}
	r.panel = httptest.NewUnstartedServer(panel)
	r.panel.Config.ErrorLog = log.New(io.Discard, "", 0)
	r.panel.Start()
	if !strings.Contains(config, "upstreams:") {
		config = "upstreams: [{url: $PANEL}]\n" + config
	}
	setup := load(t, strings.ReplaceAll(config, "$PANEL", r.panel.URL))
	p := &process{
		logger: slog.New(slog.DiscardHandler), metrics: newMetrics(r.registry), sessionKey: make([]byte, 32), newPage: newPage,
		options: []instrumentation.Option{
			instrumentation.WithLoggerProvider(r.sink), instrumentation.WithLogger(slog.New(slog.DiscardHandler)),
		},
	}
	var err error
	if r.g, err = newGeneration(setup, p); err != nil {
		t.Fatal(err)
	}
	r.proxy = httptest.NewUnstartedServer(r.g.handler)
	r.proxy.Config.ErrorLog = log.New(io.Discard, "", 0)
	if withTLS {
		r.proxy.EnableHTTP2 = true
		r.proxy.StartTLS()
	} else {
		r.proxy.Start()
	}
	t.Cleanup(func() {
		r.proxy.CloseClientConnections()
		r.proxy.Close()
		r.panel.CloseClientConnections()
		r.panel.Close()
	})
	return r
}

func load(t testing.TB, config string) *Setup {
	t.Helper()
	setup, err := Load(file(t, config))
	if err != nil {
		t.Fatal(err)
	}
	return setup
}

func file(t testing.TB, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// do sends a request to the proxy and reads the answer. Headers come as name,
// value, ….
func (r *rig) do(method, path, body string, headers ...string) *http.Response {
	r.t.Helper()
	return ask(r.t, r.proxy, method, path, body, headers...)
}

func ask(t testing.TB, s *httptest.Server, method, path, body string, headers ...string) *http.Response {
	t.Helper()
	var from io.Reader
	if body != "" {
		from = strings.NewReader(body)
	}
	req, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, from)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		if headers[i] == "Host" {
			req.Host = headers[i+1]
			continue
		}
		req.Header.Add(headers[i], headers[i+1])
	}
	client := *s.Client()
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	read, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	resp.Body = io.NopCloser(strings.NewReader(string(read)))
	return resp
}

func body(resp *http.Response) string {
	b, _ := io.ReadAll(resp.Body)
	return string(b)
}

// requests are the events of requests that have ended: what happens to the trail
// itself is left out. It waits for the handlers to end.
func (r *rig) requests() (events []adminsessions.Event) {
	r.t.Helper()
	r.proxy.CloseClientConnections()
	r.proxy.Close()
	for _, e := range r.sink.Events() {
		if e.Type != adminsessions.Trail && e.Stage != adminsessions.Started {
			events = append(events, e)
		}
	}
	return events
}

// only is the one of them.
func (r *rig) only() adminsessions.Event {
	r.t.Helper()
	events := r.requests()
	if len(events) != 1 {
		r.t.Fatalf("%d requests on record, want 1: %q", len(events), recordtest.Lines(events))
	}
	return events[0]
}

func attributes(e adminsessions.Event) map[string]string {
	m := map[string]string{}
	for _, kv := range e.Attributes {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

// rawConn is a connection over which text is sent as it is.
func rawConn(t testing.TB, s *httptest.Server) net.Conn {
	t.Helper()
	conn, err := new(net.Dialer).DialContext(context.Background(), "tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	return conn
}
