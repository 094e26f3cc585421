package dashboards_test

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
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
	trace                          string
	log                            string // audit_log_id
	sequence                       int
}

// id tells one entry from every other.
func (e *event) id() string { return e.RequestID + " " + string(e.Stage) }

// metadata is the event's structured metadata in Loki, all that the exporter
// stores of it.
func (e *event) metadata() map[string]string {
	m := map[string]string{
		adminsessions.LokiScopeName:         adminsessions.ScopeName,
		adminsessions.LokiScopeVersion:      adminsessions.Version,
		adminsessions.LokiSeverityText:      e.SeverityText(),
		adminsessions.LokiSeverityNumber:    strconv.Itoa(int(e.Severity())),
		adminsessions.LokiObservedTimestamp: strconv.FormatInt(e.Observed.UnixNano(), 10),
	}
	e.WalkAttributes(func(kv attribute.KeyValue) bool {
		m[adminsessions.LokiName(string(kv.Key))] = kv.Value.String()
		return true
	})
	if e.trace != "" {
		m[adminsessions.LokiTraceID] = e.trace
		m[adminsessions.LokiSpanID] = e.trace[16:]
		m[adminsessions.LokiFlags] = "1"
	}
	if e.log != "" {
		m[adminsessions.LokiName(adminsessions.KeyLogID)] = e.log
		m[adminsessions.LokiName(adminsessions.KeySequenceNumber)] = strconv.Itoa(e.sequence)
	}
	return m
}

// field is the value under a name in Loki, a label or metadata.
func (e *event) field(name string) string {
	switch name {
	case adminsessions.LokiName(adminsessions.KeyServiceName):
		return e.service
	case adminsessions.LokiName(adminsessions.KeyServiceInstanceID):
		return e.instance
	case adminsessions.LokiName(adminsessions.KeyDeploymentEnvironment):
		return e.environment
	}
	return e.metadata()[name]
}

// labels are those of the event's stream.
func (e *event) labels() map[string]string {
	l := map[string]string{
		adminsessions.LokiName(adminsessions.KeyServiceName):       e.service,
		adminsessions.LokiName(adminsessions.KeyServiceInstanceID): e.instance,
	}
	if e.environment != "" {
		l[adminsessions.LokiName(adminsessions.KeyDeploymentEnvironment)] = e.environment
	}
	return l
}

// store pushes events and their lines, each stream oldest first.
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
		streams[key].Entries = append(streams[key].Entries, lokitest.Entry{Time: e.Time, Line: e.Sentence(), Metadata: e.metadata()})
	}
	for _, stream := range streams {
		for batch := range slices.Chunk(stream.Entries, 2000) {
			part := lokitest.Stream{Labels: stream.Labels, Entries: batch}
			if err := errors.Join(loki.Push(t.Context(), part), loki.Push(t.Context(), part.Lines())); err != nil {
				t.Fatal(err)
			}
		}
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
		e.Observed = e.Time
		if e.RequestID == "" {
			e.RequestID = fmt.Sprintf("request-%03d", n)
		}
		e.Stage = cmp.Or(e.Stage, adminsessions.Complete)
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
		e.SessionID, e.trace = session, trace
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
	sequence := map[string]int{}
	for i := range events {
		e := &events[i]
		e.log = "log-of-" + e.instance
		sequence[e.log]++
		e.sequence = sequence[e.log]
		if e.instance == "panel-1" && e.sequence > 5 {
			e.sequence += 2
		}
	}
	return events
}
