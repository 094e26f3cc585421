package dashboards_test

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// functions are those of Prometheus' templates that the rules use.
var functions = template.FuncMap{
	"reReplaceAll": func(pattern, repl, text string) string {
		return regexp.MustCompile(pattern).ReplaceAllString(text, repl)
	},
	"humanize": func(v float64) string { return fmt.Sprintf("%.4g", v) },
	"now":      func() float64 { return 1764086400 },
	"toTime": func(seconds float64) *time.Time {
		t := time.UnixMilli(int64(math.Round(seconds * 1000))).UTC()
		return &t
	},
}

// filled fills in one template, as of an alert of the sample, in Grafana ($values)
// and in Loki's ruler ($value).
func filled(t testing.TB, text string, sample lokitest.Sample) string {
	t.Helper()
	type refIDValue struct{ Value float64 }
	tmpl, err := template.New("annotation").Funcs(functions).Parse("{{ $labels := .Labels }}{{ $value := .Value }}{{ $values := .Values }}" + text)
	if err != nil {
		t.Fatal(err)
	}
	data := struct {
		Labels map[string]string
		Value  float64
		Values map[string]refIDValue
	}{sample.Labels, sample.Value, map[string]refIDValue{"A": {sample.Value}}}
	var out strings.Builder
	if err := tmpl.Execute(&out, data); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return out.String()
}

var variableInLink = regexp.MustCompile(`&var-(\w+)=`)

// checkLink checks that an alert's link is to a dashboard that exists, sets
// variables that it has, and holds absolute times.
func checkLink(t testing.TB, uid, vars, times string) {
	t.Helper()
	files := map[string]string{
		"adminsessions-sessions": sessions, "adminsessions-activity": "activity.json", "adminsessions-pipeline": "pipeline.json",
	}
	file, exists := files[uid]
	if !exists {
		t.Errorf("link to the dashboard %q", uid)
		return
	}
	for _, m := range variableInLink.FindAllStringSubmatch(vars, -1) {
		if _, exists := loadDashboards(t)[file].vars[m[1]]; !exists {
			t.Errorf("link %s sets %s, which %s does not have", vars, m[1], file)
		}
	}
	if times != "" && !regexp.MustCompile(`^from=\d{13}&to=\d{13}$`).MatchString(times) {
		t.Errorf("the times of the link are %q", times)
	}
}

// What strangers can choose, and administrators of themselves, stands in no
// summary, and elsewhere cut, in quotes, without what chats take for a command.
func TestStrangersWordsInAlerts(t *testing.T) {
	evil := []string{
		"<!channel> reset your password at <https://evil.example|sign in>", "@everyone", "https://evil.example/x", "*bold* _it_ `code`",
		"[click](https://evil.example)", "a\nb", `"quoted" \ `, strings.Repeat("x", 1000), "{{ .Labels }}", "<script>alert(1)</script>", "&amp;", "|", "\u202eevil",
	}
	own := []string{"name", "email", "id", "action", "country", "network"} // not the address, which is one, nor the service, which is the operator's
	for name, r := range grafanaRules(t) {
		for _, text := range evil {
			labels := map[string]string{"service_name": "panel", "ip": "203.0.113.9", "service_instance_id": "panel-1", "audit_log_id": "10900f"}
			for _, label := range own {
				labels[label] = text
			}
			sample := lokitest.Sample{Labels: labels, Value: 12}
			summary := filled(t, r.annotations["summary"], sample)
			plain := filled(t, r.annotations["summary"], lokitest.Sample{Labels: map[string]string{"service_name": "panel", "ip": "203.0.113.9"}, Value: 12})
			if summary != plain {
				t.Errorf("%s: the summary holds what a stranger chose: %s", name, summary)
			}
			description := filled(t, r.annotations["description"], sample)
			if strings.ContainsAny(description, "<>|`*[]{}\n/\u202e&") || strings.Contains(description, strings.Repeat("x", 65)) {
				t.Errorf("%s: the description reads %s", name, description)
			}
		}
	}
}

// An alert without labels, as of a query that fails, reads well.
func TestAlertsWithoutLabels(t *testing.T) {
	for name, r := range grafanaRules(t) {
		for _, annotation := range []string{"summary", "description"} {
			text := filled(t, r.annotations[annotation], lokitest.Sample{Labels: map[string]string{}})
			if strings.Contains(text, "no value") || strings.Contains(text, "  ") || strings.Contains(text, `""`) {
				t.Errorf("%s: the %s of an alert without labels reads %q", name, annotation, text)
			}
		}
		if r.off != slices.Contains([]string{"AdminSessionsOutsideWorkingHours"}, name) {
			t.Errorf("%s is off: %t", name, r.off)
		}
	}
}
