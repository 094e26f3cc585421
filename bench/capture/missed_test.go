package capture

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/gorilla/handlers"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationtest"
)

// TestMissed sends a panel one request for each way in which requests end, and
// counts those of which a log knows nothing, and those that it has without the
// administrator who sent them. The table comes with -v.
func TestMissed(t *testing.T) {
	for _, way := range []struct {
		name string
		// around puts the log where it is usually put, and returns what it has.
		around          func(t *testing.T) (h http.Handler, logged func() []string)
		missed, unknown int
	}{
		{"access log around the panel", accessLog, 2, 4},
		{"log line behind the sign-in", logLine, 5, 0},
		{"adminsessions", recorded, 0, 0},
	} {
		h, logged := way.around(t)
		server := httptest.NewUnstartedServer(h)
		server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
		server.Start()
		for _, r := range requests {
			send(t, server.URL, r)
		}
		server.Close() // waits for what is under way
		var missed, nobody []string
		lines := logged()
		for _, r := range requests {
			line := ""
			for _, l := range lines {
				if strings.Contains(l, r.path) {
					line = l
				}
			}
			switch {
			case line == "":
				missed = append(missed, r.path)
			case r.admin != "" && !strings.Contains(line, r.admin+"@"):
				nobody = append(nobody, r.path)
			}
		}
		t.Logf("%-28s misses %d of %d requests (%s), and does not name who sent %d more", way.name, len(missed), len(requests), strings.Join(missed, " "), len(nobody))
		if len(missed) != way.missed || len(nobody) != way.unknown {
			t.Errorf("%s: %d missed, %d without who sent them; want %d and %d", way.name, len(missed), len(nobody), way.missed, way.unknown)
		}
	}
}

// requests end in different ways, each at a path of its own. admin is who is signed
// in.
var requests = []struct{ method, path, admin string }{
	{"GET", "/answered", "anna"},
	{"DELETE", "/done", "anna"},
	{"GET", "/not-signed-in", ""},
	{"GET", "/wrong-password", ""},
	{"GET", "/forbidden", "rory"},
	{"GET", "/unknown", "anna"},
	{"POST", "/panics", "anna"},
	{"POST", "/aborts", "anna"},
}

func send(t *testing.T, server string, want struct{ method, path, admin string }) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), want.method, server+want.path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	switch {
	case want.admin != "":
		r.SetBasicAuth(want.admin+"@example.com", "right")
	case want.path == "/wrong-password":
		r.SetBasicAuth("anna@example.com", "wrong")
	}
	resp, err := http.DefaultTransport.RoundTrip(r)
	if err != nil { // of a handler that panics no answer comes
		return
	}
	_, _ = io.Copy(io.Discard, resp.Body)
	_ = resp.Body.Close()
}

// endings answers at the paths of requests.
func endings() http.Handler {
	mux := http.NewServeMux()
	ok := func(http.ResponseWriter, *http.Request) {}
	mux.HandleFunc("GET /answered", ok)
	mux.HandleFunc("DELETE /done", ok)
	mux.HandleFunc("POST /panics", func(http.ResponseWriter, *http.Request) { panic("a bug") })
	mux.HandleFunc("POST /aborts", func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) })
	return mux
}

// signedIn lets administrators through who may see what they ask for.
func signedIn(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, password, ok := r.BasicAuth()
		switch {
		case !ok || password != "right":
			http.Error(w, "sign in", http.StatusUnauthorized)
			return
		case r.URL.Path == "/forbidden":
			instrumentation.SetAdmin(r.Context(), adminsessions.User{Email: name})
			http.Error(w, "not for you", http.StatusForbidden)
			return
		}
		instrumentation.SetAdmin(r.Context(), adminsessions.User{Email: name})
		next.ServeHTTP(w, r)
	})
}

// accessLog is the combined log format, by the middleware that most use for it.
func accessLog(*testing.T) (http.Handler, func() []string) {
	var log bytes.Buffer
	return handlers.CombinedLoggingHandler(&log, signedIn(endings())), func() []string { return strings.Split(log.String(), "\n") }
}

// logLine is a line where the administrator is known: behind the sign-in.
func logLine(*testing.T) (http.Handler, func() []string) {
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	next := endings()
	return signedIn(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		next.ServeHTTP(w, r)
		name, _, _ := r.BasicAuth()
		logger.Info("request", "method", r.Method, "path", r.URL.Path, "admin", name)
	})), func() []string { return strings.Split(log.String(), "\n") }
}

func recorded(t *testing.T) (http.Handler, func() []string) {
	trail := instrumentationtest.New(t)
	return trail.Middleware(signedIn(endings())), func() (lines []string) {
		for _, e := range trail.Take() {
			lines = append(lines, fmt.Sprint(e.URL, " ", e.User.Email))
		}
		return lines
	}
}
