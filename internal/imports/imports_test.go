// Package imports_test imports what a program imports, and nothing else.
package imports_test

import (
	"net/http"
	"testing"

	_ "github.com/adminsessions/adminsessions"
	_ "github.com/adminsessions/adminsessions/exporter"
	_ "github.com/adminsessions/adminsessions/instrumentation"
	_ "github.com/adminsessions/adminsessions/viewer"
)

// Importing the packages registers nothing with http.DefaultServeMux: a program
// that serves it would show its command line, and requests of others, to anybody.
func TestNothingIsRegistered(t *testing.T) {
	for _, path := range []string{
		"/", "/debug/", "/debug/vars", "/debug/requests", "/debug/events", "/debug/pprof/", "/debug/pprof/cmdline", "/metrics",
	} {
		for _, method := range []string{http.MethodGet, http.MethodPost} {
			r, err := http.NewRequestWithContext(t.Context(), method, path, nil)
			if err != nil {
				t.Fatal(err)
			}
			if _, pattern := http.DefaultServeMux.Handler(r); pattern != "" {
				t.Errorf("%s %s is handled by %q", method, path, pattern)
			}
		}
	}
}
