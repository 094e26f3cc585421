package conformance_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
	"go.opentelemetry.io/otel/exporters/stdout/stdoutlog"
	"go.opentelemetry.io/otel/log"
	"go.opentelemetry.io/otel/log/noop"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// all sends each event every way. It is the provider of the middleware, so that
// all get the very same event.
type all struct {
	noop.LoggerProvider
	exporter *exporter.LoggerProvider
	loggers  []log.Logger
	events   int
}

func (a *all) RecordEvent(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	a.events++
	for _, l := range a.loggers {
		l.Emit(ctx, e.Record())
	}
	return a.exporter.RecordEvent(ctx, e, d)
}

// An event is the same line in Loki whether it goes through the exporter, as an
// OpenTelemetry record into Loki's OTLP endpoint (deploy/collector only takes the
// rest of the record away), or as a record in a file (deploy/alloy reads line and
// time where this test does).
func TestEveryWayMakesTheSameLine(t *testing.T) {
	ctx := t.Context()
	loki := lokitest.Start(t)
	res := resource.NewSchemaless(
		attribute.String("service.name", "panel"),
		attribute.String("deployment.environment.name", "test"),
		attribute.String("service.instance.id", "host-1"),
	)
	x, err := exporter.New(exporter.WithLoki(adminsessions.Loki{URL: loki.URL()}), exporter.WithSpoolDir(t.TempDir()), exporter.WithResource(res))
	if err != nil {
		t.Fatal(err)
	}
	otlpExporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(loki.URL()+"/otlp/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	otlp := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(otlpExporter)), sdklog.WithResource(res))
	var file bytes.Buffer
	fileExporter, err := stdoutlog.New(stdoutlog.WithWriter(&file))
	if err != nil {
		t.Fatal(err)
	}
	inFile := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewSimpleProcessor(fileExporter)), sdklog.WithResource(res))
	provider := &all{exporter: x.LoggerProvider(), loggers: []log.Logger{otlp.Logger(adminsessions.ScopeName), inFile.Logger(adminsessions.ScopeName)}}

	requests(t, provider)
	if provider.events < 9 { // a strict request and a stream are two each
		t.Fatalf("%d events", provider.events)
	}
	flush, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	for _, end := range []func(context.Context) error{otlp.Shutdown, inFile.Shutdown, provider.exporter.Shutdown} {
		if err := end(flush); err != nil {
			t.Fatal(err)
		}
	}

	// The exporter's own two, that the trail was started and stopped, are left out.
	ways := map[string]map[string]time.Time{"exporter": {}, "OTLP": {}, "file": shipped(t, &file)} // times by line
	for _, entry := range loki.Await(flush, `{service_name="panel"} != " action=trail.st"`, lokitest.Last(time.Hour), 2*provider.events) {
		way, line := "OTLP", entry.Line
		if entry.Labels["audit_log_id"] != "" {
			way = "exporter"
			// What the exporter adds stands behind the last TAB.
			line = line[:strings.LastIndexByte(line, '\t')]
		}
		ways[way][line] = entry.Time
	}
	for way, lines := range ways {
		if len(lines) != provider.events {
			t.Errorf("%d lines by %s, want %d", len(lines), way, provider.events)
		}
		for line, at := range lines {
			if _, err := adminsessions.ParseLine(line); err != nil {
				t.Errorf("by %s: %v: %s", way, err, line)
			}
			want, ok := ways["exporter"][line]
			if !ok {
				t.Errorf("only by %s: %s", way, line)
			}
			// The exporter keeps times apart.
			if d := want.Sub(at); d < 0 || d >= time.Millisecond {
				t.Errorf("by %s at %s, by the exporter at %s: %s", way, at, want, line)
			}
		}
	}
}

// shipped reads a file of records as deploy/alloy/config.alloy does.
func shipped(t *testing.T, file io.Reader) map[string]time.Time {
	t.Helper()
	config, err := os.ReadFile("../../deploy/alloy/config.alloy")
	if err != nil {
		t.Fatal(err)
	}
	if places := `{line = "Body.Value", time = "Timestamp"}`; !bytes.Contains(config, []byte(places)) {
		t.Errorf("deploy/alloy reads line and time elsewhere than at %s", places)
	}
	lines := make(map[string]time.Time)
	for decoder := json.NewDecoder(file); ; {
		var record struct {
			Timestamp time.Time
			Body      struct{ Value string }
		}
		if err := decoder.Decode(&record); errors.Is(err, io.EOF) {
			return lines
		} else if err != nil {
			t.Fatal(err)
		}
		lines[record.Body.Value] = record.Timestamp
	}
}

// requests goes through everything that a record can hold.
func requests(t *testing.T, provider log.LoggerProvider) {
	t.Helper()
	record, err := instrumentation.NewMiddleware(
		instrumentation.WithLoggerProvider(provider),
		instrumentation.WithOTelHTTP(otelhttp.WithTracerProvider(sdktrace.NewTracerProvider())),
		instrumentation.WithSignInNames(func(string) bool { return true }, nil),
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("192.0.2.0/24")),
		instrumentation.WithSessionID(func(r *http.Request) string { return "secret" }, make([]byte, 16)),
		instrumentation.WithHeaders("Referer", "X-Tenant"),
		instrumentation.WithStrict(instrumentation.Routes("DELETE /")),
	)
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/admin/api/client/{id}", func(w http.ResponseWriter, r *http.Request) {
		ctx := r.Context()
		instrumentation.SetAdmin(ctx, adminsessions.User{ID: "7", FullName: "Zażółć „Anna” 日本", Email: "anna@example.com"})
		instrumentation.SetTarget(ctx, adminsessions.User{ID: "8", FullName: "Ben", Email: "ben@example.com"})
		instrumentation.Annotate(ctx, "client 7731 renamed",
			attribute.Int64("client.id", 7731), attribute.Bool("forced", true), attribute.Float64("client.balance", 0.1),
			attribute.Float64("client.large", 1e21), attribute.StringSlice("client.tags", []string{"a", "b\"c"}),
			attribute.String("client-name..odd_", "x"), attribute.String("client.empty", ""),
			attribute.String("long", strings.Repeat("ł", 1000)))
		instrumentation.Annotate(ctx, "", attribute.String("client.name.before", "Old"), attribute.String("client.name.after", "New\nLine"))
		w.WriteHeader(http.StatusAccepted)
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		instrumentation.SignIn(r.Context(), `mal"lory`, adminsessions.SignInFailure)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("GET /panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	mux.HandleFunc("GET /events", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/event-stream")
		w.WriteHeader(http.StatusOK)
	})
	h := record(mux)
	for i, c := range []struct{ method, target string }{
		{"GET", "/admin/api/client/7?page=2&token=abc"},
		{"DELETE", "/admin/api/client/7"},
		{"POST", "/login"},
		{"GET", "/panic"},
		{"GET", "/events"},
		{"FROB", "/admin/api/client/%20x"},
		{"GET", "/nowhere/" + strings.Repeat("x", 3000)},
	} {
		r := httptest.NewRequestWithContext(t.Context(), c.method, "https://demo.example"+c.target, nil)
		r.Header.Set("X-Forwarded-For", "2001:db8::7")
		r.Header.Set("User-Agent", "agent\x01 \u202e日本")
		r.Header.Set("Referer", "https://u:p@demo.example/?token=abc")
		r.Header["X-Tenant"] = []string{"a", "b"}
		r.Header.Set("X-Request-Id", fmt.Sprintf("request-%d", i))
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), r)
		}()
	}
}
