package viewer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

// liveSessions are a panel's sessions, as its application keeps them.
type liveSessions struct {
	mu    sync.Mutex
	of    map[string]adminsessions.User // by the hash
	asked []viewer.Ending
	fails bool
}

func (l *liveSessions) End(_ context.Context, which viewer.Ending) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.asked = append(l.asked, which)
	if l.fails {
		return 0, errors.New("a secret of the database")
	}
	n := 0
	for id, u := range l.of {
		if id == which.SessionID || which.SessionID == "" && u.ID == which.Admin.ID {
			delete(l.of, id)
			n++
		}
	}
	return n, nil
}

// post sends a form as one of scopes.
func (p *panel) post(t testing.TB, who, path string, form url.Values, change ...func(*http.Request)) (body string, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, p.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Sec-Fetch-Site", "same-origin")
	req.AddCookie(&http.Cookie{Name: "admin", Value: strings.ReplaceAll(who, " ", "_")})
	for _, f := range change {
		f(req)
	}
	resp, err := p.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), resp.StatusCode
}

// newEndingPanel is a panel whose viewers may end the sessions they see, but
// "reading", who may end none.
func newEndingPanel(t testing.TB, loki *lokitest.Server) (*panel, *liveSessions) {
	live := &liveSessions{of: map[string]adminsessions.User{"anna1": anna, "anna2": anna, "shared": anna, "other": anna, "going on": ben}}
	p := newScopedPanel(t, loki, func(c *viewer.Config) {
		authorize := c.Authorize
		c.Authorize = func(r *http.Request) viewer.Scope {
			scope := authorize(r)
			scope.EndSessions = !scope.NoExport
			return scope
		}
		c.Sessions = live
	})
	return p, live
}

// TestEndSession ends sessions, and has others try to.
func TestEndSession(t *testing.T) {
	loki := lokitest.Start(t)
	p, live := newEndingPanel(t, loki)
	push(t, loki, stream("one", sessionEvents(time.Now().Add(-30*time.Minute))...))
	const path = prefix + "end-session"

	for name, test := range map[string]struct {
		who, form string
		change    func(*http.Request)
		status    int
	}{
		"not allowed":               {"reading", "session=anna1&reason=because", nil, 403},
		"nobody":                    {"x", "session=anna1&reason=because", nil, 403},
		"another tenant's session":  {"acme", "session=anna2&reason=because", nil, 404},
		"another tenant's admin":    {"acme", "session=shared&admin=ben@example.com&reason=because", nil, 404},
		"another admin's session":   {"ben", "session=anna1&reason=because", nil, 404},
		"no such session":           {"all", "session=anna&reason=because", nil, 404},
		"an admin not in it":        {"all", "session=anna1&admin=ben@example.com&reason=because", nil, 404},
		"no session":                {"all", "reason=because", nil, 400},
		"a pattern":                 {"all", "session=.*&reason=because", nil, 404},
		"not a session":             {"all", "session=-&reason=because", nil, 404},
		"a long id":                 {"all", "reason=because&session=" + strings.Repeat("x", 1000), nil, 400},
		"a body without an end":     {"all", "session=anna1&reason=" + strings.Repeat("x", 20_000), nil, 400},
		"no reason":                 {"all", "session=anna1", nil, 422},
		"a blank reason":            {"all", "session=anna1&reason=+%0A+%C2%A0+", nil, 422},
		"a reason that is no text":  {"all", "session=anna1&reason=%ff%ff%ff%ff", nil, 422},
		"a long reason":             {"all", "session=anna1&reason=" + strings.Repeat("x", 501), nil, 422},
		"another site":              {"all", "session=anna1&reason=because", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "cross-site") }, 403},
		"a neighbour":               {"all", "session=anna1&reason=because", func(r *http.Request) { r.Header.Set("Sec-Fetch-Site", "same-site") }, 403},
		"another site, old browser": {"all", "session=anna1&reason=because", func(r *http.Request) { r.Header.Del("Sec-Fetch-Site"); r.Header.Set("Origin", "https://evil.example") }, 403},
		"no form":                   {"all", "session=anna1&reason=because", func(r *http.Request) { r.Header.Set("Content-Type", "text/plain") }, 400},
		"everything in the query":   {"all", "", func(r *http.Request) { r.URL.RawQuery = "session=anna1&reason=because" }, 400},
		"all sessions of nobody":    {"all", "session=nobody&admin=-&reason=because", nil, 404},
	} {
		form, err := url.ParseQuery(test.form)
		if err != nil {
			t.Fatal(err)
		}
		change := test.change
		if change == nil {
			change = func(*http.Request) {}
		}
		body, status := p.post(t, test.who, path, form, change)
		if status != test.status || len(live.asked) != 0 {
			t.Errorf("%s: status %d, want %d; asked to end %v: %.200s", name, status, test.status, live.asked, body)
		}
		live.asked = nil
	}
	// To look at the question ends nothing.
	body, status := p.as(t, "all", path+"?session=shared&reason=because")
	if status != http.StatusOK || len(live.asked) != 0 || !strings.Contains(body, "3 admins used this session") || !strings.Contains(body, "End all sessions of") {
		t.Errorf("the question: status %d: %s", status, body)
	}
	// A viewer of a tenant sees of a shared session what is his.
	if body, status = p.as(t, "acme", path+"?session=shared"); status != http.StatusOK || strings.Contains(body, "Ben") || strings.Contains(body, "10.0.0.9") {
		t.Errorf("the question in a scope: status %d: %s", status, body)
	}
	if body, status = p.as(t, "acme", path+"?session=anna2"); status != http.StatusNotFound || strings.Contains(body, "Anna") {
		t.Errorf("the question out of scope: status %d: %s", status, body)
	}

	// One, and then all of an administrator's.
	p.notes = nil
	body, status = p.post(t, "acme", path, query("session", "anna1", "reason", "left <the> laptop"))
	if want := (viewer.Ending{SessionID: "anna1", Admin: anna, Reason: "left <the> laptop"}); status != http.StatusOK || len(live.asked) != 1 || live.asked[0] != want || len(live.of) != 4 {
		t.Errorf("status %d, asked %+v, want %+v; %d live on", status, live.asked, want, len(live.of))
	}
	if !strings.Contains(body, "1 session has ended.") || len(p.notes) != 1 || p.notes[0] != "ended session anna1 of Anna Kowalska (1); reason: left <the> laptop" {
		t.Errorf("notes %q: %s", p.notes, body)
	}
	live.asked = nil
	body, status = p.post(t, "all", path, query("session", "shared", "admin", anna.Email, "reason", "stolen"))
	if want := (viewer.Ending{Admin: anna, Reason: "stolen"}); status != http.StatusOK || len(live.asked) != 1 || live.asked[0] != want || len(live.of) != 1 {
		t.Errorf("status %d, asked %+v, want %+v; %d live on", status, live.asked, want, len(live.of))
	}
	if !strings.Contains(body, "3 sessions have ended.") || p.notes[len(p.notes)-1] != "ended all sessions of Anna Kowalska (3); reason: stolen" {
		t.Errorf("notes %q: %s", p.notes, body)
	}
	if body, _ = p.post(t, "all", path, query("session", "shared", "admin", anna.Email, "reason", "stolen")); !strings.Contains(body, "Nothing had to end") {
		t.Errorf("once more: %s", body)
	}
	live.fails = true
	body, status = p.post(t, "all", path, query("session", "going on", "reason", "stolen"))
	if status != http.StatusInternalServerError || strings.Contains(body, "secret") || !strings.Contains(p.notes[len(p.notes)-1], "could not end session going on of ") {
		t.Errorf("a failure: status %d, notes %q: %s", status, p.notes, body)
	}
	// While Loki is away nobody knows whose session that is.
	loki.Kill()
	live.asked = nil
	if body, status = p.post(t, "acme", path, query("session", "anna1", "reason", "stolen")); status != http.StatusServiceUnavailable || len(live.asked) != 0 {
		t.Errorf("Loki away: status %d: %s", status, body)
	}
}

// TestSessionsInABrowser goes from the list to a story, and ends a session without
// a script.
func TestSessionsInABrowser(t *testing.T) {
	loki := lokitest.Start(t)
	p, live := newEndingPanel(t, loki)
	push(t, loki, stream("one", sessionEvents(time.Now().Add(-30*time.Minute))...))
	as := func(who string) chromedp.Action {
		return network.SetCookie("admin", who).WithURL(p.URL)
	}
	b := newTab(startBrowser(t), t, p, as("all"), chromedp.EmulateViewport(1440, 1600))
	b.open("")
	b.follow(`.tabs li:last-child a`)
	if got := eval[string](b, `document.title`); got != "Sessions – Admin Sessions" || b.rows() != 8 {
		t.Errorf("%q has %d rows", got, b.rows())
	}
	b.accessible("sessions")
	b.run(chromedp.EmulateViewport(1440, 600))
	b.open("sessions?tenant=acme")
	b.run(chromedp.EmulateViewport(1440, 1600))
	b.open("sessions")
	b.follow(`th.s-requests a`)
	if got := eval[string](b, `document.querySelector("tr.event").dataset.key`); got != "shared" {
		t.Errorf("by requests %q is first", got)
	}
	b.follow(`th.s-requests a`)
	if got := eval[string](b, `document.querySelector("th.s-requests").getAttribute("aria-sort")`); got != "ascending" {
		t.Errorf("sorted %q", got)
	}
	b.follow(`tr[data-key=shared] td.s-ip a`)
	if got := b.address().Get("ip"); got != "10.0.0.9" || b.rows() != 1 {
		t.Errorf("only %q: %d rows", got, b.rows())
	}
	b.follow(`.chip`)
	b.follow(`tr[data-key=shared] td.s-more a`)
	if got := b.column("ip"); len(got) != 5 || got[0] != "10.0.0.3" || got[4] != "10.0.0.9" {
		t.Errorf("the story's addresses %q", got)
	}
	b.follow(`.tabs li:last-child a`)
	if got := b.address().Get("session"); got != "shared" || b.rows() != 1 {
		t.Errorf("the tab keeps the filter %q: %d rows", got, b.rows())
	}

	phone := newTab(startBrowser(t), t, p, as("all"), emulation.SetDeviceMetricsOverride(390, 844, 1, true))
	phone.open("sessions")
	if got := eval[int](phone, `document.documentElement.scrollWidth`); got > 390 {
		t.Errorf("the page is %d wide on a phone", got)
	}
	phone.accessible("sessions on a phone")
	phone.shoot("viewer-sessions-phone")

	b.follow(`tr[data-key=shared] .end`)
	b.accessible("end session")
	b.shoot("viewer-end-session")
	b.run(chromedp.SendKeys("#reason", "lost laptop", chromedp.ByQuery))
	b.leave(chromedp.Click("button.danger", chromedp.ByQuery))
	if !strings.Contains(b.text("main"), "1 session has ended.") || len(live.asked) != 1 || live.asked[0].Reason != "lost laptop" {
		t.Errorf("%q, asked %+v", b.text("main"), live.asked)
	}
	b.accessible("session ended")
	if got := fmt.Sprint(b.notes()); !strings.Contains(got, "ended session shared") {
		t.Errorf("notes %s", got)
	}
}

// notes are what the application was told of what was seen and done.
func (b *tab) notes() []string {
	b.panel.mu.Lock()
	defer b.panel.mu.Unlock()
	return append([]string(nil), b.panel.notes...)
}
