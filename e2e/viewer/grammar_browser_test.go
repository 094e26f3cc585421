package viewer

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestActs is how the page shows what was done, in a browser.
func TestActs(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now()
	client := adminsessions.Resource{Type: "client", ID: "7731", Name: "Acme"}
	changed := event(now.Add(-10*time.Minute), 1, func(e *adminsessions.Event) {
		e.RequestID = "v7q2m8k4x1c9d3f6g5h0"
		e.Method, e.StatusCode, e.URL = "PUT", 200, "https://panel.example/admin/api/client/7731"
		e.Action, e.Resource, e.Reason = "client.update", client, "Ticket 4711"
		e.Actor = adminsessions.Actor{CredentialID: "key-1", TenantID: "acme"}
		e.Geo = adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS5617 Orange"}
		e.Changes = []adminsessions.Change{{Field: "status", Old: "active", New: "closed"}, {Field: "plan.name", New: "Cloud <b>S</b>"}, {Field: "note", Old: "line\none"}}
	})
	job := event(now.Add(-9*time.Minute), 2, func(e *adminsessions.Event) {
		e.Type, e.Cause, e.User = adminsessions.Job, changed.RequestID, adminsessions.User{}
		e.Actor.Type, e.Action, e.Resource, e.Method, e.URL, e.StatusCode, e.Outcome = adminsessions.ActorSystem, "services.suspend", adminsessions.Resource{Type: "services", ID: "s-1"}, "", "", 0, adminsessions.OutcomeSuccess
	})
	denied := event(now.Add(-8*time.Minute), 3, func(e *adminsessions.Event) {
		e.User, e.Method, e.StatusCode, e.Action, e.Resource = ben, "DELETE", 403, "client.delete", client
	})
	started := event(now.Add(-7*time.Minute), 4, func(e *adminsessions.Event) {
		e.Stage, e.StatusCode, e.Action = adminsessions.Started, 0, "reports.export"
	})
	ended := started
	ended.Stage, ended.StatusCode, ended.Time, ended.Duration = adminsessions.Complete, 200, started.Time.Add(1), time.Minute
	odd := event(now.Add(-6*time.Minute), 5, func(e *adminsessions.Event) {
		e.User, e.Action, e.Resource = lena, "clients.frobnicate", adminsessions.Resource{Type: "clients", ID: "9"}
	})
	own := event(now.Add(-5*time.Minute), 6, func(e *adminsessions.Event) {
		e.Type, e.Method, e.StatusCode, e.User, e.Action, e.Note, e.URL = adminsessions.Trail, "", 0, adminsessions.User{}, "trail.started", "version 1, the clock agrees", ""
	})
	push(t, loki, stream("one", changed, job, denied, started, ended, odd, own))
	p := newPanel(t, loki)
	browser := startBrowser(t)

	t.Run("rows", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		want := []string{"clients.frobnicate client 9", "exported reports", "tried to delete client 7731 Acme denied", "suspended service s-1", "updated client 7731 Acme"}
		var got []string
		for _, cell := range b.column("action") {
			got = append(got, strings.Join(strings.Fields(cell), " "))
		}
		if !slices.Equal(got, want) {
			t.Errorf("acts\n%q, want\n%q", got, want)
		}
		if got := b.text("#count"); !strings.HasSuffix(got, "of 5") {
			t.Errorf("%q, want the trail's own left out", got)
		}
		b.follow(`td.c-action a[href*="7731"]`)
		if got := b.address().Get("object"); got != "client/7731" || b.rows() != 2 {
			t.Errorf("a click on the object leads to %q with %d rows", got, b.rows())
		}
		b.follow(".own")
		if got := b.address().Get("type"); got != "trail" {
			t.Errorf("the trail's own events are at %q", got)
		}
		b.open("?type=trail")
		if got := b.text("tr.event"); b.rows() != 1 || !strings.Contains(got, "version 1, the clock agrees") {
			t.Errorf("the trail's own events: %d, %q", b.rows(), got)
		}
		b.follow(".own")
		if b.rows() != 5 {
			t.Errorf("%d rows, want 5", b.rows())
		}
	})

	t.Run("changes", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("?q=action:update")
		b.run(chromedp.Click("tr.event td.c-time", chromedp.ByQuery))
		b.until(`document.querySelector("tr.detail").offsetHeight > 0`)
		got := eval[[]string](b, `[...document.querySelectorAll(".changes tbody tr")].map(tr => tr.innerText.replace(/\s+/g, " ").trim())`)
		want := []string{"status −active +closed", "plan.name nothing +Cloud <b>S</b>", "note −line one nothing"}
		if !slices.Equal(got, want) {
			t.Errorf("changes %q, want %q", got, want)
		}
		facts := b.text(".facts")
		for _, want := range []string{"Ticket 4711", "with key-1", "acme", "Warsaw, PL, AS5617 Orange"} {
			if !strings.Contains(facts, want) {
				t.Errorf("the facts %q lack %q", facts, want)
			}
		}
		b.accessible("changes")
		b.shoot("viewer-changes")
	})

	t.Run("one request", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.leave(chromedp.SendKeys("#q", changed.RequestID+kb.Enter, chromedp.ByQuery))
		if got := b.address().Encode(); got != "event="+changed.RequestID {
			t.Errorf("an id leads to %q", got)
		}
		if b.rows() != 2 || !strings.Contains(b.text(".one"), changed.RequestID) || !strings.Contains(b.text(".changes"), "closed") || strings.Contains(b.text(".one"), "records have") {
			t.Errorf("the request and what it caused: %d rows, %q", b.rows(), b.text(".one"))
		}
		b.accessible("one request")
		b.shoot("viewer-event")
		b.follow(`.facts a[href*=event]`) // the job's cause: the same page
		if got := b.address().Get("event"); got != changed.RequestID {
			t.Errorf("the cause leads to %q", got)
		}
		b.open("?event=" + started.RequestID)
		if b.rows() != 2 || !strings.Contains(b.text(".one"), "2 records have this id") {
			t.Errorf("both records of a long request: %d rows, %q", b.rows(), b.text(".one"))
		}
		b.follow(`.one a[href*="q="]`)
		if got := b.address().Get("q"); got != `"`+started.RequestID+`"` {
			t.Errorf("as text: %q", got)
		}
		b.open("?event=unknown-1")
		if !strings.Contains(b.text(".empty"), "No requests here") {
			t.Error("no empty state")
		}
	})

	t.Run("grammar", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.leave(chromedp.SendKeys("#q", `client:7731 -outcome:denied admin:kowalska "Acme"`+kb.Enter, chromedp.ByQuery))
		if got, want := b.address().Get("q"), `object:client/7731 object:clients/7731 -outcome:denied admin:kowalska Acme`; got != want || b.rows() != 1 {
			t.Errorf("the search is %q, want %q; %d rows", got, want, b.rows())
		}
		chips := eval[[]string](b, `[...document.querySelectorAll(".chip")].map(a => a.innerText)`)
		if want := []string{"Object: client/7731", "Object: clients/7731", "not Outcome: denied", "Admin: kowalska", "Search: Acme"}; !slices.Equal(chips, want) {
			t.Errorf("chips %q, want %q", chips, want)
		}
		b.follow(".chips li:nth-child(2) a")
		if got := b.address().Get("q"); got != "object:client/7731 -outcome:denied admin:kowalska Acme" {
			t.Errorf("without one term: %q", got)
		}
		for q, want := range map[string]string{
			`statsu:404 anna`:   "There is no such key: statsu:404. The keys are: admin, action, object",
			`admin:"Anna`:       `A quote is not closed`,
			`status:999x`:       "The key has no such value: status:999x",
			`tenant:`:           "A value is missing",
			`a admin:b foo:bar`: "There is no such key: foo:bar",
		} {
			b.open("?" + url.Values{"q": {q}}.Encode())
			if got := b.text(".problem"); !strings.Contains(got, want) {
				t.Errorf("%s: the page says %q, want %q", q, got, want)
			}
			if got := eval[string](b, `document.querySelector("#q").value`); got != q {
				t.Errorf("%s: the box holds %q", q, got)
			}
		}
		b.accessible("wrong search")
	})

	t.Run("completion", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		offered := func(typed string) []string {
			b.run(chromedp.SetValue("#q", typed, chromedp.ByQuery))
			return eval[[]string](b, `(document.querySelector("#q").dispatchEvent(new Event("input", {bubbles: true})), [...document.querySelector("#q").list.options].map(o => o.value))`)
		}
		b.run(chromedp.Focus("#q", chromedp.ByQuery))
		b.until(`document.querySelector("#o-action").options.length > 0`)
		for typed, want := range map[string][]string{
			"out":                {"outcome:"},
			"foo -act":           {"foo -action:", "foo -actor:"},
			"admin:ben":          {"admin:ben@example.com"},
			"x object:":          {"x object:client", "x object:clients", "x object:services"},
			"action:client.":     {"action:client.delete", "action:client.update"},
			"tenant:ac":          {"tenant:acme"},
			"status:4":           {"status:4xx"},
			"nothing:":           nil,
			`"free text" actor:`: {`"free text" actor:user`, `"free text" actor:service`, `"free text" actor:agent`, `"free text" actor:system`},
		} {
			if got := offered(typed); !slices.Equal(got, want) {
				t.Errorf("%q is completed by %q, want %q", typed, got, want)
			}
		}
		if got := eval[string](b, `[...document.querySelector("#f-object").list.options].map(o => o.value).join(" ")`); got != "client clients services" {
			t.Errorf("the object's field offers %q", got)
		}
		b.accessible("completion")
	})

	t.Run("form", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.run(chromedp.SetValue("#f-action", "delete", chromedp.ByQuery), chromedp.SetValue("#f-object", "client/7731", chromedp.ByQuery))
		b.follow("input[name=outcome][value=denied]")
		if got, want := b.address().Encode(), "action=delete&object=client%2F7731&outcome=denied"; got != want || b.rows() != 1 {
			t.Errorf("the form leads to %q, want %q; %d rows", got, want, b.rows())
		}
		b.shoot("viewer-acts")
		b.accessible("form")
	})

	for _, width := range []int64{820, 390, 1024} {
		t.Run(fmt.Sprint(width), func(t *testing.T) {
			b := newTab(browser, t, p, chromedp.EmulateViewport(width, 1000))
			b.open("?event=" + changed.RequestID)
			if got := eval[int64](b, `document.documentElement.scrollWidth`); got > width {
				t.Errorf("the page is %d wide", got)
			}
			if got := b.text("td.c-action .act"); !strings.Contains(got, "service s-1") {
				t.Errorf("the act reads %q", got)
			}
			b.accessible("narrow")
			b.shoot(fmt.Sprintf("viewer-acts-%d", width))
		})
	}
}
