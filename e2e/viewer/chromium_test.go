package viewer

import (
	"context"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"
)

var pictures = flag.String("pictures", "", "save pictures of the page in this directory")

// browserTimeout is how long a test's tab may live.
const browserTimeout = 3 * time.Minute

// waitTimeout is how long to wait for something to happen in a page.
const waitTimeout = 40 * time.Second

// findChromium returns the browser to use.
func findChromium(t testing.TB) string {
	t.Helper()
	if path := os.Getenv("CHROMIUM"); path != "" {
		return path
	}
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	t.Fatal("no Chromium: install it (apt-get install chromium), or set CHROMIUM to the program")
	return ""
}

// startBrowser starts a browser for the test and its subtests.
func startBrowser(t testing.TB) context.Context {
	t.Helper()
	opts := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(findChromium(t)), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true),
		chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Run(ctx); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx
}

// tab is a tab of the browser in which Anna is signed in and nothing has been
// chosen yet. There is one at a time: tabs share the browser's cookies.
type tab struct {
	t     *testing.T
	ctx   context.Context
	panel *panel

	mu       sync.Mutex
	requests []string
	errors   []string // what the page's script or its policy complained about
}

func newTab(browser context.Context, t *testing.T, p *panel, actions ...chromedp.Action) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(browser)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, browserTimeout)
	t.Cleanup(cancel)
	b := &tab{t: t, ctx: ctx, panel: p}
	chromedp.ListenTarget(ctx, b.listen)
	b.run(chromedp.EmulateViewport(1440, 900),
		emulation.SetTimezoneOverride("Europe/Warsaw"),
		network.ClearBrowserCookies(),
		network.SetCookie("admin", "anna").WithURL(p.URL))
	b.run(actions...)
	t.Cleanup(func() {
		if t.Failed() {
			b.shoot(strings.ReplaceAll("failed-"+t.Name(), "/", "-"))
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		for _, u := range b.requests {
			if !strings.HasPrefix(u, p.URL) && !strings.HasPrefix(u, "about:") && !strings.HasPrefix(u, "data:") {
				t.Errorf("the page asked for %s: another host", u)
			}
		}
		for _, e := range b.errors {
			t.Errorf("the browser complained: %s", e)
		}
	})
	return b
}

func (b *tab) run(actions ...chromedp.Action) {
	b.t.Helper()
	if err := chromedp.Run(b.ctx, actions...); err != nil {
		b.t.Fatal(err)
	}
}

// open shows a view and waits until the page is whole.
func (b *tab) open(query string) {
	b.t.Helper()
	b.run(chromedp.Navigate(b.panel.URL + prefix + query))
	b.until(isWhole)
}

// isWhole is true on a page that has come to its end. The script may have led to
// it once more, to tell the time zone.
const isWhole = `document.readyState === "complete" && document.querySelector("main") !== null && document.documentElement.dataset.zone !== ""`

// until waits for a condition of the page, in JavaScript. While the tab goes
// from one page to the next nothing holds.
func (b *tab) until(condition string) {
	b.t.Helper()
	deadline := time.After(waitTimeout)
	tick := time.NewTicker(30 * time.Millisecond)
	defer tick.Stop()
	var err error
	for {
		var holds bool
		if err = chromedp.Run(b.ctx, chromedp.Evaluate(condition, &holds)); err == nil && holds {
			return
		}
		select {
		case <-tick.C:
		case <-deadline:
			b.t.Fatalf("waiting for %s: %v\n%s", condition, err, b.text("main"))
		}
	}
}

// eval evaluates JavaScript in the page.
func eval[T any](b *tab, script string) T {
	b.t.Helper()
	var v T
	b.run(chromedp.Evaluate(script, &v))
	return v
}

// text is the text of the first element that matches.
func (b *tab) text(selector string) string {
	b.t.Helper()
	return eval[string](b, fmt.Sprintf(`document.querySelector(%q)?.innerText ?? ""`, selector))
}

// rows is the number of events shown.
func (b *tab) rows() int {
	b.t.Helper()
	return eval[int](b, `document.querySelectorAll("tr.event").length`)
}

// column is the text of a column's cells.
func (b *tab) column(name string) []string {
	b.t.Helper()
	return eval[[]string](b, fmt.Sprintf(`[...document.querySelectorAll("td.c-%s")].map(td => td.innerText.trim())`, name))
}

// address is the query of the page's address.
func (b *tab) address() url.Values {
	b.t.Helper()
	q, err := url.ParseQuery(strings.TrimPrefix(eval[string](b, "location.search"), "?"))
	if err != nil {
		b.t.Fatal(err)
	}
	return q
}

// follow clicks and waits for the page this leads to.
func (b *tab) follow(selector string) {
	b.t.Helper()
	b.leave(chromedp.Click(selector, chromedp.ByQuery))
}

// leave does what leads to another page and waits for that.
func (b *tab) leave(actions ...chromedp.Action) {
	b.t.Helper()
	b.run(chromedp.Evaluate(`window.before = true`, nil))
	b.run(actions...)
	b.until("!window.before && " + isWhole)
}

// shoot saves a picture of what is to be seen.
func (b *tab) shoot(name string) {
	if *pictures == "" {
		return
	}
	var png []byte
	err := chromedp.Run(b.ctx, chromedp.ActionFunc(func(ctx context.Context) (err error) {
		png, err = page.CaptureScreenshot().WithOptimizeForSpeed(false).Do(ctx)
		return err
	}))
	if err == nil {
		err = os.WriteFile(filepath.Join(*pictures, name+".png"), png, 0o644)
	}
	if err != nil {
		b.t.Errorf("picture %s: %v", name, err)
	}
}

var readAxe = sync.OnceValues(func() ([]byte, error) {
	return os.ReadFile(filepath.Join("axe", "node_modules", "axe-core", "axe.min.js"))
})

// accessible checks the page as it is by all of axe's rules for WCAG 2.2 A and
// AA, and its best practices.
func (b *tab) accessible(what string) {
	b.t.Helper()
	axe, err := readAxe()
	if err != nil {
		b.t.Fatalf("%v\nrun: npm ci --ignore-scripts --prefix e2e/viewer/axe", err)
	}
	var violations []struct {
		ID     string `json:"id"`
		Help   string `json:"help"`
		Impact string `json:"impact"`
		Nodes  []struct {
			HTML    string `json:"html"`
			Summary string `json:"failureSummary"`
		} `json:"nodes"`
	}
	// The bar that stays in sight always covers some row in part, until one
	// scrolls: axe would count that row's links as too small.
	b.run(chromedp.Evaluate(`document.querySelector("footer.bar")?.style.setProperty("position", "static")`, nil))
	defer b.run(chromedp.Evaluate(`document.querySelector("footer.bar")?.style.removeProperty("position")`, nil))
	b.run(chromedp.Evaluate(string(axe)+";0", nil),
		chromedp.Evaluate(`axe.run({runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r => r.violations)`,
			&violations, chromedp.EvalAsValue, awaitPromise))
	for _, v := range violations {
		for i, n := range v.Nodes {
			if i == 3 {
				b.t.Errorf("%s: %s: … and %d more", what, v.ID, len(v.Nodes)-i)
				break
			}
			b.t.Errorf("%s: %s (%s): %s\n%s\n%s", what, v.ID, v.Impact, v.Help, n.HTML, n.Summary)
		}
	}
}
