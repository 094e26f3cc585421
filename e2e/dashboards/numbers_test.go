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
