package viewer

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	grammar "github.com/adminsessions/adminsessions/internal/trail/query"
)

// TestGrammar asks for events by every key of the search grammar, alone, turned
// round and combined, and expects what plain Go chooses of them: rows, count and
// export agree.
func TestGrammar(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	events := acts(time.Now().Add(-time.Minute))
	foreign := lokitest.Stream{Labels: map[string]string{"service_name": "other"}, Entries: []lokitest.Entry{
		{Time: time.Now().Add(-time.Hour), Line: `a line of another application, tenant="acme" action=clients.delete`},
		{Time: time.Now().Add(-time.Hour), Line: "\ufffd tenant=\"acme\" object=\"\ufffd\" name=\"\ufffd\" cause=\"\ufffd\""},
	}}
	push(t, loki, stream("one", events...), foreign)

	queries := []string{
		"", "type:trail", "-type:trail", "type:trail type:web", `type:trail "checkpoint"`, "-type:web",
		"admin:anna", "admin:ANNA", "admin:kowalska", `admin:"Anna Kowalska"`, `admin:"anna kowal"`, "admin:joanna", "admin:anna@example.com", "admin:1", "admin:7",
		"-admin:anna", "admin:anna admin:ben", "admin:lena", "admin:ŁENA", "admin:żółć", "-admin:żółć", "admin:.*", `admin:"a b"`, "admin:nobody", "-admin:nobody",
		"action:delete", "action:clients.delete", "action:clients.", "action:.delete", "action:client", "action:clients", "action:clients.address.", "action:delete action:view",
		"-action:delete", "-action:clients.", "-action:view -action:delete", "action:lete", "action:clients.delet", "action:.", "action:Clients.Delete",
		"object:client", "object:client/7731", "object:clients", "object:clients/7731", "object:/7731", "object:client/773", "object:client object:plan",
		"object:client/7731 object:plan/9", "-object:client", "-object:client/7731", "-object:/7731", `object:"a b"`, `object:client/"7731`, `object:/a/b`, `object:client/a/b`,
		`object:" client"`, `-object:" client"`,
		"outcome:success", "outcome:denied", "outcome:failure outcome:error", "-outcome:success", "outcome:error -status:500",
		"actor:user", "actor:service", "actor:agent actor:system", "-actor:user", "-actor:service", "actor:user actor:service", "-actor:user -actor:agent",
		"tenant:acme", "tenant:acme2", "tenant:ac", "tenant:Acme", `tenant:ac\"me`, `tenant:"ac\"me"`, "-tenant:acme", "tenant:acme tenant:acme2", `tenant:"url="`, `tenant:" url="`, `tenant:" acme"`,
		"credential:k-1", "-credential:k-1", "credential:k", "country:pl", "country:DE country:PL", "-country:PL", "country:US",
		"reason:ticket", "reason:TICKET", `reason:"line\nfeed"`, "-reason:ticket", "reason:ŻÓŁĆ", "reason:4711",
		"url:/clients/", "url:CLIENTS", "-url:/clients/", "url:plan url:/clients/", "url:?q=", "url:https://panel.example/x", `url:"a b"`,
		"session:s1", "session:s", "-session:s1", "session:s1 session:s2", "request:0000000000000003", "request:cause-1", "-request:cause-1", "request:0000000000000003 request:cause-1", "request:c",
		"ip:10.0.0.0/8", "-ip:10.0.0.0/8", "ip:10.0.0.1 ip:2001:db8::1", "-ip:10.0.0.1", "ip:::/0", "-ip:::/0", "-ip:0.0.0.0/0",
		"status:404", "-status:404", "status:4xx -status:404", "-status:4xx -status:5xx", "method:DELETE", "-method:GET -method:DELETE", "type:job type:cli", "type:mcp",
		`"deleted"`, "deleted client", `"deleted" "client"`, `-"deleted"`, `-"deleted client" action:delete`, `-"ŻÓŁĆ"`, `"\"quoted\""`, `-"\"quoted\""`, `tenant="acme"`, `-"tenant=\"acme\""`, "status=404",
		"admin:anna action:delete object:client/7731 ip:10.0.0.0/8 -status:404 \"free text\"",
		"admin:anna action:delete ip:10.0.0.0/8 -status:404",
		"tenant:acme object:client reason:ticket -actor:service deleted", "object:client tenant:acme -object:client/7731", "-tenant:acme -object:client -country:PL -reason:ticket -url:x -admin:ben -request:c",
	}
	rnd := rand.New(rand.NewPCG(12, 0))
	for range 60 {
		var some []string
		for range 1 + rnd.IntN(3) {
			if q := queries[rnd.IntN(len(queries))]; !strings.Contains(q, "deleted client") {
				some = append(some, q)
			}
		}
		queries = append(queries, strings.TrimSpace(strings.Join(some, " ")))
	}
	chosen := map[int]bool{}
	for i, q := range queries {
		f, err := grammar.Parse(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		var want []string
		for i := range events {
			if chooses(&f, &events[i]) {
				want = append(want, events[i].RequestID)
				chosen[i] = true
			}
		}
		var got []string
		for _, e := range p.events(t, query("q", q, "size", "200")) {
			got = append(got, e.Fields["request"])
		}
		slices.Sort(got)
		slices.Sort(want)
		if !slices.Equal(got, want) {
			t.Errorf("%s finds\n%q, want\n%q", q, got, want)
		}
		count, status, err := p.api(t.Context(), "count", query("q", q))
		if err != nil || status != http.StatusOK || count.Count != len(want) || count.AtMost {
			t.Errorf("%s: count %+v, status %d, %v; want %d", q, count, status, err, len(want))
		}
		if i%8 == 0 {
			if exported := exportedIDs(t, p, query("q", q)); !slices.Equal(exported, want) {
				t.Errorf("%s exports\n%q, want\n%q", q, exported, want)
			}
		}
	}
	// Sorted by what was done.
	var order []string
	for _, e := range p.events(t, query("sort", "action", "size", "200")) {
		order = append(order, e.Fields["action"]+"\x00"+e.Fields["object"]+"\x00"+e.Fields["object_id"])
	}
	if len(order) != len(events)-2 || !slices.IsSorted(order) {
		t.Errorf("%d events sorted by action: %q", len(order), order)
	}
	for i := range events {
		if !chosen[i] {
			t.Errorf("no query chooses %s", events[i].Line())
		}
	}
}

// exportedIDs are the ids of the requests that NDJSON and CSV hold, which agree.
func exportedIDs(t *testing.T, p *panel, q url.Values) (ids []string) {
	t.Helper()
	read := func(format string) []byte {
		resp, err := p.get(t.Context(), prefix+"export."+format+"?"+q.Encode())
		if err != nil {
			t.Fatal(err)
		}
		defer resp.Body.Close()
		b, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("export.%s?%s: status %d, %v", format, q.Encode(), resp.StatusCode, err)
		}
		return b
	}
	for line := range strings.Lines(string(read("ndjson"))) {
		var e apiEvent
		if err := json.Unmarshal([]byte(line), &e); err != nil {
			t.Fatal(err)
		}
		ids = append(ids, e.Fields["request"])
	}
	records, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(read("csv"), []byte("\ufeff")))).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	column := slices.Index(records[0], "request")
	for i, record := range records[1:] {
		if i >= len(ids) || record[column] != ids[i] {
			t.Errorf("%s: CSV and NDJSON differ in row %d: %q", q.Encode(), i, record)
		}
	}
	slices.Sort(ids)
	return ids
}

// acts are events with everything that they can be chosen by, and many that only
// look as if they had it.
func acts(end time.Time) []adminsessions.Event {
	var events []adminsessions.Event
	add := func(change ...func(*adminsessions.Event)) {
		n := len(events) + 1
		e := event(end.Add(-time.Duration(200-n)*time.Second), n, func(e *adminsessions.Event) { e.SessionID = "s" + fmt.Sprint(n%4) })
		for _, f := range change {
			f(&e)
		}
		e.Outcome = adminsessions.Outcome(cmp.Or(string(e.Outcome), string(e.DefaultOutcome())))
		events = append(events, e)
	}
	user := func(id, name, email string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.User = adminsessions.User{ID: id, FullName: name, Email: email} }
	}
	act := func(action, kind, id, name string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) {
			e.Action, e.Resource = action, adminsessions.Resource{Type: kind, ID: id, Name: name}
			if strings.HasSuffix(action, "delete") {
				e.Method, e.StatusCode = http.MethodDelete, 204
				e.Note = "deleted " + kind + " " + id
			}
		}
	}
	actor := func(kind adminsessions.ActorType, credential, tenant string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) {
			e.Actor = adminsessions.Actor{Type: kind, CredentialID: credential, TenantID: tenant}
		}
	}
	from := func(ip, country string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) {
			e.ClientAddress, e.Geo.Country = netip.MustParseAddr(ip), country
		}
	}
	status := func(code int) func(*adminsessions.Event) { return func(e *adminsessions.Event) { e.StatusCode = code } }
	reason := func(s string) func(*adminsessions.Event) { return func(e *adminsessions.Event) { e.Reason = s } }
	anna, joanna, ben, lena := user("1", "Anna Kowalska", "anna@example.com"), user("2", "Joanna Nowak", "joanna@example.com"), user("7", "Ben Carter", "Ben@example.com"),
		user("3", "Łena Żółć", "lena@example.com")
	add(anna, act("clients.delete", "client", "7731", "Acme"), actor("", "", "acme"), from("10.0.0.1", "PL"), reason("ticket 4711"))
	add(anna, act("clients.delete", "client", "7732", "Acme 2"), actor(adminsessions.ActorUser, "k-1", "acme2"), from("10.0.0.2", "DE"))
	add(joanna, act("clients.view", "client", "7731", "Acme"), actor("", "", "ac\"me"), reason("Ticket of żółć"))
	add(ben, act("clients.address.delete", "address", "7731", ""), actor(adminsessions.ActorService, "k-1", "Acme"), from("2001:db8::1", "PL"), status(403))
	add(lena, act("plan.delete", "plan", "9", "S"), actor(adminsessions.ActorAgent, "k-2", "acme"), status(404))
	add(user("anna", "", ""), act("plan.update", "plan", "9", ""), actor("", "k-1", ""), status(500))
	add(user("", "Anna", ""), act("delete", "clients", "7731", ""), actor("", "", " acme"))
	add(user("x@y", "Tom Anna@example.com", ""), act("clients.", "a b", "a/b", ""))
	add(user("a b", "nobody", "anna"), act("clients.deleted", "client", "a/b", ""), from("10.0.0.1", ""))
	add(user("1.*", "Anna Anna", "anna.kowalska@example.com"), act("xclients.delete", `cl"ient`, `"7731`, ""))
	add(user("", "", ""), act("clients.delete_all", "client", "", ""), from("10.0.0.1", "US"))
	add(user("", "", ""), func(e *adminsessions.Event) {
		e.Actor.Type, e.Type, e.Cause = adminsessions.ActorSystem, adminsessions.Job, "cause-1"
	}, act("clients.delete", "client", "7731", ""))
	add(user("", "", ""), func(e *adminsessions.Event) {
		e.Type, e.RequestID, e.Cause = adminsessions.CLI, "cause-1", "0000000000000003"
	})
	add(anna, func(e *adminsessions.Event) { e.Type, e.Cause = adminsessions.MCP, " request=x" }, actor(adminsessions.ActorAgent, "", ""))
	add(anna, func(e *adminsessions.Event) {
		e.Type, e.URL = adminsessions.Web, "https://panel.example/CLIENTS/1?q=a%20b"
	}, reason("line\nfeed"), act("clients.view", "client", "1", ""))
	add(anna, func(e *adminsessions.Event) { e.URL, e.SessionID = "https://panel.example/plan?x", "" }, act("plan.view", " client", "1", ""))
	// What says of itself what it is not.
	hostile := `x tenant="acme" object="client" object_id="7731" action=clients.delete outcome=success reason="ticket" name="Anna" cause="cause-1" country="PL" actor="service" ` +
		`email=anna@example.com id=1 type=TRAIL ip=10.0.0.1 status=404 session=s1 request=cause-1 ms=1 "quoted" url=`
	add(user("9", hostile, "evil@example.com"), actor("", "", " url="))
	add(user("9", "Evil "+hostile, "evil@example.com"), reason(hostile), func(e *adminsessions.Event) {
		e.Note, e.URL, e.UserAgent, e.Route = hostile, "https://x/?"+hostile, hostile, hostile
		e.Resource = adminsessions.Resource{Type: hostile[:100], ID: hostile, Name: hostile}
	})
	add(user(`a tenant="acme"`, "", `b object="client"`), func(e *adminsessions.Event) {
		e.Action = `x tenant="acme" clients.delete`
		e.SessionID = `s1 request=cause-1`
	})
	add(user("", "", ""), func(e *adminsessions.Event) {
		e.SignIn = adminsessions.SignIn{Name: "anna", Outcome: adminsessions.SignInFailure}
		e.StatusCode = 401
	})
	// The trail's own.
	for _, action := range []string{"trail.started", "trail.checkpoint"} {
		add(user("", "", ""), func(e *adminsessions.Event) {
			e.Type, e.Method, e.StatusCode, e.Action, e.Outcome = adminsessions.Trail, "", 0, action, adminsessions.OutcomeSuccess
			e.Actor.Type, e.Note, e.SessionID, e.ClientAddress, e.URL = adminsessions.ActorSystem, "the trail has "+action, "", netip.Addr{}, ""
		})
	}
	return events
}
