package instrumentation_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationtest"
)

func TestWithActions(t *testing.T) {
	table := map[string]string{
		"GET /admin/{$}": "dashboard.view", "POST /admin/clients/{id}/close": "clients.delete", "POST /admin/raw/7": "raw.press",
		"POST /admin/said": "not.this", "GET /admin/gone": "gone.view", "POST /admin/forged": "a.b outcome=success\tseq=1",
	}
	trail := instrumentationtest.New(t, instrumentation.WithActions(func(method, route string) string {
		if strings.HasSuffix(route, "/panics") {
			panic("no such table")
		}
		return table[method+" "+route]
	}))
	answers := func(status int) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }
	}
	mux := http.NewServeMux()
	mux.Handle("GET /admin/{$}", answers(200))
	mux.Handle("POST /admin/clients/{id}/close", answers(200))
	mux.Handle("POST /admin/clients/{id}/open", answers(200))
	mux.Handle("POST /admin/tools/panics", answers(200))
	mux.Handle("POST /admin/forged", answers(200))
	mux.Handle("GET /admin/gone", answers(302))
	mux.HandleFunc("POST /admin/said", func(_ http.ResponseWriter, r *http.Request) { instrumentation.SetAction(r.Context(), "said.here") })
	for _, c := range []struct {
		handler        http.Handler
		method, target string
		action         string
	}{
		{mux, http.MethodGet, "/admin/", "dashboard.view"},
		{mux, http.MethodPost, "/admin/clients/7/close", "clients.delete"},
		{mux, http.MethodPost, "/admin/clients/7/open", "clients.open"},
		{mux, http.MethodPost, "/admin/said", "said.here"},
		{mux, http.MethodPost, "/admin/tools/panics", "tools.panics.create"},
		{mux, http.MethodGet, "/admin/gone", ""}, // led elsewhere: nothing was shown
		{answers(200), http.MethodPost, "/admin/raw/7", "raw.press"},
		{answers(404), http.MethodPost, "/admin/raw/7", ""},
	} {
		trail.Middleware(c.handler).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(c.method, c.target, nil))
		if events := trail.Take(); len(events) != 1 || events[0].Action != c.action {
			t.Errorf("%s %s: recorded %q, want %q", c.method, c.target, events[0].Line(), c.action)
		}
	}
	trail.Middleware(mux).ServeHTTP(httptest.NewRecorder(), httptest.NewRequest(http.MethodPost, "/admin/forged", nil))
	e := trail.Take()[0]
	if back, err := adminsessions.ParseLine(e.Line()); err != nil || back.StatusCode != 200 || back.Outcome != adminsessions.OutcomeSuccess || e.Resource.ID != "" {
		t.Errorf("%v: recorded %s", err, e.Line())
	}
	if _, err := instrumentation.NewMiddleware(instrumentation.WithActions(nil)); err == nil || !strings.Contains(err.Error(), "WithActions") {
		t.Errorf("nil is taken: %v", err)
	}
}
