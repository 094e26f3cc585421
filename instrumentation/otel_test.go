package instrumentation_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/sdk/trace/tracetest"
	"go.opentelemetry.io/otel/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// records is a processor of OpenTelemetry's SDK that keeps what it is given.
type records struct {
	mu   sync.Mutex
	kept []sdklog.Record
}

func (p *records) Enabled(context.Context, sdklog.EnabledParameters) bool { return true }
func (p *records) Shutdown(context.Context) error                         { return nil }
func (p *records) ForceFlush(context.Context) error                       { return nil }
func (p *records) OnEmit(ctx context.Context, r *sdklog.Record) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return err
	}
	p.kept = append(p.kept, r.Clone())
	return nil
}

func tracer() (*tracetest.SpanRecorder, *sdktrace.TracerProvider) {
	spans := tracetest.NewSpanRecorder()
	return spans, sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(spans))
}

func TestAnyProviderTakesTheRecord(t *testing.T) {
	var p records
	spans, tp := tracer()
	mw, err := instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(&p))),
		instrumentation.WithOTelHTTP(otelhttp.WithTracerProvider(tp)),
		instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return anna }))
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /client/{id}", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) })
	ctx, leave := context.WithCancel(t.Context())
	leave() // the client has gone; the record must be made all the same
	w := httptest.NewRecorder()
	mw(mux).ServeHTTP(w, httptest.NewRequestWithContext(ctx, "GET", "/client/7", nil))

	if len(p.kept) != 1 {
		t.Fatalf("%d records", len(p.kept))
	}
	r := p.kept[0]
	if r.EventName() != adminsessions.EventName || r.Severity() != log.SeverityWarn || r.SeverityText() != "WARN" ||
		r.InstrumentationScope().Name != adminsessions.ScopeName || r.InstrumentationScope().Version != adminsessions.Version {
		t.Errorf("record %+v", r)
	}
	want := `type=WEB method=GET status=404 email=anna@example.com ip=192.0.2.1 id=7 action=client.view outcome=failure ` +
		`url="http://example.com/client/7" name="Anna Kowalska" object="client" object_id="7"`
	got, rest, _ := strings.Cut(r.Body().AsString(), "\t")
	if got != want || !strings.HasSuffix(rest, ` error="client_gone"`) {
		t.Errorf("body\n got %s\t%s\nwant %s", got, rest, want)
	}
	ended := spans.Ended()
	if len(ended) != 1 || ended[0].Name() != "GET /client/{id}" {
		t.Fatalf("spans %v", ended)
	}
	if sc := ended[0].SpanContext(); r.TraceID() != sc.TraceID() || r.SpanID() != sc.SpanID() {
		t.Errorf("the record's trace is %s %s, the span's %s %s", r.TraceID(), r.SpanID(), sc.TraceID(), sc.SpanID())
	}
}

func TestOTelHTTPIsThereOnce(t *testing.T) {
	for name, c := range map[string]struct {
		asked   bool // for with the option
		outside bool // otelhttp is around the middleware already
		spans   int
	}{
		"asked for":     {true, false, 1},
		"there already": {true, true, 1},
		"outside only":  {false, true, 1},
		"left out":      {false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			spans, tp := tracer()
			var s sink
			var opts []instrumentation.Option
			if c.asked {
				opts = append(opts, instrumentation.WithOTelHTTP(otelhttp.WithTracerProvider(tp)))
			}
			mw := newMiddleware(t, &s, opts...)
			mux := http.NewServeMux()
			mux.Handle("GET /client/{id}", ok)
			h := mw(mux)
			if c.outside {
				h = otelhttp.NewHandler(h, "", otelhttp.WithTracerProvider(tp))
			}
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/client/7", nil))
			ended := spans.Ended()
			if len(ended) != c.spans {
				t.Fatalf("%d spans, want %d", len(ended), c.spans)
			}
			if c.spans == 0 {
				return
			}
			if ended[0].Name() != "GET /client/{id}" {
				t.Errorf("span %q", ended[0].Name())
			}
			e, sc := s.Only(t), ended[0].SpanContext()
			if e.TraceID != sc.TraceID() || e.SpanID != sc.SpanID() {
				t.Errorf("the record belongs to %s %s, the span is %v", e.TraceID, e.SpanID, sc)
			}
		})
	}
}

func TestTracingFurtherInIsTakenFromTheSettersContext(t *testing.T) {
	_, tp := tracer()
	var s sink
	mw := newMiddleware(t, &s)
	var inner trace.SpanContext
	mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ctx, span := tp.Tracer("").Start(r.Context(), "inner")
		defer span.End()
		inner = span.SpanContext()
		instrumentation.SetAdmin(ctx, anna)
	})).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil))
	if e := s.Only(t); !inner.IsValid() || e.TraceID != inner.TraceID() || e.SpanID != inner.SpanID() {
		t.Errorf("the record belongs to %s %s, the span is %v", e.TraceID, e.SpanID, inner)
	}
}

// This test sets OpenTelemetry's global provider, which can be done once in a
// process: before, the API is alone.
func TestWithTheAPIAloneNothingHappensUntilThereIsAProvider(t *testing.T) {
	mw, err := instrumentation.NewMiddleware()
	if err != nil {
		t.Fatal(err)
	}
	var got http.ResponseWriter
	h := mw(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = w
		if instrumentation.SetAdmin(r.Context(), anna) {
			t.Error("something was recorded nowhere")
		}
	}))
	w, r := httptest.NewRecorder(), httptest.NewRequest("GET", "/", nil)
	h.ServeHTTP(w, r)
	if got != w || len(w.Header()) != 0 {
		t.Errorf("the handler got %T, headers %v", got, w.Header())
	}
	if n := testing.AllocsPerRun(100, func() { h.ServeHTTP(w, r) }); n != 0 {
		t.Errorf("%v allocations for nothing", n)
	}

	var p records
	otel.SetLoggerProvider(sdklog.NewLoggerProvider(sdklog.WithProcessor(&p)))
	mw(ok).ServeHTTP(w, r)
	if len(p.kept) != 1 {
		t.Errorf("%d records with a provider set later", len(p.kept))
	}
	var s sink
	otel.SetLoggerProvider(&s)
	mw(ok).ServeHTTP(w, r)
	if len(s.Events()) != 1 || len(p.kept) != 1 {
		t.Errorf("%d events in a sink set later", len(s.Events()))
	}
}
