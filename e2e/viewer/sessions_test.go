package viewer

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// apiSession and apiSessions are what api/sessions answers.
type apiSession struct {
	Session string `json:"session"`
	Admins  []struct {
		ID       string `json:"id"`
		FullName string `json:"full_name"`
		Email    string `json:"email"`
	} `json:"admins"`
	Addresses []string  `json:"client_addresses"`
	Agents    []string  `json:"user_agents"`
	Types     []string  `json:"types"`
	First     time.Time `json:"first_seen"`
	Last      time.Time `json:"last_seen"`
	Requests  int       `json:"requests"`
}

type apiSessions struct {
	Sessions []apiSession `json:"sessions"`
	All      int          `json:"all"`
	Reached  *time.Time   `json:"reached"`
}

// sessions asks as somebody.
func (p *panel) sessions(t testing.TB, who string, q url.Values) apiSessions {
	t.Helper()
	body, status := p.as(t, who, prefix+"api/sessions?"+q.Encode())
	var answer apiSessions
	if err := json.Unmarshal([]byte(body), &answer); err != nil || status != http.StatusOK {
		t.Fatalf("%s: api/sessions?%s: status %d, %v: %s", who, q.Encode(), status, err, body)
	}
	return answer
}

// text is a session in one line.
func (s *apiSession) text() string {
	var admins []string
	for _, a := range s.Admins {
		admins = append(admins, a.ID+"/"+a.FullName+"/"+a.Email)
	}
	return fmt.Sprintf("%s [%s] [%s] [%s] [%s] %s %s %d", s.Session, strings.Join(admins, ", "), strings.Join(s.Addresses, " "),
		strings.Join(s.Agents, ", "), strings.Join(s.Types, " "), s.First.Format(time.TimeOnly), s.Last.Format(time.TimeOnly), s.Requests)
}

// modelSessions are the sessions of events, said once more in plain Go.
func modelSessions(events []adminsessions.Event, chosen func(*adminsessions.Event) bool) (want []string) {
	type model struct {
		apiSession
		users     map[string]adminsessions.User
		seen      map[string]time.Time
		addresses map[string]time.Time
		agents    map[string]int
	}
	byID := map[string]*model{}
	for i := range events {
		e := &events[i]
		if e.SessionID == "" || e.Type == adminsessions.Trail || !chosen(e) {
			continue
		}
		m := byID[e.SessionID]
		if m == nil {
			m = &model{apiSession{Session: e.SessionID, First: e.Time}, map[string]adminsessions.User{}, map[string]time.Time{}, map[string]time.Time{}, map[string]int{}}
			byID[e.SessionID] = m
		}
		if e.Time.Before(m.First) {
			m.First = e.Time
		}
		if e.Time.After(m.Last) {
			m.Last = e.Time
		}
		key := e.User.ID
		if key == "" {
			key = e.User.Email
		}
		if key != "" {
			u := m.users[key]
			if e.User.FullName != "" && e.Stage != adminsessions.Started { // names are those of requests that have ended
				u.FullName = e.User.FullName
			}
			if e.User.Email != "" {
				u.Email = e.User.Email
			}
			u.ID = e.User.ID
			m.users[key] = u
			if e.Time.After(m.seen[key]) {
				m.seen[key] = e.Time
			}
		}
		if e.ClientAddress.IsValid() && e.Time.After(m.addresses[e.ClientAddress.String()]) {
			m.addresses[e.ClientAddress.String()] = e.Time
		}
		if !slices.Contains(m.Types, string(e.Type)) {
			m.Types = append(m.Types, string(e.Type))
			slices.Sort(m.Types)
		}
		if e.Stage != adminsessions.Started {
			m.Requests++
			m.agents[e.UserAgent]++
		}
	}
	newest := func(m map[string]time.Time) []string {
		var keys []string
		for k := range m {
			keys = append(keys, k)
		}
		slices.SortFunc(keys, func(a, b string) int { return m[b].Compare(m[a]) })
		return keys
	}
	for _, m := range byID {
		for _, key := range newest(m.seen) {
			u := m.users[key]
			m.Admins = append(m.Admins, struct {
				ID       string `json:"id"`
				FullName string `json:"full_name"`
				Email    string `json:"email"`
			}{u.ID, u.FullName, u.Email})
		}
		m.Addresses = newest(m.addresses)
		for agent := range m.agents {
			if agent != "" {
				m.Agents = append(m.Agents, agent)
			}
		}
		slices.SortFunc(m.Agents, func(a, b string) int { return m.agents[b] - m.agents[a] })
		m.First, m.Last = m.First.UTC(), m.Last.UTC()
		want = append(want, m.text())
	}
	slices.Sort(want)
	return want
}

// sessionEvents are sessions of every kind that there is.
func sessionEvents(start time.Time) []adminsessions.Event {
	var events []adminsessions.Event
	add := func(session string, u adminsessions.User, ip string, change ...func(*adminsessions.Event)) {
		n := len(events) + 1
		events = append(events, event(start.Add(time.Duration(n)*time.Second), n, append([]func(*adminsessions.Event){func(e *adminsessions.Event) {
			e.SessionID, e.User = session, u
			if e.ClientAddress = (netip.Addr{}); ip != "" {
				e.ClientAddress = netip.MustParseAddr(ip)
			}
		}}, change...)...))
	}
	web := func(e *adminsessions.Event) { e.Type = adminsessions.Web }
	tenant := func(id string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.Actor.TenantID = id }
	}
	agent := func(s string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.UserAgent = s }
	}
	add("anna1", adminsessions.User{}, "10.0.0.1", web, tenant("acme"))
	add("anna1", anna, "10.0.0.1", web, tenant("acme"))
	add("anna1", anna, "10.0.0.2", tenant("acme"), agent(`curl "8" \ %`))
	add("anna1", anna, "10.0.0.1", tenant("acme"))
	add("anna2", anna, "2001:db8::1", tenant("acme2"))
	add("shared", anna, "10.0.0.3", tenant("acme"))
	add("shared", lena, "10.0.0.4", tenant("acme"))
	add("shared", anna, "10.0.0.3", tenant("acme"))
	add("shared", adminsessions.User{ID: ben.ID, Email: "old@example.com"}, "10.0.0.9", tenant("acme2"))
	add("shared", ben, "10.0.0.9", tenant("acme2"))
	add("nobody", adminsessions.User{}, "192.0.2.1", agent(""))
	add("nobody", adminsessions.User{}, "")
	add("mail only", adminsessions.User{Email: "x@y.example"}, "fe80::1%eth0")
	add(`od"d %=\`, adminsessions.User{ID: "-", FullName: `"\ ` + "\u2028"}, "10.0.0.5", agent("é\u2028\U0001f600"))
	add("going on", ben, "10.0.0.6", func(e *adminsessions.Event) { e.Stage = adminsessions.Started })
	add("going on2", ben, "10.0.0.6", func(e *adminsessions.Event) { e.Stage = adminsessions.Started })
	add("going on2", ben, "10.0.0.6")
	add("", ben, "10.0.0.7")
	return events
}

// TestSessions lists sessions as a model in plain Go does, by each filter and for
// each scope.
func TestSessions(t *testing.T) {
	loki := lokitest.Start(t)
	p := newScopedPanel(t, loki)
	start := time.Now().Add(-30 * time.Minute).Truncate(time.Millisecond)
	events := sessionEvents(start)
	foreign := lokitest.Stream{Labels: map[string]string{"service_name": "other"}, Entries: []lokitest.Entry{
		{Time: start, Line: "type=\ufffd method=\ufffd status=\ufffd email=\ufffd ip=\ufffd id=\ufffd action=- outcome=- \tsession=\ufffd request=\ufffd ms=\ufffd"},
		{Time: start, Line: "hello\tsession=x request=y"},
		{Time: start, Line: ""},
	}}
	push(t, loki, foreign, stream("one", events...))
	everything := func(*adminsessions.Event) bool { return true }
	for name, test := range map[string]struct {
		query  string
		chosen func(*adminsessions.Event) bool
	}{
		"all":    {"", everything},
		"a week": {"range=7d", everything},
		"type":   {"type=web", func(e *adminsessions.Event) bool { return e.Type == adminsessions.Web }},
		"admin":  {"admin=ANNA@example.com", func(e *adminsessions.Event) bool { return e.User == anna }},
		"address": {"ip=10.0.0.0/30", func(e *adminsessions.Event) bool {
			return netip.MustParsePrefix("10.0.0.0/30").Contains(e.ClientAddress)
		}},
		"session": {"session=shared", func(e *adminsessions.Event) bool { return e.SessionID == "shared" }},
		"nothing": {"q=needle", func(*adminsessions.Event) bool { return false }},
	} {
		q, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		for who, scope := range scopes {
			if scope.NoExport {
				continue
			}
			answer := p.sessions(t, who, q)
			var got []string
			for _, s := range answer.Sessions {
				got = append(got, s.text())
			}
			slices.Sort(got)
			want := modelSessions(events, func(e *adminsessions.Event) bool { return test.chosen(e) && inScope(scope, e) })
			if !slices.Equal(got, want) || answer.All != len(want) || answer.Reached != nil {
				t.Errorf("%s for %s: %d sessions\n%s\nwant\n%s", name, who, answer.All, strings.Join(got, "\n"), strings.Join(want, "\n"))
			}
		}
	}
	for order, want := range map[string]string{
		"":         "going on2, going on, od\"d %=\\, mail only, nobody, shared, anna2, anna1",
		"first":    "anna1, anna2, shared, nobody, mail only, od\"d %=\\, going on, going on2",
		"requests": "going on, going on2, od\"d %=\\, mail only, anna2, nobody, anna1, shared",
		"-admin":   "mail only, going on, shared, going on2, anna2, anna1, od\"d %=\\, nobody",
	} {
		answer := p.sessions(t, "all", query("sort", order))
		var got []string
		for _, s := range answer.Sessions {
			got = append(got, s.Session)
		}
		if g := strings.Join(got, ", "); g != want {
			t.Errorf("by %q: %s, want %s", order, g, want)
		}
	}
	// The page has the same, and what is odd can be seen.
	body, status := p.as(t, "all", prefix+"sessions")
	if rows := rowKeys(body); status != http.StatusOK || len(rows) != 8 || !strings.Contains(body, "1–8 of 8") {
		t.Errorf("status %d, %d rows", status, len(rows))
	}
	for _, want := range []string{"3 admins used this session", "not signed in", "curl &#34;8&#34;", `href="./?session=anna1&amp;sort=time"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(body, "end-session") {
		t.Error("the page offers to end sessions, and cannot")
	}
	var story apiPage
	body, _ = p.as(t, "all", prefix+"api/events?session=shared&sort=time")
	if err := json.Unmarshal([]byte(body), &story); err != nil || len(story.Events) != 5 || story.Events[0].Fields["ip"] != "10.0.0.3" || story.Events[4].Fields["email"] != ben.Email {
		t.Errorf("the story of a session: %d events, %v", len(story.Events), err)
	}
}

// TestMoreSessionsThanLokiCounts asks a Loki that answers with few series at a time.
func TestMoreSessionsThanLokiCounts(t *testing.T) {
	loki := lokitest.Start(t, lokitest.WithArgs("-querier.max-query-series=20"))
	p := newScopedPanel(t, loki)
	start := time.Now().Add(-20 * time.Hour).Truncate(time.Millisecond)
	var events []adminsessions.Event
	for i := range 600 {
		events = append(events, event(start.Add(time.Duration(i)*2*time.Minute), i+1, func(e *adminsessions.Event) {
			e.SessionID = fmt.Sprintf("s%d", i/3*7%200)
			e.Sequence = uint64(i + 1)
		}))
	}
	push(t, loki, stream("one", events...))
	answer := p.sessions(t, "all", query("size", "200"))
	var got []string
	for _, s := range answer.Sessions {
		got = append(got, s.text())
	}
	slices.Sort(got)
	if want := modelSessions(events, func(*adminsessions.Event) bool { return true }); !slices.Equal(got, want) {
		t.Errorf("%d sessions, want %d", len(got), len(want))
	}
}
