//go:build pictures

package dashboards_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/workday"
)

var pictures = flag.String("pictures", "", "save pictures of the dashboards in this directory")

// A view of a dashboard as it is pictured.
type view struct {
	name, uid     string
	query         string
	theme         string
	width, height int64
	shows         []string // what must be read on it
}

// Of the dashboards only the pipeline's is about the demo's own panel; it comes
// last, to have something to tell by then.
var views = []view{
	{"grafana-admin-sessions-light", "adminsessions-sessions", ofWorkday, "light", 1440, 900, []string{"The newest 1,000", "Action", "Object", "Status", "Duration"}},
	{"grafana-admin-sessions-dark", "adminsessions-sessions", ofWorkday, "dark", 1440, 900, []string{"The newest 1,000"}},
	{"grafana-phone", "adminsessions-phone", ofWorkday, "dark", 390, 844, []string{"The newest 200"}},
	{"grafana-activity", "adminsessions-activity", ofWorkday, "dark", 1440, 1500, []string{"Deletions", "What was done"}},
	{"grafana-one-admin", "adminsessions-admin", ofWorkday + "&var-admin=ADMIN", "dark", 1440, 1500, []string{"By session"}},
	{"grafana-request", "adminsessions-event", ofWorkday + "&var-request=REQUEST&var-session=SESSION", "dark", 1440, 1700, []string{"Old", "New", "Acts that it caused"}},
	{"grafana-object", "adminsessions-object", ofWorkday + "&var-object=KIND&var-object_id=OBJECT", "dark", 1440, 900, []string{"What was done to", "Who looked at it"}},
	{"grafana-changes", "adminsessions-changes", ofWorkday, "dark", 1440, 700, []string{"The newest 500 changes"}},
	{"grafana-sessions", "adminsessions-session-list", ofWorkday + "&var-session=SESSION", "dark", 1440, 900, []string{"The story of"}},
	{"grafana-pipeline", "adminsessions-pipeline", "&from=now-5m&var-service=adminpanel", "dark", 1440, 1300, []string{"The trail's own life", "Backlog", "complete, unaltered"}},
}

const ofWorkday = "&from=now-24h&var-service=" + workday.Service

// TestInGrafana opens every dashboard in a browser, checks that no panel reports an
// error, and takes pictures: run `make pictures`.
func TestInGrafana(t *testing.T) {
	demo := startDemo(t)
	events := demo.plant(t)
	changed := &events[slices.IndexFunc(events, func(e adminsessions.Event) bool { return e.Note == "contract uploaded" })]
	of := strings.NewReplacer("REQUEST", percentEncode(changed.RequestID), "SESSION", percentEncode(changed.SessionID),
		"KIND", percentEncode(changed.Resource.Type), "OBJECT", percentEncode(changed.Resource.ID), "ADMIN", percentEncode(changed.User.Email))
	browser := demo.signedIn(t)
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			ctx, cancel := chromedp.NewContext(browser)
			defer cancel()
			ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
			defer cancel()
			address := fmt.Sprintf("%s/d/%s?orgId=1&to=now&theme=%s%s", demo.grafana, v.uid, v.theme, of.Replace(v.query))
			var text string
			err := chromedp.Run(ctx, chromedp.EmulateViewport(v.width, v.height), emulation.SetTimezoneOverride("Europe/Warsaw"),
				onEveryPage(`localStorage.setItem("grafana.navigation.docked", "false")`), chromedp.Navigate(address))
			if err != nil {
				t.Fatal(err)
			}
			if v.uid == "adminsessions-pipeline" {
				demo.untilVerified(t)
			}
			until(ctx, t, `document.querySelectorAll('[data-testid*="Panel header"]').length > 0 && !document.querySelector('[aria-label="Panel loading bar"], [data-testid="Spinner"], .panel-loading')`)
			if err := chromedp.Run(ctx, chromedp.Evaluate(`document.body.innerText`, &text)); err != nil {
				t.Fatal(err)
			}
			for _, want := range v.shows {
				if !strings.Contains(text, want) {
					t.Errorf("%q is not to be read", want)
				}
			}
			for _, never := range []string{"was.plan", "now.plan", "now.state", `{"`, "[object Object]"} {
				if strings.Contains(text, never) {
					t.Errorf("%q is to be read", never)
				}
			}
			var failed []string
			if err := chromedp.Run(ctx, chromedp.Evaluate(`[...document.querySelectorAll('[data-testid*="Panel status error"], [aria-label*="Panel status"]')].map(e => e.closest('section')?.innerText.slice(0, 80) ?? e.outerHTML.slice(0, 200))`, &failed)); err != nil {
				t.Fatal(err)
			}
			for _, f := range failed {
				t.Errorf("a panel reports an error: %s", f)
			}
			shoot(ctx, t, v.name)
		})
	}
}

// until waits for a condition of the page to hold for a second.
func until(ctx context.Context, t *testing.T, condition string) {
	t.Helper()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	began := time.Now()
	for held := 0; held < 15; {
		var holds bool
		if err := chromedp.Run(ctx, chromedp.Evaluate(condition, &holds)); err != nil {
			t.Fatal(err)
		}
		if held++; !holds {
			held = 0
		}
		if time.Since(began) > time.Minute {
			shoot(ctx, t, strings.ReplaceAll("failed-"+t.Name(), "/", "-"))
			t.Fatalf("after a minute this does not hold: %s", condition)
		}
		select {
		case <-ctx.Done():
			t.Fatal(ctx.Err())
		case <-tick.C:
		}
	}
}

func shoot(ctx context.Context, t *testing.T, name string) {
	t.Helper()
	if *pictures == "" {
		return
	}
	var png []byte
	err := chromedp.Run(ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().Do(ctx)
		return err
	}))
	if err == nil {
		err = os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644)
	}
	if err != nil {
		t.Errorf("picture %s: %v", name, err)
	}
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams {
	return p.WithAwaitPromise(true).WithReturnByValue(true)
}

// onEveryPage is a script that runs before any of the pages that a tab opens.
func onEveryPage(script string) chromedp.Action {
	return chromedp.ActionFunc(func(ctx context.Context) error {
		_, err := page.AddScriptToEvaluateOnNewDocument(script).Do(ctx)
		return err
	})
}
