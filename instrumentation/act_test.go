package instrumentation

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/gendoc"
)

var update = flag.Bool("update", false, "write docs/acts.md anew")

// docs/acts.md says what the rules make of every route of a real panel.
func TestActsOfARealPanel(t *testing.T) {
	routes, err := os.ReadFile("../examples/adminpanel/routes.tsv")
	if err != nil {
		t.Fatal(err)
	}
	var table strings.Builder
	for line := range strings.Lines(string(routes)) {
		col := strings.Split(strings.TrimSpace(line), "\t")
		if len(col) != 3 || strings.HasPrefix(line, "#") {
			continue
		}
		done := actOf(col[0], col[2])
		resource := ""
		if done.id >= 0 {
			resource = done.resource + " " + strings.Split(strings.Trim(col[2], "/"), "/")[done.id]
		}
		fmt.Fprintf(&table, "| `%s %s` | `%s` | %s |\n", col[0], col[2], done.action, resource)
	}
	gendoc.Check(t, "../docs/acts.md", *update, func(string) string {
		return "| route | action | object |\n| --- | --- | --- |\n" + table.String()
	})
}

func TestDescribe(t *testing.T) {
	for _, c := range []struct {
		method, route, url string
		status             int
		action, kind, id   string
	}{
		{"DELETE", "/admin/clients/{id}", "https://panel.example/admin/clients/7731?x=1", 204, "clients.delete", "clients", "7731"},
		{"POST", "/admin/clients/{id}/suspend", "https://panel.example/admin/clients/7731/suspend", 204, "clients.suspend", "clients", "7731"},
		{"POST", "/admin/clients/{id}/delete", "https://panel.example/admin/clients/7731/delete", 303, "clients.delete", "clients", "7731"},
		{"GET", "/admin/clients/{id}/delete", "https://panel.example/admin/clients/7731/delete", 200, "clients.delete_form", "clients", "7731"},
		{"GET", "/admin/clients", "https://panel.example/admin/clients", 200, "clients.list", "", ""},
		{"GET", "/admin/clients/{$}", "https://panel.example/admin/clients/", 200, "clients.list", "", ""},
		{"GET", "/admin/clients/{id}", "https://panel.example/admin/clients/a%2Fb", 200, "clients.view", "clients", "a/b"},
		{"POST", "/admin/clients", "https://panel.example/admin/clients", 201, "clients.create", "", ""},
		{"GET", "/admin/api/home_company/{uuid}/payment_gateways", "https://panel.example/admin/api/home_company/7/payment_gateways", 200, "home_company.payment_gateways.list", "home_company", "7"},
		{"POST", "/admin/settings", "https://panel.example/admin/settings", 303, "settings.update", "", ""},
		{"POST", "/admin/mail-settings", "https://panel.example/admin/mail-settings", 303, "mail_settings.update", "", ""},
		{"GET", "/admin/settings", "https://panel.example/admin/settings", 200, "settings.view", "", ""},
		{"GET", "/admin/invoices/by_client/{id}", "https://panel.example/admin/invoices/by_client/7", 200, "invoices.list", "", ""},
		{"GET", "/admin/by_client", "https://panel.example/admin/by_client", 200, "by_client.view", "", ""},
		{"PATCH", "/v2/admin/clients/:id", "https://panel.example/v2/admin/clients/7", 200, "clients.update", "clients", "7"},
		{"PUT", "/clients/<int:pk>/", "https://panel.example/panel/clients/7/", 200, "clients.update", "clients", "7"},
		{"GET", "/admin/files/{path...}", "https://panel.example/admin/files/a/b/c", 200, "files.view", "files", "a"},
		{"GET", "/admin/{$}", "https://panel.example/admin/", 200, "admin.view", "", ""},
		{"GET", "/", "https://panel.example/", 200, "view", "", ""},
		{"POST", "/admin/login", "https://panel.example/admin/login", 303, "login", "", ""},
		{"POST", "/admin/delete/{id}", "https://panel.example/admin/delete/7", 303, "delete", "", ""},
		{"GET", "/admin/issue/{id}", "https://panel.example/admin/issue/7", 200, "issue.view", "issue", "7"},
		{"GET", "/reset/{token}", "https://panel.example/reset/" + redacted, 200, "reset", "", ""},
		{"BREW", "/pots/{id}", "https://panel.example/pots/1", 418, "pots.brew", "pots", "1"},
		// A redirect shows nothing, but an act is one.
		{"GET", "/admin/clients", "https://panel.example/admin/clients", 307, "", "", ""},
		{"GET", "/admin/clients/{id}/delete", "https://panel.example/admin/clients/7/delete", 302, "", "", ""},
		{"GET", "/admin/clients", "https://panel.example/admin/clients", 304, "clients.list", "", ""},
		{"GET", "/admin/client/{id}/login_as_owner", "https://panel.example/admin/client/7/login_as_owner", 302, "client.login_as_owner", "client", "7"},
		// Without a route.
		{"POST", "", "https://panel.example/admin/clients/7731/delete.php", 302, "clients.delete", "clients", "7731"},
		{"GET", "", "https://panel.example/admin/users/0c1f7d0e-aa", 200, "users.view", "users", "0c1f7d0e-aa"},
		{"POST", "", "https://panel.example/clients/7731/delete", 404, "", "", ""},
		{"GET", "", "*", 200, "view", "", ""},
		{"GET", "", "", 200, "view", "", ""},
		{"GET", "", "https://panel.example", 200, "view", "", ""},
	} {
		for range 2 { // the second time from memory
			e := adminsessions.Event{Method: c.method, Route: c.route, URL: c.url, StatusCode: c.status}
			describeAct(&e, nil)
			if e.Action != c.action || e.Resource.Type != c.kind || e.Resource.ID != c.id {
				t.Errorf("%s %s: %q of %q %q, want %q of %q %q", c.method, c.url, e.Action, e.Resource.Type, e.Resource.ID, c.action, c.kind, c.id)
			}
		}
		e := adminsessions.Event{Method: c.method, Route: c.route, URL: c.url, Action: "x.y", Resource: adminsessions.Resource{Type: "x", ID: "1"}}
		describeAct(&e, nil)
		if e.Action != "x.y" || e.Resource.ID != "1" || e.Resource.Type != "x" {
			t.Errorf("%s %s: what the application said was replaced: %q %v", c.method, c.url, e.Action, e.Resource)
		}
	}
}

// The id of what was made is enough.
func TestDescribeWhatWasMade(t *testing.T) {
	for route, kind := range map[string]string{"/admin/clients": "clients", "/admin/client/{id}/address": "address", "/admin/{$}": "admin"} {
		e := adminsessions.Event{Method: "POST", Route: route, URL: "https://x" + route, Resource: adminsessions.Resource{ID: "9", Name: "Acme"}}
		describeAct(&e, nil)
		if e.Resource != (adminsessions.Resource{Type: kind, ID: "9", Name: "Acme"}) {
			t.Errorf("POST %s has made %v", route, e.Resource)
		}
	}
}

// Whatever the route and the path, there is an act or none.
func FuzzDescribe(f *testing.F) {
	f.Add("GET", "/admin/{id}/x/{y...}", "https://x/admin/1/x/2")
	f.Add("", "//", "///")
	f.Add("_OTHER", "{", "{/}/%")
	f.Add("POST", "", "/a//b/%zz/9")
	f.Fuzz(func(_ *testing.T, method, route, url string) {
		describeAct(&adminsessions.Event{Method: method, Route: route, URL: url, StatusCode: 200}, nil)
	})
}

func BenchmarkDescribe(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		e := adminsessions.Event{Method: "DELETE", Route: "/admin/clients/{id}", URL: "https://panel.example/admin/clients/7731", StatusCode: 204}
		describeAct(&e, nil)
	}
}

// What acts cost where a router has named the route.
func BenchmarkDescribeKnownRoute(b *testing.B) {
	b.ReportAllocs()
	done := actOf("DELETE", "/admin/clients/{id}")
	for b.Loop() {
		e := adminsessions.Event{Method: "DELETE", Route: "/admin/clients/{id}", URL: "https://panel.example/admin/clients/7731", StatusCode: 204}
		describeAct(&e, &done)
	}
}
