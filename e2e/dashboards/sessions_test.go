package dashboards_test

import (
	"fmt"
	"math/rand/v2"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const (
	sessions = "admin-sessions.json"
	day      = 24 * time.Hour
)

// shown says in plain Go whether Admin Sessions shows an event.
func shown(e *event, vars variables) bool {
	text := func(name string) string {
		if v := vars[name]; !v.isAll() {
			return v.text[0]
		}
		return ""
	}
	holds := func(name, field string) bool {
		v := vars[name]
		return v.isAll() || v.contains(field)
	}
	optional := func(name, field string) bool { return text(name) == "" || text(name) == field }
	fold := func(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }

	if !holds("service", e.service) || !holds("environment", e.environment) ||
		!holds("type", string(e.Type)) || !holds("method", e.Method) {
		return false
	}
	if v := vars["status"]; !v.isAll() && (e.StatusCode == 0 || !v.contains(strconv.Itoa(e.StatusCode/100)+"..")) {
		return false
	}
	if !fold(e.Sentence(), text("search")) {
		return false
	}
	if a := text("admin"); a != "" && !fold(e.User.Email, a) && !fold(e.User.FullName, a) && e.User.ID != a {
		return false
	}
	if ip, have := text("ip"), e.ClientAddress.String(); ip != "" && have != ip && !strings.HasPrefix(have, ip+".") && !strings.HasPrefix(have, ip+":") {
		return false
	}
	if path := text("path"); path != "" && !regexp.MustCompile(regexp.QuoteMeta(path)+`([/?].*)?$`).MatchString(e.URL) {
		return false
	}
	if !optional("session", e.SessionID) || !optional("trace", e.trace) {
		return false
	}
	me := text("__user.email")
	return text("hide_me") != "1" || me == "" || !strings.EqualFold(e.User.Email, me)
}

// setting is one way to set the variables of Admin Sessions.
type setting struct {
	name string
	vars variables
}

// awkward are texts that mean something to LogQL, to regular expressions, to
// Go's templates, to Grafana or to a URL, and must be found literally.
var awkward = []string{
	".", "*", "(", ")", "[", "]", "{", "}", "|", `\`, "$", `"`, "'", "{{", "}}", "^", "+", "?", "/", "#", "%", "&", "=", "-", "<", ">", ",", ":", " ",
	"a.b*c", "axbc", "(1)[2]{3}|4^5$6", `C:\temp\new`, `\"The $\"`, `O\\Brien`, "{{hi}}", "[a|b]*", "O'Neil", "Żaneta", "łĘCKA", "(ops)", "zaneta+ops@", "100%", "# sign",
	"${search}", "$search", "[[search]]", "(?i)", ".*", `\d`, `\` + `Q`, "anna@example.com", "ANNA KOW", "10.2.3.4", "<anna@example.com>", "API GET", "nothing of it is here", "日本",
}

func settings(t *testing.T, d dashboardFile) []setting {
	all := []setting{{"as opened", d.vars}}
	add := func(name string, vars variables) { all = append(all, setting{name, vars}) }

	// Each variable alone.
	choices := map[string][]value{
		"service":      {one("panel"), one("shop.admin"), some("panel", "shop.admin"), one("no.such")},
		"environment":  {one("production"), some("production", "staging")},
		"admin":        {one("anna"), one("Kowalska"), one("O'NEIL"), one("zaneta+ops@example.com"), one("{{5}}"), one(`O\Brien [a|b]*`), one("service-9"), one("example.com")},
		"ip":           {one("10.2.3.4"), one("10.2"), one("10.2.3"), one("2001:db8::7"), one("2001:db8"), one("203.0.113.9"), one("1"), one(".*")},
		"session":      {one("s-anna-1"), one("s-anna-2"), one("s-.*")},
		"trace":        {one("4bf92f3577b34da6a3ce929d0e0e4732")},
		"path":         {one("/admin"), one("/admin/clients"), one("/admin/clients/17"), one("/admin/api/clients/7"), one("/admin/search"), one("/admin/.*"), one("/17"), one("clients")},
		"hide_me":      {one("1")},
		"count_events": {one("0")},
		"__user.email": {one("anna@example.com")},
	}
	for _, text := range awkward {
		choices["search"] = append(choices["search"], one(text))
	}
	// All that ends a string, a repetition, a class, a template or a URL.
	for _, text := range []string{`a\`, `"`, "'", "a|b", "(", "[", "{{", "{", "*", "$", "a b", "%41", "#", "ł"} {
		for _, name := range []string{"admin", "ip", "session", "trace", "path"} {
			choices[name] = append(choices[name], one(text))
		}
	}
	for _, v := range d.list {
		options := v.options()
		if v.Type != "custom" {
			continue
		}
		if len(options) < 2 {
			t.Fatalf("variable %s has the options %q", v.Name, options)
		}
		for i, o := range options {
			choices[v.Name] = append(choices[v.Name], one(o), some(o, options[(i+1)%len(options)]))
		}
	}
	var names []string
	for name := range choices {
		if _, exists := d.vars[name]; !exists {
			t.Fatalf("%s has no variable %s", sessions, name)
		}
		names = append(names, name)
	}
	slices.Sort(names)
	if len(names) != len(d.vars) {
		t.Fatalf("%d of %d variables have values to try", len(names), len(d.vars))
	}
	for _, name := range names {
		for _, v := range choices[name] {
			add(fmt.Sprintf("%s=%q", name, v.text), d.vars.with(name, v))
		}
	}

	// Hide Me: for somebody who is in the trail, in any case of letters, for
	// somebody who is not, for a part of an address, and without an address.
	for _, on := range []string{"0", "1"} {
		for _, me := range []string{"anna@example.com", "ANNA@Example.com", "zaneta+ops@example.com", "max.o.b@example.com", "maxxo.b@example.com", "someone@else.example", "example.com", "anna", ".*", ""} {
			add(fmt.Sprintf("hide_me=%s for %q", on, me), d.vars.with("hide_me", one(on)).with("__user.email", one(me)))
		}
	}

	// Together: every variable at once, drawn from the same choices.
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 80 {
		vars := d.vars
		for _, name := range names {
			// Rare, so that rows are left.
			if c := choices[name]; random.IntN(3) == 0 {
				vars = vars.with(name, c[random.IntN(min(len(c), 8))])
			}
		}
		add(fmt.Sprintf("together %d", i), vars)
	}
	return all
}

// TestAdminSessions compares, for every setting of the variables, the rows of
// the table, the number found and the time line with the events that plain Go
// selects.
func TestAdminSessions(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	d := loadDashboards(t)[sessions]
	byPanel := d.byPanel()
	table, found, overTime := byPanel["Admin requests"], byPanel["Found"], byPanel["Requests over time"]
	if len(byPanel) != 3 || table.expr == "" || found.expr == "" || overTime.expr == "" {
		t.Fatalf("%s has the queries %v", sessions, byPanel)
	}

	within := lokitest.Range{From: to.Add(-day), To: to}
	var matching atomic.Int64
	for _, s := range settings(t, d) {
		t.Run(s.name, func(t *testing.T) {
			t.Parallel() // Loki answers several at once
			var want []string
			counted := map[string]float64{}
			for i := range events {
				if e := &events[i]; e.Time.After(within.From) && e.Time.Before(to) && shown(e, s.vars) {
					want = append(want, e.id())
					counted[key(e, "admin_interface")]++
				}
			}
			matching.Add(int64(len(want)))

			expr := interpolate(t, table.expr, s.vars)
			rows, err := loki.Query(t.Context(), expr, within)
			if err != nil {
				t.Fatalf("%v\n%s", err, expr)
			}
			var got []string
			for _, row := range rows {
				got = append(got, row.Metadata["admin_request_id"]+" "+row.Metadata["admin_request_stage"])
			}
			if !slices.Equal(got, want) {
				t.Fatalf("rows %q\nwant %q\n%s", got, want, expr)
			}

			// The same numbers whether events are counted or, where that is
			// possible, their lines.
			for _, countEvents := range []string{"1", "0"} {
				vars := s.vars.with("count_events", one(countEvents))
				equalNumbers(t, instant(t, loki, found.expr, vars, to, day), map[string]float64{"": float64(len(want))})
				byType := map[string]float64{}
				for labels, n := range instant(t, loki, overTime.expr, vars, to, day) {
					byType[strings.ToLower(labels)] = n // WEB in a line is web in an event
				}
				equalNumbers(t, byType, counted)
			}
		})
	}
	enough(t, &matching)
}

// enough fails the test, after its parallel subtests, if they have selected too
// few rows to show anything.
func enough(t *testing.T, matching *atomic.Int64) {
	t.Cleanup(func() {
		if n := matching.Load(); n < 1000 {
			t.Errorf("all settings together select %d rows: too few to show anything", n)
		}
	})
}

// With Count events off, lines are counted while no filter but Search is set,
// and events as soon as one is. The table lists events in either case.
func TestCountingLines(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	// A line too many tells which of the two was counted.
	stray := events[0]
	line := lokitest.Entry{Time: to.Add(-time.Hour), Line: "WEB GET https://panel.example/stray 200 - -"}
	if err := loki.Push(t.Context(), lokitest.Stream{Labels: stray.labels(), Entries: []lokitest.Entry{line}}.Lines()); err != nil {
		t.Fatal(err)
	}
	d := loadDashboards(t)[sessions]
	off := d.vars.with("count_events", one("0"))
	for name, test := range map[string]struct {
		vars  variables
		lines bool
	}{
		"as opened":          {d.vars, false},
		"search":             {d.vars.with("search", one("panel")), false},
		"off":                {off, true},
		"off, search":        {off.with("search", one("panel")), true},
		"off, service":       {off.with("service", one("panel")), true},
		"off, environment":   {off.with("environment", one(stray.environment)), true},
		"off, type":          {off.with("type", one("web")), false},
		"off, both types":    {off.with("type", some("web", "api")), false},
		"off, method":        {off.with("method", one("GET")), false},
		"off, statuses":      {off.with("status", some("2..", "3..")), false},
		"off, admin":         {off.with("admin", one(".*")), false},
		"off, ip":            {off.with("ip", one("10.2")), false},
		"off, session":       {off.with("session", one("s-anna-1")), false},
		"off, trace":         {off.with("trace", one("0")), false},
		"off, path":          {off.with("path", one("/admin")), false},
		"off, hide nobody":   {off.with("hide_me", one("1")), true},
		"off, hide somebody": {off.with("hide_me", one("1")).with("__user.email", one("anna@example.com")), false},
		"off, do not hide":   {off.with("__user.email", one("anna@example.com")), true},
	} {
		t.Run(name, func(t *testing.T) {
			want := 0.0
			for i := range events {
				if e := &events[i]; e.Time.After(to.Add(-day)) && e.Time.Before(to) && shown(e, test.vars) {
					want++
				}
			}
			if test.lines {
				want++
			}
			for _, q := range d.queries {
				if q.log {
					continue
				}
				sum := 0.0
				for _, n := range instant(t, loki, q.expr, test.vars, to, day) {
					sum += n
				}
				if sum != want {
					t.Errorf("%s: %v, want %v", q.panel, sum, want)
				}
			}
		})
	}
}

// A backtick ends a LogQL raw string. What must not happen is that the table
// shows other rows than the search asks for.
func TestABacktickIsRefused(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now()
	store(t, loki, knownEvents(to))
	d := loadDashboards(t)[sessions]
	for _, q := range d.queries {
		for _, name := range []string{"search", "admin", "path", "session"} {
			expr := interpolate(t, q.expr, d.vars.with(name, one("a`b")))
			expr = strings.NewReplacer("$__range", "1h", "$__auto", "1h").Replace(expr)
			if rows, err := loki.Query(t.Context(), expr, lokitest.Range{From: to.Add(-day), To: to}); err == nil {
				t.Errorf("%s with a backtick in %s: Loki answers with %d rows", q.panel, name, len(rows))
			}
		}
	}
}

// What a link of a row sets selects that row again: the values reach the query
// through a URL.
func TestLinksOfARowFindIt(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	d := loadDashboards(t)[sessions]
	var table query
	for _, q := range d.queries {
		if q.log {
			table = q
		}
	}
	path := regexp.MustCompile(`^[^:]+://[^/]*(/[^?#]*)`) // the table's extractFields
	for i := range events {
		e := &events[i]
		if !e.Time.After(to.Add(-day)) {
			continue
		}
		links := map[string]string{
			"admin": e.User.Email, "ip": e.ClientAddress.String(), "session": e.SessionID, "trace": e.trace,
			"path": path.FindStringSubmatch(e.URL)[1],
		}
		for name, text := range links {
			through, err := url.ParseQuery("v=" + percentEncode(text))
			if err != nil {
				t.Fatal(err)
			}
			expr := interpolate(t, table.expr, d.vars.with(name, one(through.Get("v"))))
			rows, err := loki.Query(t.Context(), expr, lokitest.Range{From: to.Add(-day), To: to})
			if err != nil {
				t.Fatalf("%v\n%s", err, expr)
			}
			if !slices.ContainsFunc(rows, func(row lokitest.Entry) bool {
				return row.Metadata["admin_request_id"] == e.RequestID && row.Metadata["admin_request_stage"] == string(e.Stage)
			}) {
				t.Errorf("link %s=%q does not find %s", name, text, e.Sentence())
			}
		}
	}
}
