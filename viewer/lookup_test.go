package viewer

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// TestWhatIsTypedIsLookedUp types what only the trail knows the meaning of.
func TestWhatIsTypedIsLookedUp(t *testing.T) {
	loki := newFakeLoki(t, holds(
		eventAgo(time.Minute, "https://x/", func(e *adminsessions.Event) {
			e.RequestID, e.Resource = "v7q2m8k4x1c9d3f6g5h0", adminsessions.Resource{Type: "clients", ID: "7731"}
		}),
		eventAgo(2*time.Minute, "https://x/", func(e *adminsessions.Event) {
			e.RequestID, e.Cause, e.Resource = "job-12345", "cause-12345", adminsessions.Resource{Type: "dns_zone", ID: "1"}
		})))
	h := newTestHandler(t, loki.URL)
	for typed, want := range map[string]url.Values{
		"client:7731":                      {"q": {"object:clients/7731"}},
		"-CLIENT:7731 anna":                {"q": {"-object:clients/7731 anna"}},
		`x clients:"7 1" "y z" dns_zone:1`: {"q": {`x object:"clients/7 1" y z object:dns_zone/1`}},
		"v7q2m8k4x1c9d3f6g5h0":             {"event": {"v7q2m8k4x1c9d3f6g5h0"}},
		" job-12345 ":                      {"event": {"job-12345"}},
		"cause-12345":                      {"event": {"cause-12345"}},
	} {
		w := get(t, h, "/?q="+url.QueryEscape(typed))
		for w.Code == http.StatusSeeOther { // the address is put into its own form first
			location := w.Header().Get("Location")
			if got, err := url.ParseQuery(strings.TrimPrefix(location, "./?")); err == nil && got.Encode() == want.Encode() {
				break
			}
			w = get(t, h, "/"+strings.TrimPrefix(location, "./"))
		}
		if w.Code != http.StatusSeeOther {
			t.Errorf("%s: status %d, want to be led to %v", typed, w.Code, want)
		}
	}
	for _, typed := range []string{`"v7q2m8k4x1c9d3f6g5h0"`, "v7q2m8k4x1c9d3f6g5h1", "v7q2m8k4x1c9d3f6g5h", "anna@example.com", "10.2.3.4", "2001:db8::1", "1234567", "clients/7731", "abcdefgh"} {
		if w := get(t, h, "/?q="+url.QueryEscape(typed)); w.Code != http.StatusOK {
			t.Errorf("%s: status %d to %s, want to be searched for as text", typed, w.Code, w.Header().Get("Location"))
		}
	}
	for _, typed := range []string{"statsu:404", "client:1 foo:bar", "clientss:1"} {
		w := get(t, h, "/?q="+url.QueryEscape(typed))
		if body := w.Body.String(); w.Code != http.StatusBadRequest || !strings.Contains(body, "no such key") || strings.Contains(body, "want one of") || !strings.Contains(body, "admin, action, object") ||
			!strings.Contains(body, `value="`+typed+`"`) {
			t.Errorf("%s: status %d, want 400, the keys, and what was typed", typed, w.Code)
		}
		if api := get(t, h, "/api/events?q="+url.QueryEscape(typed)); api.Code != http.StatusBadRequest || !strings.Contains(api.Body.String(), "there is no key") {
			t.Errorf("%s: API: status %d, %s", typed, api.Code, api.Body)
		}
	}
	if api := get(t, h, "/api/count?q=client:7731"); api.Code != http.StatusOK {
		t.Errorf("the API does not know client:7731: %s", api.Body)
	}
	// A HEAD asks Loki nothing.
	asked := loki.asked()
	for _, q := range []string{"client:1", "v7q2m8k4x1c9d3f6g5h0"} {
		h.ServeHTTP(httptest.NewRecorder(), httptest.NewRequestWithContext(t.Context(), http.MethodHead, "/?range=7d&q="+q, http.NoBody))
	}
	if n := loki.asked() - asked; n > 0 {
		t.Errorf("a HEAD has asked Loki %d questions", n)
	}
}

// One search must not make Loki look for any number of things one after the other.
func TestLookupsAreFew(t *testing.T) {
	loki := newFakeLoki(t, holds())
	h := newTestHandler(t, loki.URL)
	for path, most := range map[string]int{"/api/count?q=": 0, "/api/events?q=": 0, "/?q=": 0} {
		asked := loki.asked()
		q := ""
		for i := range 30 {
			q += " unknown" + string(rune('a'+i%26)) + string(rune('a'+i/26)) + ":1"
		}
		w := get(t, h, path+url.QueryEscape(q))
		if n := loki.asked() - asked; w.Code != http.StatusBadRequest || n > most {
			t.Errorf("%s: status %d, and %d questions to Loki, want 400 and at most %d", path, w.Code, n, most)
		}
	}
}

// TestLookupsWhileLokiIsAway says that Loki is away, not that a key is unknown.
func TestLookupsWhileLokiIsAway(t *testing.T) {
	h := newTestHandler(t, newFakeLoki(t, fails(http.StatusServiceUnavailable, "away")).URL)
	for _, q := range []string{"client:7731", "v7q2m8k4x1c9d3f6g5h0"} {
		w := get(t, h, "/?q="+q)
		if body := w.Body.String(); w.Code != http.StatusServiceUnavailable || !strings.Contains(body, `value="`+q+`"`) {
			t.Errorf("%s: status %d, want 503 and what was typed", q, w.Code)
		}
	}
	if w := get(t, h, "/api/complete"); w.Code != http.StatusServiceUnavailable {
		t.Errorf("completion: status %d", w.Code)
	}
	if w := get(t, h, "/api/complete?q=x"); w.Code != http.StatusBadRequest {
		t.Errorf("completion with a parameter: status %d", w.Code)
	}
}
