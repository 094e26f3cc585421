package capture

import (
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

// BenchmarkOptions measures in turns what each option adds to the middleware
// without options, over a sink that does nothing.
func BenchmarkOptions(b *testing.B) {
	const form = "name=Anna+Kowalska&status=active&note=a+longer+text+that+is+not+recorded"
	admin := adminsessions.User{ID: userID, FullName: fullName, Email: email}
	next := panel()
	cases := []struct {
		name    string
		handler http.Handler // panel, unless set
		prepare func(*http.Request)
		opts    []instrumentation.Option
	}{
		{name: "none"},
		{name: "folded", opts: []instrumentation.Option{instrumentation.WithAnonymousLimit(1)}},
		{name: "WithAdmin", opts: []instrumentation.Option{instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return admin })}},
		{name: "SetAdmin", handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			instrumentation.SetAdmin(r.Context(), admin)
			next.ServeHTTP(w, r)
		})},
		{name: "Annotate", handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			instrumentation.Annotate(r.Context(), "client 7731 renamed", attribute.Int("client.id", 7731))
			next.ServeHTTP(w, r)
		})},
		{name: "SetActor", handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			instrumentation.SetActor(r.Context(), adminsessions.Actor{Type: adminsessions.ActorService, CredentialID: "token-17", TenantID: "acme"})
			next.ServeHTTP(w, r)
		})},
		{name: "SetResource", handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			instrumentation.SetResource(r.Context(), adminsessions.Resource{ID: "7731", Name: "Acme"})
			next.ServeHTTP(w, r)
		})},
		{name: "WithGeo", opts: []instrumentation.Option{instrumentation.WithGeo(func(netip.Addr) adminsessions.Geo {
			return adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS64496 Example Mobile"}
		})}},
		{name: "WithRequiredReason/not meant", opts: []instrumentation.Option{instrumentation.WithRequiredReason(instrumentation.Routes("DELETE /admin/", "POST /admin/settings"))}},
		{name: "WithRequiredReason/header", prepare: func(r *http.Request) {
			r.Header.Set("X-Audit-Reason", "ticket 4711")
		}, opts: []instrumentation.Option{instrumentation.WithRequiredReason(instrumentation.Routes("/"))}},
		{name: "WithTrustedProxies", prepare: func(r *http.Request) {
			r.Header.Set("X-Forwarded-For", "192.0.2.7, 10.0.0.9")
			r.Header.Set("X-Forwarded-Proto", "https")
		}, opts: []instrumentation.Option{instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, netip.MustParsePrefix("10.0.0.0/8"))}},
		{name: "WithTruncatedAddresses", opts: []instrumentation.Option{instrumentation.WithTruncatedAddresses(24, 48)}},
		{name: "WithSessionID", opts: []instrumentation.Option{instrumentation.WithSessionID(
			func(*http.Request) string { return "0123456789abcdef0123456789abcdef" }, make([]byte, 32))}},
		{name: "WithHeaders", opts: []instrumentation.Option{instrumentation.WithHeaders("Accept")}},
		{name: "WithRedactedPath", opts: []instrumentation.Option{instrumentation.WithRedactedPath("/invite/{token}")}},
		{name: "WithFilter/Routes", opts: []instrumentation.Option{instrumentation.WithFilter("assets", instrumentation.Routes("/assets/", "GET /healthz"))}},
		{name: "WithFormFields", prepare: func(r *http.Request) {
			r.Method = http.MethodPost
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}, opts: []instrumentation.Option{instrumentation.WithFormFields("name", "status")}},
		{name: "body read, no form fields", prepare: func(r *http.Request) {
			r.Method = http.MethodPost
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		}},
	}
	type running struct {
		h     http.Handler
		r     *http.Request
		spent time.Duration
	}
	all := make([]running, len(cases))
	for i, c := range cases {
		h := c.handler
		if h == nil {
			h = next
		}
		if c.prepare != nil && strings.Contains(c.name, "orm") {
			h = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.Copy(io.Discard, r.Body)
				next.ServeHTTP(w, r)
			})
		}
		mw, err := instrumentation.NewMiddleware(append([]instrumentation.Option{
			instrumentation.WithLoggerProvider(discard{}),
			instrumentation.WithAnonymousLimit(1_000_000), // all but one are recorded one by one
			instrumentation.WithLogger(slog.New(slog.DiscardHandler)),
		}, c.opts...)...)
		if err != nil {
			b.Fatal(err)
		}
		all[i] = running{h: mw(h), r: request()}
		if c.prepare != nil {
			c.prepare(all[i].r)
		}
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	const round = 100
	rounds := 0
	for b.Loop() {
		for i := range all {
			a := &all[i]
			start := threadTime(b)
			for range round {
				if a.r.Method == http.MethodPost {
					a.r.Body = io.NopCloser(strings.NewReader(form))
				}
				serve(a.h, a.r)
			}
			a.spent += threadTime(b) - start
		}
		rounds++
	}
	for i, c := range cases {
		b.ReportMetric(float64((all[i].spent-all[0].spent).Nanoseconds())/float64(rounds*round), "+ns/"+strings.ReplaceAll(c.name, " ", "_"))
	}
	b.ReportMetric(float64(all[0].spent.Nanoseconds())/float64(rounds*round), "ns/none")
	b.ReportMetric(0, "ns/op") // of a round of everything: says nothing
}
