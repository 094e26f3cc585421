package workday

import (
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions"
)

// scenes are what somebody who looks at the trail would like to know of.
func (d *day) scenes() {
	about := func(r adminsessions.Resource) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.Resource = r }
	}
	because := func(reason string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.Reason = reason }
	}

	// Anna changes Acme's contract, and a job follows from it.
	d.add(6*time.Minute, Anna, http.MethodGet, "/clients/7731", "clients.view", 200, about(Acme))
	cause := d.add(4*time.Minute, Anna, http.MethodPost, "/clients/7731", "clients.update", 303, about(Acme), because("ticket 4711: annual contract, signed on paper"), func(e *adminsessions.Event) {
		e.Changes = []adminsessions.Change{{Field: "plan", Old: "Cloud S", New: "Cloud L"}, {Field: "billing", Old: "monthly", New: "annual"}, {Field: "discount", New: "10 %"}}
		e.Note = "contract uploaded"
	}).RequestID
	d.alone(4*time.Minute-2*time.Second, adminsessions.Job, "invoices.create", func(e *adminsessions.Event) {
		e.Actor.Type, e.Resource, e.Cause, e.Note = adminsessions.ActorSystem, Acme, cause, "for the annual contract"
	})

	// A stranger guesses passwords.
	stranger := person{address: "203.0.113.66", browser: "python-requests/2.32.5", geo: adminsessions.Geo{Country: "NL", Locality: "Amsterdam", Network: "AS64502 Example Cloud"}}
	for i, name := range []string{"admin", "root", "anna@example.com", "anna@example.com", "anna@example.com", "test", "admin", "support"} {
		d.add(47*time.Minute-time.Duration(i)*7*time.Second, stranger, http.MethodPost, "/login", "login", 401, func(e *adminsessions.Event) {
			e.SignIn = adminsessions.SignIn{Name: name, Outcome: adminsessions.SignInFailure}
		})
	}
	for i, who := range []person{Anna, rory, sofia, mei} {
		d.add(58*time.Minute-time.Duration(i)*4*time.Minute, who, http.MethodPost, "/login", "login", 303, func(e *adminsessions.Event) {
			e.SignIn = adminsessions.SignIn{Name: who.Email, Outcome: adminsessions.SignInSuccess}
		})
	}

	// Somebody may not, something fails, and somebody breaks the glass.
	d.add(9*time.Minute, dmytro, http.MethodPost, "/clients/7714/delete", "clients.delete", 403, about(clients[3]))
	d.add(7*time.Minute, sofia, http.MethodGet, "/reports/revenue.csv", "reports.export", 500, func(e *adminsessions.Event) {
		e.ErrorType, e.Duration = "timeout", 250*time.Millisecond
	})
	d.add(12*time.Minute, rory, http.MethodPost, "/admins/8/mfa/disable", "admins.mfa.disable", 303,
		about(adminsessions.Resource{Type: "admins", ID: "8", Name: mei.FullName}), because("break-glass: phone lost, called back on the number we know"), func(e *adminsessions.Event) {
			e.Changes = []adminsessions.Change{{Field: "mfa", Old: "on", New: "off"}}
		})
	d.add(2*time.Minute, rory, http.MethodDelete, "/api/services/204", "services.delete", 204, about(adminsessions.Resource{Type: "services", ID: "204", Name: "Web M"}),
		because("ticket 4698"), func(e *adminsessions.Event) { e.Type, e.UserAgent, e.SessionID = adminsessions.API, rory.program, "" })
	d.alone(3*time.Minute, adminsessions.MCP, "clients.view", func(e *adminsessions.Event) {
		e.User, e.Actor, e.Resource = sofia.User, adminsessions.Actor{Type: adminsessions.ActorAgent, CredentialID: "key-7"}, clients[5]
	})
	d.add(25*time.Minute, rory, http.MethodPost, "/clients/7731/suspend", "clients.suspend", 303, about(Acme), because("three invoices overdue"), func(e *adminsessions.Event) {
		e.Changes = []adminsessions.Change{{Field: "status", Old: "active", New: "suspended"}}
	})
	d.add(20*time.Minute, Anna, http.MethodPost, "/clients/7731/unsuspend", "clients.unsuspend", 303, about(Acme), because("paid, see ticket 4711"), func(e *adminsessions.Event) {
		e.Changes = []adminsessions.Change{{Field: "status", Old: "suspended", New: "active"}}
	})

	// Mei's session, in the hands of somebody else.
	stolen := d.add(50*time.Minute, mei, http.MethodGet, "/clients", "clients.list", 200).SessionID
	d.add(33*time.Minute, sofia, http.MethodGet, "/admins", "admins.list", 200, func(e *adminsessions.Event) { e.SessionID = stolen })
}
