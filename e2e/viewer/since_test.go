package viewer

import (
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

// TestSinceTheViewerLastLooked says what is new by the viewer's own looks in the
// trail, and by nothing that others can write or send.
func TestSinceTheViewerLastLooked(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now().Truncate(time.Second)
	n := 0
	look := func(u adminsessions.User, ago time.Duration, change ...func(*adminsessions.Event)) adminsessions.Event {
		n++
		return event(now.Add(-ago), 1000+n, append([]func(*adminsessions.Event){func(e *adminsessions.Event) {
			e.User, e.Type, e.URL, e.Note = u, adminsessions.Web, "https://panel.example"+prefix, "looked at the trail: last 24h"
		}}, change...)...)
	}
	noted := func(note string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.Note = note }
	}
	const minute = time.Minute
	looks := []adminsessions.Event{
		look(anna, 300*minute), look(anna, 185*minute), look(anna, 180*minute), // visits before, the last one ended three hours ago
		look(anna, 25*minute), look(anna, 10*minute), look(anna, minute), // this one
		look(ben, 100*minute),                          // somebody else's
		look(adminsessions.User{}, 100*minute),         // nobody's
		look(adminsessions.User{ID: "1 "}, 100*minute), // somebody who is called nearly so
		look(anna, 100*minute, noted("looked at the trail: nothing shown")),
		look(anna, 100*minute, noted("looked at the trail: refused: bad_request")),
		look(anna, 100*minute, noted("x looked at the trail: last 24h")),
		look(anna, 100*minute, func(e *adminsessions.Event) { e.StatusCode = 503 }),
		look(anna, 100*minute, func(e *adminsessions.Event) { e.Method = "POST" }),
		look(anna, 100*minute, func(e *adminsessions.Event) { e.URL = "https://panel.example/admin/clients/7?x=" + prefix }),
	}
	act := func(ago time.Duration) adminsessions.Event {
		n++
		return event(now.Add(-ago), n, func(e *adminsessions.Event) { e.User, e.Actor.TenantID = lena, "acme" })
	}
	var acts []adminsessions.Event
	for _, ago := range []time.Duration{400 * minute, 200 * minute, 170 * minute, 90 * minute, 2 * minute} {
		acts = append(acts, act(ago))
	}
	push(t, loki, stream("one", append(looks, acts...)...))
	line := regexp.MustCompile(`<p class="since" role="note">([^<]*)</p>`)
	said := func(body string) string {
		m := line.FindStringSubmatch(body)
		if m == nil {
			return ""
		}
		return m[1]
	}
	// A page does not wait for it for long; the next one has it.
	ask := func(p *panel, who, query string, wanted bool) (body string, status int) {
		for range 20 {
			if body, status = p.as(t, who, prefix+query); !wanted || said(body) != "" {
				break
			}
		}
		return body, status
	}
	signedIn := func(u adminsessions.User) func(*viewer.Config) {
		return func(c *viewer.Config) { c.SignedIn = func(*http.Request) adminsessions.User { return u } }
	}
	at := now.Add(-180 * minute).UTC().Format("2 Jan 2006, 15:04:05")
	for name, test := range map[string]struct {
		me         adminsessions.User
		who, query string
		want       string
	}{
		"anna":                       {anna, "all", "?admin=lena@example.com", "3 events since you last looked, " + at},
		"anna by her id":             {adminsessions.User{ID: anna.ID}, "all", "?admin=lena@example.com", "3 events since you last looked, " + at},
		"within a tenant":            {anna, "acme", "", "3 events since you last looked, " + at},
		"nothing new":                {anna, "all", "?admin=somebody", "Nothing new here since you last looked, " + at},
		"somebody who never looked":  {lena, "all", "", ""},
		"nobody knows who":           {adminsessions.User{}, "all", "", ""},
		"a name alone":               {adminsessions.User{FullName: anna.FullName}, "all", "", ""},
		"not the newest page":        {anna, "all", "?to=" + now.Add(-time.Minute).UTC().Format(time.RFC3339), ""},
		"sorted otherwise":           {anna, "all", "?sort=url", ""},
		"one event shown as a whole": {anna, "all", "?event=" + acts[0].RequestID, ""},
	} {
		p := newScopedPanel(t, loki, signedIn(test.me))
		for range 2 { // within one visit it stays the same
			body, status := ask(p, test.who, test.query, test.want != "")
			if status != http.StatusOK || said(body) != test.want {
				t.Errorf("%s: status %d, %q, want %q", name, status, said(body), test.want)
			}
		}
	}
	p := newScopedPanel(t, loki, signedIn(anna))
	body, _ := ask(p, "acme", "", true)
	before, after, ok := strings.Cut(body, `<tr role="row" class="seen">`)
	if !ok || len(rowKeys(before)) != 3 || len(rowKeys(after)) != 2 || !strings.Contains(after, "You last looked "+at) {
		t.Errorf("the mark has %d rows before it and %d behind", len(rowKeys(before)), len(rowKeys(after)))
	}
	if body, _ = p.as(t, "acme", prefix+"?size=25&range=1h"); said(body) != "1 event since you last looked, "+at {
		t.Errorf("of a shorter range: %q", said(body))
	}
	if count, _ := p.as(t, "acme", prefix+"api/count"); !strings.Contains(count, `"count":5`) {
		t.Errorf("the count is %s", count)
	}
}
