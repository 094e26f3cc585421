package viewer

import (
	"bytes"
	"context"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
)

// everyPath is something at each of the page's routes.
var everyPath = []string{"/", "/?q=x", "/export.csv", "/export.ndjson", "/api/events", "/api/count", "/api/online",
	"/api/complete", "/api/sessions", "/sessions", "/end-session?session=x", "/object/clients/7", "/settings", "/assets/page.css", "/nothing"}

// TestNobodyWithoutAScope answers nobody who may see nothing, and asks Loki
// nothing for them.
func TestNobodyWithoutAScope(t *testing.T) {
	for name, scope := range map[string]Scope{
		"zero":                 {},
		"rights but no events": {NoExport: true},
		"a name alone":         {Own: adminsessions.User{FullName: "Anna"}},
		"an empty tenant":      {Tenants: []string{""}},
		"a broken tenant":      {Tenants: []string{"acme", "a\xff"}},
	} {
		loki := newFakeLoki(t, holds(eventAgo(0, "/secret")))
		var log bytes.Buffer
		h := newTestHandler(t, loki.URL, func(c *Config) {
			c.Authorize = func(*http.Request) Scope { return scope }
			c.Logger = slog.New(slog.NewTextHandler(&log, nil))
		})
		for _, path := range everyPath {
			for _, method := range []string{http.MethodGet, http.MethodHead, http.MethodPost} {
				for _, handler := range []http.Handler{h, h.API()} {
					w := httptest.NewRecorder()
					handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), method, path, http.NoBody))
					if w.Code != http.StatusForbidden || strings.Contains(w.Body.String(), "secret") {
						t.Errorf("%s: %s %s: status %d", name, method, path, w.Code)
					}
				}
			}
		}
		if loki.asked() != 0 {
			t.Errorf("%s: Loki was asked", name)
		}
		if said := strings.Contains(log.String(), "Authorize"); said != strings.Contains(name, "tenant") {
			t.Errorf("%s: the log says %q", name, log.String())
		}
	}
}

// TestLookingWithoutTakingAway shows the page and no export to who may not
// export.
func TestLookingWithoutTakingAway(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, holds(eventAgo(0, "/x"))).URL, func(c *Config) {
		c.Authorize = func(*http.Request) Scope { return Scope{All: true, NoExport: true} }
	})
	if w := get(t, h, "/"); w.Code != http.StatusOK || strings.Contains(w.Body.String(), "export.") {
		t.Errorf("status %d, or the page offers an export", w.Code)
	}
	for _, path := range []string{"/export.csv", "/export.ndjson", "/api/events", "/api/sessions"} {
		if w := get(t, h, path); w.Code != http.StatusForbidden || !strings.Contains(w.Body.String(), `"no_export"`) {
			t.Errorf("%s: status %d: %s", path, w.Code, w.Body)
		}
	}
	if w := get(t, h.API(), "/admin/api/log"); w.Code != http.StatusForbidden {
		t.Errorf("API: status %d", w.Code)
	}
	if w := get(t, h, "/api/count"); w.Code != http.StatusOK {
		t.Errorf("count: status %d", w.Code)
	}
}

// TestEventsOutsideTheScopeAreNotShown has a Loki that answers with more than it
// was asked for.
func TestEventsOutsideTheScopeAreNotShown(t *testing.T) {
	in := func(tenant string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.Actor.TenantID = tenant }
	}
	loki := newFakeLoki(t, holds(eventAgo(1, "/mine", in("acme")), eventAgo(2, "/theirs", in("acme2")), eventAgo(3, "/nobodys")))
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.Authorize = func(*http.Request) Scope { return Scope{Tenants: []string{"acme"}} }
	})
	for _, path := range []string{"/", "/?sort=url", "/api/events", "/export.csv", "/export.ndjson", "/?sort=time"} {
		body := get(t, h, path).Body.String()
		if !strings.Contains(body, "/mine") || strings.Contains(body, "/theirs") || strings.Contains(body, "/nobodys") {
			t.Errorf("%s: %s", path, body)
		}
	}
}

// TestNoFragmentWithoutAScope puts nothing on a page of the panel for who may see
// nothing, and tells nobody that there was a look.
func TestNoFragmentWithoutAScope(t *testing.T) {
	loki := newFakeLoki(t, holds(eventAgo(0, "/x")))
	looked := 0
	scope := Scope{}
	h := newTestHandler(t, loki.URL, func(c *Config) {
		c.Authorize = func(*http.Request) Scope { return scope }
		c.Accessed = func(context.Context, string) { looked++ }
	})
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/admin/clients/7", http.NoBody)
	if got := h.ObjectHistory(r, adminsessions.Resource{Type: "clients", ID: "7"}); got != "" || looked != 0 || loki.asked() != 0 {
		t.Errorf("a fragment %q, %d looks, %d questions", got, looked, loki.asked())
	}
	scope.All = true
	for _, object := range []adminsessions.Resource{{}, {Type: "clients"}, {ID: "7"}, {Type: "..", ID: "7"}, {Type: "clients", ID: "."}} {
		if got := h.ObjectHistory(r, object); got != "" {
			t.Errorf("%+v: a fragment %q", object, got)
		}
	}
	if got := h.ObjectHistory(r, adminsessions.Resource{Type: "clients", ID: `"><script>`}); !strings.Contains(string(got), "adminsessions") || strings.Contains(string(got), "<script") || looked != 1 {
		t.Errorf("a fragment %q, %d looks", got, looked)
	}
}
