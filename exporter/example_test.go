package exporter_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/log"
	sdklog "go.opentelemetry.io/otel/sdk/log"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
)

// Give the exporter's provider to package instrumentation, or to anything that
// takes an OpenTelemetry LoggerProvider.
func Example() {
	spool, err := os.MkdirTemp("", "spool") // in production: a folder on a disk that stays
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(spool)

	exp, err := exporter.New(
		exporter.WithLoki(adminsessions.Loki{URL: "http://127.0.0.1:1"}),
		exporter.WithSpoolDir(spool),
		exporter.WithResource(resource.NewSchemaless(
			attribute.String("service.name", "panel"),
			attribute.String("deployment.environment.name", "production"),
		)),
		exporter.WithLogger(slog.New(slog.DiscardHandler)), // default: slog.Default()
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := exp.LoggerProvider()

	var r log.Record
	r.SetBody(attribute.StringValue("backup finished"))
	provider.Logger("backup").Emit(context.Background(), r)

	// Nothing is lost if Loki is away: the event is in the spool, behind the
	// trail's own, which says that it was started.
	fmt.Println("events waiting:", exp.Stats().BacklogEvents)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("shutdown:", provider.Shutdown(ctx))
	// Output:
	// events waiting: 2
	// shutdown: <nil>
}

// With processors of one's own, the exporter is one among them.
func Example_processor() {
	spool, err := os.MkdirTemp("", "spool")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(spool)
	exp, err := exporter.New(exporter.WithSpoolDir(spool))
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := sdklog.NewLoggerProvider(sdklog.WithProcessor(exp))
	fmt.Println(provider.Shutdown(context.Background()))
	// Output: <nil>
}

// Loki behind TLS, with a token that may rotate, for one tenant.
func ExampleWithLoki() {
	_, err := exporter.New(
		exporter.WithSpoolDir("/var/lib/panel/spool"),
		exporter.WithLoki(adminsessions.Loki{
			URL:             "https://loki.example",
			TenantID:        "acme",
			BearerTokenFile: "/run/secrets/loki-token", // it is not there: the error says so
		}),
	)
	fmt.Println(err)
	// Output: exporter configuration: Loki.BearerTokenFile: open /run/secrets/loki-token: no such file or directory
}

// A readiness endpoint that does not depend on Loki: Ready says whether events
// are recorded, Health whether they are delivered as well.
func ExampleExporter_Ready() {
	spool, err := os.MkdirTemp("", "spool")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(spool)
	exp, err := exporter.New(exporter.WithSpoolDir(spool))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer func() {
		if err := exp.Shutdown(context.Background()); err != nil {
			fmt.Println(err)
		}
	}()

	readyz := func(w http.ResponseWriter, _ *http.Request) {
		if err := exp.Ready(); err != nil {
			http.Error(w, err.Error(), http.StatusServiceUnavailable)
			return
		}
		fmt.Fprintln(w, "ok")
	}
	w := httptest.NewRecorder()
	readyz(w, httptest.NewRequest("GET", "/readyz", nil))
	fmt.Print(w.Code, " ", w.Body)
	// Output: 200 ok
}
