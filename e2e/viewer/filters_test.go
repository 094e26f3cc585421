package viewer

import (
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

// TestFilters chooses among events by each filter: rows, count and export agree.
func TestFilters(t *testing.T) {
	loki := lokitest.Start(t)
	p := newPanel(t, loki)
	now := time.Now()
	n := 0
	var events []adminsessions.Event
	names := map[string]string{} // by request id
	add := func(name string, change func(*adminsessions.Event)) {
		n++
		e := event(now.Add(-time.Duration(n)*time.Minute), n, func(e *adminsessions.Event) {
			e.User, e.ClientAddress, e.SessionID = adminsessions.User{ID: "u" + name, Email: name + "@example.com"}, netip.MustParseAddr("192.0.2.1"), "s"+name
		}, change)
		names[e.RequestID] = name
		events = append(events, e)
	}
	method := func(m, sent string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.Method, e.SentMethod = m, sent }
	}
	status := func(code int) func(*adminsessions.Event) { return func(e *adminsessions.Event) { e.StatusCode = code } }
	address := func(s string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.ClientAddress = netip.MustParseAddr(s) }
	}
	user := func(id, email string) func(*adminsessions.Event) {
		return func(e *adminsessions.Event) { e.User = adminsessions.User{ID: id, Email: email} }
	}
	add("query", method("QUERY", ""))
	add("trace", method("TRACE", ""))
	add("connect", method("CONNECT", ""))
	add("brew", method("_OTHER", "BREW"))
	add("web", func(e *adminsessions.Event) { e.Type = adminsessions.Web })
	add("401", status(401))
	add("403", status(403))
	add("404", status(404))
	add("499", status(499))
	add("503", status(503))
	add("101", status(101))
	add("ten", address("10.1.2.3"))
	add("eleven", address("110.1.2.3"))
	add("hundred", address("1.10.2.3"))
	add("loopback", address("::1"))
	add("short", address("::2"))
	add("loopback4", address("127.0.0.1"))
	add("db8", address("2001:db8::17"))
	add("db9", address("2001:db9::17"))
	add("local", address("fe80::1%eth0"))
	add("case", user("c1", "Case.Sensitive+x@Example.COM"))
	add("fold", user("c2", "Łukasz.İ@example.com"))
	add("id", user("Ab-1", ""))
	add("id2", user("aB-1", ""))
	add("dash", user("-", "-"))
	add("spaces", user(`a b="c"`, ""))
	add("nobody", func(e *adminsessions.Event) { e.User, e.SessionID = adminsessions.User{}, "" })
	add("me", user("", strings.ToUpper(anna.Email)))
	add("me2", user(anna.ID, "other@example.com"))
	add("ms", func(e *adminsessions.Event) { e.SessionID = `s p=a"c%e` })
	// What would be chosen if anything but the words themselves were compared.
	add("decoy", func(e *adminsessions.Event) {
		e.Note = `type=WEB method=QUERY status=401 email=case.sensitive+x@example.com ip=10.1.2.3 id=Ab-1 ` + "\tsession=ssession request=x"
		e.UserAgent, e.URL = e.Note, "https://x/?ip=10.1.2.3&method=QUERY status=401 "
	})
	slices.Reverse(events)
	foreign := lokitest.Stream{Labels: map[string]string{"service_name": "other"}, Entries: []lokitest.Entry{
		{Time: now.Add(-time.Hour), Line: "a line of another application"},
		{Time: now.Add(-time.Hour), Line: "\ufffd status=401 method=QUERY ip=10.1.2.3 email=\ufffd"},
	}}
	push(t, loki, stream("one", events...), foreign)

	for _, test := range []struct{ query, want string }{
		{"method=QUERY", "query"}, {"method=TRACE&method=CONNECT", "connect trace"}, {"method=_OTHER", "brew"}, {"method=query", "query"},
		{"type=web", "web"}, {"type=WEB", "web"}, {"type=web&method=QUERY", ""},
		{"status=401", "401"}, {"status=401&status=403", "401 403"}, {"status=4xx", "401 403 404 499"}, {"status=404&status=5xx", "404 503"},
		{"status=1xx", "101"}, {"status=101", "101"}, {"status=402", ""},
		{"ip=10.1.2.3", "ten"}, {"ip=10.0.0.0/8", "ten"}, {"ip=10.1.2.3/8", "ten"}, {"ip=10.1.2.2/31", "ten"}, {"ip=0.0.0.0/1&status=401", ""},
		{"ip=::ffff:127.0.0.1", "loopback4"}, {"ip=127.0.0.1:80", "loopback4"}, {"ip=::ffff:127.0.0.0/104", "loopback4"},
		{"ip=0:0:0:0:0:0:0:1", "loopback"}, {"ip=[::1]", "loopback"}, {"ip=[::1]:443", "loopback"}, {"ip=::1", "loopback"}, {"ip=::/126", "loopback short"},
		{"ip=2001:DB8::/32", "db8"}, {"ip=2001:db8::/31", "db8 db9"}, {"ip=2001:0db8:0::0017", "db8"},
		{"ip=fe80::/10", "local"}, {"ip=fe80::1", "local"}, {"ip=fe80::1%25eth0", "local"},
		{"admin=case.sensitive%2Bx@example.com", "case"}, {"admin=CASE.SENSITIVE%2BX@EXAMPLE.COM", "case"}, {"admin=ase.sensitive%2Bx@example.com", ""},
		{"admin=c1", "case"}, {"admin=C1", ""}, {"admin=Ab-1", "id"}, {"admin=aB-1", "id2"}, {"admin=-", "dash"}, {"admin=" + url.QueryEscape(`a b="c"`), "spaces"},
		{"admin=%C5%81UKASZ.%C4%B0@EXAMPLE.com", "fold"}, {"admin=%C5%82ukasz.%C4%B0@example.com", "fold"}, {"admin=.*", ""},
		{"session=s401", "401"}, {"session=" + url.QueryEscape(`s p=a"c%e`), "ms"}, {"session=s40", ""}, {"session=ssession", ""},
		{"q=status%3D401&hide=me", "401 decoy"}, {"q=BREW", "brew"}, {"q=sent_method", ""}, {"q=request%3D0000", ""}, {"q=c0ffee", ""},
	} {
		q, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, e := range p.events(t, q) {
			got = append(got, names[e.Fields["request"]])
		}
		slices.Sort(got)
		if g := strings.Join(got, " "); g != test.want {
			t.Errorf("%s finds %q, want %q", test.query, g, test.want)
		}
		count, status, err := p.api(t.Context(), "count", q)
		if err != nil || status != http.StatusOK || count.Count != len(got) || count.AtLeast || count.AtMost {
			t.Errorf("%s: count %+v, status %d, %v; want %d", test.query, count, status, err, len(got))
		}
	}
	// Hide Me hides by id and by e-mail address, whatever the case, and nobody else.
	hidden := map[string]bool{}
	all := p.events(t, url.Values{"size": {"200"}})
	for _, e := range all {
		hidden[names[e.Fields["request"]]] = true
	}
	for _, e := range p.events(t, url.Values{"size": {"200"}, "hide": {"me"}}) {
		delete(hidden, names[e.Fields["request"]])
	}
	if len(all) != len(events) || len(hidden) != 2 || !hidden["me"] || !hidden["me2"] {
		t.Errorf("%d of %d events; Hide Me hides %v", len(all), len(events), hidden)
	}
}
