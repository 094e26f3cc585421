package viewer

import (
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/viewer"
)

// scopes are viewers, by the value of the cookie "admin".
var scopes = map[string]viewer.Scope{
	"all":     {All: true},
	"acme":    {Tenants: []string{"acme"}},
	"two":     {Tenants: []string{"acme", `ac"me`}},
	"quote":   {Tenants: []string{`ac"me`}},
	"odd":     {Tenants: []string{"{{.p_id}}", "<p_x>", `\`, "żółć\u2028"}},
	"ben":     {Own: ben},
	"ben id":  {Own: adminsessions.User{ID: ben.ID}},
	"ben at":  {Own: adminsessions.User{Email: ben.Email}},
	"ben+":    {Own: ben, Tenants: []string{"acme"}},
	"odd+":    {Own: ben, Tenants: []string{"{{.p_id}}", "<p_x>", `\`, "żółć\u2028", "}}"}},
	"nobody":  {Own: adminsessions.User{ID: "nobody knows"}},
	"reading": {Tenants: []string{"acme"}, NoExport: true},
}

// newScopedPanel is a panel whose viewers see what their cookie says.
func newScopedPanel(t testing.TB, loki *lokitest.Server, change ...func(*viewer.Config)) *panel {
	t.Helper()
	return newPanel(t, loki, append([]func(*viewer.Config){func(c *viewer.Config) {
		c.Authorize = func(r *http.Request) viewer.Scope {
			cookie, err := r.Cookie("admin")
			if err != nil {
				return viewer.Scope{}
			}
			return scopes[strings.ReplaceAll(cookie.Value, "_", " ")]
		}
	}}, change...)...)
}

// as asks the panel as one of scopes.
func (p *panel) as(t testing.TB, who, pathAndQuery string) (body string, status int) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.URL+pathAndQuery, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.AddCookie(&http.Cookie{Name: "admin", Value: strings.ReplaceAll(who, " ", "_")})
	resp, err := p.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(b), resp.StatusCode
}

// inScope is what a scope allows, said once more in plain Go.
func inScope(s viewer.Scope, e *adminsessions.Event) bool {
	if s.All {
		return e.Type != adminsessions.Trail // has a view of its own
	}
	if e.Type == adminsessions.Trail {
		return false
	}
	own := s.Own.ID != "" && e.User.ID == s.Own.ID
	if s.Own.ID == "" || e.User.ID == "" {
		own = s.Own.Email != "" && e.User.Email == s.Own.Email
	}
	return own || slices.Contains(s.Tenants, e.Actor.TenantID)
}

// secret stands in everything that nobody of some scope may learn.
const secret = "SEKRET"

// forgeries are texts that try to be in the tenant acme, or to hide from it.
var forgeries = []string{
	` tenant="acme"`, `tenant="acme"`, `" tenant="acme" x="`, `\" tenant="acme" `, "x\t tenant=\"acme\"\t", `a tenant=`,
	` tenant=acme `, `\`, "acme", `email=ben@example.com ip=1.1.1.1 id=2 action=x`, ` id=2 action=`, "\ufffd tenant=\"acme\"", `tenant="zzz"`,
}

// forged are events with a forgery in one field each.
func forged(make func(...func(*adminsessions.Event)) adminsessions.Event) (events []adminsessions.Event) {
	for _, text := range forgeries {
		for _, field := range []func(*adminsessions.Event){
			func(e *adminsessions.Event) { e.URL = text },
			func(e *adminsessions.Event) { e.User.FullName = text },
			func(e *adminsessions.Event) { e.User.Email = text },
			func(e *adminsessions.Event) { e.User.ID = text },
			func(e *adminsessions.Event) { e.Action = text },
			func(e *adminsessions.Event) { e.Resource.Type = text },
			func(e *adminsessions.Event) { e.Resource.ID = text },
			func(e *adminsessions.Event) { e.Resource.Name = text },
			func(e *adminsessions.Event) {
				e.Target = adminsessions.User{ID: text, FullName: text, Email: text}
			},
			func(e *adminsessions.Event) { e.Actor.CredentialID = text },
			func(e *adminsessions.Event) { e.Actor.Type = adminsessions.ActorType(text) },
			func(e *adminsessions.Event) {
				e.SignIn = adminsessions.SignIn{Name: text, Outcome: adminsessions.SignInOutcome(text)}
			},
			func(e *adminsessions.Event) { e.Reason = text },
			func(e *adminsessions.Event) { e.Note = text },
			func(e *adminsessions.Event) {
				e.Changes = []adminsessions.Change{{Field: "tenant", Old: text, New: "acme"}, {Field: text, Old: text, New: text}}
			},
			func(e *adminsessions.Event) { e.SessionID = text },
			func(e *adminsessions.Event) { e.Cause, e.Route = text, text },
			func(e *adminsessions.Event) {
				e.Geo = adminsessions.Geo{Country: text, Locality: text, Network: text}
			},
			func(e *adminsessions.Event) { e.UserAgent, e.ErrorType, e.SentMethod = text, text, text },
			func(e *adminsessions.Event) {
				e.Attributes = []attribute.KeyValue{attribute.String("tenant", "acme"), attribute.String(text, text)}
			},
		} {
			events = append(events, make(field))
		}
	}
	return events
}

// TestScopes has viewers who may see a part of the trail ask for all of it, in
// every way there is.
func TestScopes(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	start := time.Now().Add(-30 * time.Minute)
	var events []adminsessions.Event
	add := func(tenant string, change ...func(*adminsessions.Event)) adminsessions.Event {
		n := len(events) + 1
		e := event(start.Add(time.Duration(n)*time.Second), n, append([]func(*adminsessions.Event){func(e *adminsessions.Event) {
			e.User = adminsessions.User{ID: "9", Email: "zoe@example.com", FullName: "Zoë"}
			e.Actor.TenantID = tenant
		}}, change...)...)
		events = append(events, e)
		return e
	}
	as := func(u adminsessions.User) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.User = u }
	}
	for _, tenant := range []string{"acme", `ac"me`, " object_id=", "", "{{.p_id}}", "<p_x>", `\`, "żółć\u2028", "acme2", "Acme", "acm", `ac\"me`, "acme ", " acme", "ACME", "acmé", ".*", "acme|acme2", "other"} {
		add(tenant)
		add(tenant, as(ben))
		add(tenant, as(adminsessions.User{Email: ben.Email}))
		add(tenant, as(adminsessions.User{ID: ben.ID}))
		add(tenant, as(adminsessions.User{ID: "22", Email: ben.Email}))
		add(tenant, as(adminsessions.User{ID: "2 ", Email: "Ben@example.com"}))
		add(tenant, as(adminsessions.User{}), func(e *adminsessions.Event) { e.StatusCode = 401 })
		add(tenant, func(e *adminsessions.Event) {
			e.Type, e.Action, e.Method, e.StatusCode = adminsessions.Trail, "trail.started", "", 0
		})
		add(tenant, as(ben), func(e *adminsessions.Event) {
			e.Type, e.Action, e.Method, e.StatusCode = adminsessions.Trail, "trail.reviewed", "", 0
		})
		add(tenant, func(e *adminsessions.Event) { e.Stage = adminsessions.Started })
		add(tenant, as(ben), func(e *adminsessions.Event) { e.Stage = adminsessions.Started })
	}
	forged(func(change ...func(*adminsessions.Event)) adminsessions.Event { return add(secret, change...) })
	forged(func(change ...func(*adminsessions.Event)) adminsessions.Event { return add("", change...) })
	// Somebody in acme who would rather not be seen there.
	forged(func(change ...func(*adminsessions.Event)) adminsessions.Event { return add("acme", change...) })
	// Everything outside a scope is marked so that any trace of it is found.
	byID := map[string]*adminsessions.Event{}
	for i := range events {
		events[i].Attributes = append(events[i].Attributes, attribute.String("mark", fmt.Sprintf("m%dm", i)))
		byID[events[i].RequestID] = &events[i]
	}
	foreign := lokitest.Stream{Labels: map[string]string{"service_name": "other", "tenant": "acme", "name": "acme"}, Entries: []lokitest.Entry{
		{Time: start, Line: "hello tenant=\"acme\" " + secret},
		{Time: start, Line: `type=API method=GET status=200 email=ben@example.com ip=- id=2 action=- outcome=- tenant="acme" ` + secret},                         // no event's
		{Time: start, Line: `type=API method=GET status=200 email=x ip=- id=x action=- outcome=- url="` + secret + "\"\tsession=- request=foreign1 ms=-"},        // by its labels in acme only
		{Time: start, Line: `type=trail method=- status=- email=- ip=- id=2 action=- outcome=- url="` + secret + "\" tenant=\"acme\"\tsession=- request=x ms=-"}, // of the trail
		{Time: start, Line: "type=\ufffd method=\ufffd status=\ufffd email=\ufffd ip=\ufffd id=\ufffd tenant=\"\ufffd\" " + secret + " \ttenant=\"acme\""},
	}}
	push(t, loki, foreign, stream("one", events...))

	// Everything that can be asked of the page, with what everybody has and what
	// somebody else has.
	asked := []url.Values{
		query(), query("looks", "1"), query("hide", "me"), query("q", "acme"), query("q", secret), query("q", `tenant="acme"`), query("q", `tenant="`+secret+`"`),
		query("admin", ben.Email), query("admin", "zoe@example.com"), query("admin", "9"), query("admin", "-"), query("ip", "10.0.0.0/8"), query("session", "c0ffee"),
		query("type", "api"), query("type", "web"), query("method", "GET"), query("status", "200"), query("status", "4xx"), query("status", "2xx", "status", "401"),
		query("range", "1h"), query("range", "7d"), query("from", start.UTC().Format(time.RFC3339)), query("sort", "time"), query("sort", "-url"), query("sort", "admin"),
		query("q", "tenant:other tenant:acme -admin:x"), query("q", "-tenant:zzz -object:x -reason:x"), query("type", "trail", "type", "api"), query("q", secret+":1"),
		query("q", "request:acme"),
		query("sort", "-status"), query("sort", "duration"), query("size", "200"), query("sort", "ip", "page", "2", "size", "25"),
	}
	// What looks through more than a year, and is asked by some.
	deep := []url.Values{query("event", events[2].RequestID), query("q", events[1].RequestID)}
	for who, scope := range scopes {
		asked := asked
		if who == "acme" || who == "ben" {
			asked = append(slices.Clip(asked), deep...)
		}
		t.Run(who, func(t *testing.T) {
			var want []string
			ended := 0
			for i := range events {
				if inScope(scope, &events[i]) {
					want = append(want, events[i].RequestID)
					if events[i].Stage != adminsessions.Started {
						ended++
					}
				}
			}
			check := func(what, body string, status int) {
				t.Helper()
				if status >= 500 {
					t.Errorf("%s: %s: status %d: %.300s", who, what, status, body)
				}
				if scope.All {
					return
				}
				// The mark of each event, wherever it appears.
				for part := range strings.SplitSeq(body, "m") {
					var i int
					if n, err := fmt.Sscanf(part, "%d", &i); n == 1 && err == nil && fmt.Sprint(i) == part && i < len(events) &&
						strings.Contains(body, "m"+part+"m") && !inScope(scope, &events[i]) && !strings.Contains(what, "m"+part+"m") {
						t.Errorf("%s: %s shows event %d: %s", who, what, i, events[i].Line())
					}
				}
				if strings.Contains(body, secret) && !strings.Contains(what, secret) {
					t.Errorf("%s: %s tells of %s", who, what, secret)
				}
				if strings.Contains(body, "foreign1") {
					t.Errorf("%s: %s shows a foreign line", who, what)
				}
			}
			for i, q := range asked {
				view := "?" + q.Encode()
				body, status := p.as(t, who, prefix+view)
				check("page "+q.Encode(), body, status)
				for _, endpoint := range endpointsFor(i) {
					body, status := p.as(t, who, prefix+endpoint+view)
					check(endpoint+" "+q.Encode(), body, status)
					if forbidden := scope.NoExport && endpoint != "api/count"; forbidden != (status == http.StatusForbidden) {
						t.Errorf("%s: %s: status %d", who, endpoint, status)
					}
				}
			}
			paths := []string{"api/online", "api/complete", "sessions", "sessions?sort=requests&size=200", "api/sessions", "api/sessions?admin=zoe@example.com&range=7d", "sessions?q=" + secret,
				"end-session?session=c0ffee", "?q=clients:acme", "?q=client:" + secret}
			if who == "acme" || who == "ben" { // what looks through more than a year
				paths = append(paths, "object/clients/acme", "object/clients/"+secret)
			}
			for i := range events {
				if i%300 == 150 { // permanent links, and places in the trail
					id := events[i].RequestID
					if who == "acme" || who == "ben" {
						paths = append(paths, "?event="+id, "?q="+id, "export.csv?event="+id)
					}
					paths = append(paths,
						fmt.Sprintf("?past=%d.1", events[i].Time.UnixNano()), fmt.Sprintf("?back=%d.1&page=3", events[i].Time.UnixNano()))
				}
			}
			for _, path := range paths {
				body, status := p.as(t, who, prefix+path)
				check(path, body, status)
			}
			if body, status := p.as(t, who, "/admin/api/admin_session_logs"); scope.NoExport != (status == http.StatusForbidden) {
				t.Errorf("%s: API: status %d", who, status)
			} else {
				check("API", body, status)
			}
			// Nothing of the scope is missing, and its total is true.
			var count apiPage
			body, _ := p.as(t, who, prefix+"api/count")
			if err := json.Unmarshal([]byte(body), &count); err != nil || !scope.All && (count.Count != ended || count.AtLeast || count.AtMost) {
				t.Errorf("%s: count %+v, %v; want %d", who, count, err, ended)
			}
			if scope.NoExport {
				return
			}
			body, _ = p.as(t, who, prefix+"export.ndjson?sort=time")
			var got []string
			for line := range strings.Lines(body) {
				var e apiEvent
				if err := json.Unmarshal([]byte(line), &e); err != nil {
					t.Fatal(err)
				}
				got = append(got, e.Fields["request"])
				if _, numbered := e.Fields["seq"]; numbered != scope.All && byID[e.Fields["request"]] != nil || strings.Contains(e.Line, "\tseq=") && !scope.All {
					t.Errorf("%s: the number of %s tells how many others there are: %s", who, e.Fields["request"], e.Line)
				}
			}
			if !scope.All && !slices.Equal(got, want) {
				t.Errorf("%s: %d events, want %d: %s", who, len(got), len(want), differing(got, want, byID))
			}
			body, _ = p.as(t, who, prefix+"export.csv?sort=time")
			if rows, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(body, "\ufeff"))).ReadAll(); err != nil || !scope.All && len(rows) != len(want)+1 {
				t.Errorf("%s: %d rows of CSV, %v; want %d", who, len(rows), err, len(want)+1)
			}
		})
	}
}

// differing are events that are in one of two lists only.
func differing(a, b []string, byID map[string]*adminsessions.Event) string {
	var text strings.Builder
	for _, id := range append(slices.Clone(a), b...) {
		if slices.Contains(a, id) != slices.Contains(b, id) && byID[id] != nil {
			fmt.Fprintf(&text, "\n%s", byID[id].Line())
		}
	}
	return text.String()
}

// TestOnlineWithinAScope shows nobody who did nothing within the scope, and
// nothing that somebody did outside it.
func TestOnlineWithinAScope(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	now := time.Now()
	did := func(u adminsessions.User, tenant, ip string, ago time.Duration, n int) adminsessions.Event {
		return event(now.Add(-ago), n, func(e *adminsessions.Event) {
			e.User, e.Actor.TenantID, e.ClientAddress = u, tenant, netip.MustParseAddr(ip)
		})
	}
	push(t, loki, stream("one",
		did(anna, "acme", "10.0.0.1", 40*time.Minute, 1),
		did(lena, "acme2", "10.0.0.2", 30*time.Minute, 2),
		did(ben, `ac"me`, "10.0.0.3", 20*time.Minute, 3),
		did(anna, "acme2", "10.0.0.4", 10*time.Minute, 4),
	))
	for who, want := range map[string]string{
		"all":   "1 10.0.0.4, 2 10.0.0.3, 3 10.0.0.2",
		"acme":  "1 10.0.0.1",
		"two":   "2 10.0.0.3, 1 10.0.0.1",
		"quote": "2 10.0.0.3", "ben": "2 10.0.0.3", "ben+": "2 10.0.0.3, 1 10.0.0.1", "nobody": "", "reading": "1 10.0.0.1",
	} {
		body, status := p.as(t, who, prefix+"api/online")
		var answer struct {
			Online []struct {
				ID      string `json:"id"`
				Address string `json:"client_address"`
			} `json:"online"`
		}
		if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
			t.Errorf("%s: %d, %v: %s", who, status, err, body)
		}
		var got []string
		for _, a := range answer.Online {
			got = append(got, a.ID+" "+a.Address)
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("%s: online are %q, want %q", who, g, want)
		}
	}
}

// TestNothingIsRememberedForAnotherScope asks the same by turns, and once more
// when Loki is away.
func TestNothingIsRememberedForAnotherScope(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	now := time.Now()
	push(t, loki, stream("one",
		event(now.Add(-2*time.Minute), 1, func(e *adminsessions.Event) { e.Actor.TenantID = "acme" }),
		event(now.Add(-time.Minute), 2, func(e *adminsessions.Event) { e.Actor.TenantID, e.User.FullName = secret, secret }),
	))
	for _, who := range []string{"all", "acme", "all", "acme"} {
		body, status := p.as(t, who, prefix)
		if status != http.StatusOK || strings.Contains(body, secret) != (who == "all") {
			t.Errorf("%s: status %d", who, status)
		}
	}
	loki.Kill()
	for _, who := range []string{"acme", "ben", "nobody", "all"} {
		body, _ := p.as(t, who, prefix)
		if strings.Contains(body, secret) != (who == "all") {
			t.Errorf("%s: what is remembered is not kept apart", who)
		}
		if rows := len(rowKeys(body)); rows != map[string]int{"acme": 1, "all": 2}[who] {
			t.Errorf("%s: %d rows are remembered", who, rows)
		}
	}
}

// endpointsFor are what the i-th question is asked of, besides the page.
func endpointsFor(i int) []string {
	all := []string{"api/events", "api/count", "export.csv", "export.ndjson"}
	if i < 7 {
		return all
	}
	return all[i%2*2 : i%2*2+2]
}
