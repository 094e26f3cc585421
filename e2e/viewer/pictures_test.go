//go:build pictures

package viewer

import (
	"net/http"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/workday"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

// TestPictures takes the pictures of the page that the documents show: run
// `make pictures`.
func TestPictures(t *testing.T) {
	if *pictures == "" {
		t.Fatal("say with -pictures where they go")
	}
	loki := lokitest.Start(t)
	events := workday.Events(time.Now().Add(-30 * time.Second))
	push(t, loki, stream(workday.Instance, events...))
	p := newPanel(t, loki, func(c *viewer.Config) {
		c.SignedIn = func(*http.Request) adminsessions.User { return workday.Anna.User }
		c.Authorize = func(*http.Request) viewer.Scope { return viewer.Scope{All: true, EndSessions: true} }
		c.Sessions = &liveSessions{}
	})
	contract := newest(t, events, "clients.update", workday.Acme.ID)
	browser := startBrowser(t)

	wide := chromedp.EmulateViewport(1440, 900)
	dark := emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}})
	phone := chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch)
	open := func(b *tab) {
		b.run(chromedp.Click("tr.event td.c-url", chromedp.ByQuery))
		b.until(`document.querySelector("tr.detail").offsetHeight > 0`)
	}
	for _, picture := range []struct {
		name, view string
		as         []chromedp.Action
		then       func(*tab)
	}{
		{"viewer-light", "", []chromedp.Action{wide}, nil},
		{"viewer-dark", "", []chromedp.Action{wide, dark}, nil},
		{"viewer-phone", "", []chromedp.Action{phone}, nil},
		{"viewer-details", "?object=clients/7731&action=clients.update&admin=anna@example.com", []chromedp.Action{wide}, open},
		{"viewer-request", "?event=" + contract.RequestID, []chromedp.Action{chromedp.EmulateViewport(1440, 1060)}, nil},
		{"viewer-history", "object/clients/7731", []chromedp.Action{chromedp.EmulateViewport(1440, 700)}, nil},
		{"viewer-sessions", "sessions?range=1h", []chromedp.Action{chromedp.EmulateViewport(1440, 700)}, nil},
		{"viewer-loki-away", "", []chromedp.Action{chromedp.EmulateViewport(1440, 700)}, func(b *tab) {
			loki.Kill()
			b.open("")
			b.until(`document.querySelector(".problem")?.innerText.includes("has not answered since") === true`)
		}},
	} {
		t.Run(picture.name, func(t *testing.T) {
			b := newTab(browser, t, p, picture.as...)
			b.open("") // the page learns the time zone
			b.open(picture.view)
			if picture.then != nil {
				picture.then(b)
			}
			b.shoot(picture.name)
		})
	}
}

// newest is the newest of events that does action to the client with an id.
func newest(t *testing.T, events []adminsessions.Event, action, id string) *adminsessions.Event {
	t.Helper()
	for i := len(events) - 1; i >= 0; i-- {
		if e := &events[i]; e.Action == action && e.Resource.ID == id && e.Reason != "" && e.SessionID != "" {
			return e
		}
	}
	t.Fatalf("no %s of client %s", action, id)
	return nil
}
