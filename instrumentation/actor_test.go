package instrumentation_test

import (
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationmetrics"
	"github.com/adminsessions/adminsessions/internal/recordtest"
)

// handle records one request to a handler that does f.
func handle(t *testing.T, f func(context.Context), opts ...instrumentation.Option) adminsessions.Event {
	t.Helper()
	var s recordtest.Sink
	mw, err := instrumentation.NewMiddleware(append(opts, instrumentation.WithLoggerProvider(&s), instrumentation.WithLogger(slog.New(slog.DiscardHandler)))...)
	if err != nil {
		t.Fatal(err)
	}
	mw(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { f(r.Context()) })).
		ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/clients/7", nil))
	return s.Only(t)
}

func TestSetActor(t *testing.T) {
	e := handle(t, func(ctx context.Context) {
		instrumentation.SetActor(ctx, adminsessions.Actor{Type: adminsessions.ActorUser})
		instrumentation.SetActor(ctx, adminsessions.Actor{
			Type: adminsessions.ActorService, CredentialID: "ghp_0123456789abcdefghijklmnopqrstuvwxyzA", TenantID: "acme\t seq=9",
		})
		instrumentation.SetReason(ctx, "first")
		instrumentation.SetReason(ctx, "ticket 4711, password is hunter2x!")
	})
	if want := (adminsessions.Actor{Type: "service", CredentialID: "REDACTED", TenantID: "acme□ seq=9"}); e.Actor != want {
		t.Errorf("actor %+v", e.Actor)
	}
	if strings.Contains(e.Reason, "hunter2x") || !strings.Contains(e.Reason, "ticket 4711") {
		t.Errorf("reason %q", e.Reason)
	}
	if e.Anonymous() {
		t.Error("an actor is anonymous")
	}
	if instrumentation.SetActor(t.Context(), adminsessions.Actor{}) || instrumentation.SetReason(t.Context(), "x") {
		t.Error("something is recorded without a request")
	}
}

func TestWithGeo(t *testing.T) {
	var asked []netip.Addr
	e := handle(t, func(context.Context) {}, instrumentation.WithTruncatedAddresses(24, 48), instrumentation.WithGeo(func(a netip.Addr) adminsessions.Geo {
		asked = append(asked, a)
		return adminsessions.Geo{Country: "PL", Locality: "Kraków\n", Network: "AS5617 " + strings.Repeat("x", 1000)}
	}))
	if e.Geo.Country != "PL" || e.Geo.Locality != "Kraków□" || !strings.HasPrefix(e.Geo.Network, "AS5617 x") || !slices.Contains(e.Cut, "network") {
		t.Errorf("recorded %s", e.Line())
	}
	if len(asked) != 1 || asked[0] != netip.MustParseAddr("192.0.2.1") || e.ClientAddress != netip.MustParseAddr("192.0.2.0") {
		t.Errorf("asked for %v, recorded %v", asked, e.ClientAddress)
	}

	counted := instrumentationmetrics.New()
	e = handle(t, func(context.Context) {}, instrumentation.WithMetrics(counted), instrumentation.WithGeo(func(netip.Addr) adminsessions.Geo { panic("closed") }))
	if e.Geo != (adminsessions.Geo{}) || e.StatusCode != http.StatusOK || counted.Counters().Details["panic"].Load() != 1 {
		t.Errorf("recorded %s", e.Line())
	}
	if _, err := instrumentation.NewMiddleware(instrumentation.WithGeo(nil)); err == nil || !strings.Contains(err.Error(), "WithGeo") {
		t.Errorf("nil is taken: %v", err)
	}
}
