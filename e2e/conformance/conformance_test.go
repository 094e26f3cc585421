package conformance_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlplog/otlploghttp"
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

// both sends each event both ways. It is the provider of the middleware, so
// that both get the very same event.
type both struct {
	noop.LoggerProvider
	exporter *exporter.LoggerProvider
	otlp     log.Logger
	events   int
}

func (b *both) RecordEvent(ctx context.Context, e *adminsessions.Event, d adminsessions.Durability) error {
	b.events++
	b.otlp.Emit(ctx, e.Record())
	return b.exporter.RecordEvent(ctx, e, d)
}

func TestTheExporterAndOTLPMakeTheSameEntry(t *testing.T) {
	ctx := t.Context()
	loki := lokitest.Start(t)
	res := resource.NewSchemaless(
		attribute.String(adminsessions.KeyServiceName, "panel"),
		attribute.String(adminsessions.KeyDeploymentEnvironment, "test"),
		attribute.String(adminsessions.KeyServiceInstanceID, "host-1"),
	)
	otlpExporter, err := otlploghttp.New(ctx, otlploghttp.WithEndpointURL(loki.URL()+"/otlp/v1/logs"))
	if err != nil {
		t.Fatal(err)
	}
	otlp := sdklog.NewLoggerProvider(sdklog.WithProcessor(sdklog.NewBatchProcessor(otlpExporter)), sdklog.WithResource(res))
	x, err := exporter.New(exporter.WithEndpoint(loki.URL()), exporter.WithSpoolDir(t.TempDir()), exporter.WithResource(res))
	if err != nil {
		t.Fatal(err)
	}
	ours := x.LoggerProvider()
	provider := &both{exporter: ours, otlp: otlp.Logger(adminsessions.ScopeName, log.WithInstrumentationVersion(adminsessions.Version))}

	requests(t, provider)
	if provider.events != 9 { // a strict request and a stream are two each
		t.Fatalf("%d events", provider.events)
	}

	flush, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := otlp.Shutdown(flush); err != nil {
		t.Fatal(err)
	}
	if err := ours.Shutdown(flush); err != nil {
		t.Fatal(err)
	}
	viaExporter, viaOTLP := map[string]lokitest.Entry{}, map[string]lokitest.Entry{}
	for _, entry := range loki.Await(flush, `{service_name="panel"}`, lokitest.Last(time.Hour), 2*provider.events) {
		id := entry.Metadata["admin_request_id"] + " " + entry.Metadata["admin_request_stage"]
		way := viaOTLP
		if entry.Metadata["audit_log_id"] != "" {
			way = viaExporter
		}
		if _, twice := way[id]; twice {
			t.Errorf("%s is there twice", id)
		}
		way[id] = entry
	}
	if len(viaExporter) != provider.events || len(viaOTLP) != provider.events {
		t.Fatalf("%d entries through the exporter and %d through OTLP, want %d", len(viaExporter), len(viaOTLP), provider.events)
	}
	for id, want := range viaOTLP {
		got, ok := viaExporter[id]
		if !ok {
			t.Errorf("%s did not come through the exporter", id)
			continue
		}
		metadata := maps.Clone(got.Metadata)
		for _, own := range []string{adminsessions.KeyLogID, adminsessions.KeySequenceNumber} {
			if _, ok := metadata[adminsessions.LokiName(own)]; !ok {
				t.Errorf("%s has no %s", id, own)
			}
			delete(metadata, adminsessions.LokiName(own))
		}
		if got.Line != want.Line {
			t.Errorf("line\n through the exporter %s\n through OTLP         %s", got.Line, want.Line)
		}
		if !maps.Equal(got.Labels, want.Labels) {
			t.Errorf("labels\n through the exporter %v\n through OTLP         %v", got.Labels, want.Labels)
		}
		for name := range union(metadata, want.Metadata) {
			if a, b := metadata[name], want.Metadata[name]; a != b {
				t.Errorf("%s: %s = %q through the exporter, %q through OTLP", want.Line, name, a, b)
			}
		}
		if d := got.Time.Sub(want.Time); d < 0 || d >= time.Millisecond {
			t.Errorf("%s: the exporter's entry is %v later", id, d)
		}
	}
}

func union(a, b map[string]string) map[string]bool {
	names := map[string]bool{}
	for _, m := range []map[string]string{a, b} {
		for name := range m {
			names[name] = true
		}
	}
	return names
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
