package dashboards_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// Acts count, whatever their method and whoever hung up.
func TestActsThatDelete(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now().Truncate(time.Second)
	rule := grafanaRules(t)["AdminSessionsMassDeletion"]
	for name, test := range map[string]struct {
		method, action string
		status         int
		fires          bool
	}{
		"delete":                     {"DELETE", "clients.delete", 204, true},
		"delete, client gone":        {"DELETE", "clients.delete", 499, true},
		"delete, failed":             {"DELETE", "clients.delete", 500, true},
		"delete, redirected":         {"DELETE", "clients.delete", 303, true},
		"delete, act not known":      {"DELETE", "", 200, true},
		"post":                       {"POST", "clients.delete", 200, true},
		"post, verb with more words": {"POST", "clients.delete_all", 302, true},
		"post, verbs joined":         {"POST", "clients.mass_delete", 302, true},
		"post, verb alone":           {"POST", "delete", 200, true},
		"put, other verb":            {"PUT", "vps.destroy", 202, true},
		"patch, purge":               {"PATCH", "cache.entries.purge", 200, true},
		"get with effect":            {"GET", "clients.delete", 302, true},
		"another method":             {"_OTHER", "clients.remove", 200, true},
		"terminated":                 {"POST", "service.terminate", 200, true},
		"denied":                     {"DELETE", "clients.delete", 403, false},
		"not there":                  {"DELETE", "clients.delete", 404, false},
		"form":                       {"GET", "clients.delete_form", 200, false},
		"undelete":                   {"POST", "clients.undelete", 200, false},
		"noun":                       {"GET", "deleted.list", 200, false},
		"create":                     {"POST", "clients.create", 201, false},
	} {
		t.Run(name, func(t *testing.T) {
			service := "service " + name
			var events []event
			for i := range 21 {
				e := admin(service, now.Add(time.Duration(i-60)*time.Second), anna, "10.2.3.4", test.method, "/admin/x", test.status)
				e.Action = test.action
				if i%2 == 0 {
					e.URL = "" // the words are the whole of the part
				}
				events = append(events, e)
			}
			store(t, loki, events)
			samples, err := loki.Instant(t.Context(), rule.expr, now)
			if err != nil {
				t.Fatal(err)
			}
			fires := false
			for _, s := range samples {
				fires = fires || s.Labels["service_name"] == service && s.Value == 21
			}
			if fires != test.fires {
				t.Errorf("fires: %t, %v", fires, samples)
			}
		})
	}
}

// With more made-up names than Loki allows series, the rules that tell names
// apart fail, which is told (AdminSessionsRulesFailing), and those that watch the
// flood go on.
func TestFloodOfNames(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now().Truncate(time.Second)
	var events []event
	for i := range 25_000 {
		events = append(events, signIn("panel", now.Add(-8*time.Minute+time.Duration(i)*10*time.Millisecond), adminsessions.SignInFailure, fmt.Sprintf("name-%d", i), "203.0.113.9"))
	}
	for i := range 8 {
		events = append(events, signIn("panel", now.Add(-8*time.Minute+time.Duration(i)), adminsessions.SignInFailure, "anna@example.com", "203.0.113.9"))
	}
	events = append(events, signIn("panel", now.Add(-time.Minute), adminsessions.SignInSuccess, "anna@example.com", "203.0.113.9"))
	store(t, loki, events)
	rules := grafanaRules(t)
	for name, want := range map[string]float64{
		"AdminSessionsSignInFlood":               25_008,
		"AdminSessionsSignInFailuresFromAddress": 25_008,
		"AdminSessionsSignInDuringFlood":         1,
	} {
		samples, err := loki.Instant(t.Context(), rules[name].expr, now)
		if err != nil || len(samples) != 1 || samples[0].Value != want {
			t.Errorf("%s: %v, %v, want %v", name, samples, err, want)
		}
	}
	for _, name := range []string{"AdminSessionsSignInFailuresForAdmin", "AdminSessionsSignInAfterFailures", "AdminSessionsSignInNames"} {
		if samples, err := loki.Instant(t.Context(), rules[name].expr, now); err == nil || !strings.Contains(err.Error(), "maximum number of series") {
			t.Errorf("%s: %v, %v: it no longer fails on Loki's limit; say so where it is said that it does", name, samples, err)
		}
	}
}

// The name that was tried is a label of the alert, and so stands in whatever a
// notification makes of labels: it is safe there, and one however it is spelt.
func TestNamesTriedAreSafeLabels(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now().Truncate(time.Second)
	want := map[string]string{
		"<!channel> <https://evil.example|Sign in>": "??channel? ?https???evil.example?sign in?",
		"@everyone":                         "?everyone",
		"Żaneta+Ops@Example.com":            "żaneta+ops@example.com",
		"x\" email=evil ip=\"6.6.6.6":       "x? email?evil ip??6.6.6.6",
		"[a](https://evil.example) *b* `c`": "?a??https???evil.example? ?b? ?c?",
	}
	var events []event
	for name := range want {
		for i := range 6 {
			events = append(events, signIn("panel", now.Add(-time.Minute+time.Duration(len(events)*10+i)), adminsessions.SignInFailure, name, "203.0.113.9"))
		}
	}
	store(t, loki, events)
	samples, err := loki.Instant(t.Context(), grafanaRules(t)["AdminSessionsSignInFailuresForAdmin"].expr, now)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, s := range samples {
		got[s.Labels["name"]] = s.Value
	}
	for name, label := range want {
		if got[label] != 6 {
			t.Errorf("%q is not the label %q: %v", name, label, got)
		}
	}
}

// What changes who may do what is known by the words of the action, and nothing
// else is taken for it.
func TestActsThatChangeAccess(t *testing.T) {
	loki := lokitest.Start(t)
	now := time.Now().Truncate(time.Second)
	rules := grafanaRules(t)
	const roles, credentials, mfa = "AdminSessionsRolesChanged", "AdminSessionsCredentialsChanged", "AdminSessionsMFAChanged"
	cases := map[string]string{
		"users.role.grant": roles, "roles.create": roles, "user.permissions.update": roles, "users.update_role": roles, "roles.policy.attach": roles,
		"acl.update": roles, "admin.create": roles, "admins.delete": roles, "staff.admin.update": roles, "privileges.revoke": roles, "role": roles,
		"users.password.reset": credentials, "clients.reset_password": credentials, "api_keys.create": credentials, "tokens.revoke": credentials,
		"users.api_key.rotate": credentials, "credentials.update": credentials, "ssh_keys.delete": credentials, "secrets.rotate": credentials,
		"users.mfa.disable": mfa, "users.2fa.reset": mfa, "profile.totp.enable": mfa, "passkeys.delete": mfa, "users.recovery_codes.create": mfa, "users.disable_mfa": mfa,
		// None of them.
		"roles.list": "", "role.view": "", "user.permissions.select": "", "role.create_form": "", "payroll.create": "", "parole.update": "", "admin.login": "",
		"admin_settings.update": "", "admin.settings.update": "", "login.otp.create": "", "photos.create": "", "tokenizer.update": "", "secretary.create": "", "clients.update": "",
	}
	var events []event
	for action := range cases {
		e := admin("panel", now.Add(-time.Minute+time.Duration(len(events))), anna, "10.2.3.4", "POST", "/admin/x", 200)
		e.Action = action
		events = append(events, e)
	}
	// Who is not signed in changes nothing; a job may.
	stranger := admin("panel", now.Add(-2*time.Minute), nobody, "203.0.113.9", "POST", "/forgot", 200)
	stranger.Action = "stranger.password.reset"
	job := admin("panel", now.Add(-2*time.Minute+1), nobody, "203.0.113.9", "", "", 0)
	job.Action, job.Type, job.Outcome = "job.tokens.expire", adminsessions.Job, adminsessions.OutcomeSuccess
	of := job
	of.Time, of.Action, of.Type = now.Add(-2*time.Minute+2), "trail.role.token.mfa", adminsessions.Trail
	store(t, loki, append(events, stranger, job, of))
	cases["job.tokens.expire"] = credentials
	got := map[string]string{}
	for _, name := range []string{roles, credentials, mfa} {
		expr := strings.Replace(rules[name].expr, "topk(20,", "topk(100,", 1)
		samples, err := loki.Instant(t.Context(), expr, now)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range samples {
			got[s.Labels["action"]] += name
		}
	}
	for action, want := range cases {
		if got[action] != want {
			t.Errorf("%s is known by %q, want %q", action, got[action], want)
		}
		delete(got, action)
	}
	if len(got) > 0 {
		t.Errorf("taken for changes of access: %v", got)
	}
}
