package instrumentation_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"go.opentelemetry.io/contrib/instrumentation/net/http/otelhttp"

	"github.com/adminsessions/adminsessions/instrumentation"
)

func TestTheTraceTellsNoMoreThanTheTrail(t *testing.T) {
	mux := http.NewServeMux()
	mux.Handle("GET /link/{token}", ok)
	mux.Handle("/", ok)
	for _, c := range []struct {
		name, target string
		outside      bool
		opts         []instrumentation.Option
		want         map[string]string // "" for none
	}{
		{"secret in the path", "/verify/" + jwt, false, nil, map[string]string{"url.path": "/verify/REDACTED"}},
		{"matrix parameter", "/a;jsessionid=" + plant, false, nil, map[string]string{"url.path": "/a;jsessionid=REDACTED"}},
		{"pattern", "/%72eset/" + plant, false, []instrumentation.Option{instrumentation.WithRedactedPath("/reset/{token}")}, map[string]string{"url.path": "/reset/REDACTED"}},
		{"wildcard", "/link/" + plant, false, nil, map[string]string{"url.path": "/link/REDACTED"}},
		{"filtered", "/verify/" + jwt, false, []instrumentation.Option{instrumentation.WithFilter("verify", instrumentation.Routes("/verify/"))}, map[string]string{"url.path": "/verify/REDACTED"}},
		{"otelhttp further out", "/verify/" + jwt, true, nil, map[string]string{"url.path": "/verify/REDACTED"}},
		{"nothing to hide", "/clients/7", false, nil, map[string]string{"url.path": "/clients/7"}},
		{"stranger's X-Forwarded-For", "/a", false, nil, map[string]string{"client.address": "192.0.2.1"}},
		{"trusted X-Forwarded-For", "/a", false, []instrumentation.Option{instrumentation.WithTrustedProxies(instrumentation.XForwardedFor, mustPrefix("192.0.2.1/32"))},
			map[string]string{"client.address": "203.0.113.9"}},
		{"truncated addresses", "/a", false, []instrumentation.Option{instrumentation.WithTruncatedAddresses(24, 48)},
			map[string]string{"client.address": "192.0.2.0", "network.peer.address": "192.0.2.0"}},
		{"long user agent", "/a", false, nil, map[string]string{"user_agent.original": strings.Repeat("u", 512)}},
	} {
		t.Run(c.name, func(t *testing.T) {
			spans, tp := tracer()
			var s sink
			opts := append(c.opts, instrumentation.WithLoggerProvider(&s))
			if !c.outside {
				opts = append(opts, instrumentation.WithOTelHTTP(otelhttp.WithTracerProvider(tp)))
			}
			mw, err := instrumentation.NewMiddleware(opts...)
			if err != nil {
				t.Fatal(err)
			}
			h := mw(mux)
			if c.outside {
				h = otelhttp.NewHandler(h, "", otelhttp.WithTracerProvider(tp))
			}
			r := httptest.NewRequest("GET", c.target, nil)
			r.Header.Set("X-Forwarded-For", "1.1.1.1, 203.0.113.9")
			r.Header.Set("User-Agent", strings.Repeat("u", 600))
			h.ServeHTTP(httptest.NewRecorder(), r)
			ended := spans.Ended()
			if len(ended) != 1 {
				t.Fatalf("%d spans", len(ended))
			}
			got := map[string]string{}
			for _, kv := range ended[0].Attributes() {
				if v := kv.Value.String(); strings.Contains(v, plant) || strings.Contains(v, jwt) {
					t.Errorf("%s is %s", kv.Key, v)
				}
				got[string(kv.Key)] = kv.Value.String()
			}
			for key, want := range c.want {
				if got[key] != want {
					t.Errorf("%s is %q, want %q", key, got[key], want)
				}
			}
		})
	}
}
