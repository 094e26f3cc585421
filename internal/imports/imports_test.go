package imports

import (
	"net/http"
	"testing"

	_ "github.com/adminsessions/adminsessions/exporter"
)

// Whoever serves http.DefaultServeMux must not serve more because the exporter is
// imported: golang.org/x/net/trace registers /debug/requests and /debug/events,
// expvar /debug/vars, net/http/pprof the rest.
func TestNothingIsRegisteredByImporting(t *testing.T) {
	for _, path := range []string{"/", "/debug/requests", "/debug/events", "/debug/vars", "/debug/pprof/", "/debug/pprof/profile", "/metrics"} {
		for _, method := range []string{"GET", "POST"} {
			r, err := http.NewRequestWithContext(t.Context(), method, "http://127.0.0.1"+path, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if _, pattern := http.DefaultServeMux.Handler(r); pattern != "" {
				t.Errorf("%s %s is served by %q", method, path, pattern)
			}
		}
	}
}
