package dashboards_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// key writes the values under names as a series' labels; Loki leaves out
// those that are empty.
func key(e *event, names ...string) string {
	labels := map[string]string{}
	for _, name := range names {
		labels[name] = e.field(name)
	}
	return labelKey(labels)
}

func labelKey(labels map[string]string) string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		if labels[name] != "" {
			parts = append(parts, name+"="+labels[name])
		}
	}
	return strings.Join(parts, ", ")
}

// instant answers a metric query at one time; its ranges are of length window.
func instant(t testing.TB, loki *lokitest.Server, q query, vars variables, at time.Time, window time.Duration) map[string]float64 {
	t.Helper()
	length := fmt.Sprintf("%.0fs", window.Seconds())
	expr := ranged(q.filledIn(t, vars), length, length)
	samples, err := loki.Instant(t.Context(), expr, at)
	if err != nil {
		t.Fatalf("%v\n%s", err, expr)
	}
	numbers := map[string]float64{}
	for _, s := range samples {
		numbers[labelKey(s.Labels)] = s.Value
	}
	return numbers
}

func equalNumbers(t testing.TB, got, want map[string]float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("got %v\nwant %v", got, want)
		return
	}
	for k, w := range want {
		if g, found := got[k]; !found || math.Abs(g-w) > 1e-9*math.Abs(w) {
			t.Errorf("got %v\nwant %v", got, want)
			return
		}
	}
}

// A selection of events, and the arithmetic of LogQL on it in plain Go.
type selection []*event

func (s selection) where(keep func(*event) bool) selection {
	var kept selection
	for _, e := range s {
		if keep(e) {
			kept = append(kept, e)
		}
	}
	return kept
}

func (s selection) count(names ...string) map[string]float64 {
	counted := map[string]float64{}
	for _, e := range s {
		counted[key(e, names...)]++
	}
	return counted
}

func (s selection) fold(value func(*event) float64, better func(a, b float64) float64, names ...string) map[string]float64 {
	folded := map[string]float64{}
	for _, e := range s {
		k, v := key(e, names...), value(e)
		if old, found := folded[k]; found {
			v = better(old, v)
		}
		folded[k] = v
	}
	return folded
}

func (s selection) first(names ...string) map[string]float64 { return s.fold(seen, math.Min, names...) }
func (s selection) last(names ...string) map[string]float64  { return s.fold(seen, math.Max, names...) }

func seen(e *event) float64 { return float64(e.Time.UnixMilli()) }

// total is the one series of a sum without labels, 0 where nothing is counted.
func (s selection) total() map[string]float64 { return map[string]float64{"": float64(len(s))} }

// distinct is the number of different groups, 0 where nothing is counted.
func (s selection) distinct(names ...string) map[string]float64 {
	return map[string]float64{"": float64(len(s.count(names...)))}
}

func (s selection) quantile(q float64, value func(*event) float64, names ...string) map[string]float64 {
	groups := map[string][]float64{}
	for _, e := range s {
		groups[key(e, names...)] = append(groups[key(e, names...)], value(e))
	}
	quantiles := map[string]float64{}
	for k, values := range groups {
		slices.Sort(values)
		rank := q * float64(len(values)-1)
		low := math.Floor(rank)
		quantiles[k] = values[int(low)] + (values[min(int(low)+1, len(values)-1)]-values[int(low)])*(rank-low)
	}
	return quantiles
}

// weighed sums what each record stands for.
func (s selection) weighed(names ...string) map[string]float64 {
	sums := map[string]float64{}
	for _, e := range s {
		sums[key(e, names...)] += e.weight()
	}
	return sums
}

func (s selection) weight() map[string]float64 {
	sum := 0.0
	for _, e := range s {
		sum += e.weight()
	}
	return map[string]float64{"": sum}
}

func status(classes ...string) func(*event) bool {
	return func(e *event) bool {
		return slices.ContainsFunc(classes, func(c string) bool { return strings.HasPrefix(e.field("status"), c) })
	}
}

// deletes says whether an event is an act that deletes, and was or may have been
// done.
func deletes(e *event) bool {
	verb := e.Action[strings.LastIndex(e.Action, ".")+1:]
	acts := strings.Contains(verb, "delete") && verb != "undelete" && !strings.HasSuffix(verb, "_form") || strings.HasPrefix(verb, "purge")
	outcome := e.field("outcome")
	return (acts || e.Method == "DELETE") && (outcome == "success" || outcome == "error")
}

// numberOf is one of the application's own as a number; a time in milliseconds.
func numberOf(e *event, key string) float64 {
	for _, kv := range e.Attributes {
		if string(kv.Key) != key {
			continue
		}
		if at, err := time.Parse(time.RFC3339Nano, kv.Value.String()); err == nil {
			return float64(at.UnixMilli())
		}
		n, err := strconv.ParseFloat(kv.Value.String(), 64)
		if err != nil {
			panic(err)
		}
		return n
	}
	panic("no attribute " + key)
}

// expectations are the numbers of every counting query that is not of Admin
// Sessions, by its name. all are the events that the variables service,
// environment and type select.
func expectations(all selection, to time.Time, admin string) map[string]map[string]float64 {
	within := func(d time.Duration) func(*event) bool {
		return func(e *event) bool { return e.Time.After(to.Add(-d)) && !e.Time.After(to) }
	}
	ended := all.where(func(e *event) bool { return e.Stage == adminsessions.Complete && e.Type != adminsessions.Trail })
	today := ended.where(within(day))
	hour := ended.where(within(time.Hour))
	signedIn := func(e *event) bool { return e.User.Email != "" || e.User.ID != "" }
	signed, signedHour := today.where(signedIn), hour.where(signedIn)
	failed := today.where(func(e *event) bool { return e.SignIn.Outcome == adminsessions.SignInFailure })
	errors := today.where(status("5"))
	refused := status("401", "403")
	want := map[string]map[string]float64{}

	// activity.json
	a := func(panel string, numbers map[string]float64) { want["activity.json/"+panel] = numbers }
	a("Online/A", signedHour.distinct("email", "id"))
	a("Requests/A", today.total())
	a("Addresses/A", signed.distinct("ip"))
	a("Failed sign-ins/A", failed.weight())
	a("Server errors/A", errors.total())
	a("Deletions/A", today.where(deletes).total())
	newest := map[string]*event{}
	for _, e := range signedHour {
		if old := newest[e.User.Email+" "+e.User.ID]; old == nil || e.Time.After(old.Time) {
			newest[e.User.Email+" "+e.User.ID] = e
		}
	}
	a("Active in the last hour/A", selection(slices.Collect(maps.Values(newest))).last("email", "id", "ip"))
	a("Active in the last hour/B", signedHour.count("email", "id"))
	a("Requests by admin/A", today.count("email"))
	a("Administrators/A", signed.count("email", "id"))
	a("Administrators/B", signed.where(refused).count("email", "id"))
	a("Administrators/C", signed.where(status("5")).count("email", "id"))
	a("What was done/A", today.count("action", "method"))
	a("Requests by method/A", today.count("method"))
	duration := func(e *event) float64 { return float64(e.Duration.Microseconds()) / 1000 }
	requests := today.where(func(e *event) bool { return e.Method != "" })
	a("Duration by type/A", requests.quantile(0.5, duration, "type"))
	a("Duration by type/B", requests.quantile(0.95, duration, "type"))
	sum := func(s selection) map[string]float64 {
		if len(s) == 0 {
			return nil
		}
		return s.total()
	}
	a("Refused and failed/A", sum(today.where(refused)))
	a("Refused and failed/B", sum(today.where(status("4")).where(func(e *event) bool { return !refused(e) })))
	a("Refused and failed/C", sum(errors))
	a("Failed sign-ins by address and name/A", failed.weighed("ip", "name"))
	a("Failed sign-ins by address and name/B", failed.last("ip", "name"))
	a("Errors by admin and act/A", errors.count("email", "action", "error"))
	before := ended.where(signedIn).where(func(e *event) bool {
		return !e.Time.After(to.Add(-day)) && e.Time.After(to.Add(-31*day))
	}).count("email", "id", "ip")
	fresh := signed.count("email", "id", "ip")
	maps.DeleteFunc(fresh, func(k string, _ float64) bool { _, known := before[k]; return known })
	a("New IP addresses by admin/A", fresh)
	week := map[string]float64{}
	for _, e := range today {
		utc := e.Time.UTC()
		week[fmt.Sprintf("hour=%02d, weekday=%d", utc.Hour(), (int(utc.Weekday())+6)%7)]++
	}
	a("Requests by hour of the week/A", week)

	// admin.json
	mine := today.where(func(e *event) bool {
		return admin != "" && (strings.EqualFold(word(e, "email"), admin) || word(e, "id") == admin)
	})
	m := func(panel string, numbers map[string]float64) { want["admin.json/"+panel] = numbers }
	m("Requests/A", mine.total())
	m("Last seen/A", mine.last())
	m("Addresses/A", mine.distinct("ip"))
	m("Sessions/A", mine.where(func(e *event) bool { return e.SessionID != "" }).distinct("session"))
	m("Failed sign-ins/A", failed.where(func(e *event) bool { return strings.EqualFold(e.SignIn.Name, admin) }).weight())
	m("Refused, failed/A", mine.where(status("401", "403", "5")).total())
	m("Requests by method/A", mine.count("method"))
	for panel, names := range map[string][]string{
		"By IP address": {"ip"}, "By session": {"session", "ip"}, "By user agent": {"ua"},
	} {
		m(panel+"/A", mine.count(names...))
		m(panel+"/B", mine.first(names...))
		m(panel+"/C", mine.last(names...))
	}
	m("What was done/A", mine.count("action", "method"))

	// session-list.json has no admin chosen here.
	inSession := today.where(func(e *event) bool { return e.SessionID != "" })
	latest := map[string]*event{}
	addresses := map[string]float64{}
	for _, e := range inSession {
		k := key(e, "session", "email", "id")
		if latest[k] == nil || e.Time.After(latest[k].Time) {
			latest[k] = e
		}
		addresses[k] = float64(len(inSession.where(func(o *event) bool { return key(o, "session", "email", "id") == k }).count("ip")))
	}
	s := func(letter string, numbers map[string]float64) { want["session-list.json/Sessions/"+letter] = numbers }
	by := []string{"session", "email", "id"}
	s("A", selection(slices.Collect(maps.Values(latest))).last(append(by, "ip", "ua")...))
	s("B", inSession.first(by...))
	s("C", inSession.count(by...))
	s("D", inSession.where(func(e *event) bool { return e.Type == adminsessions.Web }).count(by...))
	s("E", inSession.where(func(e *event) bool { return e.Type == adminsessions.API }).count(by...))
	s("F", addresses)

	// pipeline.json counts every numbered event, running ones too.
	numbered := all.where(within(day)).where(func(e *event) bool { return e.log != "" })
	p := func(panel string, numbers map[string]float64) { want["pipeline.json/"+panel] = numbers }
	number := func(e *event) float64 { return float64(e.Sequence) }
	trail := []string{"service_name", "service_instance_id", "audit_log_id"}
	p("Trail by log/A", numbered.fold(number, math.Max, trail...))
	p("Trail by log/B", numbered.fold(number, math.Min, trail...))
	p("Trail by log/C", numbered.count(trail...))
	once := map[string]float64{}
	for k := range numbered.count(trail...) {
		seen := map[uint64]bool{}
		var low, high uint64
		all := numbered.where(func(e *event) bool { return key(e, trail...) == k })
		for _, e := range all {
			if low == 0 || e.Sequence < low {
				low = e.Sequence
			}
			high = max(high, e.Sequence)
			seen[e.Sequence] = true
		}
		once[k] = 1
		if uint64(len(seen)) == high-low+1 && len(all) == len(seen) {
			once[k] = 0
		}
	}
	p("Trail by log/D", once)
	own := func(action string) selection {
		return numbered.where(func(e *event) bool { return e.Type == adminsessions.Trail && e.Action == action })
	}
	p("Trail by log/E", own("trail.checkpoint").fold(func(e *event) float64 { return numberOf(e, "size") }, math.Max, trail...))
	// The newest of each instance; of instances the best time, and the worst verdict.
	newestOf := map[string]*event{}
	for _, e := range own("trail.verified") {
		if k := e.service + " " + e.instance; newestOf[k] == nil || e.Time.After(newestOf[k].Time) {
			newestOf[k] = e
		}
	}
	verified := selection(slices.Collect(maps.Values(newestOf)))
	p("Verified up to/A", verified.fold(func(e *event) float64 { return numberOf(e, "up_to") }, math.Max))
	p("Verdict/A", verified.fold(func(e *event) float64 {
		return map[adminsessions.Outcome]float64{adminsessions.OutcomeSuccess: 2, adminsessions.OutcomeError: 1, adminsessions.OutcomeFailure: 0}[e.Outcome]
	}, math.Min))
	p("Events in Loki/A", numbered.count("service_instance_id"))
	return want
}

// TestNumbers compares every number of the other dashboards with plain Go, as
// opened and with their variables set.
func TestNumbers(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	storeForeign(t, loki, to)
	all := loadDashboards(t)

	for name, set := range map[string]struct {
		vars variables
		keep func(*event) bool
	}{
		"as opened":       {nil, func(*event) bool { return true }},
		"web":             {variables{"type": one("WEB")}, func(e *event) bool { return e.Type == adminsessions.Web }},
		"one service":     {variables{"service": one("shop.admin")}, func(e *event) bool { return e.service == "shop.admin" }},
		"two services":    {variables{"service": some("shop.admin", "panel")}, func(*event) bool { return true }},
		"no service":      {variables{"service": one("shop+admin")}, func(*event) bool { return false }},
		"one environment": {variables{"environment": one("staging")}, func(e *event) bool { return e.environment == "staging" }},
	} {
		t.Run(name, func(t *testing.T) {
			admins := []string{"anna@example.com"}
			if set.vars == nil {
				admins = append(admins, "ZANETA+ops@example.com", "max.o.b@example.com", "anna", "", "-", "nobody@example.com", "service-9", "{{5}}", "root")
			}
			for _, admin := range admins {
				var chosen, untyped selection
				for i := range events {
					if e := &events[i]; set.keep(e) {
						chosen = append(chosen, e)
					}
					if e := &events[i]; set.vars["type"].text != nil || set.keep(e) {
						untyped = append(untyped, e)
					}
				}
				want := expectations(chosen, to, admin)
				// Only activity.json has the variable type.
				if set.vars["type"].text != nil {
					for k, v := range expectations(untyped, to, admin) {
						if !strings.HasPrefix(k, "activity.json/") {
							want[k] = v
						}
					}
				}
				for file, d := range all {
					vars := maps.Clone(d.vars)
					for n, v := range set.vars {
						if _, has := vars[n]; has {
							vars[n] = v
						}
					}
					if _, has := vars["admin"]; has && file == "admin.json" {
						vars["admin"] = one(admin)
					}
					for _, q := range d.queries {
						if file == sessions || q.log {
							continue
						}
						numbers, predicted := want[q.name()]
						if !predicted {
							t.Errorf("nothing predicts what %s answers", q.name())
							continue
						}
						delete(want, q.name())
						t.Run(q.name()+" "+admin, func(t *testing.T) {
							equalNumbers(t, instant(t, loki, q, vars, to, day), numbers)
						})
					}
				}
				for name := range want {
					t.Errorf("%s is predicted, but no dashboard asks it", name)
				}
			}
		})
	}
}

// TestLogPanels compares the lists of the other dashboards.
func TestLogPanels(t *testing.T) {
	loki := lokitest.Start(t)
	to := time.Now().Truncate(time.Second)
	events := knownEvents(to)
	store(t, loki, events)
	storeForeign(t, loki, to)
	session := func(e *event) bool { return e.SessionID == "s-anna-2" }
	act := func(e *event) bool { return e.Type != adminsessions.Trail }
	looks := func(e *event) bool {
		return e.Method == "GET" || e.Method == "" && strings.HasSuffix(e.Action, ".view")
	}
	lists := map[string]struct {
		variable string
		texts    []string
		keep     func(e *event, text string) bool
	}{
		"admin.json/Newest requests/A": {"admin", []string{"", "anna@example.com", "Zaneta+Ops@example.com", "anna", "x", "service-9", "2", "{{5}}"}, func(e *event, text string) bool {
			return act(e) && text != "" && (strings.EqualFold(e.User.Email, text) || e.User.ID == text)
		}},
		"event.json/Request/A":             {"request", []string{"request-005", "download-1", "request-0.*", "x", "", "request", "-"}, func(e *event, text string) bool { return e.RequestID == text }},
		"event.json/Details/A":             {"request", []string{"request-005", "download-1", "x", ""}, func(e *event, text string) bool { return e.RequestID == text }},
		"event.json/The same session/A":    {"session", []string{"s-anna-2", "s-anna", "", "s-.*"}, func(e *event, text string) bool { return text == "s-anna-2" && session(e) }},
		"event.json/Changes/A":             {"request", []string{"changing-1", "x"}, func(e *event, text string) bool { return e.RequestID == text }},
		"event.json/Changes/B":             {"request", []string{"changing-1", "x"}, func(e *event, text string) bool { return e.RequestID == text }},
		"event.json/Acts that it caused/A": {"request", []string{"changing-1", "changing", "", "request-005", "changing.1"}, func(e *event, text string) bool { return text != "" && e.Cause == text }},
		"phone.json/The newest 200/A":      {"search", []string{"", "anna", "DELETE", "s-anna-2", "\t"}, func(e *event, text string) bool { return act(e) && fold(e.people(), text) }},
		"changes.json/The newest 500 changes ${admin}/A": {"search", []string{"", "acme", "closed", "nothing"}, func(e *event, text string) bool {
			return act(e) && (len(e.Changes) > 0 || strings.HasSuffix(e.Note, " now.x=")) && fold(e.people(), text)
		}},
		"object.json/What was done to ${object} ${object_id}/A": {"object_id", []string{"7731", "773", "", "9", "{{5}}"}, func(e *event, text string) bool {
			return act(e) && text != "" && e.Resource.ID == text && !looks(e)
		}},
		"object.json/Who looked at it/A": {"object_id", []string{"7731", "9", "8", "", `a\"b\\c`}, func(e *event, text string) bool {
			return act(e) && text != "" && inLine(e.Resource.ID) == text && looks(e)
		}},
		"pipeline.json/Verifications/A": {"service", []string{"panel", "x"}, func(e *event, text string) bool {
			return e.service == text && e.Type == adminsessions.Trail && e.Action == "trail.verified"
		}},
		"pipeline.json/The trail's own life/A": {"service", []string{"panel", "shop.admin", "x"}, func(e *event, text string) bool {
			return e.service == text && e.Type == adminsessions.Trail && e.Action != "trail.checkpoint" && e.Action != "trail.verified"
		}},
		"session-list.json/The story of ${session}/A": {"session", []string{"s-anna-2", "s-anna", "", "-", "s-.*"}, func(e *event, text string) bool { return text != "" && e.SessionID == text }},
	}
	for file, d := range loadDashboards(t) {
		for _, q := range d.queries {
			if file == sessions || !q.log {
				continue
			}
			list, predicted := lists[q.name()]
			if !predicted {
				t.Errorf("nothing predicts what %s lists", q.name())
				continue
			}
			delete(lists, q.name())
			for _, text := range list.texts {
				var want []string
				for i := range events {
					if e := &events[i]; e.Time.After(to.Add(-day)) && list.keep(e, text) {
						want = append(want, e.id())
					}
				}
				rows, err := loki.Query(t.Context(), q.filledIn(t, d.vars.with(list.variable, one(text))), lokitest.Range{From: to.Add(-day), To: to})
				if err != nil {
					t.Fatal(err)
				}
				if got := q.listed(t, rows); !slices.Equal(got, want) {
					t.Errorf("%s for %q lists %q, want %q", q.name(), text, got, want)
				}
			}
		}
	}
	for name := range lists {
		t.Errorf("%s is predicted, but no dashboard asks it", name)
	}
}
