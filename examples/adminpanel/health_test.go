package main

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
)

func TestHealthIsThePanelsOwn(t *testing.T) {
	status := http.StatusServiceUnavailable
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(status) }))
	defer loki.Close()
	const secret = "/var/lib/panel/spool"
	full := errors.New("the spool in " + secret + " is full")
	spool := full
	h := &health{spool: func() error { return spool }, client: http.DefaultClient, waitFor: []dependency{{"loki", loki.URL}, {"grafana", "http://127.0.0.1:1/"}}}
	strangers := http.NewServeMux()
	strangers.HandleFunc("GET /healthz", h.public)
	operators := h.operators(prometheus.NewRegistry())
	ask := func(handler http.Handler, path string) (int, string) {
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, httptest.NewRequest("GET", path, nil))
		return w.Code, w.Body.String()
	}

	// The spool takes nothing: unhealthy, and strangers are not told more.
	if code, said := ask(strangers, "/healthz"); code != 503 || said != "unavailable\n" {
		t.Errorf("to strangers, with a full spool: %d %q", code, said)
	}
	if code, said := ask(operators, "/healthz"); code != 503 || !strings.Contains(said, secret) {
		t.Errorf("to operators, with a full spool: %d %q; want the reason", code, said)
	}
	for _, want := range []string{full.Error(), "loki is not ready yet: 503", "grafana does not answer yet"} {
		if code, said := ask(operators, "/readyz"); code != 503 || !strings.Contains(said, want) {
			t.Errorf("/readyz: %d %q; want 503 and %q", code, said, want)
		}
	}

	// Loki is away: healthy, but not everything is ready.
	spool = nil
	for _, handler := range []http.Handler{strangers, operators} {
		if code, said := ask(handler, "/healthz"); code != 200 || said != "ok\n" {
			t.Errorf("while Loki is away: %d %q", code, said)
		}
	}
	if code, said := ask(operators, "/readyz"); code != 503 {
		t.Errorf("/readyz while Loki is away: %d %q", code, said)
	}
	status, h.waitFor = http.StatusOK, h.waitFor[:1]
	if code, said := ask(operators, "/readyz"); code != 200 || said != "ready\n" {
		t.Errorf("/readyz: %d %q", code, said)
	}
	// Nothing else is on the strangers' address.
	for _, path := range []string{"/metrics", "/readyz"} {
		if code, _ := ask(strangers, path); code != 404 {
			t.Errorf("%s is served to strangers: %d", path, code)
		}
	}
}
