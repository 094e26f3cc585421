package viewer

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// route is a page or a call of an admin panel, and the act that it is.
type route struct {
	method string
	web    bool
	path   string
	action string
	object string // the type of the object whose id stands in the path
}

// routes are some of a real panel's.
var routes = []route{
	{"GET", true, "/admin/dashboard", "dashboard.view", ""}, {"GET", true, "/admin/clients", "clients.list", ""},
	{"GET", true, "/admin/clients/{uuid}/edit", "client.update_form", "client"}, {"GET", true, "/admin/monitoring/admin-sessions", "monitoring.admin_sessions.list", ""},
	{"GET", true, "/admin/settings/general", "settings.general.view", ""}, {"GET", true, "/admin/invoices", "invoices.list", ""},
	{"GET", false, "/admin/api/clients", "clients.list", ""}, {"GET", false, "/admin/api/client/{uuid}", "client.view", "client"},
	{"PUT", false, "/admin/api/client/{uuid}", "client.update", "client"}, {"DELETE", false, "/admin/api/client/{uuid}", "client.delete", "client"},
	{"POST", false, "/admin/api/client", "client.create", "client"}, {"GET", false, "/admin/api/admins", "admins.list", ""},
	{"POST", false, "/admin/api/admin", "admin.create", "admin"}, {"PUT", false, "/admin/api/admin/{uuid}", "admin.update", "admin"},
	{"GET", false, "/admin/api/groups/select", "groups.select", ""}, {"GET", false, "/admin/api/dns_zone/{uuid}/records", "dns_zone.records.list", "dns_zone"},
	{"POST", false, "/admin/api/dns_zone/{uuid}/record", "dns_zone.record.create", "dns_zone"}, {"PATCH", false, "/admin/api/home_company/{uuid}", "home_company.update", "home_company"},
	{"GET", false, "/admin/api/invoices", "invoices.list", ""}, {"GET", false, "/admin/api/invoice/{uuid}/pdf", "invoice.pdf.view", "invoice"},
	{"POST", false, "/admin/api/add_ons/module/{uuid}/activate", "add_ons.module.activate", "module"}, {"DELETE", false, "/admin/api/certificate_authority/{uuid}", "certificate_authority.delete", "certificate_authority"},
	{"GET", false, "/admin/api/currencies", "currencies.list", ""}, {"GET", false, "/admin/api/module_logs", "module_logs.list", ""},
	{"GET", false, "/admin/api/country/{uuid}/regions", "country.regions.list", "country"},
}

// names of objects, where the panel tells them.
var names = []string{"Acme", "Nordlicht GmbH", "Żabka", "Blue Ocean Ltd", "Kowalski i Synowie"}

// traffic is n requests of a few administrators up to the time end, always the
// same for the same seed.
func traffic(seed uint64, end time.Time, span time.Duration, n int) []adminsessions.Event {
	rnd := rand.New(rand.NewPCG(seed, 0))
	admins := []struct {
		user    adminsessions.User
		address string
	}{
		{anna, "10.2.3.4"}, {ben, "192.0.2.17"}, {lena, "2001:db8::17"},
		{adminsessions.User{ID: "4", FullName: "Dmytro Kravchenko", Email: "dmytro@example.com"}, "198.51.100.23"},
		{adminsessions.User{ID: "5", FullName: "Sofía Núñez", Email: "sofia@example.com"}, "203.0.113.80"},
	}
	agents := []string{
		"Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
		"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605.1.15",
	}
	events := make([]adminsessions.Event, 0, n)
	for i := range n {
		at := end.Add(-span + span*time.Duration(i+1)/time.Duration(n) - time.Duration(rnd.Int64N(int64(span)/int64(n))))
		who := admins[rnd.IntN(len(admins))]
		r := routes[rnd.IntN(len(routes))]
		e := event(at, int(seed)*1_000_000+i, func(e *adminsessions.Event) {
			e.User, e.ClientAddress = who.user, netip.MustParseAddr(who.address)
			e.Type = adminsessions.API
			if r.web {
				e.Type = adminsessions.Web
			}
			uuid := fmt.Sprintf("%08x", rnd.Uint32())
			e.Method, e.Route = r.method, r.path
			e.URL = "https://panel.example" + strings.ReplaceAll(r.path, "{uuid}", uuid)
			e.Duration = time.Duration(rnd.ExpFloat64() * float64(60*time.Millisecond))
			e.UserAgent = agents[i%2]
			e.SessionID = fmt.Sprintf("%x", who.address)
			switch x := rnd.IntN(100); {
			case x < 4:
				e.StatusCode = 404
			case x < 6:
				e.StatusCode = 403
			case x < 7:
				e.StatusCode, e.ErrorType = 500, "500"
			case x < 9:
				e.StatusCode = 302
			case r.method == "POST":
				e.StatusCode = 201
			}
			e.Action = r.action
			if r.object != "" {
				e.Resource = adminsessions.Resource{Type: r.object, ID: uuid}
			}
			if r.object == "client" && r.method != "GET" {
				e.Resource.Name = names[i%len(names)]
			}
			switch r.method {
			case "DELETE":
				e.Reason = fmt.Sprintf("Ticket %d", 4000+i)
			case "PUT", "PATCH":
				e.Changes = []adminsessions.Change{{Field: "status", Old: "active", New: "suspended"}, {Field: "plan", Old: "Cloud S", New: "Cloud M"}, {Field: "note", New: "as agreed by telephone"}}
			}
			if i%7 == 0 {
				e.Actor = adminsessions.Actor{Type: adminsessions.ActorAgent, CredentialID: "key-7"}
			}
			e.Actor.TenantID = []string{"north", "south"}[i%2]
			e.Geo = adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS5617 Orange"}
		})
		if i%61 == 17 {
			e.User, e.SessionID = adminsessions.User{}, ""
			e.SignIn = adminsessions.SignIn{Name: "mallory", Outcome: adminsessions.SignInFailure}
			e.Type, e.Method, e.Route, e.StatusCode = adminsessions.Web, "POST", "/admin/login", 401
			e.URL, e.ClientAddress = "https://panel.example/admin/login", netip.MustParseAddr("198.51.100.200")
			e.Action, e.Resource, e.Changes, e.Reason, e.Actor = "login", adminsessions.Resource{}, nil, "", adminsessions.Actor{}
		}
		events = append(events, e)
	}
	return events
}
