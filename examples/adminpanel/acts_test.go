package main

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/instrumentation/instrumentationtest"
)

// What the panel does is recorded as acts: which, to what, and what has changed.
func TestActs(t *testing.T) {
	p, _ := newTestPanel(t)
	trail := instrumentationtest.New(t, append(policy(), instrumentation.WithAdmin(p.known))...)
	p.recorder = trail.Recorder()
	cookie := signedIn(t, p)["Cookie"]
	request := func(method, path, body string, header ...string) *http.Request {
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		r.Header.Set("Cookie", cookie)
		for i := 0; i < len(header); i += 2 {
			r.Header.Set(header[i], header[i+1])
		}
		return r
	}
	token := func(of string) []string { return []string{"Authorization", "Bearer demo-token-" + of} }
	anna := p.accounts.byEmail["anna@example.com"]
	status := func(from, to string) []adminsessions.Change {
		return []adminsessions.Change{{Field: "status", Old: from, New: to}}
	}
	first, err := p.clients.get(firstClient)
	if err != nil {
		t.Fatal(err)
	}
	id, kind := "7600", "clients"

	trail.Expect(p, request("POST", "/admin/login", "email=anna%40example.com&password=demo"), adminsessions.Event{
		Action: "login", Outcome: "success", User: anna.user(), SignIn: adminsessions.SignIn{Name: anna.Email, Outcome: "success"}, Actor: adminsessions.Actor{TenantID: "northbridge"},
	})
	trail.Expect(p, request("POST", "/admin/clients", "name=Acme&email=a%40example.net&country=PL&plan=Web+S"), adminsessions.Event{
		Action: "clients.create", Resource: adminsessions.Resource{Type: kind, ID: "7732", Name: "Acme"}, User: anna.user(),
	})
	trail.Expect(p, request("POST", "/admin/clients/"+id+"/suspend", "", "X-Audit-Reason", "overdue"), adminsessions.Event{
		Action: "clients.suspend", Resource: adminsessions.Resource{Type: kind, ID: id, Name: first.Name}, Changes: status(string(first.Status), "suspended"), Reason: "overdue",
	})
	trail.Expect(p, request("POST", "/admin/clients/"+id+"/unsuspend", ""), adminsessions.Event{
		Action: "clients.unsuspend", Changes: status("suspended", "active"),
	})
	trail.Expect(p, request("POST", "/admin/admins/3/role/update", "role=Owner"), adminsessions.Event{
		Action: "admins.role.update", Resource: adminsessions.Resource{Type: "admins", ID: "3"}, StatusCode: 428, User: anna.user(), Outcome: "failure", ErrorType: "reason_required",
	})
	trail.Expect(p, request("POST", "/admin/admins/3/role/update", "role=Owner&audit_reason=holidays"), adminsessions.Event{
		Action: "admins.role.update", Resource: adminsessions.Resource{Type: "admins", ID: "3", Name: "Rory O'Neil"}, Outcome: "success", Reason: "holidays",
		Changes: []adminsessions.Change{{Field: "role", Old: "Billing", New: "Owner"}},
	})
	trail.Expect(p, request("POST", "/admin/admins/3/mfa/disable", "", "X-Audit-Reason", "break-glass: phone lost"), adminsessions.Event{
		Action: "admins.mfa.disable", Changes: []adminsessions.Change{{Field: "mfa", Old: "true", New: "false"}},
	})
	trail.Expect(p, request("POST", "/admin/settings", "name=North&support_email=support%40example.com&currency=EUR"), adminsessions.Event{
		Action: "settings.update", Changes: []adminsessions.Change{{Field: "Name", Old: "Northbridge Hosting", New: "North"}},
	})
	trail.Middleware(p).ServeHTTP(httptest.NewRecorder(), request("POST", "/admin/settings/tokens", "label=Export"))
	trail.Want(adminsessions.Event{
		Action: "settings.tokens.create", Resource: adminsessions.Resource{Type: "tokens", ID: p.tokens.of(anna)[0].ID, Name: "Export"},
	})
	trail.Expect(p, request("GET", "/admin/api/clients", "", token("billing")...), adminsessions.Event{
		Action: "clients.list", Actor: adminsessions.Actor{Type: "service", CredentialID: p.tokens.find("demo-token-billing").ID, TenantID: "southport"},
	})
	trail.Expect(p, request("POST", "/admin/api/assistant/show_client/run?client="+id, "", token("assistant")...),
		adminsessions.Event{Type: adminsessions.MCP, Action: "clients.view", Resource: adminsessions.Resource{Type: kind, ID: id}, Actor: adminsessions.Actor{Type: "agent", TenantID: "northbridge"}, User: anna.user()},
		adminsessions.Event{Type: adminsessions.API, Action: "assistant.run"})
	trail.Expect(p, request("DELETE", "/admin/api/clients/"+id, "", token("anna")...), adminsessions.Event{
		Action: "clients.delete", Resource: adminsessions.Resource{Type: kind, ID: id, Name: first.Name}, Outcome: "success",
	})
	trail.Expect(p, request("POST", "/admin/logout", ""), adminsessions.Event{Action: "logout", User: anna.user()})

	if err := p.recorder.Do(t.Context(), instrumentation.Act{Action: "invoices.remind"}, p.remind); err != nil {
		t.Fatal(err)
	}
	trail.Want(adminsessions.Event{Type: adminsessions.Job, Action: "invoices.remind", Actor: adminsessions.Actor{Type: "system"}})
	if j := <-p.queue; j.cause == "" || j.admin != anna.user() || j.client.ID != firstClient {
		t.Errorf("left for later: %+v", j)
	}
}
