package dashboards_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// admin makes one request of an administrator.
func admin(service string, at time.Time, who adminsessions.User, ip, method, route string, status int) event {
	return event{
		service: service, instance: service + "-1", environment: "production",
		Event: adminsessions.Event{
			Time: at, Stage: adminsessions.Complete, Type: adminsessions.Web, User: who,
			ClientAddress: netip.MustParseAddr(ip), Method: method, Route: route, URL: "https://panel.example" + route,
			StatusCode: status, Action: map[string]string{"GET": "clients.view", "POST": "clients.create", "DELETE": "clients.delete"}[method], UserAgent: "test", RequestID: fmt.Sprintf("%s-%d", service, at.UnixNano()),
		},
	}
}

func signIn(service string, at time.Time, outcome adminsessions.SignInOutcome, name, ip string) event {
	e := admin(service, at, nobody, ip, "POST", "/admin/login", 401)
	e.SignIn = adminsessions.SignIn{Name: name, Outcome: outcome}
	if outcome == adminsessions.SignInSuccess {
		e.StatusCode = 302
	}
	return e
}

// A story is what happens to one service, and what its rule says of it when.
type story struct {
	events []event
	says   []saying
	// firing must name these.
	words []string
}

type saying struct {
	after time.Duration // from the story's beginning
	want  map[string]float64
}

// stories begin at base; each rule's service is its name.
func stories(base time.Time) map[string]story {
	const minute = time.Minute
	all := map[string]story{}
	at := func(d time.Duration) time.Time { return base.Add(d) }
	var quiet map[string]float64

	const fromAddress = "AdminSessionsSignInFailuresFromAddress"
	s := story{words: []string{"203.0.113.9", "12", fromAddress}}
	for i := range 12 {
		s.events = append(s.events, signIn(fromAddress, at(time.Duration(i)*10*time.Second), adminsessions.SignInFailure, fmt.Sprintf("name-%d", i), "203.0.113.9"))
	}
	for i := range 10 {
		s.events = append(s.events, signIn(fromAddress, at(time.Duration(i)*10*time.Second+1), adminsessions.SignInFailure, fmt.Sprintf("name-%d", i), "10.2.3.4"))
	}
	s.says = []saying{
		{-minute, quiet},
		{minute, quiet},
		{3 * minute, map[string]float64{"ip=203.0.113.9": 12}},
		{9 * minute, map[string]float64{"ip=203.0.113.9": 12}},
		{13 * minute, quiet},
	}
	all[fromAddress] = s

	const forAdmin = "AdminSessionsSignInFailuresForAdmin"
	s = story{words: []string{"anna@example.com", "7", forAdmin}}
	for i := range 7 {
		s.events = append(s.events, signIn(forAdmin, at(time.Duration(i)*10*time.Second), adminsessions.SignInFailure, []string{"anna@example.com", "Anna@Example.com"}[i%2], fmt.Sprintf("203.0.113.%d", i)))
	}
	for i := range 5 {
		s.events = append(s.events, signIn(forAdmin, at(time.Duration(i)*10*time.Second+1), adminsessions.SignInFailure, "rory@example.com", "10.2.3.4"))
	}
	s.says = []saying{{30 * time.Second, quiet}, {3 * minute, map[string]float64{"name=anna@example.com": 7}}, {12 * minute, quiet}}
	all[forAdmin] = s

	const afterFailures = "AdminSessionsSignInAfterFailures"
	s = story{words: []string{"anna@example.com", "6", afterFailures}}
	for i := range 6 {
		s.events = append(s.events, signIn(afterFailures, at(time.Duration(i)*minute), adminsessions.SignInFailure, "anna@example.com", "203.0.113.9"))
	}
	s.events = append(s.events,
		signIn(afterFailures, at(-20*minute), adminsessions.SignInSuccess, "anna@example.com", "10.2.3.4"),
		signIn(afterFailures, at(8*minute), adminsessions.SignInSuccess, "rory@example.com", "10.2.3.5"),
		signIn(afterFailures, at(10*minute), adminsessions.SignInSuccess, "anna@example.com", "203.0.113.9"))
	s.says = []saying{{-15 * minute, quiet}, {6 * minute, quiet}, {11 * minute, map[string]float64{"name=anna@example.com": 6}}, {21 * minute, quiet}}
	all[afterFailures] = s

	const many = "AdminSessionsSignInNames"
	s = story{words: []string{"60", many}}
	for i := range 60 {
		s.events = append(s.events, signIn(many, at(time.Duration(i)*time.Second), adminsessions.SignInFailure, fmt.Sprintf("name-%d", i), fmt.Sprintf("198.51.100.%d", i)))
		s.events = append(s.events, signIn(many, at(time.Duration(i)*time.Second+1), adminsessions.SignInFailure, fmt.Sprintf("NAME-%d", i), fmt.Sprintf("198.51.100.%d", i)))
	}
	s.says = []saying{{30 * time.Second, quiet}, {2 * minute, map[string]float64{"": 60}}, {12 * minute, quiet}}
	all[many] = s

	// A flood is folded: one record stands for many.
	const flood = "AdminSessionsSignInFlood"
	folded := signIn(flood, at(minute), adminsessions.SignInFailure, "", "198.51.100.7")
	folded.Count, folded.Since = 400, at(0)
	s = story{words: []string{"401", flood}, events: []event{folded, signIn(flood, at(2*minute), adminsessions.SignInFailure, "root", "198.51.100.8")}}
	s.says = []saying{{30 * time.Second, quiet}, {3 * minute, map[string]float64{"": 401}}, {13 * minute, quiet}}
	all[flood] = s

	const during = "AdminSessionsSignInDuringFlood"
	folded = signIn(during, at(minute), adminsessions.SignInFailure, "", "198.51.100.9")
	folded.Count, folded.Since = 400, at(0)
	s = story{words: []string{"anna@example.com", during}, events: []event{
		signIn(during, at(-time.Hour), adminsessions.SignInSuccess, "Anna@example.com", "10.2.3.4"),
		folded,
		signIn(during, at(20*minute), adminsessions.SignInSuccess, "Anna@example.com", "203.0.113.9"),
	}}
	s.says = []saying{{-50 * minute, quiet}, {5 * minute, quiet}, {21 * minute, map[string]float64{"name=anna@example.com": 1}}, {32 * minute, quiet}}
	all[during] = s

	const mass = "AdminSessionsMassDeletion"
	s = story{words: []string{"anna@example.com", "25", mass}}
	for i := range 25 {
		s.events = append(s.events,
			admin(mass, at(time.Duration(i)*10*time.Second), anna, "10.2.3.4", "DELETE", "/admin/clients/{id}", 204),
			admin(mass, at(time.Duration(i)*10*time.Second+1), rory, "10.2.3.5", "DELETE", "/admin/clients/{id}", 403),
			admin(mass, at(time.Duration(i)*10*time.Second+2), zaneta, "10.2.3.6", "POST", "/admin/clients", 201))
	}
	s.says = []saying{{2 * minute, quiet}, {5 * minute, map[string]float64{"email=anna@example.com, id=2": 25}}, {16 * minute, quiet}}
	all[mass] = s

	// Acts that change who may do what, each with what is no such act beside it.
	does := func(service string, after time.Duration, who adminsessions.User, method, action string, status int) event {
		e := admin(service, at(after), who, "10.2.3.4", method, "/admin/x", status)
		e.Action = action
		return e
	}
	for name, act := range map[string]string{
		"AdminSessionsRolesChanged": "users.role.grant", "AdminSessionsCredentialsChanged": "clients.reset_password", "AdminSessionsMFAChanged": "users.2fa.disable",
	} {
		s = story{words: []string{"anna@example.com", act, "2", name}, events: []event{
			does(name, 0, anna, "POST", act, 200), does(name, minute, anna, "POST", act, 302),
			does(name, minute, rory, "POST", act, 403), does(name, minute+1, rory, "GET", act+"_form", 200), does(name, minute+2, nobody, "POST", act, 200),
			does(name, minute+3, zaneta, "GET", strings.Split(act, ".")[0]+".view", 200),
		}}
		s.says = []saying{{-minute, quiet}, {2 * minute, map[string]float64{"action=" + act + ", email=anna@example.com, id=2": 2}}, {12 * minute, quiet}}
		all[name] = s
	}

	const glass = "AdminSessionsBreakGlass"
	broken := does(glass, 0, anna, "POST", "clients.export", 200)
	broken.Reason = `Break-Glass: nobody of "billing" is awake`
	denied := does(glass, minute, anna, "POST", "clients.export", 403)
	denied.Reason = "breakglass"
	other := does(glass, minute, rory, "POST", "clients.export", 200)
	other.Reason, other.Note = "ticket 17", "break-glass"
	all[glass] = story{words: []string{"anna@example.com", "clients.export", "2", glass}, events: []event{broken, denied, other},
		says: []saying{{-minute, quiet}, {2 * minute, map[string]float64{"action=clients.export, email=anna@example.com, id=2": 2}}, {12 * minute, quiet}}}

	for name, field := range map[string]string{"AdminSessionsNewCountry": "country", "AdminSessionsNewNetwork": "network"} {
		from := func(after time.Duration, who adminsessions.User, place string) event {
			e := admin(name, at(after), who, "10.2.3.4", "GET", "/admin/", 200)
			if e.Geo.Country = place; field == "network" {
				e.Geo = adminsessions.Geo{Country: "PL", Locality: "Warsaw", Network: place}
			}
			// What an administrator can say of himself is not where he is.
			e.User.FullName, e.Note = `x country=`, `x network=`
			if after%time.Minute != 0 {
				e.Route = ""
			}
			return e
		}
		all[name] = story{
			words: []string{"rory@example.com", "BR", "2", name},
			events: []event{
				from(-20*24*time.Hour, rory, "PL"), from(-20*24*time.Hour+1, anna, "BR"), from(0, rory, "PL"),
				from(minute, rory, "BR"), from(2*minute+1, rory, "BR"), from(3*minute, anna, "BR"), from(4*minute, rory, ""),
			},
			says: []saying{{30 * time.Second, quiet}, {5 * minute, map[string]float64{field + "=BR, email=rory@example.com, id=3": 2}}, {33 * minute, quiet}},
		}
		if field == "network" {
			all[name].says[1].want = map[string]float64{"email=rory@example.com, id=3, network=BR": 2}
		}
	}

	const errors = "AdminSessionsServerErrors"
	s = story{words: []string{"broken.view", "6", errors}}
	for i := range 6 {
		e := admin(errors, at(time.Duration(i)*time.Second), anna, "10.2.3.4", "GET", "/admin/broken", 500+i%4)
		e.Action = "broken.view"
		s.events = append(s.events, e)
	}
	for i := range 5 {
		s.events = append(s.events, admin(errors, at(time.Duration(i)*time.Second+1), anna, "10.2.3.4", "GET", "/admin/shaky", 500))
	}
	s.says = []saying{{-minute, quiet}, {minute, map[string]float64{"action=broken.view": 6}}, {11 * minute, quiet}}
	all[errors] = s

	// 03:00 in London on the first Wednesday after base's day, noon, and noon
	// on the Saturday: days of the past, as base lies a week back.
	const outside = "AdminSessionsOutsideWorkingHours"
	london, err := time.LoadLocation("Europe/London")
	if err != nil {
		panic(err)
	}
	night := time.Date(base.Year(), base.Month(), base.Day()-7, 3, 0, 0, 0, london)
	for night.Weekday() != time.Wednesday {
		night = night.AddDate(0, 0, -1)
	}
	noon, saturday := night.Add(9*time.Hour), night.Add(9*time.Hour).AddDate(0, 0, 3)
	label := "email=anna@example.com"
	all[outside] = story{
		words: []string{"anna@example.com", "1", outside},
		events: []event{
			admin(outside, night, anna, "10.2.3.4", "GET", "/admin/", 200),
			admin(outside, noon, anna, "10.2.3.4", "GET", "/admin/", 200),
			admin(outside, saturday, anna, "10.2.3.4", "GET", "/admin/", 200),
		},
		says: []saying{
			{night.Add(minute).Sub(base), map[string]float64{label: 1}},
			{night.Add(11 * minute).Sub(base), quiet},
			{noon.Add(minute).Sub(base), quiet},
			{saturday.Add(minute).Sub(base), map[string]float64{label: 1}},
			{saturday.Add(11 * minute).Sub(base), quiet},
		},
	}

	const gap = "AdminSessionsTrailGap"
	s = story{words: []string{gap, "109001", "2"}}
	for i, n := range []int{1, 2, 3, 4, 7, 8} {
		e := admin(gap, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		e.log, e.Sequence = "109001", uint64(n)
		s.events = append(s.events, e)
		whole := admin(gap, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		whole.instance, whole.log, whole.Sequence = gap+"-2", "109002", uint64(100+i)
		s.events = append(s.events, whole)
	}
	missing := map[string]float64{"audit_log_id=109001, service_instance_id=" + gap + "-1": 2}
	s.says = []saying{{3*minute + 1, quiet}, {5*minute + 1, missing}, {20 * time.Hour, missing}, {24*time.Hour + 30*minute, quiet}}
	all[gap] = s

	// A copied spool: two machines go on under one log's numbers.
	const twice = "AdminSessionsTrailCountedTwice"
	s = story{words: []string{twice, "109003", "-2"}}
	for i, n := range []uint64{1, 2, 3, 4, 3, 4} {
		e := admin(twice, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		e.log, e.Sequence = "109003", n
		s.events = append(s.events, e)
	}
	s.says = []saying{{3*minute + 1, quiet}, {5*minute + 1, map[string]float64{"audit_log_id=109003, service_instance_id=" + twice + "-1": -2}}, {24*time.Hour + 30*minute, quiet}}
	all[twice] = s

	// As many lost as sent twice: the count alone says that all is well.
	const hidden = "AdminSessionsTrailLossHidden"
	s = story{words: []string{hidden, "109004"}}
	for i, n := range []uint64{1, 2, 3, 4, 4, 6, 7} { // 5 is lost
		e := admin(hidden, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		e.log, e.Sequence = "109004", n
		s.events = append(s.events, e)
		whole := admin(hidden, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		whole.instance, whole.log, whole.Sequence = hidden+"-2", "109005", uint64(1_000_000_000+i)
		s.events = append(s.events, whole)
	}
	s.says = []saying{{3*minute + 1, quiet}, {6*minute + 1, map[string]float64{"audit_log_id=109004, service_instance_id=" + hidden + "-1": 1}}, {24*time.Hour + 30*minute, quiet}}
	all[hidden] = s

	ownStories(all, at)

	const address = "AdminSessionsNewAddress"
	all[address] = story{
		words: []string{"rory@example.com", "198.51.100.7", "2", address},
		events: []event{
			admin(address, at(-20*24*time.Hour), rory, "10.2.3.5", "GET", "/admin/", 200),
			admin(address, at(0), rory, "10.2.3.5", "GET", "/admin/", 200),
			admin(address, at(minute), rory, "198.51.100.7", "GET", "/admin/", 200),
			admin(address, at(2*minute), rory, "198.51.100.7", "GET", "/admin/", 200),
			admin(address, at(5*time.Hour), rory, "198.51.100.7", "GET", "/admin/", 200),
		},
		says: []saying{
			{30 * time.Second, quiet},
			{5 * minute, map[string]float64{"email=rory@example.com, ip=198.51.100.7": 2}},
			{33 * minute, quiet},
			{5*time.Hour + minute, quiet}, // known by now
		},
	}

	// Anna always works a lot, Rory does not.
	const rate = "AdminSessionsRequestRateHigh"
	s = story{words: []string{"rory@example.com", "350", rate}}
	for i := range 36_000 {
		s.events = append(s.events, admin(rate, at(-6*24*time.Hour+time.Duration(i)*14*time.Second), anna, "10.2.3.4", "GET", "/admin/", 200))
	}
	s.events = append(s.events, admin(rate, at(-24*time.Hour), rory, "10.2.3.5", "GET", "/admin/", 200))
	for i := range 350 {
		s.events = append(s.events,
			admin(rate, at(time.Duration(i)*time.Second), anna, "10.2.3.4", "GET", "/admin/", 200),
			admin(rate, at(time.Duration(i)*time.Second+1), rory, "10.2.3.5", "GET", "/admin/", 200))
	}
	s.says = []saying{{minute, quiet}, {8 * minute, map[string]float64{"email=rory@example.com": 350}}, {17 * minute, quiet}}
	all[rate] = s

	const silent = "AdminSessionsTrailSilent"
	all[silent] = story{
		words: []string{silent, "2"},
		events: []event{
			admin(silent, at(-2*24*time.Hour), anna, "10.2.3.4", "GET", "/admin/", 200),
			admin(silent, at(0), anna, "10.2.3.4", "GET", "/admin/", 200),
			admin(silent, at(30*time.Hour), anna, "10.2.3.4", "GET", "/admin/", 200),
		},
		says: []saying{{23 * time.Hour, quiet}, {25 * time.Hour, map[string]float64{"": 2}}, {30*time.Hour + minute, quiet}},
	}
	return all
}

// TestRulesFireAndResolve evaluates each rule over the time of its story.
func TestRulesFireAndResolve(t *testing.T) {
	loki := lokitest.Start(t)
	base := time.Now().Add(-48 * time.Hour).Truncate(time.Minute)
	all := stories(base)
	for _, s := range all {
		store(t, loki, s.events)
	}
	for name, r := range grafanaRules(t) {
		t.Run(name, func(t *testing.T) {
			s, told := all[name]
			if !told {
				t.Fatalf("no story for %s", name)
			}
			states := ""
			for _, say := range s.says {
				samples, err := loki.Instant(t.Context(), r.expr, base.Add(say.after))
				if err != nil {
					t.Fatalf("%v\n%s", err, r.expr)
				}
				got := map[string]float64{}
				for _, sample := range samples {
					if sample.Labels["service_name"] != name {
						continue // another rule's story
					}
					text := filled(t, r.annotations["summary"]+"\n"+r.annotations["description"], sample)
					for _, word := range s.words {
						if !strings.Contains(text, word) {
							t.Errorf("summary and description do not say %q: %s", word, text)
						}
					}
					delete(sample.Labels, "service_name")
					got[labelKey(sample.Labels)] = sample.Value
				}
				if len(got) > 0 {
					states += "firing "
				} else {
					states += "quiet "
				}
				t.Logf("after %v: %v", say.after, got)
				if len(got) != 0 || len(say.want) != 0 {
					equalNumbers(t, got, say.want)
				}
			}
			if !strings.Contains(states, "firing quiet") {
				t.Errorf("the rule is %s: it must fire and resolve", states)
			}
		})
		delete(all, name)
	}
	for name := range all {
		t.Errorf("no rule %s", name)
	}
}
