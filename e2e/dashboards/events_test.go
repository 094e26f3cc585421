package dashboards_test

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// An event as it stands in Loki: what the product records, and under which
// labels.
type event struct {
	adminsessions.Event
	service, environment, instance string
	log                            string // audit_log_id; "" where another provider has sent it
}

// id tells one entry from every other.
func (e *event) id() string { return e.RequestID + " " + string(e.Stage) }

// line is the event's line, with the exporter's part if it has a log.
func (e *event) line() string {
	b := e.AppendLine(nil)
	if e.log != "" {
		b = adminsessions.AppendSequence(b, e.Sequence, time.Time{})
	}
	return string(b)
}

// people is the part of the line that is searched.
func (e *event) people() string {
	part, _, _ := strings.Cut(e.Line(), "\t")
	return part
}

// field is the value under a name in Loki: a label, or a field of the line as it
// stands there.
func (e *event) field(name string) string {
	switch name {
	case "service_name":
		return e.service
	case "service_instance_id":
		return e.instance
	case "deployment_environment_name":
		return e.environment
	case "audit_log_id":
		return e.log
	case "name": // of a sign-in, folded, where a query groups by it
		return strings.ToLower(e.SignIn.Name)
	}
	for f := range adminsessions.Fields() {
		if f.Name == name {
			if f.Word {
				return word(e, name)
			}
			return f.Get(&e.Event)
		}
	}
	panic("no field " + name)
}

// weight is how many requests the record stands for.
func (e *event) weight() float64 { return float64(max(e.Count, 1)) }

// labels are those of the event's stream.
func (e *event) labels() map[string]string {
	l := map[string]string{"service_name": e.service, "service_instance_id": e.instance}
	if e.environment != "" {
		l["deployment_environment_name"] = e.environment
	}
	if e.log != "" {
		l["audit_log_id"] = e.log
	}
	return l
}

// store pushes events, each stream oldest first.
func store(t testing.TB, loki *lokitest.Server, events []event) {
	t.Helper()
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b event) int { return a.Time.Compare(b.Time) })
	streams := map[string]*lokitest.Stream{}
	for i := range events {
		e := &events[i]
		labels := e.labels()
		key := labelKey(labels)
		if streams[key] == nil {
			streams[key] = &lokitest.Stream{Labels: labels}
		}
		streams[key].Entries = append(streams[key].Entries, lokitest.Entry{Time: e.Time, Line: e.line()})
	}
	for _, stream := range streams {
		for batch := range slices.Chunk(stream.Entries, 2000) {
			if err := loki.Push(t.Context(), lokitest.Stream{Labels: stream.Labels, Entries: batch}); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// storeForeign adds lines that are no events: of another program, with what
// breaks queries, and such as look like events from the middle on.
func storeForeign(t testing.TB, loki *lokitest.Server, to time.Time) {
	t.Helper()
	var entries []lokitest.Entry
	for i, line := range []string{
		"level=info msg=started", "", "{}", "GET /admin 200", "\t\t\t",
		"type=\uFFFD method=GET status=200 email=\uFFFD ip=1 id=1 action=a outcome=success \tsession=s request=r ms=1 x",
		"x type=API method=DELETE status=204 email=anna@example.com ip=10.2.3.4 id=2 action=clients.delete outcome=success url=\"u\"\tsession=s request=r ms=1 ua=\"x\"",
		`msg="signin=\"failure\"" signin="failure" tried="root"`,
		"request=download-1 session=s-anna-1",
	} {
		entries = append(entries, lokitest.Entry{Time: to.Add(-time.Duration(i+1) * time.Minute), Line: line})
	}
	if err := loki.Push(t.Context(), lokitest.Stream{Labels: map[string]string{"service_name": "panel", "service_instance_id": "other", "deployment_environment_name": "production"}, Entries: entries}); err != nil {
		t.Fatal(err)
	}
}

var (
	anna   = adminsessions.User{ID: "2", FullName: "Anna Kowalska", Email: "anna@example.com"}
	rory   = adminsessions.User{ID: "3", FullName: "Rory O'Neil", Email: "rory@example.com"}
	zaneta = adminsessions.User{ID: "4", FullName: "Żaneta Łęcka (ops)", Email: "zaneta+ops@example.com"}
	odd    = adminsessions.User{ID: "{{5}}", FullName: `Max "The $" O\Brien [a|b]*`, Email: "max.o.b@example.com"}
	nobody = adminsessions.User{}
)

// knownEvents is the set that the dashboards are tested with: every kind of
// event, in and around the 24 hours before now.
func knownEvents(now time.Time) []event {
	var events []event
	add := func(ago time.Duration, e event) {
		n := len(events) + 1
		e.Time = now.Add(-ago).Add(time.Duration(n)) // no two at the same nanosecond
		if e.RequestID == "" {
			e.RequestID = fmt.Sprintf("request-%03d", n)
		}
		e.Stage = cmp.Or(e.Stage, adminsessions.Complete)
		if e.Action == "" && e.Method != "" {
			e.Action = map[string]string{"GET": "clients.view", "POST": "clients.create", "DELETE": "clients.delete"}[e.Method]
		}
		e.service = cmp.Or(e.service, "panel")
		e.instance = cmp.Or(e.instance, "panel-1")
		if e.service == "panel" {
			e.environment = cmp.Or(e.environment, "production")
		}
		events = append(events, e)
	}
	request := func(who adminsessions.User, ip string, i adminsessions.Type, method, path, route string, status int) event {
		return event{Event: adminsessions.Event{
			User: who, ClientAddress: netip.MustParseAddr(ip), Type: i, Method: method,
			URL: "https://panel.example" + path, Route: route, StatusCode: status,
			Duration: time.Duration(status) * time.Millisecond, UserAgent: "Mozilla/5.0 (test)",
		}}
	}
	inSession := func(e event, session, trace string) event {
		e.SessionID = session
		if trace != "" {
			e.TraceID, e.SpanID = [16]byte{1, 2, byte(len(trace))}, [8]byte{3}
		}
		return e
	}

	// Before the time range: known addresses, and requests that no panel counts.
	add(20*24*time.Hour, request(anna, "10.2.3.4", adminsessions.Web, "GET", "/admin/clients", "/admin/clients", 200))
	add(9*24*time.Hour, request(rory, "2001:db8::7", adminsessions.API, "GET", "/admin/api/clients", "/admin/api/clients", 200))
	add(25*time.Hour, request(anna, "10.2.3.4", adminsessions.Web, "DELETE", "/admin/clients/1", "/admin/clients/{id}", 200))

	// Anna, on the web, in two sessions.
	for i, status := range []int{200, 200, 302, 404, 500} {
		path := "/admin/clients/" + strconv.Itoa(17+i)
		add(23*time.Hour-time.Duration(i)*time.Minute, inSession(request(anna, "10.2.3.4", adminsessions.Web, "GET", path, "/admin/clients/{id}", status), "s-anna-1", "4bf92f3577b34da6a3ce929d0e0e473"+strconv.Itoa(i)))
	}
	add(10*time.Hour, inSession(request(anna, "10.2.30.4", adminsessions.Web, "POST", "/admin/clients", "/admin/clients", 201), "s-anna-2", ""))
	add(30*time.Minute, inSession(request(anna, "10.2.3.4", adminsessions.Web, "GET", "/admin/clients/17/invoices?page=2", "/admin/clients/{id}/invoices", 200), "s-anna-2", ""))
	add(20*time.Minute, inSession(request(anna, "10.2.3.4", adminsessions.Web, "DELETE", "/admin/clients/17", "/admin/clients/{id}", 204), "s-anna-2", ""))
	add(19*time.Minute, inSession(request(anna, "10.2.3.4", adminsessions.Web, "DELETE", "/admin/clients/18", "/admin/clients/{id}", 403), "s-anna-2", ""))

	// Rory, by the API.
	for i, method := range []string{"GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"} {
		add(5*time.Hour-time.Duration(i)*time.Second, request(rory, "2001:db8::7", adminsessions.API, method, "/admin/api/clients/7", "/admin/api/clients/{id}", 200))
	}
	purge := request(rory, "198.51.100.7", adminsessions.API, "_OTHER", "/admin/api/cache", "", 405)
	purge.SentMethod = "PURGE"
	add(4*time.Hour, purge)
	add(3*time.Hour, request(rory, "2001:db8::7", adminsessions.API, "GET", "/admin/api/export", "/admin/api/export", 499))

	// Names and URLs with characters that mean something to somebody.
	add(2*time.Hour, request(zaneta, "192.0.2.17", adminsessions.Web, "GET", "/admin/search?q=a.b*c%60&x=(1)[2]{3}|4^5$6", "/admin/search", 200))
	add(119*time.Minute, request(zaneta, "192.0.2.1", adminsessions.Web, "GET", "/admin/search?q=axbc", "/admin/search", 200))
	add(118*time.Minute, request(odd, "192.0.2.18", adminsessions.Web, "POST", `/admin/notes?path=C:\temp\new&say={{hi}}'`, "/admin/notes", 200))
	broken := request(odd, "192.0.2.18", adminsessions.Web, "POST", "/admin/notes", "/admin/notes", 500)
	broken.ErrorType, broken.Note = "*errors.errorString", `note with 100% "quotes" and # sign`
	add(117*time.Minute, broken)
	tabs := request(adminsessions.User{FullName: "Tab\tTab", Email: "a\t=%b@example.com"}, "192.0.2.44", adminsessions.API, "GET", "/admin/tab", "/admin/tab", 200)
	tabs.Note, tabs.Resource = "a\tb\nc", adminsessions.Resource{Type: "x", Name: "y\tz"}
	add(91*time.Minute, tabs)
	byID := request(adminsessions.User{ID: "service-9"}, "192.0.2.99", adminsessions.API, "GET", "/admin/api/health", "/admin/api/health", 200)
	add(90*time.Minute, byID)

	// An administrator who acts as somebody else, and says what for.
	instead := request(rory, "10.2.3.5", adminsessions.Web, "PUT", "/admin/clients/7", "/admin/clients/{id}", 302)
	instead.Target = adminsessions.User{ID: "77", FullName: `Ben "B" Ray`, Email: "ben@example.com"}
	instead.Note = `client 7 moved to C:\new`
	add(80*time.Minute, instead)

	// Attempts to sign in.
	signIn := func(ago time.Duration, who adminsessions.User, name, ip string, outcome adminsessions.SignInOutcome, status int) {
		e := request(who, ip, adminsessions.Web, "POST", "/admin/login", "/admin/login", status)
		e.SignIn = adminsessions.SignIn{Name: name, Outcome: outcome}
		add(ago, e)
	}
	for i := range 4 {
		signIn(45*time.Minute-time.Duration(i)*time.Second, nobody, "Anna@Example.com", "203.0.113.9", adminsessions.SignInFailure, 401)
	}
	signIn(44*time.Minute, nobody, "root", "203.0.113.9", adminsessions.SignInFailure, 401)
	signIn(31*time.Minute, anna, "anna@example.com", "10.2.3.4", adminsessions.SignInSuccess, 302)

	// Acts that delete, by other methods and with other ends than 204.
	act := func(ago time.Duration, method, action string, status int) {
		e := request(rory, "10.2.3.5", adminsessions.Web, method, "/admin/clients/9/x", "/admin/clients/{id}/x", status)
		e.Action, e.Resource = action, adminsessions.Resource{Type: "client", ID: "9", Name: `Acme "&" <Sons>`}
		add(ago, e)
	}
	act(70*time.Minute, "POST", "clients.delete", 200)
	act(69*time.Minute, "POST", "clients.bulk_delete", 302)
	act(68*time.Minute, "POST", "clients.invoices.purge_all", 499)
	act(67*time.Minute, "GET", "clients.delete_form", 200)
	act(66*time.Minute, "POST", "clients.undelete", 200)
	act(65*time.Minute, "DELETE", "clients.delete", 403)
	act(64*time.Minute, "DELETE", "", 500)

	// Acts that say more: what they changed, for whom and why, with what; and acts
	// without a request.
	said := func(ago time.Duration, who adminsessions.User, i adminsessions.Type, method, action string, status int, change func(*event)) {
		e := request(who, "10.2.3.6", i, method, "/admin/clients/7731", "/admin/clients/{id}", status)
		e.Action = action
		if method == "" {
			e.URL, e.Route, e.StatusCode, e.Outcome = "", "", 0, adminsessions.OutcomeSuccess
			e.ClientAddress, e.UserAgent = netip.Addr{}, ""
		}
		change(&e)
		add(ago, e)
	}
	client := adminsessions.Resource{Type: "clients", ID: "7731", Name: "Acme"}
	said(63*time.Minute, anna, adminsessions.Web, "PUT", "clients.update", 200, func(e *event) {
		e.RequestID, e.SessionID = "changing-1", "s-anna-2"
		e.Resource, e.Actor.TenantID, e.Reason = client, "acme", `ticket "17"`
		e.Changes = []adminsessions.Change{{Field: "status", Old: "active", New: "closed"}, {Field: "plan.price", New: "12"}, {Field: "limit", Old: "1\t\"2\""}}
		e.Geo = adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: "AS5617 Orange"}
	})
	said(62*time.Minute, nobody, adminsessions.Job, "", "services.suspend", 0, func(e *event) {
		e.Actor, e.Cause = adminsessions.Actor{Type: adminsessions.ActorSystem, TenantID: "acme2"}, "changing-1"
		e.Resource = adminsessions.Resource{Type: "services", ID: "7731"}
		e.Changes = []adminsessions.Change{{Field: "state", Old: "on", New: "off"}}
	})
	said(61*time.Minute, rory, adminsessions.CLI, "", "users.role.grant", 0, func(e *event) {
		e.Actor.TenantID, e.Reason = `ac"me`, "break-glass: nobody else is awake"
	})
	said(60*time.Minute, rory, adminsessions.MCP, "", "clients.view", 0, func(e *event) {
		e.Actor, e.Resource = adminsessions.Actor{Type: adminsessions.ActorAgent, CredentialID: "key-7"}, client
	})
	said(59*time.Minute, rory, adminsessions.API, "GET", "clients.view", 200, func(e *event) {
		e.Actor, e.Resource = adminsessions.Actor{Type: adminsessions.ActorService}, adminsessions.Resource{Type: "clients", ID: `a"b\c`, Name: "7731"}
	})
	// Texts that try to say what other fields say.
	said(58*time.Minute, adminsessions.User{ID: "6", FullName: `x actor=`, Email: "eve@example.com"}, adminsessions.API, "POST", "notes.create", 201, func(e *event) {
		e.Actor.Type, e.Resource = adminsessions.ActorAgent, adminsessions.Resource{Type: "notes", ID: "8"}
		e.Note = ` tenant="acme" object="clients" object_id="7731" was.status="active" now.status="closed" actor="user" now.x=`
	})

	// What the trail tells of itself is no act of anybody, whoever it names.
	for i, action := range []string{"started", "reviewed", "checkpoint", "erased", "verified", "verified", "stopped"} {
		e := event{Event: adminsessions.Event{
			Type: adminsessions.Trail, Action: "trail." + action, Outcome: adminsessions.OutcomeSuccess, Note: action + " by Anna Kowalska, 7731",
			Actor: adminsessions.Actor{Type: adminsessions.ActorSystem},
		}}
		if action == "reviewed" {
			e.User, e.ClientAddress, e.Outcome = anna, netip.MustParseAddr("10.9.9.9"), adminsessions.OutcomeError
			e.Actor.Type = ""
		}
		switch {
		case action == "checkpoint":
			e.Attributes = []attribute.KeyValue{attribute.Int64("size", 41)}
			e.Checkpoint = "adminsessions/10900f\n41\nroot=\n"
		case i == 4:
			e.Outcome = adminsessions.OutcomeFailure
			e.Attributes = []attribute.KeyValue{attribute.String("complete", "no"), attribute.String("unaltered", "yes"), attribute.String("up_to", now.Add(-3*time.Hour).UTC().Format(time.RFC3339Nano)), attribute.Int64("missing", 2)}
		case i == 5:
			e.Attributes = []attribute.KeyValue{attribute.String("complete", "yes"), attribute.String("unaltered", "yes"), attribute.String("up_to", now.Add(-2*time.Hour+1).UTC().Format(time.RFC3339Nano))}
			e.instance = "panel-9" // of two that verify
			e.environment = "staging"
		}
		add(time.Duration(57-i)*time.Minute, e)
	}

	// A flood without credentials, folded; one of its records is of sign-ins.
	flood := request(nobody, "198.51.100.99", adminsessions.Web, "GET", "/.env", "", 404)
	flood.Count, flood.Since = 4123, now.Add(-51*time.Minute)
	add(50*time.Minute, flood)
	guesses := request(nobody, "198.51.100.99", adminsessions.Web, "POST", "/admin/login", "/admin/login", 401)
	guesses.Count, guesses.Since = 17, now.Add(-50*time.Minute)
	guesses.SignIn = adminsessions.SignIn{Name: "ROOT", Outcome: adminsessions.SignInFailure}
	add(49*time.Minute, guesses)

	// What another provider has sent has no number.
	elsewhere := request(anna, "10.2.3.4", adminsessions.API, "GET", "/admin/api/otlp", "/admin/api/otlp", 200)
	elsewhere.instance = "otlp"
	add(40*time.Minute, elsewhere)

	// A download: visible when it starts, counted when it ends.
	download := request(anna, "10.2.3.4", adminsessions.Web, "GET", "/admin/backup", "/admin/backup", 200)
	download.RequestID = "download-1"
	running := download
	running.Stage, running.StatusCode = adminsessions.Started, 0
	add(15*time.Minute, running)
	add(14*time.Minute, download)
	open := running
	open.RequestID = "download-2"
	add(5*time.Minute, open)

	// Another service, without an environment, and another environment.
	other := request(rory, "198.51.100.8", adminsessions.Web, "GET", "/admin/", "/admin/", 200)
	other.service, other.instance = "shop.admin", "shop-1"
	add(8*time.Hour, other)
	staging := request(anna, "10.2.3.4", adminsessions.Web, "GET", "/admin/", "/admin/", 503)
	staging.environment, staging.instance = "staging", "panel-9"
	add(7*time.Hour, staging)

	// Each instance numbers its own; panel-1 has lost its numbers 3 and 4.
	slices.SortStableFunc(events, func(a, b event) int { return a.Time.Compare(b.Time) })
	sequence := map[string]uint64{}
	for i := range events {
		e := &events[i]
		if e.instance == "otlp" {
			continue
		}
		e.log = "10900f" + e.instance
		sequence[e.log]++
		e.Sequence = sequence[e.log]
		if e.instance == "panel-1" && e.Sequence > 5 {
			e.Sequence += 2
		}
	}
	return events
}
