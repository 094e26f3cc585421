package dashboards_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"go.yaml.in/yaml/v3"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// A rule over Loki, from either file.
type rule struct {
	expr        string
	labels      map[string]string
	annotations map[string]string
	off         bool
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func unmarshalYAML(t testing.TB, data []byte, into any) {
	t.Helper()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	if err := decoder.Decode(into); err != nil {
		t.Fatal(err)
	}
}

// grafanaRules are the rules that Grafana evaluates, by name. Those that are
// no query and a threshold fail the test.
func grafanaRules(t testing.TB) map[string]rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Folder, Interval string
			Rules            []struct {
				UID, Title, Condition string
				IsPaused              bool   `yaml:"isPaused"`
				NoDataState           string `yaml:"noDataState"`
				ExecErrState          string `yaml:"execErrState"`
				DashboardUID          string `yaml:"dashboardUid"`
				PanelID               int    `yaml:"panelId"`
				Labels, Annotations   map[string]string
				Data                  []struct {
					RefID         string `yaml:"refId"`
					DatasourceUID string `yaml:"datasourceUid"`
					Model         struct {
						Expr, Expression, Type string
						Conditions             []struct {
							Evaluator struct {
								Type   string
								Params []float64
							}
						}
					}
				}
			}
		}
	}
	unmarshalYAML(t, readFile(t, "deploy/grafana/provisioning/alerting/adminsessions-rules.yaml"), &file)
	rules := map[string]rule{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			if g.Folder != "Monitoring" || g.Interval == "" || r.NoDataState != "OK" || r.ExecErrState != "Error" || r.DashboardUID == "" || r.PanelID == 0 {
				t.Errorf("rule %s: folder, interval, states or panel are not as the others'", r.Title)
			}
			if len(r.UID) > 40 || len(r.Data) != 2 || r.Data[0].DatasourceUID != lokiUID || r.Data[1].Model.Type != "threshold" ||
				r.Data[1].Model.Expression != "A" || r.Condition != "B" || r.Data[1].Model.Conditions[0].Evaluator.Type != "gt" || r.Data[1].Model.Conditions[0].Evaluator.Params[0] != 0 {
				t.Fatalf("rule %s is not a Loki query A and a threshold B of more than 0", r.Title)
			}
			for k, v := range r.Annotations {
				r.Annotations[k] = strings.ReplaceAll(v, "$values.A.Value", "$value")
			}
			rules[r.Title] = rule{expr: r.Data[0].Model.Expr, labels: r.Labels, annotations: r.Annotations, off: r.IsPaused}
		}
	}
	return rules
}

func rulerRules(t testing.TB, data []byte) map[string]rule {
	t.Helper()
	var file struct {
		Groups []struct {
			Rules []struct {
				Alert, Expr         string
				Labels, Annotations map[string]string
			}
		}
	}
	unmarshalYAML(t, data, &file)
	rules := map[string]rule{}
	for _, g := range file.Groups {
		for _, r := range g.Rules {
			rules[r.Alert] = rule{expr: r.Expr, labels: r.Labels, annotations: r.Annotations}
		}
	}
	return rules
}

// The two sets say the same: who moves from one to the other gets the same
// alerts. The rule that is off in Grafana is commented out for the ruler.
func TestGrafanaAndRulerHaveTheSameRules(t *testing.T) {
	data := readFile(t, "dashboards/alerts/loki-ruler.yaml")
	ruler, grafana := rulerRules(t, data), grafanaRules(t)
	comment := regexp.MustCompile(`(?m)^      # (- alert:|  )`)
	for name, r := range rulerRules(t, comment.ReplaceAll(data, []byte("      $1"))) {
		if _, on := ruler[name]; !on {
			r.off = true
		}
		g, found := grafana[name]
		if !found {
			t.Errorf("%s is not among the Grafana-managed rules", name)
			continue
		}
		delete(grafana, name)
		if fmt.Sprint(r) != fmt.Sprint(g) {
			t.Errorf("%s differs:\n ruler  %v\n Grafana %v", name, r, g)
		}
	}
	for name := range grafana {
		t.Errorf("%s is not among the ruler's rules", name)
	}
}

// Loki's own ruler loads the file and evaluates every rule without an error.
func TestRulerLoadsTheRules(t *testing.T) {
	loki := lokitest.Start(t)
	data := readFile(t, "dashboards/alerts/loki-ruler.yaml")
	// Evaluated at once instead of within a quarter of an hour.
	fast := regexp.MustCompile(`interval: \d+m`).ReplaceAll(data, []byte("interval: 1s"))
	dir := filepath.Join(loki.DataDir(), "rules", "fake")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "adminsessions.yaml"), fast, 0o644); err != nil {
		t.Fatal(err)
	}
	loki.Restart()
	var e []event
	for i := range 12 {
		e = append(e, signIn("story", time.Now().Add(-time.Minute+time.Duration(i)*time.Second), adminsessions.SignInFailure, "root", "203.0.113.9"))
	}
	store(t, loki, e)

	want := rulerRules(t, data)
	tick := time.NewTicker(200 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(90 * time.Second)
	for {
		states, healthy := rulerStates(t, loki)
		if len(states) == len(want) && healthy && states["AdminSessionsSignInFailuresFromAddress"] == "firing" && states["AdminSessionsServerErrors"] == "inactive" {
			return
		}
		select {
		case <-deadline:
			t.Fatalf("Loki's ruler: %v, all evaluated without error: %v; want %d rules, the sign-in failures firing", states, healthy, len(want))
		case <-tick.C:
		}
	}
}

func rulerStates(t testing.TB, loki *lokitest.Server) (states map[string]string, healthy bool) {
	t.Helper()
	var answer struct {
		Data struct {
			Groups []struct {
				Rules []struct{ Name, State, Health string }
			}
		}
	}
	if err := loki.Get(t.Context(), "/prometheus/api/v1/rules", nil, &answer); err != nil {
		t.Fatal(err)
	}
	states, healthy = map[string]string{}, true
	for _, g := range answer.Data.Groups {
		for _, r := range g.Rules {
			states[r.Name] = r.State
			healthy = healthy && r.Health == "ok"
		}
	}
	return states, healthy
}

// Each Prometheus rule fires and resolves in promtool's rule tests.
func TestPrometheusRules(t *testing.T) {
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	promtool, err := tools.Find(root, "promtool")
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, "dashboards", "alerts")
	if out, err := exec.CommandContext(t.Context(), promtool, "test", "rules", filepath.Join(dir, "prometheus_test.yaml")).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	// None is left out, and none without both states.
	tests := string(readFile(t, "dashboards/alerts/prometheus_test.yaml"))
	for name := range rulerRules(t, readFile(t, "dashboards/alerts/prometheus.yaml")) {
		quiet := strings.Count(tests, ", alertname: "+name+"}")
		firing := strings.Count(tests, "        alertname: "+name+"\n          ")
		firing += strings.Count(tests, "        alertname: "+name+"\n        exp_alerts")
		if quiet < 2 || firing < 1 {
			t.Errorf("%s: tested quiet %d times and firing %d times; want before, during and after", name, quiet, firing)
		}
	}
}

// admin makes one request of an administrator.
func admin(service string, at time.Time, who adminsessions.User, ip, method, route string, status int) event {
	return event{
		service: service, instance: service + "-1", environment: "production",
		Event: adminsessions.Event{
			Time: at, Observed: at, Stage: adminsessions.Complete, Type: adminsessions.Web, User: who,
			ClientAddress: netip.MustParseAddr(ip), Method: method, Route: route, URL: "https://panel.example" + route,
			StatusCode: status, RequestID: fmt.Sprintf("%s-%d", service, at.UnixNano()),
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
		{3 * minute, map[string]float64{"client_address=203.0.113.9": 12}},
		{9 * minute, map[string]float64{"client_address=203.0.113.9": 12}},
		{13 * minute, quiet},
	}
	all[fromAddress] = s

	const forAdmin = "AdminSessionsSignInFailuresForAdmin"
	s = story{words: []string{"anna@example.com", "7", forAdmin}}
	for i := range 7 {
		s.events = append(s.events, signIn(forAdmin, at(time.Duration(i)*10*time.Second), adminsessions.SignInFailure, "anna@example.com", fmt.Sprintf("203.0.113.%d", i)))
	}
	for i := range 5 {
		s.events = append(s.events, signIn(forAdmin, at(time.Duration(i)*10*time.Second+1), adminsessions.SignInFailure, "rory@example.com", "10.2.3.4"))
	}
	s.says = []saying{{30 * time.Second, quiet}, {3 * minute, map[string]float64{"admin_sign_in_name=anna@example.com": 7}}, {12 * minute, quiet}}
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
	s.says = []saying{{-15 * minute, quiet}, {6 * minute, quiet}, {11 * minute, map[string]float64{"admin_sign_in_name=anna@example.com": 6}}, {21 * minute, quiet}}
	all[afterFailures] = s

	const mass = "AdminSessionsMassDeletion"
	s = story{words: []string{"Anna Kowalska", "anna@example.com", "25", mass}}
	for i := range 25 {
		s.events = append(s.events,
			admin(mass, at(time.Duration(i)*10*time.Second), anna, "10.2.3.4", "DELETE", "/admin/clients/{id}", 204),
			admin(mass, at(time.Duration(i)*10*time.Second+1), rory, "10.2.3.5", "DELETE", "/admin/clients/{id}", 403),
			admin(mass, at(time.Duration(i)*10*time.Second+2), zaneta, "10.2.3.6", "POST", "/admin/clients", 201))
	}
	s.says = []saying{{2 * minute, quiet}, {5 * minute, map[string]float64{"user_email=anna@example.com, user_full_name=Anna Kowalska": 25}}, {16 * minute, quiet}}
	all[mass] = s

	const errors = "AdminSessionsServerErrors"
	s = story{words: []string{"/admin/broken", "6", errors}}
	for i := range 6 {
		s.events = append(s.events, admin(errors, at(time.Duration(i)*time.Second), anna, "10.2.3.4", "GET", "/admin/broken", 500+i%4))
	}
	for i := range 5 {
		s.events = append(s.events, admin(errors, at(time.Duration(i)*time.Second+1), anna, "10.2.3.4", "GET", "/admin/shaky", 500))
	}
	s.says = []saying{{-minute, quiet}, {minute, map[string]float64{"http_route=/admin/broken": 6}}, {11 * minute, quiet}}
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
	label := "user_email=anna@example.com, user_full_name=Anna Kowalska"
	all[outside] = story{
		words: []string{"Anna Kowalska", "anna@example.com", "1", outside},
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
	s = story{words: []string{gap, "log-1", "2"}}
	for i, n := range []int{1, 2, 3, 4, 7, 8} {
		e := admin(gap, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		e.log, e.sequence = "log-1", n
		s.events = append(s.events, e)
		whole := admin(gap, at(time.Duration(i)*minute), anna, "10.2.3.4", "GET", "/admin/", 200)
		whole.instance, whole.log, whole.sequence = gap+"-2", "log-2", 100+i
		s.events = append(s.events, whole)
	}
	missing := map[string]float64{"audit_log_id=log-1, service_instance_id=" + gap + "-1": 2}
	s.says = []saying{{3*minute + 1, quiet}, {5*minute + 1, missing}, {20 * time.Hour, missing}, {24*time.Hour + 30*minute, quiet}}
	all[gap] = s

	const address = "AdminSessionsNewAddress"
	all[address] = story{
		words: []string{"Rory O'Neil", "rory@example.com", "198.51.100.7", "2", address},
		events: []event{
			admin(address, at(-20*24*time.Hour), rory, "10.2.3.5", "GET", "/admin/", 200),
			admin(address, at(0), rory, "10.2.3.5", "GET", "/admin/", 200),
			admin(address, at(minute), rory, "198.51.100.7", "GET", "/admin/", 200),
			admin(address, at(2*minute), rory, "198.51.100.7", "GET", "/admin/", 200),
			admin(address, at(5*time.Hour), rory, "198.51.100.7", "GET", "/admin/", 200),
		},
		says: []saying{
			{30 * time.Second, quiet},
			{5 * minute, map[string]float64{"client_address=198.51.100.7, user_email=rory@example.com, user_full_name=Rory O'Neil": 2}},
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
	s.says = []saying{{minute, quiet}, {8 * minute, map[string]float64{"user_email=rory@example.com": 350}}, {17 * minute, quiet}}
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
					text := render(t, r.annotations, sample)
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

var variableInLink = regexp.MustCompile(`var-(\w+)=`)

// render is what an alert says, its templates filled in. The link to the
// dashboard must set variables that exist.
func render(t testing.TB, annotations map[string]string, sample lokitest.Sample) string {
	t.Helper()
	var text strings.Builder
	for _, name := range []string{"summary", "description", "dashboard"} {
		tmpl, err := template.New(name).Option("missingkey=error").Parse("{{ $labels := .Labels }}{{ $value := .Value }}" + annotations[name])
		if err != nil {
			t.Fatal(err)
		}
		var out strings.Builder
		if err := tmpl.Execute(&out, sample); err != nil {
			t.Fatal(err)
		}
		if name != "dashboard" {
			text.WriteString(out.String() + "\n")
			continue
		}
		for _, m := range variableInLink.FindAllStringSubmatch(out.String(), -1) {
			if _, exists := loadDashboards(t)[sessions].vars[m[1]]; !exists || !slices.Contains(strings.Split(out.String(), "?"), "/d/adminsessions-sessions") {
				t.Errorf("link %s sets %s", out.String(), m[1])
			}
		}
	}
	return text.String()
}
