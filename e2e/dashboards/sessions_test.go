package dashboards_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

const (
	sessions = "admin-sessions.json"
	day      = 24 * time.Hour
)

// word is a word of the event as it stands in the line.
func word(e *event, name string) string {
	for pair := range strings.FieldsSeq(e.line()) {
		if v, found := strings.CutPrefix(pair, name+"="); found {
			return v
		}
	}
	return ""
}

// inLine is a text as it stands between quotes in the line.
func inLine(s string) string {
	return strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\t", `\t`, "\n", `\n`).Replace(s)
}

// quoted says whether what was typed and a quote stand in the line where the text
// does: the whole text, unless what was typed ends in a backslash.
func quoted(s, typed string) bool {
	return s != "" && strings.HasPrefix(strings.ToLower(inLine(s)+`"`), strings.ToLower(typed)+`"`)
}

func fold(s, part string) bool { return strings.Contains(strings.ToLower(s), strings.ToLower(part)) }

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
	if e.Type == adminsessions.Trail || !holds("service", e.service) || !holds("environment", e.environment) ||
		!holds("type", string(e.Type)) || !holds("method", e.Method) || !holds("outcome", e.field("outcome")) {
		return false
	}
	if action := text("action"); action != "" && !strings.Contains("."+word(e, "action")+".", "."+action+".") {
		return false
	}
	if o := text("object"); o != "" && !slices.ContainsFunc([]string{e.Resource.Type, e.Resource.ID, e.Resource.Name}, func(s string) bool { return quoted(s, o) }) {
		return false
	}
	if tenant := text("tenant"); tenant != "" && !quoted(e.Actor.TenantID, tenant) {
		return false
	}
	// The value of a user, said or not, is "type".
	if v := vars["actor"]; !v.isAll() {
		actor := cmp.Or(string(e.Actor.Type), "type")
		if actor == "user" {
			actor = "type"
		}
		if !v.contains(actor) {
			return false
		}
	}
	if v := vars["status"]; !v.isAll() && !slices.ContainsFunc(v.text, func(s string) bool {
		return word(e, "status") == s || len(s) == 1 && strings.HasPrefix(word(e, "status"), s)
	}) {
		return false
	}
	if !fold(e.people(), text("search")) {
		return false
	}
	if a := text("admin"); a != "" && !fold(word(e, "email"), a) && word(e, "id") != a {
		return false
	}
	if ip, have := text("ip"), word(e, "ip"); ip != "" && have != ip && !strings.HasPrefix(have, ip+".") && !strings.HasPrefix(have, ip+":") {
		return false
	}
	me := text("__user.email")
	return text("hide_me") != "email" || me == "" || !strings.EqualFold(word(e, "email"), me)
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
	"status=404", "type=api", "method=DELETE", `name="Anna`, "outcome=denied", "clients.delete", "acme", "a.b*c", "axbc", "(1)[2]{3}|4^5$6", `C:\temp\new`, `\"The $\"`, `O\\Brien`, "{{hi}}", "[a|b]*", "O'Neil", "Żaneta", "łĘCKA", "(ops)", "zaneta+ops@", "100%", "# sign",
	"${search}", "$search", "[[search]]", "(?i)", ".*", `\d`, `\` + `Q`, "anna@example.com", "ANNA KOW", "10.2.3.4", "<anna@example.com>", "API GET", "nothing of it is here", "日本",
}

func settings(t *testing.T, d dashboardFile) []setting {
	all := []setting{{"as opened", d.vars}}
	add := func(name string, vars variables) { all = append(all, setting{name, vars}) }

	// Each variable alone.
	choices := map[string][]value{
		"service":      {one("panel"), one("shop.admin"), some("panel", "shop.admin"), one("no.such")},
		"environment":  {one("production"), some("production", "staging")},
		"admin":        {one("anna"), one("ANNA@"), one("zaneta+ops@example.com"), one("{{5}}"), one("service-9"), one("example.com"), one("-"), one("email="), one("2")},
		"ip":           {one("10.2.3.4"), one("10.2"), one("10.2.3"), one("2001:db8::7"), one("2001:db8"), one("203.0.113.9"), one("1"), one(".*")},
		"hide_me":      {one("email")},
		"action":       {one("clients"), one("delete"), one("clients.delete"), one("invoices.purge_all"), one("clie"), one("delet"), one("."), one("role"), one("-")},
		"object":       {one("clients"), one("7731"), one("Acme"), one("ACME"), one("acm"), one("77"), one("client"), one("9"), one("notes"), one(`Acme \"&\" <Sons>`), one("x")},
		"tenant":       {one("acme"), one("acme2"), one("ac"), one("ACME"), one(`ac\"me`), one("-")},
		"__user.email": {one("anna@example.com")},
		"__timezone":   {one("Europe/Warsaw")},
	}
	for _, text := range awkward {
		choices["search"] = append(choices["search"], one(text))
	}
	// All that ends a string, a repetition, a class, a template or a URL.
	for _, text := range []string{`a\`, `"`, "'", "a|b", "(", "[", "{{", "{", "*", "$", "a b", "%41", "#", "ł"} {
		for _, name := range []string{"admin", "ip", "action", "object", "tenant", "__user.email"} {
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
	for _, on := range []string{"nobody", "email"} {
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
	storeForeign(t, loki, to)
	d := loadDashboards(t)[sessions]
	table, found, overTime := d.queries[2], d.queries[1], d.queries[0]
	if len(d.queries) != 3 || !table.log || found.panel != "Found" || overTime.panel != "Requests over time" {
		t.Fatalf("%s has the queries %v", sessions, d.queries)
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
					counted[key(e, "type")]++
				}
			}
			matching.Add(int64(len(want)))

			expr := table.filledIn(t, s.vars)
			rows, err := loki.Query(t.Context(), expr, within)
			if err != nil {
				t.Fatalf("%v\n%s", err, expr)
			}
			if got := table.listed(t, rows); !slices.Equal(got, want) {
				t.Fatalf("rows %q\nwant %q\n%s", got, want, expr)
			}
			equalNumbers(t, instant(t, loki, found, s.vars, to, day), map[string]float64{"": float64(len(want))})
			equalNumbers(t, instant(t, loki, overTime, s.vars, to, day), counted)
		})
	}
	t.Cleanup(func() { // after the parallel subtests
		if n := matching.Load(); n < 1000 {
			t.Errorf("all settings together select %d rows: too few to show anything", n)
		}
	})
}

// What the table shows of an event is made of its fields.
func TestColumnsOfARow(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	byID := map[string]*event{}
	tabs := strings.NewReplacer("\t", " ") // they separate the cells
	for i := range events {
		byID[events[i].id()] = &events[i]
	}
	for _, file := range []string{sessions, "phone.json", "changes.json"} {
		d := loadDashboards(t)[file]
		for _, q := range d.queries {
			if !q.log {
				continue
			}
			rows, err := loki.Query(t.Context(), q.filledIn(t, d.vars), lokitest.Range{From: to.Add(-day), To: to})
			if err != nil {
				t.Fatal(err)
			}
			for i, id := range q.listed(t, rows) {
				e, have := byID[id], q.row(t, rows[i].Line)
				who := strings.Trim(e.User.FullName+" · "+e.User.Email, " ·")
				who = tabs.Replace(who)
				switch {
				case e.User.IsZero() && e.SignIn.Name != "":
					who = "“" + e.SignIn.Name + "” tried"
				case e.User.IsZero():
					who = cmp.Or(string(e.Actor.Type), "–")
				case who == "":
					who = e.User.ID
				}
				if !e.User.IsZero() && e.Actor.Type != "" && e.Actor.Type != adminsessions.ActorUser {
					who += " · " + string(e.Actor.Type)
				}
				// As it stands in the line, so that a search for it finds it.
				quoted, _ := json.Marshal(strings.TrimPrefix(e.URL, "https://panel.example"))
				path := strings.NewReplacer(`\u0026`, "&").Replace(strings.Trim(string(quoted), `"`))
				where := path + " — panel.example"
				if path == "" {
					where = ""
				}
				for name, want := range map[string]string{
					"who": who, "path": path, "where": where, "request": e.RequestID, "session": word(e, "session"),
					"from": strconv.FormatInt(e.Time.UnixMilli()-86_400_000, 10), "to": strconv.FormatInt(e.Time.UnixMilli()+3_600_000, 10),
					"method": word(e, "method"), "status": word(e, "status"), "ip": word(e, "ip"),
					"thing": tabs.Replace(strings.Join(strings.Fields(strings.Join([]string{e.Resource.Type, e.Resource.ID, e.Resource.Name}, "\v")), " ")),
					"kind":  inLine(e.Resource.Type), "of": inLine(e.Resource.ID),
				} {
					if have[name] != want {
						t.Errorf("%s: %s of %s is %q, want %q", file, name, id, have[name], want)
					}
				}
				for _, part := range []string{e.Action, strings.ReplaceAll(e.Note, "\n", "; "), e.Target.FullName} {
					if !strings.Contains(have["act"], part) {
						t.Errorf("%s: act of %s is %q, without %q", file, id, have["act"], part)
					}
				}
				if file == "changes.json" {
					if want := inWords(e); have["changed"] != want || have["why"] != e.Reason {
						t.Errorf("%s: changes of %s read %q because %q, want %q", file, id, have["changed"], have["why"], want)
					}
				}
				if e.Count > 0 && !strings.HasPrefix(have["act"], strconv.Itoa(e.Count)+" × ") {
					t.Errorf("%s: act of the folded record %s is %q", file, id, have["act"])
				}
			}
		}
	}
}

// inWords are the event's changes as a row tells them.
func inWords(e *event) string {
	var set, removed []string
	for _, c := range e.Changes {
		name, tidy := strings.ReplaceAll(c.Field, ".", "_"), strings.NewReplacer("\t", " ")
		if c.New == "" {
			removed = append(removed, name+": "+tidy.Replace(c.Old)+" → –\n")
		} else {
			set = append(set, name+": "+tidy.Replace(cmp.Or(c.Old, "–"))+" → "+tidy.Replace(c.New)+"\n")
		}
	}
	slices.Sort(set)
	slices.Sort(removed)
	return strings.Join(append(set, removed...), "")
}

// What a link of a row sets selects that row again: the values reach the query
// through a URL.
func TestLinksOfARowFindIt(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	d := loadDashboards(t)[sessions]
	table := d.queries[2]
	rows, err := loki.Query(t.Context(), table.filledIn(t, d.vars), lokitest.Range{From: to.Add(-day), To: to})
	if err != nil {
		t.Fatal(err)
	}
	for i, id := range table.listed(t, rows) {
		row := table.row(t, rows[i].Line)
		for name, text := range map[string]string{"admin": row["key"], "ip": row["ip"], "search": row["path"]} {
			if strings.Contains(text, "`") {
				continue // not to be searched for
			}
			through, err := url.ParseQuery("v=" + percentEncode(text))
			if err != nil {
				t.Fatal(err)
			}
			expr := table.filledIn(t, d.vars.with(name, one(through.Get("v"))))
			again, err := loki.Query(t.Context(), expr, lokitest.Range{From: to.Add(-day), To: to})
			if err != nil {
				t.Fatalf("%v\n%s", err, expr)
			}
			if !slices.Contains(table.listed(t, again), id) {
				t.Errorf("link %s=%q does not find %s", name, text, id)
			}
		}
	}
}
