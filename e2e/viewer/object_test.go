package viewer

import (
	"fmt"
	"html/template"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// client is an object of the panel.
func client(id string) adminsessions.Resource { return adminsessions.Resource{Type: "clients", ID: id} }

// on is what somebody did to an object.
func on(r adminsessions.Resource, action string, tenant string, change ...func(*adminsessions.Event)) func(*adminsessions.Event) {
	return func(e *adminsessions.Event) {
		e.Resource, e.Action, e.Actor.TenantID, e.Method = r, action, tenant, "POST"
		for _, f := range change {
			f(e)
		}
	}
}

// objectEvents are acts on one client, and what is not to be taken for one.
func objectEvents(start time.Time) []adminsessions.Event {
	var events []adminsessions.Event
	add := func(change func(*adminsessions.Event)) {
		n := len(events) + 1
		events = append(events, event(start.Add(time.Duration(n)*time.Second), n, change))
	}
	named := func(e *adminsessions.Event) { e.Resource.Name = "Acme" }
	changed := func(e *adminsessions.Event) {
		e.Changes = []adminsessions.Change{{Field: "status", Old: "active", New: "suspended"}, {Field: "note", New: `<b>"new"</b>`}}
		e.Reason = "did not pay"
	}
	add(on(client("7731"), "clients.create", "acme", named))
	add(on(client("7731"), "clients.view", "acme", named, func(e *adminsessions.Event) { e.Method = "GET" }))
	add(on(client("7731"), "clients.update_form", "acme", named, func(e *adminsessions.Event) { e.Method = "GET" }))
	add(on(client("7731"), "clients.suspend", "acme", named, changed))
	add(on(client("77310"), "clients.delete", "acme"))
	add(on(adminsessions.Resource{Type: "invoices", ID: "7731"}, "invoices.delete", "acme"))
	add(on(adminsessions.Resource{Type: "clients", ID: "1", Name: `" object_id="7731`}, "clients.delete", "acme"))
	add(on(client("7731"), "clients.delete", "acme2", func(e *adminsessions.Event) { e.Resource.Name, e.Note = secret, secret }))
	add(on(client("7731"), "clients.update", "acme", func(e *adminsessions.Event) {
		e.User, e.Type, e.Method, e.StatusCode, e.Outcome = ben, adminsessions.Job, "", 0, adminsessions.OutcomeFailure
	}))
	for _, id := range []string{"a/b", "%2F", "żółć \" < ?#&", "..", "a;b=c"} {
		add(on(client(id), "clients.delete", "acme"))
	}
	return events
}

var act = regexp.MustCompile(`<span class="verb">([^<]*)</span>`)

// verbs are what the acts of a history are, in its order.
func verbs(body string) string {
	var verbs []string
	for _, m := range act.FindAllStringSubmatch(body, -1) {
		verbs = append(verbs, m[1])
	}
	return strings.Join(verbs, ", ")
}

// TestObjectHistory is what was done to one object and to no other, within each
// scope.
func TestObjectHistory(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	push(t, loki, stream("one", objectEvents(time.Now().Add(-30*24*time.Hour))...))
	for who, want := range map[string]string{
		"all": "tried to update, deleted, suspended, created", "acme": "tried to update, suspended, created", "ben": "tried to update",
		"nobody": "", "quote": "", "reading": "tried to update, suspended, created",
	} {
		body, status := p.as(t, who, prefix+"object/clients/7731")
		if got := verbs(body); status != http.StatusOK || got != want {
			t.Errorf("%s: status %d, %q, want %q", who, status, got, want)
		}
		if strings.Contains(body, secret) != (who == "all") {
			t.Errorf("%s: what another tenant did shows, or not", who)
		}
	}
	body, _ := p.as(t, "acme", prefix+"object/clients/7731")
	for _, want := range []string{"<del>active</del>", "<ins>suspended</ins>", "&lt;b&gt;&#34;new&#34;&lt;/b&gt;", "did not pay", "Acme", `href="../../assets/page.css`, `href="../../?admin=anna%40example.com`} {
		if !strings.Contains(body, want) {
			t.Errorf("the history lacks %q", want)
		}
	}
	// Whether an object exists that may not be seen cannot be told.
	hidden, _ := p.as(t, "quote", prefix+"object/clients/7731")
	unknown, _ := p.as(t, "quote", prefix+"object/clients/0000")
	if strings.ReplaceAll(hidden, "7731", "0000") != unknown {
		t.Error("what may not be seen is not like what is not there")
	}
	for _, id := range []string{"a/b", "%2F", "żółć \" < ?#&", "a;b=c"} {
		if body, status := p.as(t, "all", prefix+"object/clients/"+url.PathEscape(id)); status != http.StatusOK || verbs(body) != "deleted" {
			t.Errorf("%q: status %d, %q", id, status, verbs(body))
		}
	}
	for path, want := range map[string]int{
		"object/clients/7731?past=x": 400, "object/clients/7731?past=1.1&past=2.2": 400, "object/clients/7731?q=x": 400, "object/clients": 404, "object/": 404,
		"object/clients/" + strings.Repeat("x", 600): 400, "object/clients/7731/more": 404,
	} {
		if _, status := p.as(t, "all", prefix+path); status != want {
			t.Errorf("%s: status %d, want %d", path, status, want)
		}
	}
	loki.Kill()
	if body, status := p.as(t, "all", prefix+"object/clients/7731"); status != http.StatusServiceUnavailable || strings.Contains(body, "127.0.0.1") {
		t.Errorf("Loki away: status %d", status)
	}
}

// TestHistoryNamesWhatKindOfActor tells what the panel itself did, and what a program
// did for somebody, from what nobody is known to have done.
func TestHistoryNamesWhatKindOfActor(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	by := func(n int, who adminsessions.User, actor adminsessions.ActorType) adminsessions.Event {
		return event(time.Now().Add(time.Duration(n-100)*time.Second), n, on(client("1"), "clients.update", "acme", func(e *adminsessions.Event) {
			e.User, e.Actor.Type = who, actor
		}))
	}
	push(t, loki, stream("one", by(1, adminsessions.User{}, adminsessions.ActorSystem), by(2, ben, adminsessions.ActorAgent), by(3, adminsessions.User{}, "")))
	body, _ := p.as(t, "all", prefix+"object/clients/1")
	text := strings.Join(strings.Fields(regexp.MustCompile("<[^>]*>").ReplaceAllString(body, "")), " ")
	for _, want := range []string{"system updated client 1", ben.FullName + " (agent) updated client 1", "not signed in updated client 1"} {
		if !strings.Contains(text, want) {
			t.Errorf("the history lacks %q: %s", want, text)
		}
	}
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody)
	r.AddCookie(&http.Cookie{Name: "admin", Value: "all"})
	fragment := string(p.handler.ObjectHistory(r, client("1")))
	for _, want := range []string{"<b>system</b>", "<b>" + ben.FullName + " (agent)</b>", "<b>not signed in</b>"} {
		if !strings.Contains(fragment, want) {
			t.Errorf("the fragment lacks %q: %s", want, fragment)
		}
	}
}

// TestLongHistory pages through a history without a gap.
func TestLongHistory(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	start := time.Now().Add(-90 * 24 * time.Hour)
	var events []adminsessions.Event
	for i := range 120 {
		events = append(events, event(start.Add(time.Duration(i)*17*time.Hour), i+1, on(client("1"), "clients.update", "acme")))
	}
	push(t, loki, stream("one", events...))
	seen := map[string]bool{}
	query, pages := "", 0
	for pages < 5 {
		body, status := p.as(t, "acme", prefix+"object/clients/1"+query)
		keys := regexp.MustCompile(`data-key="([^"]+)"`).FindAllStringSubmatch(body, -1)
		for _, m := range keys {
			if seen[m[1]] {
				t.Errorf("%s comes twice", m[1])
			}
			seen[m[1]] = true
		}
		pages++
		next := regexp.MustCompile(`rel="next" href="([^"]+)"`).FindStringSubmatch(body)
		if status != http.StatusOK || next == nil {
			break
		}
		query = next[1]
	}
	if pages != 3 || len(seen) != len(events) {
		t.Errorf("%d of %d acts on %d pages", len(seen), len(events), pages)
	}
}

// TestHistoryOnAPageOfThePanel puts the fragment on the page of a client, under the
// panel's own policy.
func TestHistoryOnAPageOfThePanel(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	mux := http.NewServeMux()
	mux.Handle("/", p.Config.Handler)
	page := template.Must(template.New("").Parse(`<!doctype html><html lang="en"><head><title>Client</title></head><body><main><h1>Client</h1>{{.}}</main></body></html>`))
	mux.HandleFunc("/admin/clients/{id}", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		if err := page.Execute(w, p.handler.ObjectHistory(r, client(r.PathValue("id")))); err != nil {
			t.Error(err)
		}
	})
	p.Config.Handler = mux
	push(t, loki, stream("one", objectEvents(time.Now().Add(-30*time.Minute))...))

	for who, want := range map[string]int{"all": 4, "acme": 3, "ben": 1, "nobody": 0, "x": -1} {
		body, status := p.as(t, who, "/admin/clients/7731")
		got := strings.Count(body, "<li><p")
		if !strings.Contains(body, "adminsessions") {
			got = -1
		}
		if status != http.StatusOK || got != want {
			t.Errorf("%s: status %d, %d acts, want %d: %s", who, status, got, want, body)
		}
		if strings.Contains(body, secret) != (who == "all") {
			t.Errorf("%s: what another tenant did shows, or not", who)
		}
	}
	if got := p.notes[len(p.notes)-1]; !strings.HasPrefix(got, "looked at the trail: history of clients 7731") {
		t.Errorf("the look is recorded as %q", got)
	}

	b := newTab(startBrowser(t), t, p, network.SetCookie("admin", "acme").WithURL(p.URL))
	b.run(chromedp.Navigate(p.URL + "/admin/clients/7731"))
	b.until(`document.readyState === "complete"`)
	if got := eval[string](b, `getComputedStyle(document.querySelector(".adminsessions-acts")).listStyleType`); got != "none" {
		t.Errorf("the fragment's style sheet is not there: %s", got)
	}
	if got := b.text("main"); !strings.Contains(got, "Anna Kowalska suspended client 7731 Acme") || !strings.Contains(got, "did not pay") {
		t.Errorf("the page says %q", got)
	}
	b.accessible("fragment")
	b.follow(".adminsessions-more a")
	if got := eval[string](b, "location.pathname"); got != prefix+"object/clients/7731" {
		t.Errorf("the link leads to %s", got)
	}
	b.accessible("history")
	b.follow(".acts a")
	if got := b.address().Get("admin"); got != ben.Email {
		t.Errorf("the first admin leads to %q", got)
	}
	b.open("?object=clients/7731")
	b.follow(".results .choices a")
	if got := eval[string](b, "location.pathname"); got != prefix+"object/clients/7731" {
		t.Errorf("the view's link leads to %s", got)
	}

	// A Loki that is away or slow breaks no page.
	loki.Pause()
	began := time.Now()
	body, status := p.as(t, "acme", "/admin/clients/7731")
	loki.Resume()
	if status != http.StatusOK || !strings.Contains(body, "not available right now") || time.Since(began) > 5*time.Second {
		t.Errorf("a slow Loki: status %d after %v: %s", status, time.Since(began), body)
	}
	loki.Kill()
	if body, status = p.as(t, "acme", "/admin/clients/7731"); status != http.StatusOK || !strings.Contains(body, "not available right now") || strings.Contains(body, fmt.Sprint(loki.URL())) {
		t.Errorf("Loki away: status %d: %s", status, body)
	}
}
