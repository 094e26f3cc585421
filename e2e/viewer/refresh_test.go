package viewer

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestAutoRefresh is the page while new events arrive, and while Loki is away.
func TestAutoRefresh(t *testing.T) {
	loki := lokitest.Start(t)
	push(t, loki, stream("one", traffic(1, time.Now().Add(-time.Minute), time.Hour, 20)...))
	p := newPanel(t, loki)
	b := newTab(startBrowser(t), t, p)
	next := 9_000_000
	arrive := func() string {
		next++
		e := event(time.Now(), next)
		push(t, loki, stream("two", e))
		return e.URL
	}
	shows := func(url string) string {
		return fmt.Sprintf(`[...document.querySelectorAll("td.c-url")].some(td => td.innerText.includes(%q))`, strings.TrimPrefix(url, "https://panel.example"))
	}

	b.open("")
	b.run(chromedp.SetValue("select[name=every]", "2", chromedp.ByQuery))
	b.run(chromedp.Evaluate(`document.querySelector("select[name=every]").dispatchEvent(new Event("change", {bubbles: true}))`, nil))
	b.run(chromedp.Click("#auto .switch", chromedp.ByQuery))
	b.until(`/next in [12] s/.test(document.querySelector(".countdown").textContent)`)
	if got := b.address().Encode(); got != "auto=1&every=2" {
		t.Errorf("the address has %q", got)
	}

	// New rows come by themselves, and are marked.
	b.until(shows(arrive()))
	b.until(`document.querySelectorAll("tr.event.new").length === 1`)
	b.until(`document.querySelector("#announce").textContent === "1 new request"`)
	b.until(`document.querySelector("#count").textContent === "1–21 of 21"`)
	b.shoot("viewer-refresh")
	b.accessible("auto refresh")

	// An open row holds the page still.
	b.run(chromedp.Click("tr.event summary", chromedp.ByQuery))
	b.until(`document.querySelector(".countdown").textContent.includes("a row is open")`)
	held := arrive()
	if eval[bool](b, shows(held)) {
		t.Error("the page went on while a row was open")
	}
	b.run(chromedp.Click("tr.event summary", chromedp.ByQuery))
	b.until(shows(held))

	// While Loki is away the page keeps what it had and says so.
	loki.Kill()
	b.until(`document.querySelector(".problem")?.innerText.includes("does not answer") === true`)
	if got := b.text(".problem"); !strings.Contains(got, "has not answered since") || !strings.Contains(got, "last had") {
		t.Errorf("the page says %q", got)
	}
	if got := b.rows(); got != 22 {
		t.Errorf("%d rows, want the 22 it had", got)
	}
	if body := eval[string](b, `document.documentElement.outerHTML`); strings.Contains(body, strings.TrimPrefix(loki.URL(), "http://")) {
		t.Error("the page tells Loki's address")
	}
	b.accessible("Loki away")
	loki.Restart()
	b.until(`document.querySelector(".problem") === null`)
	b.until(shows(arrive()))

	// Off is off.
	b.run(chromedp.Click("#auto .switch", chromedp.ByQuery))
	b.until(`document.querySelector(".countdown").textContent === ""`)
	if got := b.address().Encode(); got != "every=2" {
		t.Errorf("the address has %q", got)
	}
}
