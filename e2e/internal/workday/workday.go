// Package workday is a day in an admin panel, for pictures: the same people do the
// same things in every picture that is taken, whenever that is.
package workday

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// Service is the application whose day it is, Instance the process.
const (
	Service  = "panel"
	Instance = "panel-1"
)

// requests is how many requests the day has beside its scenes; Grafana lists the
// newest 1,000. span is how far back they go: all of them are still within 24 hours
// when the last picture is taken.
const (
	requests = 850
	span     = 23*time.Hour + 30*time.Minute
)

// person is an administrator, and by what he comes.
type person struct {
	adminsessions.User
	address string
	geo     adminsessions.Geo
	browser string
	program string
}

const (
	firefox = "Mozilla/5.0 (X11; Linux x86_64; rv:143.0) Gecko/20100101 Firefox/143.0"
	chrome  = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"
	safari  = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15"
)

// The administrators of the panel.
var (
	Anna   = person{adminsessions.User{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com"}, "10.2.3.4", adminsessions.Geo{}, firefox, "curl/8.14.1"}
	rory   = person{adminsessions.User{ID: "3", FullName: "Rory O'Neil", Email: "rory@example.com"}, "10.2.7.19", adminsessions.Geo{}, safari, "billing-export/2.3"}
	sofia  = person{adminsessions.User{ID: "5", FullName: "Sofía Núñez", Email: "sofia@example.com"}, "203.0.113.80", adminsessions.Geo{Country: "ES", Locality: "Madrid", Network: "AS64500 Example Telecom"}, chrome, "terraform/1.13"}
	dmytro = person{adminsessions.User{ID: "6", FullName: "Dmytro Kravchenko", Email: "dmytro@example.com"}, "198.51.100.23", adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS64501 Example Net"}, chrome, "panelctl/3.1"}
	mei    = person{adminsessions.User{ID: "8", FullName: "Mei Tanaka", Email: "mei@example.com"}, "10.2.9.31", adminsessions.Geo{}, firefox, "panelctl/3.1"}
)

// Acme is the client that most happens to.
var Acme = adminsessions.Resource{Type: "clients", ID: "7731", Name: "Acme GmbH"}

var clients = []adminsessions.Resource{
	Acme, {Type: "clients", ID: "7702", Name: "Nordlicht AG"}, {Type: "clients", ID: "7709", Name: "Żabka Hosting"}, {Type: "clients", ID: "7714", Name: "Blue Ocean Ltd"},
	{Type: "clients", ID: "7718", Name: "Kowalski i Synowie"}, {Type: "clients", ID: "7725", Name: "Café Müller"}, {Type: "clients", ID: "7740", Name: "Tanuki Games"},
}

// work is what administrators do all day; the first are done more often.
var work = []struct {
	method, path, action, kind string // in path, {id} is the object's
	api                        bool
}{
	{http.MethodGet, "/clients", "clients.list", "", false}, {http.MethodGet, "/clients/{id}", "clients.view", "clients", false},
	{http.MethodGet, "/api/clients", "clients.list", "", true}, {http.MethodGet, "/invoices", "invoices.list", "", false},
	{http.MethodGet, "/api/clients/{id}", "clients.view", "clients", true}, {http.MethodPut, "/api/clients/{id}", "clients.update", "clients", true},
	{http.MethodGet, "/api/services", "services.list", "", true}, {http.MethodGet, "/tickets", "tickets.list", "", false},
	{http.MethodPost, "/invoices/{id}/send", "invoices.send", "invoices", false}, {http.MethodGet, "/dns/{id}", "dns.view", "dns", false},
	{http.MethodPatch, "/api/dns/{id}", "dns.update", "dns", true}, {http.MethodPost, "/api/services/{id}/restart", "services.restart", "services", true},
	{http.MethodGet, "/settings", "settings.view", "", false}, {http.MethodPost, "/clients/{id}/suspend", "clients.suspend", "clients", false},
	{http.MethodDelete, "/api/services/{id}", "services.delete", "services", true}, {http.MethodGet, "/admins", "admins.list", "", false},
}

// day is a day that is being made up.
type day struct {
	end    time.Time
	rnd    *rand.Rand
	events []adminsessions.Event
}

// Events are those of nearly 24 hours before end, the oldest event first.
func Events(end time.Time) []adminsessions.Event {
	d := &day{end: end, rnd: rand.New(rand.NewPCG(7731, 2026))}
	d.routine()
	d.scenes()
	slices.SortStableFunc(d.events, func(a, b adminsessions.Event) int { return a.Time.Compare(b.Time) })
	for i := range d.events {
		d.events[i].Sequence = uint64(i + 1)
	}
	return d.events
}

// add is a request of somebody, or by whatever change makes of it.
func (d *day) add(ago time.Duration, who person, method, path, action string, status int, change ...func(*adminsessions.Event)) *adminsessions.Event {
	e := adminsessions.Event{
		Time: d.end.Add(-ago), Stage: adminsessions.Complete, RequestID: d.id(10), Type: adminsessions.Web,
		User: who.User, ClientAddress: netip.MustParseAddr(who.address), Geo: who.geo, Method: method,
		URL: "https://panel.example/admin" + path, Route: "/admin" + path, Action: action, StatusCode: status,
		Duration: 3*time.Millisecond + time.Duration(d.rnd.ExpFloat64()*float64(30*time.Millisecond)), UserAgent: who.browser,
	}
	if who.ID != "" {
		e.SessionID = sessionHash(who)
	}
	for _, f := range change {
		f(&e)
	}
	d.events = append(d.events, e)
	return &d.events[len(d.events)-1]
}

// sessionHash is what the trail calls somebody's session.
func sessionHash(who person) string {
	sum := sha256.Sum256([]byte(who.Email))
	return hex.EncodeToString(sum[:8])
}

// alone is an act without a request.
func (d *day) alone(ago time.Duration, by adminsessions.Type, action string, change func(*adminsessions.Event)) {
	e := adminsessions.Event{
		Time: d.end.Add(-ago), Stage: adminsessions.Complete, RequestID: d.id(10), Type: by,
		Action: action, Outcome: adminsessions.OutcomeSuccess, Duration: 12 * time.Millisecond,
	}
	change(&e)
	d.events = append(d.events, e)
}

// id is an identifier of n bytes.
func (d *day) id(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(d.rnd.Uint32())
	}
	return hex.EncodeToString(b)
}

// routine is what happens all day: less in its middle, which is the night.
func (d *day) routine() {
	people := []person{Anna, Anna, Anna, rory, rory, sofia, dmytro, mei}
	for range requests {
		ago := time.Duration(d.rnd.Float64() * float64(span))
		if ago > 9*time.Hour && ago < 17*time.Hour && d.rnd.IntN(6) > 0 {
			ago = time.Duration(d.rnd.Float64() * float64(9*time.Hour))
		}
		who := people[d.rnd.IntN(len(people))]
		w := work[min(d.rnd.IntN(len(work)), d.rnd.IntN(len(work)))]
		object := d.object(w.kind)
		status := cmp.Or(map[string]int{http.MethodPost: 303, http.MethodDelete: 204}[w.method], 200)
		switch n := d.rnd.IntN(100); {
		case n < 2:
			status = 404
		case n < 3:
			status = 403
		}
		d.add(ago, who, w.method, strings.Replace(w.path, "{id}", object.ID, 1), w.action, status, func(e *adminsessions.Event) {
			e.Resource, e.Route = object, "/admin"+w.path
			if w.api {
				e.Type, e.UserAgent, e.SessionID = adminsessions.API, who.program, ""
			}
			if status < 400 {
				e.Changes, e.Reason = d.changes(w.action), d.reason(w.method)
			}
		})
	}
}

func (d *day) object(kind string) adminsessions.Resource {
	client := clients[d.rnd.IntN(len(clients))]
	switch kind {
	case "clients":
		return client
	case "invoices":
		return adminsessions.Resource{Type: kind, ID: fmt.Sprint(26_1100 + d.rnd.IntN(90)), Name: client.Name}
	case "services":
		return adminsessions.Resource{Type: kind, ID: fmt.Sprint(200 + d.rnd.IntN(60)), Name: []string{"Web M", "Cloud S", "Mail 10"}[d.rnd.IntN(3)]}
	case "dns":
		return adminsessions.Resource{Type: kind, ID: []string{"acme.example", "tanuki.example", "zabka.example"}[d.rnd.IntN(3)]}
	}
	return adminsessions.Resource{}
}

func (d *day) changes(action string) []adminsessions.Change {
	switch action {
	case "clients.update":
		return []adminsessions.Change{{Field: "plan", Old: "Web M", New: "Cloud S"}, {Field: "monthly", Old: "11.99", New: "24.00"}}
	case "clients.suspend":
		return []adminsessions.Change{{Field: "status", Old: "active", New: "suspended"}}
	case "dns.update":
		return []adminsessions.Change{{Field: "address", Old: "192.0.2.10", New: "192.0.2.44"}}
	}
	return nil
}

func (d *day) reason(method string) string {
	if method == http.MethodGet || method == http.MethodPatch {
		return ""
	}
	return []string{"three invoices overdue", "asked for by the client", "ticket 4711", "ticket 4698"}[d.rnd.IntN(4)]
}
