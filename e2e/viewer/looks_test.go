package viewer

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/recordtest"
	"github.com/adminsessions/adminsessions/viewer"
)

// TestLooksAtTheTrail leaves looks at the trail out of every view, unless they
// are asked for, and nothing else that only resembles one.
func TestLooksAtTheTrail(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	now := time.Now()
	const note = "looked at the trail: last 24h"
	n := 0
	request := func(method, url, note string, change ...func(*adminsessions.Event)) adminsessions.Event {
		n++
		return event(now.Add(time.Duration(n-100)*time.Second), n, append([]func(*adminsessions.Event){func(e *adminsessions.Event) {
			e.Method, e.URL, e.Note = method, "https://panel.example"+url, note
		}}, change...)...)
	}
	looks := []adminsessions.Event{
		request("GET", prefix, note),
		request("GET", prefix+"?q=needle", note+`, search "needle"`),
		request("HEAD", prefix+"export.csv", "looked at the trail: headers only"),
		request("GET", prefix+"assets/page.css", "looked at the trail: nothing shown"),
		request("GET", "/admin/api/admin_session_logs?q=needle", "looked at the trail: read 1 requests by the API: last 24h"),
		request("GET", "/admin/api/admin_session_logs", "looked at the trail: read 1 requests by the API: last 24h\nand more"),
	}
	acts := []adminsessions.Event{
		request("DELETE", prefix, note),
		request("POST", prefix+"settings", note),
		request("_OTHER", prefix, note),
		request("GET", "/admin/clients/7/delete", note),
		request("GET", "/admin/clients/7/delete?x="+prefix, note),
		request("GET", "/x"+prefix, note),
		request("GET", prefix[:len(prefix)-1], note),
		request("GET", prefix+"needle", "client deleted\n"+note),
		request("GET", prefix, "Looked at the trail: "),
		request("GET", prefix, "x looked at the trail: "),
		request("GET", prefix, ""),
		request("GET", "/admin/api/admin_session_logs_delete", note),
		request("GET", "/admin/api/admin_session_logs/7", note),
		request("GET", "/needle", "", func(e *adminsessions.Event) { e.UserAgent = ` note="` + note; e.User.FullName = ` note="` + note }),
		request("GET", `/needle" note="`+note, "", func(e *adminsessions.Event) { e.User.ID = ` url="https://x` + prefix + `" note="` + note }),
		request("GET", "/needle", "", func(e *adminsessions.Event) { e.SignIn.Name = note; e.Target.FullName = note }),
	}
	push(t, loki, stream("one", append(looks, acts...)...))
	// The page knows the path of its API once it has been asked there.
	if resp, err := p.get(t.Context(), "/admin/api/admin_session_logs"); err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp, err)
	} else {
		resp.Body.Close()
	}
	check := func(what string, got map[string]int, events []adminsessions.Event, want int) {
		t.Helper()
		for _, e := range events {
			if got[e.RequestID] != want {
				t.Errorf("%s: %s %s %q comes %d times, want %d", what, e.Method, e.URL, e.Note, got[e.RequestID], want)
			}
		}
	}
	for _, sort := range []string{"-time", "time", "url"} {
		ordinary := counted(p.events(t, query("sort", sort)))
		check("ordinary, by "+sort, ordinary, looks, 0)
		check("ordinary, by "+sort, ordinary, acts, 1)
		all := counted(p.events(t, query("sort", sort, "looks", "1")))
		check("all, by "+sort, all, looks, 1)
		check("all, by "+sort, all, acts, 1)
	}
	for looking, want := range map[string]int{"": len(acts), "1": len(acts) + len(looks)} {
		if count, _, err := p.api(t.Context(), "count", query("looks", looking)); err != nil || count.Count != want {
			t.Errorf("looks=%s: count %d, %v, want %d", looking, count.Count, err, want)
		}
	}
	if found := counted(p.events(t, query("q", "needle"))); len(found) != 4 {
		t.Errorf("a search finds %d events, want the 4 that are not looks", len(found))
	}
	body := p.page(t, "?q=needle")
	if got := len(rowKeys(body)); got != 4 || !strings.Contains(body, "1–4 of 4") {
		t.Errorf("the page shows %d rows", got)
	}
}

// TestASearchDoesNotFindItself searches through the middleware that records the
// search, again and again.
func TestASearchDoesNotFindItself(t *testing.T) {
	loki := lokitest.Start(t)
	sink := &recordtest.Sink{}
	middleware, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(sink),
		instrumentation.WithAdmin(func(*http.Request) adminsessions.User { return anna }))
	if err != nil {
		t.Fatal(err)
	}
	p := newPanel(t, loki, func(c *viewer.Config) {
		c.Accessed = func(ctx context.Context, note string) { instrumentation.Annotate(ctx, note) }
	})
	p.Config.Handler = middleware(p.Config.Handler)
	token := "ghp_" + strings.Repeat("a1B2", 9)
	delivered := 0
	deliver := func() {
		events := sink.Events()
		if len(events) == delivered {
			t.Fatal("the look is not recorded")
		}
		for i := range events {
			events[i].Sequence = uint64(i + 1)
		}
		push(t, loki, stream("one", events[delivered:]...))
		delivered = len(events)
	}
	for round := range 3 {
		for _, q := range []string{"needle in the trail", token} {
			body := p.page(t, "?"+query("q", q).Encode())
			deliver()
			if n := len(rowKeys(body)); n != 0 {
				t.Errorf("round %d: a search for %q finds %d rows", round, q, n)
			}
			if got := counted(p.events(t, query("q", q))); len(got) != 0 {
				t.Errorf("round %d: the API finds %d events", round, len(got))
			}
			deliver()
		}
	}
	all := p.events(t, query("q", "needle in the trail", "looks", "1"))
	if len(all) != 6 || !strings.Contains(all[0].Fields["note"], `search "needle in the trail"`) || all[0].Fields["email"] != anna.Email {
		t.Errorf("%d looks are recorded, want 6: %+v", len(all), all)
	}
	for _, e := range p.events(t, query("looks", "1", "size", "200")) {
		if strings.Contains(e.Line, token) {
			t.Errorf("the secret that was searched stands in the trail: %s", e.Line)
		}
	}
}
