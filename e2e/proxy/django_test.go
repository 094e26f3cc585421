package proxy

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// startDjango starts a panel of Django's admin, with the middleware that is in
// examples/proxy/django, and an administrator anna.
func startDjango(t *testing.T) (panel *process, url string) {
	t.Helper()
	python := "/usr/bin/python3" // the distribution's, which has its packages
	address := freeport.Address(t)
	env := append(os.Environ(),
		"PYTHONPATH="+filepath.Join(root, "e2e/proxy/testdata/django")+":"+filepath.Join(root, "examples/proxy/django"), "PYTHONDONTWRITEBYTECODE=1",
		"DJANGO_SETTINGS_MODULE=panel", "PANEL_DB="+filepath.Join(t.TempDir(), "panel.db"),
		"DJANGO_SUPERUSER_PASSWORD=correct horse", "DJANGO_SUPERUSER_USERNAME=anna", "DJANGO_SUPERUSER_EMAIL=anna@example.com")
	manage := func(args ...string) *exec.Cmd {
		cmd := exec.Command(python, append([]string{"-m", "django"}, args...)...)
		cmd.Env = env
		return cmd
	}
	for _, args := range [][]string{{"migrate", "-v0"}, {"createsuperuser", "--noinput", "-v0"}} {
		if out, err := manage(args...).CombinedOutput(); err != nil {
			t.Fatalf("django %s: %v\n%s\nDjango is Debian's python3-django", args[0], err, out)
		}
	}
	url = "http://" + address
	return start(t, "Django", url+"/admin/login/", func() *exec.Cmd { return manage("runserver", "--noreload", address) }), url
}

const djangoConfig = `
service: {name: django-admin}
session: {cookies: [sessionid]}
sign_ins:
  - {path: POST /admin/login/, field: username, success: {status: [302], cookie: sessionid}}
policy: {profile: quiet, anonymous_limit: 100000}
`

// An administrator signs in to Django's admin and changes an account, in a
// browser, while Loki is away; then the proxy is killed. Everything is on record:
// who, what, from what to what.
func TestDjangosAdminIsRecordedCompletely(t *testing.T) {
	loki := lokitest.Start(t)
	_, django := startDjango(t)
	p := startProxy(t, loki, django, djangoConfig)

	ctx := startBrowser(t)
	signIn := func(password string) chromedp.Tasks {
		return chromedp.Tasks{
			chromedp.Navigate(p.url + "/admin/login/?next=/admin/"),
			chromedp.WaitVisible("#id_username"),
			chromedp.SetValue("#id_username", "anna@example.com"), chromedp.SetValue("#id_username", "anna"),
			chromedp.SetValue("#id_password", password),
		}
	}
	step := func(name string, actions ...chromedp.Action) {
		t.Helper()
		if err := chromedp.Run(ctx, actions...); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	step("sign in with a wrong password", signIn("wrong"), chromedp.Click("input[type=submit]"), chromedp.WaitVisible(".errornote"))
	step("sign in", signIn("correct horse"), chromedp.Click("input[type=submit]"), chromedp.WaitVisible("#user-tools"))

	loki.Kill()
	step("change a name while Loki is away", chromedp.Navigate(p.url+"/admin/auth/user/1/change/"), chromedp.WaitVisible("#id_first_name"),
		chromedp.SetValue("#id_first_name", "Anna"), chromedp.SetValue("#id_last_name", "Żółć"),
		chromedp.Click("input[name=_continue]"), chromedp.WaitVisible(".messagelist .success"))

	// Killed in the middle of a storm, twice.
	stop := make(chan struct{})
	var ids map[string]bool
	var storming sync.WaitGroup
	storming.Go(func() { ids = storm(t, p.url+"/admin/login/", stop) })
	for range 2 {
		pause(t, time.Second)
		p.kill()
		p.start()
	}
	pause(t, time.Second)
	close(stop)
	storming.Wait()
	loki.Restart()

	step("change it again", chromedp.Navigate(p.url+"/admin/auth/user/1/change/"), chromedp.WaitVisible("#id_first_name"),
		chromedp.SetValue("#id_first_name", "Anka"), chromedp.Click("input[name=_continue]"), chromedp.WaitVisible(".messagelist .success"))
	step("make a group", chromedp.Navigate(p.url+"/admin/auth/group/add/"), chromedp.WaitVisible("#id_name"), chromedp.SetValue("#id_name", "SRE"),
		chromedp.Click("input[name=_continue]"), chromedp.WaitVisible(".messagelist .success"))

	if len(ids) < 20 {
		t.Fatalf("only %d requests were answered", len(ids))
	}
	events := recorded(t, loki, "django-admin", func(events []adminsessions.Event) error {
		if n, example := missing(events, ids); n > 0 {
			return fmt.Errorf("%d of %d requests that were answered are on no record, %s among them", n, len(ids), example)
		}
		_, err := someEvent(events, func(e *adminsessions.Event) bool { return e.Action == "group.create" })
		return err
	})
	t.Logf("%d requests were answered around two kills and an outage; %d events, none missing, none twice", len(ids), len(events))

	failed, err := someEvent(events, func(e *adminsessions.Event) bool { return e.SignIn.Outcome == adminsessions.SignInFailure })
	if err != nil || failed.Outcome != adminsessions.OutcomeFailure && failed.StatusCode != http.StatusOK {
		t.Errorf("the sign-in that failed: %v %+v", err, failed)
	}
	for _, e := range events {
		if contains(e.Line(), "correct horse") || contains(e.Line(), "csrfmiddlewaretoken") {
			t.Errorf("a secret is on record: %s", e.Line())
		}
	}
	succeeded, err := someEvent(events, func(e *adminsessions.Event) bool { return e.SignIn.Outcome == adminsessions.SignInSuccess })
	if err != nil || succeeded.SignIn.Name != "anna" {
		t.Errorf("the sign-in that succeeded: %v %+v", err, succeeded)
	}
	first, err := someEvent(events, func(e *adminsessions.Event) bool {
		return e.Action == "user.update" && slices.Contains(e.Changes, adminsessions.Change{Field: "last_name", New: "Żółć"})
	})
	if err != nil {
		t.Fatalf("the change: %v", err)
	}
	if first.User.Email != "anna@example.com" || first.User.ID != "1" || first.Resource != (adminsessions.Resource{Type: "user", ID: "1", Name: "anna"}) || first.SessionID == "" {
		t.Errorf("recorded %s", first.Line())
	}
	second, err := someEvent(events, func(e *adminsessions.Event) bool {
		return slices.Contains(e.Changes, adminsessions.Change{Field: "first_name", Old: "Anna", New: "Anka"})
	})
	if err != nil || second.User.FullName != "Anka Żółć" && second.User.FullName != "Anna Żółć" {
		t.Errorf("the second change: %v %+v", err, second)
	}
}

// pause lets the storm go on.
func pause(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}
