package main

import (
	"cmp"
	"fmt"
	"strings"
)

const runbooks = "https://github.com/adminsessions/adminsessions/blob/main/dashboards/runbooks/"

// sheet writes YAML, a line at a time.
type sheet struct{ b strings.Builder }

func (s *sheet) line(indent int, format string, args ...any) {
	s.b.WriteString(strings.Repeat("  ", indent) + fmt.Sprintf(format, args...) + "\n")
}

// text writes a template, an annotation, as a string in single quotes.
func (s *sheet) text(key, text string) {
	s.line(5, "%s: '%s'", key, strings.ReplaceAll(text, "'", "''"))
}

// block writes an expression as it is.
func (s *sheet) block(indent int, key, text string) {
	s.line(indent, "%s: |-", key)
	for line := range strings.SplitSeq(text, "\n") {
		s.line(indent+1, "%s", line)
	}
}

func (s *sheet) comments(indent int, lines []string) {
	for _, c := range lines {
		s.line(indent, "%s", strings.TrimSpace("# "+c))
	}
}

// at is when a link's time range begins and ends: three hours before the rule
// was evaluated, and a quarter of an hour after.
const at = "from={{ ((toTime now).Add -10800000000000).UnixMilli }}&to={{ ((toTime now).Add 900000000000).UnixMilli }}"

// path is the address of an alert's dashboard, for systems that can tell time.
func (a *alert) path() string { return "/d/" + a.dashboard + "?" + at + a.vars }

// inRuler writes a rule as Prometheus and Loki's ruler have it. One that is off is
// commented out.
func (s *sheet) inRuler(a *alert) {
	from := s.b.Len()
	said := func(t string) string { return strings.ReplaceAll(t, value, "{{ $value | humanize }}") }
	s.line(3, "- alert: %s", a.name)
	s.block(4, "expr", a.expr)
	if a.lasts != "" {
		s.line(4, "for: %s", a.lasts)
	}
	if a.keeps != "" {
		s.line(4, "keep_firing_for: %s", a.keeps)
	}
	s.line(4, "labels:")
	s.line(5, "severity: %s", a.severity)
	s.line(4, "annotations:")
	s.text("summary", said(a.summary))
	s.text("description", said(a.description))
	s.line(5, "runbook_url: %s%s.md", runbooks, a.name)
	s.text("dashboard", a.path())
	if !a.off {
		return
	}
	written := s.b.String()
	s.b.Reset()
	s.b.WriteString(written[:from])
	for line := range strings.SplitSeq(strings.TrimSuffix(written[from:], "\n"), "\n") {
		s.line(3, "# %s", line[6:])
	}
}

func rulerFile(head []string, name string, alerts []alert) []byte {
	var s sheet
	s.comments(0, head)
	s.line(0, "groups:")
	for _, slow := range []bool{false, true} {
		first := true
		for i := range alerts {
			a := &alerts[i]
			if a.slow != slow {
				continue
			}
			if first {
				first = false
				group, interval := name, "1m"
				if slow {
					group, interval = name+"-slow", "15m"
				}
				s.line(1, "- name: %s", group)
				s.line(2, "interval: %s", interval)
				s.line(2, "rules:")
			}
			s.comments(3, a.about)
			s.inRuler(a)
		}
	}
	return []byte(s.b.String())
}

// inGrafana writes a rule as Grafana's provisioning has it. Grafana links to the
// dashboard with the alert's time by the annotations with underscores, not by
// dashboardUid and panelId.
func (s *sheet) inGrafana(a *alert) {
	said := func(t string) string {
		return strings.ReplaceAll(t, value, "{{ with $values.A }}{{ humanize .Value }}{{ else }}(unknown){{ end }}")
	}
	s.line(3, "- uid: %s", a.uid)
	s.line(4, "title: %s", a.name)
	s.line(4, "condition: B")
	s.line(4, "isPaused: %t", a.off)
	s.line(4, "for: %s", cmp.Or(a.lasts, "0s"))
	s.line(4, "noDataState: OK")
	s.line(4, "execErrState: Error")
	s.line(4, "missing_series_evals_to_resolve: 1")
	s.line(4, "dashboardUid: %s", a.dashboard)
	s.line(4, "panelId: %d", a.panel)
	s.line(4, "labels:")
	s.line(5, "severity: %s", a.severity)
	s.line(4, "annotations:")
	s.line(5, "__dashboardUid__: %s", a.dashboard)
	s.line(5, "__panelId__: %q", fmt.Sprint(a.panel))
	s.text("summary", said(a.summary))
	s.text("description", said(a.description))
	s.line(5, "runbook_url: %s%s.md", runbooks, a.name)
	if a.vars != "" {
		s.text("filter", a.vars)
	}
	s.line(4, "data:")
	s.line(5, "- refId: A")
	s.line(6, "datasourceUid: %s", lokiUID)
	s.line(6, "queryType: instant")
	s.line(6, "relativeTimeRange: {from: 600, to: 0}")
	s.line(6, "model:")
	s.line(7, "refId: A")
	s.line(7, "queryType: instant")
	s.line(7, "editorMode: code")
	s.block(7, "expr", a.expr)
	s.line(5, "- refId: B")
	s.line(6, "datasourceUid: __expr__")
	s.line(6, "relativeTimeRange: {from: 600, to: 0}")
	s.line(6, "model:")
	s.line(7, "refId: B")
	s.line(7, "type: threshold")
	s.line(7, "expression: A")
	s.line(7, "conditions:")
	s.line(8, "- evaluator: {type: outside_range, params: [0, 0]}")
}

func grafanaFile(head []string, name string, alerts []alert) []byte {
	var s sheet
	s.comments(0, head)
	s.line(0, "apiVersion: 1")
	s.line(0, "")
	s.line(0, "groups:")
	for _, slow := range []bool{false, true} {
		group, interval := name, "1m"
		if slow {
			group, interval = name+"-slow", "15m"
		}
		s.line(1, "- orgId: 1")
		s.line(2, "name: %s", group)
		s.line(2, "folder: Monitoring")
		s.line(2, "interval: %s", interval)
		s.line(2, "rules:")
		for i := range alerts {
			if a := &alerts[i]; a.slow == slow {
				s.comments(3, a.about)
				s.inGrafana(a)
			}
		}
	}
	return []byte(s.b.String())
}

const generated = "Generated by dashboards/generate (make dashboards): do not edit."

func alertFiles() map[string][]byte {
	trail := trailAlerts()
	return map[string][]byte{
		"dashboards/alerts/loki-ruler.yaml": rulerFile([]string{
			generated,
			"",
			"Alerting rules for Loki's ruler: the same conditions as the Grafana-managed rules",
			"in deploy/grafana/provisioning/alerting, for those who alert through",
			"Alertmanager. Load one set, not both.",
			"",
			"With deploy/loki/loki.yaml: put this file into $LOKI_RULES_DIR/fake/ (\"fake\" is",
			"the tenant of a Loki without tenants) and set LOKI_ALERTMANAGER_URL. Where Loki",
			"holds other logs too, narrow service_name=~\".+\" to the services of your panels.",
		}, "adminsessions", trail),
		"deploy/grafana/provisioning/alerting/adminsessions-rules.yaml": grafanaFile([]string{
			generated,
			"",
			"Grafana-managed alert rules over Loki, in the folder Monitoring. Same conditions",
			"as dashboards/alerts/loki-ruler.yaml; load one set, not both.",
			"",
			"Each query answers with one series for each case that is over its limit, and",
			"with nothing while all is well: no data is the normal state, and a series that",
			"vanishes resolves its alert at once. A query that fails alerts as an error.",
			"Nothing is sent anywhere until a contact point is set up: contact-points.yaml.example",
			"in this folder shows how.",
		}, "adminsessions", trail),
		"dashboards/alerts/prometheus.yaml": rulerFile([]string{
			generated,
			"",
			"Prometheus alerting rules for the pipeline from the admin panel to Loki. They",
			"need the panel's /metrics scraped; `promtool test rules prometheus_test.yaml`",
			"beside this file shows each of them fire and resolve.",
			"",
			"job and instance are those of the panel that speaks.",
		}, "adminsessions-pipeline", pipelineAlerts()),
	}
}
