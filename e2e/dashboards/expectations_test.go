package dashboards_test

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

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
	sums := map[string]float64{}
	for _, e := range numbered {
		sums[key(e, trail...)] += number(e)
	}
	p("Trail by log/D", sums)
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
