//go:build grafana

package dashboards_test

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
)

var (
	grafanaURL      = flag.String("grafana", "", "the Grafana of a running demo, for TestInGrafana")
	grafanaPassword = flag.String("password-file", "", "the file with its admin password")
	grafanaLoki     = flag.String("loki", "", "the Loki behind it")
	grafanaFill     = flag.Bool("fill", false, "put the known events into that Loki")
	pictures        = flag.String("pictures", "", "save pictures of the dashboards in this directory")
)

// A view of a dashboard as it is pictured.
type view struct {
	name, uid     string
	query         string
	theme         string
	width, height int64
	shows         []string // what must be read on it
}

var views = []view{
	{"grafana-admin-sessions-dark", "adminsessions-sessions", "", "dark", 1440, 900, []string{"The newest 1,000", "Action", "Object", "Status", "Duration"}},
	{"grafana-admin-sessions-light", "adminsessions-sessions", "", "light", 1440, 900, []string{"The newest 1,000"}},
	{"grafana-admin-sessions-narrow", "adminsessions-sessions", "", "light", 1280, 800, []string{"The newest 1,000"}},
	{"grafana-phone", "adminsessions-phone", "", "dark", 390, 844, []string{"The newest 200"}},
	{"grafana-activity", "adminsessions-activity", "", "dark", 1440, 1500, []string{"Deletions", "What was done"}},
	{"grafana-one-admin", "adminsessions-admin", "&var-admin=ADMIN", "dark", 1440, 1500, []string{"By session"}},
	{"grafana-request", "adminsessions-event", "&var-request=REQUEST&var-session=SESSION", "dark", 1440, 1700, []string{"Old", "New", "Acts that it caused"}},
	{"grafana-object", "adminsessions-object", "&var-object=KIND&var-object_id=OBJECT", "dark", 1440, 900, []string{"What was done to", "Who looked at it"}},
	{"grafana-changes", "adminsessions-changes", "", "dark", 1440, 700, []string{"The newest 500 changes"}},
	{"grafana-sessions", "adminsessions-session-list", "&var-session=SESSION", "dark", 1440, 900, []string{"The story of"}},
	{"grafana-pipeline", "adminsessions-pipeline", "", "dark", 1440, 1300, []string{"The trail's own life", "Backlog"}},
}

// TestInGrafana opens every dashboard in a browser, checks that no panel reports an
// error, and takes pictures:
//
//	make demo
//	go test -tags grafana -run InGrafana ./dashboards -args -grafana http://127.0.0.1:3000 \
//	  -password-file ../../.data/grafana/admin-password -loki http://127.0.0.1:3100 -pictures ../../docs/pictures
//
// The pages of one request, session and object show the newest act that has changed
// something.
func TestInGrafana(t *testing.T) {
	if *grafanaFill {
		to := time.Now().Truncate(time.Second)
		storeAt(t, *grafanaLoki, knownEvents(to))
	}
	changed := newestChange(t, *grafanaLoki)
	of := strings.NewReplacer("REQUEST", percentEncode(changed.RequestID), "SESSION", percentEncode(changed.SessionID),
		"KIND", percentEncode(changed.Resource.Type), "OBJECT", percentEncode(changed.Resource.ID), "ADMIN", percentEncode(changed.User.Email))
	browser := signedIn(t)
	for _, v := range views {
		t.Run(v.name, func(t *testing.T) {
			ctx, cancel := chromedp.NewContext(browser)
			defer cancel()
			ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
			defer cancel()
			address := fmt.Sprintf("%s/d/%s?orgId=1&from=now-1h&to=now&theme=%s%s", *grafanaURL, v.uid, v.theme, of.Replace(v.query))
			var text string
			err := chromedp.Run(ctx, chromedp.EmulateViewport(v.width, v.height), emulation.SetTimezoneOverride("Europe/Warsaw"), chromedp.Navigate(address))
			if err != nil {
				t.Fatal(err)
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

// signedIn starts a browser that is signed in to Grafana.
func signedIn(t *testing.T) context.Context {
	t.Helper()
	password, err := os.ReadFile(*grafanaPassword)
	if err != nil {
		t.Fatal(err)
	}
	chromium := os.Getenv("CHROMIUM")
	if chromium == "" {
		if chromium, err = exec.LookPath("chromium"); err != nil {
			t.Fatalf("%v: install it, or set CHROMIUM to the program", err)
		}
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(chromium), chromedp.NoSandbox, chromedp.UserDataDir(t.TempDir()))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	login := fmt.Sprintf(`fetch("/login", {method: "POST", headers: {"Content-Type": "application/json"}, body: JSON.stringify({user: "admin", password: %q})}).then(r => r.status)`,
		strings.TrimSpace(string(password)))
	var status int
	err = chromedp.Run(ctx, chromedp.Navigate(*grafanaURL+"/login"), chromedp.Evaluate(login, &status, awaited))
	if err != nil || status != http.StatusOK {
		t.Fatalf("sign in to Grafana: status %d, %v", status, err)
	}
	return ctx
}

func awaited(p *runtime.EvaluateParams) *runtime.EvaluateParams {
	return p.WithAwaitPromise(true).WithReturnByValue(true)
}

// newestChange is the newest act in a Loki that has changed something, in a session.
func newestChange(t *testing.T, address string) adminsessions.Event {
	t.Helper()
	endpoint, err := url.JoinPath(address, "loki/api/v1/query_range")
	if err != nil {
		t.Fatal(err)
	}
	query := url.Values{"query": {`{service_name=~".+"} |= " now." | pattern "<_>\tsession=<session> <_>" | session!="-"`}, "limit": {"20"}, "since": {"24h"}}
	answer, err := http.Get(endpoint + "?" + query.Encode())
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	var found struct {
		Data struct {
			Result []struct{ Values [][2]string }
		}
	}
	if err := json.NewDecoder(answer.Body).Decode(&found); err != nil {
		t.Fatal(err)
	}
	for _, stream := range found.Data.Result {
		for _, v := range stream.Values {
			if e, err := adminsessions.ParseLine(v[1]); err == nil && len(e.Changes) > 1 && e.Resource.ID != "" {
				return e
			}
		}
	}
	t.Fatal("nothing was changed within 24 hours: use the demo panel for a while")
	return adminsessions.Event{}
}

// storeAt pushes events to a Loki that runs.
func storeAt(t *testing.T, address string, events []event) {
	t.Helper()
	type stream struct {
		Stream map[string]string `json:"stream"`
		Values [][]string        `json:"values"`
	}
	streams := map[string]*stream{}
	for i := range events {
		e := &events[i]
		if time.Since(e.Time) > 3*day {
			continue
		}
		k := labelKey(e.labels())
		if streams[k] == nil {
			streams[k] = &stream{Stream: e.labels()}
		}
		streams[k].Values = append(streams[k].Values, []string{fmt.Sprint(e.Time.UnixNano()), e.line()})
	}
	for _, s := range streams {
		body, err := json.Marshal(map[string]any{"streams": []any{s}})
		if err != nil {
			t.Fatal(err)
		}
		endpoint, err := url.JoinPath(address, "loki/api/v1/push")
		if err != nil {
			t.Fatal(err)
		}
		answer, err := http.Post(endpoint, "application/json", bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if answer.StatusCode/100 != 2 {
			t.Errorf("pushing: %s", answer.Status)
		}
		_ = answer.Body.Close()
	}
}
