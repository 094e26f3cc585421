package instrumentation_test

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	"go.opentelemetry.io/otel/log/noop"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
)

func mustPrefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func TestImpossibleOptionsAreErrorsThatNameThem(t *testing.T) {
	all := instrumentation.When(func(*http.Request) bool { return true })
	for _, c := range []struct {
		option instrumentation.Option
		words  []string
	}{
		{instrumentation.WithAdmin(nil), []string{"WithAdmin", "nil"}},
		{instrumentation.WithType(nil), []string{"WithType", "nil"}},
		{instrumentation.WithTrustedProxies("X-Client Ip", mustPrefix("10.0.0.1/32")), []string{"WithTrustedProxies", "X-Client Ip", "name of a header"}},
		{instrumentation.WithTrustedProxies("", mustPrefix("10.0.0.1/32")), []string{"WithTrustedProxies", "no header"}},
		{instrumentation.WithTrustedProxies("X-Forwarded-Host", mustPrefix("10.0.0.1/32")), []string{"WithTrustedProxies", "X-Forwarded-Host"}},
		{instrumentation.WithClientAddress(nil), []string{"WithClientAddress", "nil"}},
		{instrumentation.WithProxyHops(0), []string{"WithProxyHops", "0"}},
		{instrumentation.WithProxyHops(1), []string{"WithTrustedProxies", "WithProxyHops"}},
		{instrumentation.WithForwardedPrefix(), []string{"WithTrustedProxies", "WithForwardedPrefix"}},
		{instrumentation.WithSignInNames(nil, []byte("short")), []string{"WithSignInNames", "16"}},
		{instrumentation.WithTrustedProxies("X-Real-IP"), []string{"WithTrustedProxies", "no prefixes"}},
		{instrumentation.WithTrustedProxies("X-Real-IP", netip.Prefix{}), []string{"WithTrustedProxies", "invalid"}},
		{instrumentation.WithTrustedProxies("X-Real-IP", mustPrefix("::ffff:10.0.0.0/104")), []string{"WithTrustedProxies", "::ffff:10.0.0.0/104"}},
		{instrumentation.WithTrustedUnixSocket("non sense"), []string{"WithTrustedUnixSocket", "non sense"}},
		{instrumentation.WithTruncatedAddresses(33, 48), []string{"WithTruncatedAddresses", "33"}},
		{instrumentation.WithTruncatedAddresses(24, -1), []string{"WithTruncatedAddresses", "-1"}},
		{instrumentation.WithRedactedQuery(""), []string{"WithRedactedQuery", "empty"}},
		{instrumentation.WithShownQuery("*"), []string{"WithShownQuery", "*"}},
		{instrumentation.WithRedactedPath("/invite"), []string{"WithRedactedPath", "/invite"}},
		{instrumentation.WithHeaders("Authorization"), []string{"WithHeaders", "Authorization", "secret"}},
		{instrumentation.WithHeaders("cookie"), []string{"WithHeaders", "Cookie"}},
		{instrumentation.WithHeaders("X-Auth-Token"), []string{"WithHeaders", "X-Auth-Token"}},
		{instrumentation.WithHeaders("no header"), []string{"WithHeaders", "no header"}},
		{instrumentation.WithFormFields("password"), []string{"WithFormFields", "password"}},
		{instrumentation.WithFormFields("a b"), []string{"WithFormFields", "a b"}},
		{instrumentation.WithSessionID(nil, make([]byte, 16)), []string{"WithSessionID", "nil"}},
		{instrumentation.WithSessionID(func(*http.Request) string { return "" }, make([]byte, 15)), []string{"WithSessionID", "15 bytes", "16"}},
		{instrumentation.WithRequestIDHeader("a b"), []string{"WithRequestIDHeader", "a b"}},
		{instrumentation.WithFilter("", all), []string{"WithFilter", "empty"}},
		{instrumentation.WithFilter("health", instrumentation.Rule{}), []string{"WithFilter", "health", "Rule"}},
		{instrumentation.WithFilter("health", instrumentation.Routes()), []string{"WithFilter", "health", "no patterns"}},
		{instrumentation.WithFilter("health", instrumentation.Routes("GET /{", "/")), []string{"WithFilter", "health", "GET /{"}},
		{instrumentation.WithFilter("health", instrumentation.When(nil)), []string{"WithFilter", "When"}},
		{instrumentation.WithStrict(all), []string{"WithStrict", "WithLoggerProvider", "global"}},
		{instrumentation.WithStrict(instrumentation.Rule{}), []string{"WithStrict", "Rule"}},
		{instrumentation.WithStrictTimeout(0), []string{"WithStrictTimeout", "0s"}},
		{instrumentation.WithStartedAfter(-1), []string{"WithStartedAfter"}},
	} {
		_, err := instrumentation.NewMiddleware(c.option)
		if err == nil {
			t.Errorf("no error that says %v", c.words)
			continue
		}
		for _, w := range c.words {
			if !strings.Contains(err.Error(), w) {
				t.Errorf("error %q does not say %q", err, w)
			}
		}
	}
	_, err := instrumentation.NewMiddleware(
		instrumentation.WithTrustedProxies("X-Real-IP", mustPrefix("10.0.0.0/8")),
		instrumentation.WithTrustedUnixSocket(instrumentation.Forwarded))
	if err == nil || !strings.Contains(err.Error(), "one header only") {
		t.Errorf("two headers: %v", err)
	}
	_, err = instrumentation.NewMiddleware(instrumentation.WithStrict(all), instrumentation.WithLoggerProvider(noop.NewLoggerProvider()))
	if err == nil || !strings.Contains(err.Error(), "noop.LoggerProvider") {
		t.Errorf("strict with a provider that can't say: %v", err)
	}
}

func TestFiltersCountWhatTheyHide(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	var s sink
	h := newMiddleware(t, &s, counting(reg),
		instrumentation.WithFilter("health", instrumentation.Routes("GET /healthz")),
		instrumentation.WithFilter("assets", instrumentation.Routes("/assets/")),
		instrumentation.WithFilter("probes", instrumentation.When(func(r *http.Request) bool { return r.UserAgent() == "probe" })),
	)(ok)
	for _, c := range []struct {
		method, path, agent string
		recorded            bool
	}{
		{"GET", "/healthz", "", false},
		{"POST", "/healthz", "", true},
		{"GET", "/healthz/more", "", true},
		{"GET", "/assets/app.css", "", false},
		{"GET", "/assets/", "", false},
		{"GET", "/assets", "", true}, // ServeMux's redirect is for /assets/, and somebody else's router may know /assets
		{"GET", "/assets/../admin/users", "", true},
		{"GET", "/admin/../assets/app.css", "", true},
		{"GET", "//assets/app.css", "", true},
		{"GET", "/assets/..%2fadmin", "", true},
		{"GET", "/assets/..;/admin/users/7/delete", "", true},
		{"GET", "/assets/..%5Cadmin", "", true},
		{"GET", "/assets/.%00./admin", "", true},
		{"GET", "/assets/%252e%252e/admin", "", true},
		{"GET", "/Assets/app.css", "", true},
		{"GET", "/healthz/", "", true},
		{"GET", "/healthz?_method=DELETE", "", true},
		{"GET", "/admin/users", "", true},
		{"GET", "/admin/users", "probe", false},
	} {
		before := len(s.Events())
		r := httptest.NewRequest(c.method, "http://demo.example"+c.path, nil)
		r.Header.Set("User-Agent", c.agent)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Body.String() != "ok" {
			t.Errorf("%s %s was not handled", c.method, c.path)
		}
		if recorded := len(s.Events()) > before; recorded != c.recorded {
			t.Errorf("%s %s: recorded %v, want %v", c.method, c.path, recorded, c.recorded)
		}
	}
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP adminsessions_instrumentation_requests_filtered_total Requests left out of the record, by the filter that matched.
# TYPE adminsessions_instrumentation_requests_filtered_total counter
adminsessions_instrumentation_requests_filtered_total{filter="assets"} 2
adminsessions_instrumentation_requests_filtered_total{filter="health"} 1
adminsessions_instrumentation_requests_filtered_total{filter="probes"} 1
`), "adminsessions_instrumentation_requests_filtered_total"); err != nil {
		t.Error(err)
	}
}

func TestMetrics(t *testing.T) {
	reg := prometheus.NewPedanticRegistry()
	var logged bytes.Buffer
	s := sink{Fail: func(_ context.Context, e *adminsessions.Event, _ adminsessions.Durability) error {
		switch e.Route {
		case "/fail":
			return errors.New("no space left on device")
		case "/bug":
			panic("bug")
		}
		return nil
	}}
	opts := []instrumentation.Option{
		counting(reg),
		instrumentation.WithLogger(slog.New(slog.NewTextHandler(&logged, nil))),
	}
	newMiddleware(t, &s, opts...) // a second middleware of the same program
	mux := http.NewServeMux()
	for _, p := range []string{"/fail", "/bug", "/api/x"} {
		mux.Handle(p, ok)
	}
	mux.HandleFunc("/panic", func(http.ResponseWriter, *http.Request) { panic("boom") })
	var late instrumentation.Recording
	mux.HandleFunc("/late", func(_ http.ResponseWriter, r *http.Request) {
		late = instrumentation.FromContext(r.Context())
	})
	h := newMiddleware(t, &s, opts...)(mux)
	for _, path := range []string{"/fail", "/fail", "/bug", "/api/x", "/panic", "/late", "/" + strings.Repeat("x", 3000)} {
		func() {
			defer func() { _ = recover() }()
			h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("GET", path, nil))
		}()
	}
	late.SetAdmin(anna)
	if err := testutil.GatherAndCompare(reg, strings.NewReader(`
# HELP adminsessions_instrumentation_acts_total Acts without a request that ended, by type.
# TYPE adminsessions_instrumentation_acts_total counter
adminsessions_instrumentation_acts_total{type="CLI"} 0
adminsessions_instrumentation_acts_total{type="JOB"} 0
adminsessions_instrumentation_acts_total{type="MCP"} 0
# HELP adminsessions_instrumentation_details_refused_total Details that did not get into their record, by reason.
# TYPE adminsessions_instrumentation_details_refused_total counter
adminsessions_instrumentation_details_refused_total{reason="form"} 0
adminsessions_instrumentation_details_refused_total{reason="key"} 0
adminsessions_instrumentation_details_refused_total{reason="late"} 1
adminsessions_instrumentation_details_refused_total{reason="panic"} 0
adminsessions_instrumentation_details_refused_total{reason="too_many"} 0
# HELP adminsessions_instrumentation_events_folded_pending Anonymous requests that have been counted and are not in a folded record yet.
# TYPE adminsessions_instrumentation_events_folded_pending gauge
adminsessions_instrumentation_events_folded_pending 0
# HELP adminsessions_instrumentation_events_folded_total Anonymous requests that are counted in a folded record instead of having one of their own.
# TYPE adminsessions_instrumentation_events_folded_total counter
adminsessions_instrumentation_events_folded_total 0
# HELP adminsessions_instrumentation_fields_cut_total Fields of records that were cut to their limits.
# TYPE adminsessions_instrumentation_fields_cut_total counter
adminsessions_instrumentation_fields_cut_total 1
# HELP adminsessions_instrumentation_panics_total Requests whose handler panicked.
# TYPE adminsessions_instrumentation_panics_total counter
adminsessions_instrumentation_panics_total 1
# HELP adminsessions_instrumentation_record_failures_total Records lost between the middleware and the provider, by reason.
# TYPE adminsessions_instrumentation_record_failures_total counter
adminsessions_instrumentation_record_failures_total{reason="disabled"} 0
adminsessions_instrumentation_record_failures_total{reason="panic"} 1
adminsessions_instrumentation_record_failures_total{reason="sink"} 2
# HELP adminsessions_instrumentation_requests_refused_total Requests answered with 503 because their record could not be made safe in time (strict mode).
# TYPE adminsessions_instrumentation_requests_refused_total counter
adminsessions_instrumentation_requests_refused_total 0
# HELP adminsessions_instrumentation_requests_started_total Requests recorded before they ended, and acts.
# TYPE adminsessions_instrumentation_requests_started_total counter
adminsessions_instrumentation_requests_started_total 0
# HELP adminsessions_instrumentation_requests_total Admin requests that ended, by type.
# TYPE adminsessions_instrumentation_requests_total counter
adminsessions_instrumentation_requests_total{type="API"} 1
adminsessions_instrumentation_requests_total{type="WEB"} 6
`)); err != nil {
		t.Error(err)
	}
	// Three failures within ten seconds are one line: the counters have the rest.
	if lines := strings.Count(logged.String(), "\n"); lines != 1 || !strings.Contains(logged.String(), "no space left on device") {
		t.Errorf("logged %q", logged.String())
	}
}
