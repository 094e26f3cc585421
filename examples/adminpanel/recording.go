package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"path/filepath"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/exporter/exportermetrics"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/verify"
	"github.com/adminsessions/adminsessions/proof/verify/verifymetrics"
)

// recording is everything between a request and Loki.
type recording struct {
	exporter   *exporter.Exporter
	provider   *exporter.LoggerProvider
	tracer     *trace.TracerProvider
	middleware func(http.Handler) http.Handler
	recorder   *instrumentation.Recorder
	verifier   *verify.Verifier
}

// startRecording opens the spool, starts shipping and makes the middleware, which
// asks known who sends a request.
func startRecording(c config, registry *prometheus.Registry, logger *slog.Logger, known func(*http.Request) adminsessions.User) (*recording, error) {
	described, err := describe()
	if err != nil {
		return nil, err
	}
	// In a demo the key is made beside the data; a real panel names one.
	keys, err := proof.MakeKeyFile(c.proofKey, "adminpanel")
	if err != nil {
		return nil, err
	}
	x, err := exporter.New(
		exporter.WithLoki(c.loki),
		exporter.WithSpoolDir(c.spoolDir),
		exporter.WithProof(exporter.Proof{Keys: keys}),
		exporter.WithResource(described),
		exporter.WithLogger(logger),
	)
	if err != nil {
		return nil, err
	}
	counted := instrumentationmetrics.New()
	registry.MustRegister(exportermetrics.New(x), counted)
	verifier, err := verify.New(verify.Schedule{
		Config:    verify.Config{Loki: c.loki, Keys: []string{keys[0].Public()}, Services: services(described), Now: time.Now},
		Interval:  10 * time.Minute,
		StateFile: filepath.Join(c.dataDir, "verified.json"),
		Sink:      x,
		Logger:    logger,
	})
	if err != nil {
		return nil, errors.Join(err, x.Shutdown(context.Background()))
	}
	registry.MustRegister(verifymetrics.New(verifier))
	rec := &recording{
		verifier: verifier,
		exporter: x,
		provider: x.LoggerProvider(),
		// Nothing is done with the spans here; they give each record its trace.
		tracer: trace.NewTracerProvider(trace.WithResource(described)),
	}
	opts := []instrumentation.Option{
		instrumentation.WithLoggerProvider(rec.provider),
		instrumentation.WithOTelHTTP(otelhttp.WithTracerProvider(rec.tracer)),
		instrumentation.WithAdmin(known),
		instrumentation.WithSessionID(sessionSecret, c.sessionKey),
		// The background traffic comes from this machine and says for whom, as a
		// reverse proxy beside the panel would. A real panel names its proxies
		// here, one by one: whoever may come from one of these addresses chooses
		// what the trail calls the client's.
		instrumentation.WithTrustedProxies(instrumentation.XForwardedFor,
			netip.MustParsePrefix("127.0.0.1/32"), netip.MustParsePrefix("::1/128")),
		instrumentation.WithMetrics(counted),
		instrumentation.WithLogger(logger),
	}
	opts = append(opts, policy()...)
	var wrong error
	rec.middleware, err = instrumentation.NewMiddleware(opts...)
	rec.recorder, wrong = instrumentation.NewRecorder(opts...)
	if err := errors.Join(err, wrong); err != nil {
		return nil, errors.Join(err, x.Shutdown(context.Background()))
	}
	return rec, nil
}

// policy is what is left out, and what must be explained.
func policy() []instrumentation.Option {
	return []instrumentation.Option{
		instrumentation.WithFilter("assets", instrumentation.Routes("GET /assets/", "GET "+adminSessionsPath+"assets/")),
		instrumentation.WithFilter("probes", instrumentation.Routes("GET /healthz")),
		instrumentation.WithRequiredReason(instrumentation.Routes("POST /admin/admins/{id}/role/update", "POST /admin/admins/{id}/mfa/disable")),
		instrumentation.WithGeo(geo),
	}
}

// services is the value of service.name of a resource.
func services(r *resource.Resource) []string {
	name, ok := r.Set().Value("service.name")
	if !ok {
		return nil
	}
	return []string{name.AsString()}
}

// describe is the resource of every record: what OTEL_SERVICE_NAME and
// OTEL_RESOURCE_ATTRIBUTES say, else the demo's names.
func describe() (*resource.Resource, error) {
	demo := resource.NewSchemaless(
		attribute.String("service.name", "adminpanel"),
		attribute.String("deployment.environment.name", "demo"),
	)
	described, err := resource.Merge(demo, resource.Environment())
	if err != nil {
		return nil, fmt.Errorf("describe this service: %w", err)
	}
	return described, nil
}

// shutdown delivers what it can until ctx ends; the rest stays in the spool.
func (rec *recording) shutdown(ctx context.Context) error {
	return errors.Join(rec.provider.Shutdown(ctx), rec.tracer.Shutdown(ctx))
}

func sessionSecret(r *http.Request) string {
	cookie, err := r.Cookie(sessionCookie)
	if err != nil {
		return ""
	}
	return cookie.Value
}

// user is the account in the record's words.
func (a *account) user() adminsessions.User {
	if a == nil {
		return adminsessions.User{}
	}
	return adminsessions.User{ID: a.ID, FullName: a.FullName, Email: a.Email}
}

// actor is what acts with the account: its owner, or what the token was given to.
func (a *account) actor(t *token) adminsessions.Actor {
	if t == nil {
		return adminsessions.Actor{TenantID: a.Tenant}
	}
	return adminsessions.Actor{Type: t.Actor, CredentialID: t.ID, TenantID: a.Tenant}
}

// record puts on record that the request tried to sign in, under which name,
// and how that went.
func (try attempt) record(ctx context.Context) {
	outcome := adminsessions.SignInSuccess
	if try.failed {
		outcome = adminsessions.SignInFailure
	}
	instrumentation.SignIn(ctx, try.name, outcome)
}

// note puts on record what the request did.
func note(ctx context.Context, what string) { instrumentation.Annotate(ctx, what) }

// shutdownTimeout is how long ending may take in all.
const shutdownTimeout = 8 * time.Second
