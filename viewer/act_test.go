package viewer

import (
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// TestActsRead is how acts read in both languages. Each example is of a line as
// it stands in Loki.
func TestActsRead(t *testing.T) {
	ls, err := loadLocales()
	if err != nil {
		t.Fatal(err)
	}
	object := func(kind, id, name string) adminsessions.Resource {
		return adminsessions.Resource{Type: kind, ID: id, Name: name}
	}
	for _, test := range []struct {
		event           adminsessions.Event
		english, polish string
	}{
		{adminsessions.Event{Action: "client.delete", Resource: object("client", "7731", "Acme"), StatusCode: 204},
			"deleted client 7731 Acme", "usunięto client 7731 Acme"},
		{adminsessions.Event{Action: "clients.delete", Resource: object("clients", "7731", ""), StatusCode: 403},
			"tried to delete client 7731 (denied)", "próba: usunięcie client 7731 (odmowa)"},
		{adminsessions.Event{Action: "clients.view", Resource: object("clients", "7731", ""), StatusCode: 404},
			"viewed client 7731 (failed)", "wyświetlono client 7731 (niepowodzenie)"},
		{adminsessions.Event{Action: "clients.suspend", Resource: object("clients", "7731", ""), StatusCode: 500, Outcome: adminsessions.OutcomeSuccess},
			"suspended client 7731", "zawieszono client 7731"},
		{adminsessions.Event{Action: "clients.list", StatusCode: 200}, "listed clients", "wyświetlono listę: clients"},
		{adminsessions.Event{Action: "client.create", StatusCode: 201}, "created client", "utworzono client"},
		{adminsessions.Event{Action: "client.create_form", StatusCode: 200}, "opened the form to create client", "otwarto formularz: utworzenie client"},
		{adminsessions.Event{Action: "client.addresses.list", Resource: object("client", "7", ""), StatusCode: 200},
			"listed addresses of client 7", "wyświetlono listę: addresses – client 7"},
		{adminsessions.Event{Action: "dns_server.import_zones", Resource: object("dns_server", "3", ""), StatusCode: 200},
			"imported zones of dns server 3", "zaimportowano zones – dns server 3"},
		{adminsessions.Event{Action: "dns_zone.move_to", Resource: object("dns_zone", "3", ""), StatusCode: 200}, "moved dns zone 3", "przeniesiono dns zone 3"},
		{adminsessions.Event{Action: "module_logs.delete_all", StatusCode: 200}, "deleted all module logs", "usunięto all module logs"},
		{adminsessions.Event{Action: "login", StatusCode: 401, SignIn: adminsessions.SignIn{Outcome: adminsessions.SignInFailure}}, "tried to sign in (failed)", "próba: zalogowanie (niepowodzenie)"},
		{adminsessions.Event{Action: "reports.export", Stage: adminsessions.Started}, "began to export reports", "rozpoczęto: eksport reports"},
		{adminsessions.Event{Action: "clients.frobnicate", Resource: object("clients", "9", "X"), StatusCode: 502}, "clients.frobnicate client 9 X (error)", "clients.frobnicate client 9 X (błąd)"},
		{adminsessions.Event{Action: "frobnicate"}, "frobnicate", "frobnicate"},
		{adminsessions.Event{Action: "a..b_", Outcome: "odd"}, "a..b_ (odd)", "a..b_ (odd)"},
		{adminsessions.Event{Action: "_", StatusCode: 200}, "_", "_"},
		{adminsessions.Event{Action: "update", Resource: object("", "9", "")}, "updated 9", "zmieniono 9"},
		{adminsessions.Event{Action: "update", Resource: object("boxes", "", "")}, "updated boxes", "zmieniono boxes"},
		{adminsessions.Event{}, "", ""},
	} {
		e, err := adminsessions.ParseLine(test.event.Line())
		if err != nil {
			t.Fatal(err)
		}
		for i, want := range []string{test.english, test.polish} {
			v := newView()
			p := &pageData{L: ls.all[i], V: &v}
			got := ""
			if a := p.act(&trail.Event{Event: e}); a != nil {
				got = strings.Join(strings.Fields(a.Verb+" "+a.Object+" "+a.Name), " ")
				if a.Outcome != "" {
					got += " (" + a.Outcome + ")"
				}
			}
			if got != want {
				t.Errorf("%s: %s reads %q, want %q", ls.all[i].Code, test.event.Action, got, want)
			}
		}
	}
}

func TestSingular(t *testing.T) {
	for many, one := range map[string]string{"clients": "client", "addresses": "address", "currencies": "currency", "boxes": "box", "dns": "dns",
		"status": "status", "tax": "tax", "settings": "settings", "": "", "s": "s", "services": "service", "dns zones": "dns zone", "batches": "batch"} {
		if got := singular(many); got != one {
			t.Errorf("one of %s is %q, want %q", many, got, one)
		}
	}
}

// TestActsInAPage shows an act and what it has changed, whatever it is called.
func TestActsInAPage(t *testing.T) {
	const hostile = `</td><script>alert(1)</script>"'`
	h := newTestHandler(t, newFakeLoki(t, holds(eventAgo(0, "https://x/", func(e *adminsessions.Event) {
		e.Action, e.Resource = "clients."+hostile, adminsessions.Resource{Type: hostile, ID: hostile, Name: hostile}
		e.Reason, e.Cause, e.Outcome = hostile, hostile, hostile
		e.Actor = adminsessions.Actor{Type: hostile, CredentialID: hostile, TenantID: hostile}
		e.Geo = adminsessions.Geo{Country: hostile, Locality: hostile, Network: hostile}
		e.Changes = []adminsessions.Change{{Field: "a", Old: hostile, New: strings.Repeat("x", 300)}, {Field: "status", Old: "active", New: "closed"}, {Field: "b", New: `{"json": 1}`}}
	}))).URL)
	body := get(t, h, "/").Body.String()
	for _, want := range []string{"<del>active</del>", "<ins>closed</ins>", `class="sign" aria-hidden="true">−`, "The value was longer", "<ins>{&#34;json&#34;: 1}</ins>"} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %s", want)
		}
	}
	if strings.Contains(body, "<script>alert") || !strings.Contains(body, "&lt;script&gt;alert") {
		t.Error("what was recorded stands in the page as it is")
	}
}
