package viewer

import (
	"cmp"
	"encoding/csv"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// TestPage is the page in a browser, with a Loki that holds twenty hours of
// requests.
func TestPage(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now()
	events := traffic(1, now.Add(-time.Minute), 20*time.Hour, 700)
	running := event(now.Add(-20*time.Minute), 5_000_000, func(e *adminsessions.Event) {
		e.Stage, e.URL, e.User, e.StatusCode = adminsessions.Started, "https://panel.example/admin/api/event_stream", ben, 0
	})
	ended := event(now.Add(-30*time.Minute), 5_000_001, func(e *adminsessions.Event) {
		e.Stage, e.URL, e.StatusCode = adminsessions.Started, "https://panel.example/admin/api/terminal", 0
	})
	end := ended
	end.Stage, end.StatusCode, end.Duration, end.Time = adminsessions.Complete, 101, 70*time.Second, ended.Time.Add(1)
	push(t, loki, stream("panel-1", events...), stream("panel-2", ended, end, running))
	total := len(events) + 1 // running has not ended
	p := newPanel(t, loki)
	browser := startBrowser(t)

	t.Run("table", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		if got, want := b.text("#count"), fmt.Sprintf("1–50 of %d", total); got != want {
			t.Errorf("the page says %q, want %q", got, want)
		}
		if got := b.rows(); got != 50 {
			t.Errorf("%d rows, want 50", got)
		}
		if !slices.Contains(b.column("status"), "in progress") {
			t.Error("the request that has not ended is not shown")
		}
		if !strings.Contains(b.text(".zone"), "Europe/Warsaw") {
			t.Errorf("the zone is %q, want the browser's", b.text(".zone"))
		}
		if got := b.column("time")[1]; !strings.Contains(got, "UTC") {
			t.Errorf("date %q does not show UTC as well", got)
		}
		if got := eval[int](b, `document.querySelectorAll(".people li").length`); got == 0 {
			t.Error("nobody is online")
		}
		b.accessible("table")
	})

	t.Run("details", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("?method=PUT")
		b.run(chromedp.Click("tr.event td.c-url", chromedp.ByQuery))
		b.until(`document.querySelector("tr.detail").offsetHeight > 0`)
		for _, want := range []string{"email", "session", "route", "panel-1", "as agreed by telephone"} {
			if !strings.Contains(b.text("tr.detail"), want) {
				t.Errorf("the details lack %q", want)
			}
		}
		b.accessible("details")
		b.run(chromedp.Focus("tr.event summary", chromedp.ByQuery), chromedp.KeyEvent(kb.Enter))
		b.until(`document.querySelector("tr.detail").offsetHeight === 0`)
	})

	t.Run("search", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.leave(chromedp.SendKeys("#q", "łENA"+kb.Enter, chromedp.ByQuery))
		if b.rows() == 0 {
			t.Error("nothing found")
		}
		for _, who := range b.column("admin") {
			if !strings.Contains(who, lena.FullName) {
				t.Errorf("a search for łENA finds %q", who)
			}
		}
		if got := b.address().Get("q"); got != "łENA" {
			t.Errorf("the address has q=%q", got)
		}
		if !strings.Contains(b.text(".chips"), "Search: łENA") {
			t.Errorf("the filter is not shown: %q", b.text(".chips"))
		}
		b.follow(".chip")
		if got := b.text("#count"); !strings.HasSuffix(got, fmt.Sprintf("of %d", total)) {
			t.Errorf("without the filter: %q", got)
		}
		b.run(chromedp.Evaluate(`history.back()`, nil))
		b.until(`location.search.startsWith("?q=") && ` + isWhole)
		if got := eval[string](b, `document.querySelector("#q").value`); got != "łENA" {
			t.Errorf("going back shows the search %q", got)
		}
		b.open("?q=" + "%60%22%5C%27%3Cscript%3E%7B%7D")
		if !strings.Contains(b.text(".empty"), "No requests here") {
			t.Error("no empty state")
		}
		b.accessible("empty")
		b.shoot("viewer-empty")
	})

	t.Run("filters", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.follow("input[name=type][value=api]")
		b.follow("input[name=method][value=POST]")
		b.follow("input[name=method][value=PUT]")
		if b.rows() == 0 {
			t.Error("nothing found")
		}
		for _, m := range b.column("method")[1:] {
			if m != "POST" && m != "PUT" {
				t.Errorf("method %s", m)
			}
		}
		for _, m := range b.column("type") {
			if m != "API" {
				t.Errorf("type %s", m)
			}
		}
		b.open("?status=4xx&status=5xx")
		want := 0
		for _, e := range events {
			if e.StatusCode >= 400 {
				want++
			}
		}
		if got := b.text("#count"); !strings.HasSuffix(got, fmt.Sprintf("of %d", want)) {
			t.Errorf("%q, want %d", got, want)
		}
		b.follow("tr.event td.c-ip a")
		if got := b.address().Get("ip"); got == "" {
			t.Error("a click on an address does not filter by it")
		}
		b.shoot("viewer-filters")
		b.accessible("filters")
		b.follow(".clear")
		if got := b.text("#count"); !strings.HasSuffix(got, fmt.Sprintf("of %d", total)) {
			t.Errorf("cleared: %q", got)
		}
	})

	t.Run("hide me", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("?size=200")
		b.follow("input[name=hide]")
		for _, who := range b.column("admin") {
			if strings.Contains(who, anna.FullName) {
				t.Error("Anna is shown to herself")
			}
		}
		mine := 1 // the terminal
		for _, e := range events {
			if e.User == anna {
				mine++
			}
		}
		if got, want := b.text("#count"), fmt.Sprintf("1–200 of %d", total-mine); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	})

	t.Run("range", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.run(chromedp.Click(".range summary", chromedp.ByQuery))
		b.shoot("viewer-range")
		b.accessible("range")
		b.follow(`.quick a[href*="range=1h"]`)
		want := 2 // the terminal, and what is in progress
		for _, e := range events {
			if e.Time.After(time.Now().Add(-time.Hour)) {
				want++
			}
		}
		if got := b.text("#count"); !strings.HasSuffix(got, fmt.Sprintf("of %d", want)) {
			t.Errorf("%q, want %d", got, want)
		}
		// An absolute range, typed in the zone of Warsaw.
		warsaw, err := time.LoadLocation("Europe/Warsaw")
		if err != nil {
			t.Fatal(err)
		}
		from, to := events[100].Time.Truncate(time.Second), events[200].Time.Truncate(time.Second)
		const form = "2006-01-02T15:04:05"
		b.run(chromedp.Click(".range summary", chromedp.ByQuery),
			chromedp.SetValue("input[name=from]", from.In(warsaw).Format(form), chromedp.ByQuery),
			chromedp.SetValue("input[name=to]", to.In(warsaw).Format(form), chromedp.ByQuery))
		b.follow(".custom button")
		if got := b.address(); got.Get("from") != from.UTC().Format(time.RFC3339) || got.Get("to") != to.UTC().Format(time.RFC3339) {
			t.Errorf("the address has %v, want %v to %v", got, from.UTC(), to.UTC())
		}
		want = 0
		for _, e := range events {
			if !e.Time.Before(from) && e.Time.Before(to) {
				want++
			}
		}
		if got := b.text("#count"); !strings.HasSuffix(got, fmt.Sprintf("of %d", want)) {
			t.Errorf("%q, want %d", got, want)
		}
		b.open("?from=2026-02-30T00:00&to=x")
		if got := b.text(".problem"); !strings.Contains(got, "not a time range") {
			t.Errorf("a bad range says %q", got)
		}
		b.accessible("problem")
	})

	t.Run("sort", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("")
		b.follow("th.c-duration a")
		if got := b.column("duration")[0]; got != "1 min 10 s" {
			t.Errorf("the longest took %q, want the terminal's 1 min 10 s", got)
		}
		if who, url := b.column("admin")[0], b.column("url")[0]; !strings.HasPrefix(who, anna.FullName) || !strings.HasSuffix(url, "/admin/api/terminal") {
			t.Errorf("the longest is of %q, %q: not whole", who, url)
		}
		if got := eval[string](b, `document.querySelector("th.c-duration").ariaSort`); got != "descending" {
			t.Errorf("aria-sort = %q", got)
		}
		b.follow("th.c-admin a")
		want := make([]string, 0, total+1)
		for _, e := range append(slices.Clone(events), end, running) {
			want = append(want, cmp.Or(strings.ToLower(e.User.FullName), ""))
		}
		slices.Sort(want)
		var got []string
		for {
			for _, who := range b.column("admin") {
				name, _, _ := strings.Cut(strings.ToLower(who), "\n")
				if name == "not signed in" {
					name = ""
				}
				got = append(got, name)
			}
			if eval[bool](b, `document.querySelector("a[rel=next]") === null`) {
				break
			}
			b.follow("a[rel=next]")
		}
		if !slices.Equal(got, want) {
			t.Errorf("sorted by admin over all pages: %d rows, want %d, in order", len(got), len(want))
		}
	})

	t.Run("paging", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("?size=100")
		seen := map[string]bool{}
		for n := 1; ; n++ {
			for _, key := range eval[[]string](b, `[...document.querySelectorAll("tr.event:not(.running)")].map(tr => tr.dataset.key)`) {
				if seen[key] {
					t.Errorf("page %d repeats %s", n, key)
				}
				seen[key] = true
			}
			if eval[bool](b, `document.querySelector("a[rel=next]") === null`) {
				break
			}
			b.follow("a[rel=next]")
		}
		if len(seen) != total {
			t.Errorf("%d events on all pages, want %d", len(seen), total)
		}
		b.follow("a[rel=prev]")
		if got, want := b.text("#count"), fmt.Sprintf("601–700 of %d", total); got != want {
			t.Errorf("going back: %q, want %q", got, want)
		}
	})

	t.Run("export", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("?method=DELETE&hide=me")
		link := eval[string](b, `document.querySelector(".export a").getAttribute("href")`)
		resp, err := p.get(t.Context(), prefix+link)
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		body, err := io.ReadAll(resp.Body)
		if err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(string(body), "\ufeff"))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		want := 0
		for _, e := range events {
			if e.Method == "DELETE" && e.User != anna {
				want++
			}
		}
		if len(records) != want+1 {
			t.Errorf("%d records, want a header and %d", len(records), want)
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		note := fmt.Sprintf("looked at the trail: exported %d requests as CSV, in full: last 24h, method DELETE, own requests hidden", want)
		if !slices.Contains(p.notes, note) {
			t.Errorf("the export is not recorded as %q, but %q", note, p.notes[len(p.notes)-1])
		}
	})

	t.Run("without a script", func(t *testing.T) {
		b := newTab(browser, t, p, emulation.SetScriptExecutionDisabled(true))
		// The tests' own questions are answered by the browser, not the page.
		b.run(chromedp.Navigate(p.URL+prefix), chromedp.WaitVisible("#count", chromedp.ByQuery))
		html := func() string {
			var s string
			b.run(chromedp.OuterHTML("html", &s, chromedp.ByQuery))
			return s
		}
		b.run(chromedp.WaitNotVisible("#auto", chromedp.ByQuery))
		b.run(chromedp.Click("tr.event summary", chromedp.ByQuery), chromedp.WaitVisible("tr.detail dl", chromedp.ByQuery))
		b.run(chromedp.Click("input[name=method][value=DELETE]", chromedp.ByQuery), chromedp.Click("button.apply", chromedp.ByQuery),
			chromedp.WaitVisible(".chips", chromedp.ByQuery))
		if !strings.Contains(html(), "Method: DELETE") {
			t.Error("the filter is not applied")
		}
		b.run(chromedp.Click("th.c-url a", chromedp.ByQuery), chromedp.WaitVisible(`th.c-url[aria-sort="ascending"]`, chromedp.ByQuery))
		b.run(chromedp.Click(".range summary", chromedp.ByQuery), chromedp.Click(`.quick a[href*="range=7d"]`, chromedp.ByQuery),
			chromedp.WaitVisible(`.quick a[href*="range=7d"][aria-current]`, chromedp.ByQuery), chromedp.WaitVisible("#count", chromedp.ByQuery))
	})

	t.Run("dark", func(t *testing.T) {
		b := newTab(browser, t, p, emulation.SetEmulatedMedia().WithFeatures([]*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: "dark"}}))
		b.open("")
		b.accessible("dark")
		if got := eval[string](b, `getComputedStyle(document.documentElement).backgroundColor`); got != "rgb(14, 18, 24)" {
			t.Errorf("the ground is %s", got)
		}
	})

	t.Run("settings", func(t *testing.T) {
		b := newTab(browser, t, p)
		b.open("?method=GET")
		b.run(chromedp.Click(".settings summary", chromedp.ByQuery))
		b.accessible("settings")
		b.run(chromedp.SetValue("select[name=lang]", "pl", chromedp.ByQuery),
			chromedp.SetValue("input[name=zone]", "America/New_York", chromedp.ByQuery),
			chromedp.SetValue("select[name=theme]", "dark", chromedp.ByQuery))
		b.follow(".settings button")
		if got := b.text("h1"); got != "Sesje administratorów" {
			t.Errorf("heading %q", got)
		}
		if got := b.text(".zone"); !strings.Contains(got, "America/New_York") {
			t.Errorf("zone %q", got)
		}
		if got := b.address(); got.Encode() != "method=GET" {
			t.Errorf("the view has changed to %q", got.Encode())
		}
		if got := eval[string](b, `document.documentElement.dataset.theme`); got != "dark" {
			t.Errorf("theme %q", got)
		}
		b.accessible("Polish, dark")
		b.shoot("viewer-polish")
	})

	t.Run("phone", func(t *testing.T) {
		b := newTab(browser, t, p, chromedp.EmulateViewport(390, 844, chromedp.EmulateScale(2), chromedp.EmulateMobile, chromedp.EmulateTouch))
		b.open("")
		if got := eval[int](b, `document.documentElement.scrollWidth`); got > 390 {
			t.Errorf("the page is %d wide, the phone 390", got)
		}
		b.accessible("phone")
		b.run(chromedp.Click("button.more", chromedp.ByQuery))
		b.until(`document.querySelector("#more").matches(":popover-open")`)
		b.accessible("phone, filters")
		b.shoot("viewer-phone-filters")
		b.follow("#more input[name=method][value=PATCH]")
		for _, m := range b.column("method")[1:] {
			if m != "PATCH" {
				t.Errorf("method %s", m)
			}
		}
		b.open("?range=7d&sort=url")
		if got := eval[int](b, `document.documentElement.scrollWidth`); got > 390 {
			t.Errorf("a sorted page is %d wide, the phone 390", got)
		}
	})
}
