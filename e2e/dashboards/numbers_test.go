package dashboards_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
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
func instant(t testing.TB, loki *lokitest.Server, expr string, vars variables, at time.Time, window time.Duration) map[string]float64 {
	t.Helper()
	expr = interpolate(t, expr, vars)
	length := fmt.Sprintf("%.0fs", window.Seconds())
	expr = strings.NewReplacer("$__range", length, "$__auto", length).Replace(expr)
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

func status(classes ...string) func(*event) bool {
	return func(e *event) bool {
		s := e.field("http_response_status_code")
		return slices.ContainsFunc(classes, func(c string) bool { return s == c || len(c) == 1 && strings.HasPrefix(s, c) })
	}
}

// expectations are the numbers of every counting query that is neither of Admin
// Sessions nor of Admin Search, by its name. all are the events that the
// variables service, environment and type select.
func expectations(all selection, to time.Time, admin string) map[string]map[string]float64 {
	within := func(d time.Duration) func(*event) bool {
		return func(e *event) bool { return e.Time.After(to.Add(-d)) && !e.Time.After(to) }
	}
	ended := all.where(func(e *event) bool { return e.Stage == adminsessions.Complete })
	today := ended.where(within(day))
	hour := ended.where(within(time.Hour))
	signedIn := func(e *event) bool { return e.User.Email != "" }
	signed, signedHour := today.where(signedIn), hour.where(signedIn)
	failed := today.where(func(e *event) bool { return e.SignIn.Outcome == adminsessions.SignInFailure })
	errors := today.where(status("5"))
	refused := status("401", "403")
	want := map[string]map[string]float64{}

	// activity.json
	a := func(panel string, numbers map[string]float64) { want["activity.json/"+panel] = numbers }
	a("Admins online/A", signedHour.distinct("user_email"))
	a("Requests/A", today.total())
	a("IP addresses/A", signed.distinct("client_address"))
	a("Failed sign-ins/A", failed.total())
	a("Server errors/A", errors.total())
	a("Deletions/A", today.where(func(e *event) bool { return e.Method == "DELETE" }).where(status("2", "3")).total())
	newest := map[string]*event{}
	for _, e := range signedHour {
		if old := newest[e.User.Email]; old == nil || e.Time.After(old.Time) {
			newest[e.User.Email] = e
		}
	}
	a("Active in the last hour/A", selection(slices.Collect(maps.Values(newest))).last("user_email", "user_full_name", "client_address"))
	a("Active in the last hour/B", signedHour.count("user_email"))
	byAdmin := today.count("user_email")
	if anonymous, found := byAdmin[""]; found {
		delete(byAdmin, "")
		byAdmin["user_email=nobody signed in"] = anonymous
	}
	a("Requests by admin/A", byAdmin)
	a("Administrators/A", signed.count("user_full_name", "user_email"))
	a("Administrators/B", signed.where(refused).count("user_full_name", "user_email"))
	a("Administrators/C", signed.where(status("5")).count("user_full_name", "user_email"))
	a("Requests by route/A", today.count("http_request_method", "http_route"))
	a("Requests by method/A", today.count("http_request_method"))
	duration := func(e *event) float64 { return e.Duration.Seconds() }
	a("Duration by type/A", today.quantile(0.5, duration, "admin_interface"))
	a("Duration by type/B", today.quantile(0.95, duration, "admin_interface"))
	sum := func(s selection) map[string]float64 {
		if len(s) == 0 {
			return nil
		}
		return s.total()
	}
	a("Refused and failed/A", sum(today.where(refused)))
	a("Refused and failed/B", sum(today.where(status("4")).where(func(e *event) bool { return !refused(e) })))
	a("Refused and failed/C", sum(errors))
	a("Failed sign-ins by address and name/A", failed.count("client_address", "admin_sign_in_name"))
	a("Failed sign-ins by address and name/B", failed.last("client_address", "admin_sign_in_name"))
	a("Errors by admin and route/A", errors.count("user_email", "http_route", "error_type"))
	before := ended.where(signedIn).where(func(e *event) bool {
		return !e.Time.After(to.Add(-day)) && e.Time.After(to.Add(-31*day))
	}).count("user_full_name", "user_email", "client_address")
	fresh := signed.count("user_full_name", "user_email", "client_address")
	maps.DeleteFunc(fresh, func(k string, _ float64) bool { _, known := before[k]; return known })
	a("New IP addresses by admin/A", fresh)
	week := map[string]float64{}
	for _, e := range today {
		utc := e.Time.UTC()
		week[fmt.Sprintf("hour=%02d, weekday=%d", utc.Hour(), (int(utc.Weekday())+6)%7)]++
	}
	a("Requests by hour of the week/A", week)

	// admin.json
	mine := signed.where(func(e *event) bool { return strings.EqualFold(e.User.Email, admin) })
	m := func(panel string, numbers map[string]float64) { want["admin.json/"+panel] = numbers }
	m("Requests/A", mine.total())
	m("Last seen/A", mine.last())
	m("IP addresses/A", mine.distinct("client_address"))
	m("Sessions/A", mine.where(func(e *event) bool { return e.SessionID != "" }).distinct("session_id"))
	m("Failed sign-ins/A", failed.where(func(e *event) bool { return strings.EqualFold(e.SignIn.Name, admin) }).total())
	m("Refused, failed/A", mine.where(status("401", "403", "5")).total())
	m("Requests by method/A", mine.count("http_request_method"))
	for panel, names := range map[string][]string{
		"By IP address": {"client_address"}, "By session": {"session_id", "client_address"}, "By user agent": {"user_agent_original"},
	} {
		m(panel+"/A", mine.count(names...))
		m(panel+"/B", mine.first(names...))
		m(panel+"/C", mine.last(names...))
	}
	m("Routes/A", mine.count("http_request_method", "http_route"))

	// pipeline.json counts every numbered event, running ones too.
	numbered := all.where(within(day))
	p := func(panel string, numbers map[string]float64) { want["pipeline.json/"+panel] = numbers }
	number := func(e *event) float64 { return float64(e.sequence) }
	trail := []string{"service_name", "service_instance_id", "audit_log_id"}
	last := numbered.fold(number, math.Max, trail...)
	first := numbered.fold(number, math.Min, trail...)
	events := numbered.count(trail...)
	missing, sumMissing := map[string]float64{}, 0.0
	for k := range last {
		missing[k] = last[k] - first[k] + 1 - events[k]
		sumMissing += missing[k]
	}
	p("Trail by log/A", last)
	p("Trail by log/B", first)
	p("Trail by log/C", events)
	p("Trail by log/D", missing)
	if len(last) > 0 {
		p("Missing events/A", map[string]float64{"": sumMissing})
	} else {
		p("Missing events/A", nil)
	}
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
	all := loadDashboards(t)

	for name, set := range map[string]struct {
		vars variables
		keep func(*event) bool
	}{
		"as opened":       {nil, func(*event) bool { return true }},
		"web":             {variables{"type": one("web")}, func(e *event) bool { return e.Type == adminsessions.Web }},
		"one service":     {variables{"service": one("shop.admin")}, func(e *event) bool { return e.service == "shop.admin" }},
		"two services":    {variables{"service": some("shop.admin", "panel")}, func(*event) bool { return true }},
		"no service":      {variables{"service": one("shop+admin")}, func(*event) bool { return false }},
		"one environment": {variables{"environment": one("staging")}, func(e *event) bool { return e.environment == "staging" }},
	} {
		t.Run(name, func(t *testing.T) {
			admins := []string{"anna@example.com"}
			if set.vars == nil {
				admins = append(admins, "ZANETA+ops@example.com", "max.o.b@example.com", "anna", "nobody@example.com")
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
					if _, has := vars["admin"]; has {
						vars["admin"] = one(admin)
					}
					for _, q := range d.queries {
						if file == sessions || file == search || q.log {
							continue
						}
						numbers, predicted := want[q.name()]
						if !predicted {
							t.Errorf("nothing predicts what %s answers", q.name())
							continue
						}
						delete(want, q.name())
						t.Run(q.name()+" "+admin, func(t *testing.T) {
							equalNumbers(t, instant(t, loki, q.expr, vars, to, day), numbers)
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
	lists := map[string]struct {
		variable string
		texts    []string
		keep     func(e *event, text string) bool
	}{
		"admin.json/Newest requests/A": {"admin", []string{"anna@example.com", "Zaneta+Ops@example.com", "anna", "x"}, func(e *event, text string) bool { return strings.EqualFold(e.User.Email, text) }},
		"event.json/Request/A":         {"request", []string{"request-005", "download-1", "request-0.*", "x"}, func(e *event, text string) bool { return e.RequestID == text }},
		"event.json/Details/A":         {"request", []string{"request-005", "download-1", "x"}, func(e *event, text string) bool { return e.RequestID == text }},
	}
	for file, d := range loadDashboards(t) {
		for _, q := range d.queries {
			if file == sessions || file == search || !q.log {
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
				rows, err := loki.Query(t.Context(), interpolate(t, q.expr, d.vars.with(list.variable, one(text))), lokitest.Range{From: to.Add(-day), To: to})
				if err != nil {
					t.Fatal(err)
				}
				var got []string
				for _, row := range rows {
					got = append(got, row.Metadata["admin_request_id"]+" "+row.Metadata["admin_request_stage"])
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s for %q lists %q, want %q", q.name(), text, got, want)
				}
			}
		}
	}
	for name := range lists {
		t.Errorf("%s is predicted, but no dashboard asks it", name)
	}
}
