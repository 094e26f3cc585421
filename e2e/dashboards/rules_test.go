package dashboards_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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

const outside = "outside_range"

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
				r.Data[1].Model.Expression != "A" || r.Condition != "B" || r.Data[1].Model.Conditions[0].Evaluator.Type != outside || fmt.Sprint(r.Data[1].Model.Conditions[0].Evaluator.Params) != "[0 0]" {
				t.Fatalf("rule %s is not a Loki query A and a threshold B of anything but 0", r.Title)
			}
			// Grafana's own links, with the alert's time, are made of these.
			if r.Annotations["__dashboardUid__"] != r.DashboardUID || r.Annotations["__panelId__"] != fmt.Sprint(r.PanelID) {
				t.Errorf("rule %s: links to %s, panel %s", r.Title, r.Annotations["__dashboardUid__"], r.Annotations["__panelId__"])
			}
			checkLink(t, r.DashboardUID, r.Annotations["filter"], "")
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
	sample := lokitest.Sample{Value: 12, Labels: map[string]string{"service_name": "panel", "ip": "203.0.113.9", "email": "anna@example.com", "id": "2", "name": "anna", "action": "clients.view", "country": "PL", "network": "AS5617 Orange", "audit_log_id": "10900f", "service_instance_id": "p"}}
	for name, r := range rulerRules(t, comment.ReplaceAll(data, []byte("      $1"))) {
		g, found := grafana[name]
		if !found {
			t.Errorf("%s is not among the Grafana-managed rules", name)
			continue
		}
		delete(grafana, name)
		if _, on := ruler[name]; on == g.off || r.expr != g.expr || fmt.Sprint(r.labels) != fmt.Sprint(g.labels) {
			t.Errorf("%s differs:\n ruler  %v\n Grafana %v", name, r, g)
		}
		for _, annotation := range []string{"summary", "description", "runbook_url"} {
			if one, other := filled(t, r.annotations[annotation], sample), filled(t, g.annotations[annotation], sample); one != other {
				t.Errorf("%s: the ruler's %s reads %s\nGrafana's %s", name, annotation, one, other)
			}
		}
		uid, query, _ := strings.Cut(strings.TrimPrefix(filled(t, r.annotations["dashboard"], sample), "/d/"), "?")
		times := strings.Join(strings.Split(query, "&")[:2], "&")
		checkLink(t, uid, strings.TrimPrefix(query, times), times)
		if vars := filled(t, g.annotations["filter"], sample); uid != g.annotations["__dashboardUid__"] || strings.TrimPrefix(query, times) != vars {
			t.Errorf("%s: the ruler links to %s with %s, Grafana to %s with %s", name, uid, query, g.annotations["__dashboardUid__"], vars)
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
			checkRulersLinks(t, loki)
			return
		}
		select {
		case <-deadline:
			t.Fatalf("Loki's ruler: %v, all evaluated without error: %v; want %d rules, the sign-in failures firing", states, healthy, len(want))
		case <-tick.C:
		}
	}
}

// checkRulersLinks checks what Loki itself makes of the annotations: links with
// absolute times.
func checkRulersLinks(t testing.TB, loki *lokitest.Server) {
	t.Helper()
	var answer struct {
		Data struct {
			Alerts []struct{ Labels, Annotations map[string]string }
		}
	}
	if err := loki.Get(t.Context(), "/prometheus/api/v1/alerts", nil, &answer); err != nil {
		t.Fatal(err)
	}
	if len(answer.Data.Alerts) == 0 {
		t.Error("no alerts")
	}
	link := regexp.MustCompile(`^/d/(adminsessions-\w+)\?(from=\d+&to=\d+)(.*)$`)
	for _, a := range answer.Data.Alerts {
		m := link.FindStringSubmatch(a.Annotations["dashboard"])
		if m == nil {
			t.Errorf("%s links to %q", a.Labels["alertname"], a.Annotations["dashboard"])
			continue
		}
		checkLink(t, m[1], m[3], m[2])
		if strings.Contains(a.Annotations["summary"]+a.Annotations["description"], "error") {
			t.Errorf("%s reads %v", a.Labels["alertname"], a.Annotations)
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
