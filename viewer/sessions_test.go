package viewer

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

// noSessions are the sessions of a panel that has none.
type noSessions struct{}

func (noSessions) End(context.Context, Ending) (int, error) { return 0, nil }

// TestSessionsViews reads the URLs of the list.
func TestSessionsViews(t *testing.T) {
	for query, want := range map[string]string{
		"":                              "",
		"sort=-last":                    "",
		"sort=last":                     "sort=last",
		"sort=admin&q=x&range=7d":       "q=x&range=7d&sort=admin",
		"sort=-requests&page=3&size=25": "page=3&size=25&sort=-requests",
		"admin=&q=&sort=":               "",
	} {
		v, err := parseSessionsView(query, time.UTC)
		if got := v.values().Encode(); err != nil || got != want {
			t.Errorf("%q is %q, %v; want %q", query, got, err, want)
		}
	}
	for _, query := range []string{"sort=url", "sort=-", "sort=last&sort=first", "past=1.1", "x=1", "range=1y", "%zz", "q=" + strings.Repeat("x", 501)} {
		if _, err := parseSessionsView(query, time.UTC); err == nil {
			t.Errorf("%q: no error", query)
		}
	}
}

// TestSessionsWhileLokiFails says so, with the status that the requests have.
func TestSessionsWhileLokiFails(t *testing.T) {
	const secret = "10.99.88.77"
	for name, test := range map[string]struct {
		loki   http.HandlerFunc
		status int
	}{
		"broken":  {fails(500, "panic at "+secret), http.StatusServiceUnavailable},
		"refused": {fails(401, secret), http.StatusBadGateway},
	} {
		h := newTestHandler(t, newFakeLoki(t, test.loki).URL, func(c *Config) {
			c.Sessions = noSessions{}
			c.Authorize = func(*http.Request) Scope { return Scope{All: true, EndSessions: true} }
		})
		for _, path := range []string{"/sessions", "/api/sessions", "/end-session?session=x", "/object/clients/7"} {
			if w := get(t, h, path); w.Code != test.status || strings.Contains(w.Body.String(), secret) {
				t.Errorf("%s: %s: status %d, want %d: %s", name, path, w.Code, test.status, w.Body)
			}
		}
	}
}

// TestNobodyEndsSessionsWithoutBeingAllowed offers nothing and refuses everything
// where the panel has given no Sessions, or the scope does not allow it.
func TestNobodyEndsSessionsWithoutBeingAllowed(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"the panel can't": func(c *Config) {
			c.Authorize = func(*http.Request) Scope { return Scope{All: true, EndSessions: true} }
		},
		"the viewer mayn't": func(c *Config) { c.Sessions = noSessions{} },
	} {
		loki := newFakeLoki(t, holds(eventAgo(0, "/x")))
		h := newTestHandler(t, loki.URL, change)
		for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut} {
			r := httptest.NewRequestWithContext(t.Context(), method, "/end-session?session=x", strings.NewReader("session=x&reason=because"))
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			w := httptest.NewRecorder()
			h.ServeHTTP(w, r)
			if w.Code != http.StatusForbidden && w.Code != http.StatusMethodNotAllowed {
				t.Errorf("%s: %s: status %d", name, method, w.Code)
			}
		}
		if loki.asked() != 0 {
			t.Errorf("%s: Loki was asked", name)
		}
	}
}
