package instrumentation_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

// sink stands where the exporter would.
type sink = recordtest.Sink

func attributes(e adminsessions.Event) map[string]string {
	m := map[string]string{}
	for _, kv := range e.Attributes {
		m[string(kv.Key)] = kv.Value.String()
	}
	return m
}

func newMiddleware(t testing.TB, s *sink, opts ...instrumentation.Option) func(http.Handler) http.Handler {
	t.Helper()
	opts = append([]instrumentation.Option{instrumentation.WithLoggerProvider(s)}, opts...)
	mw, err := instrumentation.NewMiddleware(opts...)
	if err != nil {
		t.Fatal(err)
	}
	return mw
}

// counting shows the middleware's numbers to a registry.
func counting(reg prometheus.Registerer) instrumentation.Option {
	c := instrumentationmetrics.New()
	reg.MustRegister(c)
	return instrumentation.WithMetrics(c)
}

// people is the part of the event's line that people read.
func people(e adminsessions.Event) string {
	part, _, _ := strings.Cut(e.Line(), "\t")
	return part
}

// record sends one request through the middleware and returns its event.
func record(t *testing.T, h http.Handler, r *http.Request, opts ...instrumentation.Option) (adminsessions.Event, *httptest.ResponseRecorder) {
	t.Helper()
	var s sink
	w := httptest.NewRecorder()
	newMiddleware(t, &s, opts...)(h).ServeHTTP(w, r)
	return s.Only(t), w
}

var discardLogger = slog.New(slog.DiscardHandler)

var ok = http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok") })

func TestRecordsARequest(t *testing.T) {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /admin/api/client/{id}", func(w http.ResponseWriter, r *http.Request) {
		instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"})
		instrumentation.SetTarget(r.Context(), adminsessions.User{Email: "ben@example.com"})
		instrumentation.Annotate(r.Context(), "client 7731 renamed", attribute.String("client.name", "New"))
		w.WriteHeader(http.StatusCreated)
	})
	r := httptest.NewRequest("POST", "https://demo.example/admin/api/client/7731?page=2&api_key=abc", nil)
	r.RemoteAddr = "10.2.3.4:5555"
	r.Header.Set("User-Agent", "curl/8.0")
	e, w := record(t, mux, r)

	want := `type=API method=POST status=201 email=anna@example.com ip=10.2.3.4 id=7 action=client.update outcome=success ` +
		`url="https://demo.example/admin/api/client/7731?page=2&api_key=REDACTED" name="Anna Kowalska" object="client" object_id="7731" ` +
		`as_email="ben@example.com" note="client 7731 renamed"`
	if got := people(e); got != want {
		t.Errorf("line\n got %s\nwant %s", got, want)
	}
	if e.Route != "/admin/api/client/{id}" {
		t.Errorf("route %q", e.Route)
	}
	if e.Stage != adminsessions.Complete || e.Duration <= 0 || e.UserAgent != "curl/8.0" || e.User.ID != "7" {
		t.Errorf("event %+v", e)
	}
	if got := attributes(e); got["client.name"] != "New" {
		t.Errorf("attributes %v", got)
	}
	if got := w.Header().Get("X-Request-Id"); got == "" || got != e.RequestID {
		t.Errorf("X-Request-Id %q, recorded %q", got, e.RequestID)
	}
}

func TestPanicsGoOnAndAreRecorded(t *testing.T) {
	boom := errors.New("boom")
	for name, c := range map[string]struct {
		value     any
		status    int
		errorType string
	}{
		"error":  {boom, 500, "panic: *errors.errorString"},
		"string": {"boom", 500, "panic: string"},
		"abort":  {http.ErrAbortHandler, 500, "abort"},
	} {
		t.Run(name, func(t *testing.T) {
			var s sink
			h := newMiddleware(t, &s)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(c.value) }))
			func() {
				defer func() {
					if got := recover(); got != c.value {
						t.Errorf("panicked with %v, want %v", got, c.value)
					}
				}()
				h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
			}()
			e := s.Only(t)
			if e.StatusCode != c.status || e.ErrorType != c.errorType {
				t.Errorf("recorded %d %q, want %d %q", e.StatusCode, e.ErrorType, c.status, c.errorType)
			}
		})
	}
}

func TestAttributeKeysOfOthersAreRefused(t *testing.T) {
	for _, key := range []string{"", "user.email", "audit.anything", "http.route", "a b", "é", "a=b", "a\tb", strings.Repeat("k", 65)} {
		e, _ := record(t, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
			instrumentation.Annotate(r.Context(), "", attribute.String(key, "forged"), attribute.Int("fine", 1))
		}), httptest.NewRequest("GET", "/", nil))
		if got := attributes(e); len(got) != 1 || got["fine"] != "1" {
			t.Errorf("key %q: attributes %v, want only fine=1", key, got)
		}
	}
}
