package capture

import (
	"context"
	"database/sql"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/noop"
	"go.opentelemetry.io/otel/propagation"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	sdkmetric "go.opentelemetry.io/otel/sdk/metric"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	_ "modernc.org/sqlite" // the database that a panel would write to

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// candidate is one way to record a request, around the same handler.
type candidate struct {
	name    string
	handler func(tb testing.TB) http.Handler
}

var candidates = []candidate{
	{"bare", func(testing.TB) http.Handler { return panel() }},
	{"otelhttp", func(testing.TB) http.Handler { return otelhttp.NewMiddleware("", otelOptions()...)(panel()) }},
	{"ours+otelhttp/durable", func(tb testing.TB) http.Handler {
		return ours(tb, durable(tb), instrumentation.WithOTelHTTP(otelOptions()...))
	}},
	{"ours/durable", func(tb testing.TB) http.Handler { return ours(tb, durable(tb)) }},
	{"ours/discard", func(tb testing.TB) http.Handler { return ours(tb, discard{}) }},
	{"slog", slogged},
	{"otel-log", emitted},
	{"sqlite", inserted},
}

const (
	fullName  = "Anna Kowalska"
	email     = "anna@example.com"
	userID    = "0b1f8f4e-7c1a-4a57-9d8c-6f0f5a7f0c55"
	route     = "GET /admin/api/client/{uuid}"
	userAgent = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 Safari/537.36"
)

// panel is the handler that everything is put around: it answers as an API of
// an admin panel does, from memory.
func panel() http.Handler {
	body := []byte(`{"uuid":"8a4c","status":"active"}`)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Pattern = route
		w.Header()["Content-Type"] = contentType
		_, _ = w.Write(body)
	})
}

var contentType = []string{"application/json"}

func request() *http.Request {
	r := httptest.NewRequest("GET", "https://demo.example/admin/api/client/8a4c1a57?page=2&order=name", nil)
	r.RemoteAddr = "10.2.3.4:55555"
	r.Header.Set("User-Agent", userAgent)
	r.Header.Set("Accept", "application/json")
	return r
}

// response is the cheapest ResponseWriter with the methods of net/http's, so
// that what is measured is not a recorder's.
type response struct {
	http.Hijacker
	io.ReaderFrom
	header http.Header
	status int
}

func (w *response) Header() http.Header               { return w.header }
func (w *response) Write(p []byte) (int, error)       { return len(p), nil }
func (w *response) WriteString(s string) (int, error) { return len(s), nil }
func (w *response) WriteHeader(code int)              { w.status = code }
func (w *response) Flush()                            {}
func (w *response) FlushError() error                 { return nil }
func (w *response) CloseNotify() <-chan bool          { return nil }
func (w *response) SetReadDeadline(time.Time) error   { return nil }
func (w *response) SetWriteDeadline(time.Time) error  { return nil }
func (w *response) EnableFullDuplex() error           { return nil }

// otelOptions give otelhttp a real SDK: every span sampled, metrics recorded.
func otelOptions() []otelhttp.Option {
	return []otelhttp.Option{
		otelhttp.WithTracerProvider(sdktrace.NewTracerProvider()),
		otelhttp.WithMeterProvider(sdkmetric.NewMeterProvider(sdkmetric.WithReader(sdkmetric.NewManualReader()))),
		otelhttp.WithPropagators(propagation.TraceContext{}),
	}
}

func ours(tb testing.TB, p log.LoggerProvider, opts ...instrumentation.Option) http.Handler {
	opts = append(opts,
		instrumentation.WithLoggerProvider(p),
		instrumentation.WithLogger(slog.New(failing{slog.DiscardHandler, tb})),
		instrumentation.WithAdmin(func(*http.Request) adminsessions.User {
			return adminsessions.User{ID: userID, FullName: fullName, Email: email}
		}))
	mw, err := instrumentation.NewMiddleware(opts...)
	if err != nil {
		tb.Fatal(err)
	}
	return mw(panel())
}

// failing fails the benchmark when something is logged: a record that is lost
// is not a record that is cheap.
type failing struct {
	slog.Handler
	tb testing.TB
}

func (failing) Enabled(context.Context, slog.Level) bool { return true }
func (f failing) Handle(_ context.Context, r slog.Record) error {
	f.tb.Error(r.Message)
	return nil
}

// discard is a sink that does nothing: what remains is the middleware's own.
type discard struct{ noop.LoggerProvider }

func (discard) RecordEvent(context.Context, *adminsessions.Event, adminsessions.Durability) error {
	return nil
}

// durable is the exporter with its spool on disk and nobody at the other end.
func durable(tb testing.TB) *exporter.LoggerProvider {
	x, err := exporter.New(
		exporter.WithLoki(adminsessions.Loki{URL: "http://127.0.0.1:1"}),
		exporter.WithSpoolDir(filepath.Join(tb.TempDir(), "spool")),
		exporter.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		tb.Fatal(err)
	}
	p := x.LoggerProvider()
	tb.Cleanup(func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel() // what is left stays in the spool, which goes with the directory
		_ = p.Shutdown(ctx)
	})
	return p
}

// seen catches the status the way that the peers' users do.
type seen struct {
	*response
	status int
}

func (w *seen) WriteHeader(code int) { w.status = code; w.response.WriteHeader(code) }

// slogged writes the same fields as one JSON line into nothing.
func slogged(testing.TB) http.Handler {
	logger := slog.New(slog.NewJSONHandler(io.Discard, nil)) //nolint:sloglint // the handler's work is what is measured
	next := panel()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &seen{w.(*response), http.StatusOK}
		next.ServeHTTP(sw, r)
		logger.LogAttrs(r.Context(), slog.LevelInfo, "admin.request",
			slog.Time("start", start),
			slog.String("admin.interface", "api"),
			slog.String("http.request.method", r.Method),
			slog.Int("http.response.status_code", sw.status),
			slog.String("user.email", email),
			slog.String("client.address", r.RemoteAddr),
			slog.String("user.id", userID),
			slog.String("admin.action", "client.view"),
			slog.String("admin.outcome", "success"),
			slog.String("url.full", r.URL.RequestURI()),
			slog.String("user.full_name", fullName),
			slog.String("admin.resource.type", "client"),
			slog.String("admin.resource.id", "8a4c1a57"),
			slog.String("admin.request.id", "0123456789abcdefghjk"),
			slog.Float64("http.server.request.duration", time.Since(start).Seconds()),
			slog.String("http.route", r.Pattern),
			slog.String("user_agent.original", r.UserAgent()),
		)
	})
}

// emitted emits a plain OpenTelemetry log record of the same fields, through
// the SDK's batch processor, to an exporter that does nothing.
func emitted(tb testing.TB) http.Handler {
	p := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(nothing{})))
	tb.Cleanup(func() { _ = p.Shutdown(context.Background()) })
	logger := p.Logger("bench")
	next := panel()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &seen{w.(*response), http.StatusOK}
		next.ServeHTTP(sw, r)
		e := event(r, start, sw.status)
		logger.Emit(r.Context(), e.Record())
	})
}

type nothing struct{}

func (nothing) Export(context.Context, []sdklog.Record) error { return nil }
func (nothing) Shutdown(context.Context) error                { return nil }
func (nothing) ForceFlush(context.Context) error              { return nil }

func event(r *http.Request, start time.Time, status int) adminsessions.Event {
	return adminsessions.Event{
		Time: start, Stage: adminsessions.Complete,
		RequestID: "0123456789abcdefghjk", Type: adminsessions.API,
		User:   adminsessions.User{ID: userID, FullName: fullName, Email: email},
		Method: r.Method, URL: r.URL.RequestURI(), Route: r.Pattern, StatusCode: status,
		Duration: time.Since(start), UserAgent: r.UserAgent(),
	}
}

// inserted writes a row into a local database before it answers: what panels
// do today. WAL and synchronous=NORMAL is the cheaper of the two usual
// settings, and as safe against the death of the process as the spool.
func inserted(tb testing.TB) http.Handler {
	db, err := sql.Open("sqlite", "file:"+filepath.Join(tb.TempDir(), "audit.db")+
		"?_pragma=journal_mode(WAL)&_pragma=synchronous(NORMAL)&_pragma=busy_timeout(5000)")
	if err != nil {
		tb.Fatal(err)
	}
	db.SetMaxOpenConns(1)
	tb.Cleanup(func() { _ = db.Close() })
	if _, err := db.Exec(`CREATE TABLE admin_session_logs (start INTEGER, user_id TEXT, full_name TEXT, email TEXT, address TEXT,
		interface TEXT, method TEXT, url TEXT, route TEXT, status INTEGER, duration REAL, user_agent TEXT, stage TEXT, request_id TEXT)`); err != nil {
		tb.Fatal(err)
	}
	insert, err := db.Prepare(`INSERT INTO admin_session_logs VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?)`)
	if err != nil {
		tb.Fatal(err)
	}
	next := panel()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start := time.Now()
		sw := &seen{w.(*response), http.StatusOK}
		next.ServeHTTP(sw, r)
		if _, err := insert.ExecContext(r.Context(), start.UnixNano(), userID, fullName, email, r.RemoteAddr, "api", r.Method,
			r.URL.RequestURI(), r.Pattern, sw.status, time.Since(start).Seconds(), r.UserAgent(), "complete", "0123456789abcdefghjk"); err != nil {
			tb.Error(err)
		}
	})
}

// serve sends one request through h.
func serve(h http.Handler, r *http.Request) {
	h.ServeHTTP(&response{header: make(http.Header)}, r)
}

// BenchmarkCapture measures each candidate by itself, with its allocations.
func BenchmarkCapture(b *testing.B) {
	for _, c := range candidates {
		b.Run(c.name, func(b *testing.B) {
			h, r := c.handler(b), request()
			b.ReportAllocs()
			for b.Loop() {
				serve(h, r)
			}
		})
	}
}

// BenchmarkContention measures each candidate with many requests at once.
func BenchmarkContention(b *testing.B) {
	for _, c := range candidates {
		if c.name == "sqlite" {
			continue // one writer by design
		}
		for _, goroutines := range []int{1, 2, 4, 8, 16, 32, 64} {
			b.Run(c.name+"/"+itoa(goroutines), func(b *testing.B) {
				h := c.handler(b)
				b.ReportAllocs()
				run(b, h, goroutines)
			})
		}
	}
}
