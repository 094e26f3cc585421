package panel_test

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// openBrowser returns a tab, and what its console has complained about when
// asked, and which other hosts it spoke to.
func openBrowser(t *testing.T, own string) (tab context.Context, complaints func() []string) {
	t.Helper()
	program := os.Getenv("CHROMIUM")
	if program == "" {
		found, err := exec.LookPath("chromium")
		if err != nil {
			t.Fatalf("no Chromium: %v; install it or set CHROMIUM to the program", err)
		}
		program = found
	}
	ctx, cancel := chromedp.NewExecAllocator(t.Context(), append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(program), chromedp.NoSandbox, chromedp.WindowSize(1440, 1000), chromedp.UserDataDir(t.TempDir()),
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true))...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 2*time.Minute)
	t.Cleanup(cancel)

	var mu sync.Mutex
	var said []string
	chromedp.ListenTarget(ctx, func(event any) {
		mu.Lock()
		defer mu.Unlock()
		switch e := event.(type) {
		case *log.EventEntryAdded:
			// A page that answers 404 is told as an error, too.
			if e.Entry.Level == log.LevelError && e.Entry.Source != log.SourceNetwork {
				said = append(said, e.Entry.Text)
			}
		case *runtime.EventExceptionThrown:
			said = append(said, e.ExceptionDetails.Error())
		case *network.EventRequestWillBeSent:
			if !strings.HasPrefix(e.Request.URL, own) {
				said = append(said, "request to "+e.Request.URL)
			}
		}
	})
	if err := chromedp.Run(ctx, log.Enable(), network.Enable()); err != nil {
		t.Fatalf("start Chromium: %v", err)
	}
	return ctx, func() []string {
		mu.Lock()
		defer mu.Unlock()
		return said
	}
}

// A person signs in, makes, changes and deletes a client, finds all of it on
// the page of Admin Sessions, and signs out.
func TestAPersonAtABrowser(t *testing.T) {
	loki := lokitest.Start(t)
	p := startPanel(t, loki)
	tab, complaints := openBrowser(t, p.url)

	const name = "Zażółć Gęślą"
	var heading, status, rows string
	run := func(what string, actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(tab, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	run("sign in",
		chromedp.Navigate(p.url+"/admin/clients/new"),
		chromedp.SetValue(`input[name=email]`, "anna@example.com"),
		chromedp.SetValue(`input[name=password]`, "demo"),
		chromedp.Submit(`input[name=password]`),
		chromedp.WaitVisible(`input[name=country]`)) // led back to the page asked for
	run("make a client",
		chromedp.SetValue(`input[name=name]`, name),
		chromedp.SetValue(`input[name=email]`, "zazolc@example.net"),
		chromedp.SetValue(`input[name=country]`, "PL"),
		chromedp.Submit(`input[name=name]`),
		chromedp.WaitVisible(`details.danger`),
		chromedp.Text(`h1`, &heading))
	if !strings.HasPrefix(heading, name) {
		t.Errorf("the new client's page is headed %q", heading)
	}
	run("suspend it",
		chromedp.Click(`a[href$="/edit"]`),
		chromedp.WaitVisible(`select[name=status]`),
		chromedp.SetValue(`select[name=status]`, "suspended"),
		chromedp.Submit(`select[name=status]`),
		chromedp.WaitVisible(`details.danger`),
		chromedp.Text(`h1 .pill`, &status))
	if status != "Suspended" {
		t.Errorf("its status is %q", status)
	}
	run("delete it",
		chromedp.Click(`details.danger summary`),
		chromedp.Click(`button.danger`),
		chromedp.WaitVisible(`form[role=search]`))

	loki.Await(t.Context(), trail+` |= "clients.delete" |= "Zażółć"`, lokitest.Last(time.Hour), 1)
	run("look at the trail",
		chromedp.Click(`a[href="/admin/monitoring/admin-sessions/"]`),
		chromedp.WaitVisible(`table tbody tr`, chromedp.ByQuery),
		chromedp.Text(`main`, &rows, chromedp.ByQuery))
	for _, want := range []string{"Anna Kowalska", "anna@example.com", "127.0.0.1", "created client", "updated client", "deleted client", name} {
		if !strings.Contains(rows, want) {
			t.Errorf("the page of Admin Sessions does not show %q:\n%s", want, rows)
		}
	}
	run("sign out",
		chromedp.Navigate(p.url+"/admin/"),
		chromedp.Click(`form[action="/admin/logout"] button`),
		chromedp.WaitVisible(`input[name=password]`))
	if said := complaints(); len(said) > 0 {
		t.Errorf("the browser complained:\n%s", strings.Join(said, "\n"))
	}
}
