package exporter_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	promconfig "github.com/prometheus/common/config"
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
		exporter.WithEndpoint("http://127.0.0.1:3100"),
		exporter.WithSpoolDir(spool),
		exporter.WithResource(resource.NewSchemaless(
			attribute.String(adminsessions.KeyServiceName, "panel"),
			attribute.String(adminsessions.KeyDeploymentEnvironment, "production"),
		)),
		exporter.WithRegisterer(prometheus.NewRegistry()),
		exporter.WithLogger(slog.New(slog.DiscardHandler)),
	)
	if err != nil {
		fmt.Println(err)
		return
	}
	provider := exp.LoggerProvider()

	var r log.Record
	r.SetBody(attribute.StringValue("backup finished"))
	provider.Logger("backup").Emit(context.Background(), r)

	// Nothing is lost if Loki is away: the event is in the spool.
	fmt.Println("events waiting:", exp.Backlog().Events)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	fmt.Println("shutdown:", provider.Shutdown(ctx))
	// Output:
	// events waiting: 1
	// shutdown: <nil>
}

// The exporter is a processor like any other, beside others of one's own.
func ExampleExporter_OnEmit() {
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
func ExampleWithHTTPClientConfig() {
	_, err := exporter.New(
		exporter.WithEndpoint("https://loki.example"),
		exporter.WithTenantID("acme"),
		exporter.WithHTTPClientConfig(promconfig.HTTPClientConfig{
			Authorization: &promconfig.Authorization{Type: "Bearer", CredentialsFile: "/run/secrets/loki-token"},
			TLSConfig:     promconfig.TLSConfig{CAFile: "/etc/ssl/loki-ca.pem"},
		}),
		// No spool: the error names what is missing.
	)
	fmt.Println(err)
	// Output: exporter configuration: spool directory: not set; give WithSpoolDir or ADMINSESSIONS_SPOOL_DIR a folder on a disk that outlives the process
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
