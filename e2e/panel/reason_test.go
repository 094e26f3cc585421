package panel_test

import (
	"strings"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// An administrator changes a role without saying why, is asked, says it, and the
// form goes through. Both requests are in Loki, with who has sent them.
func TestAPersonIsAskedForAReason(t *testing.T) {
	loki := lokitest.Start(t)
	p := startPanel(t, loki)
	tab, complaints := openBrowser(t, p.url)
	run := func(what string, actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(tab, actions...); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
	}
	const form = `form[action="/admin/admins/3/role/update"]`
	var asked, team string
	run("sign in",
		chromedp.Navigate(p.url+"/admin/admins"),
		chromedp.SetValue(`input[name=email]`, "demo-admin@example.com"),
		chromedp.SetValue(`input[name=password]`, "demo"),
		chromedp.Submit(`input[name=password]`),
		chromedp.WaitVisible(form))
	run("change a role",
		chromedp.SetValue(form+` select`, "Read only"),
		chromedp.Submit(form+` select`),
		chromedp.WaitVisible(`textarea[name=audit_reason]`),
		chromedp.Text(`main`, &asked))
	if !strings.Contains(asked, "A reason is required") || !strings.Contains(asked, "POST /admin/admins/3/role/update") {
		t.Errorf("the page says\n%s", asked)
	}
	run("say why",
		chromedp.SetValue(`textarea[name=audit_reason]`, "żądanie klienta, ticket 4711", chromedp.ByQuery),
		chromedp.Click(`main form button`, chromedp.ByQuery),
		chromedp.WaitVisible(form),
		chromedp.Text(`main`, &team))
	if !strings.Contains(team, "Read only") {
		t.Errorf("the role has not been changed:\n%s", team)
	}
	if said := complaints(); len(said) > 0 {
		t.Errorf("the browser complained:\n%s", strings.Join(said, "\n"))
	}

	entries := loki.Await(t.Context(), requests+` |= "admins.role.update"`, lokitest.Last(time.Hour), 2)
	refused, done := eventOf(t, entries[0]), eventOf(t, entries[1])
	if refused.StatusCode != 428 || refused.User.ID != "1" || refused.ErrorType != "reason_required" || refused.Reason != "" || len(refused.Changes) > 0 {
		t.Errorf("the refused request is recorded as %s", entries[0].Line)
	}
	want := adminsessions.Change{Field: "role", Old: "Billing", New: "Read only"}
	if done.Reason != "żądanie klienta, ticket 4711" || len(done.Changes) != 1 || done.Changes[0] != want || done.Resource.Name != "Rory O'Neil" {
		t.Errorf("the other one is recorded as %s", entries[1].Line)
	}
}
