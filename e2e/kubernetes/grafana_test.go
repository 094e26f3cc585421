package kubernetes

import (
	"encoding/json"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoringv1 "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/yaml"

	"github.com/adminsessions/adminsessions/internal/tools"
)

// Every dashboard is there, as it is in dashboards, with the label that sidecars
// look for and the uids of the data sources that are said.
func TestDashboards(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root(t), "dashboards", "*.json"))
	if err != nil || len(files) < 9 {
		t.Fatalf("%d dashboards: %v", len(files), err)
	}
	for values, want := range map[string]struct{ namespace, folder, loki, prometheus string }{
		"grafana.yaml":    {"monitoring", "Audit", "adminsessions-loki", "adminsessions-prometheus"},
		"everything.yaml": {"", "Monitoring", "loki", "prom"},
	} {
		all := render(t, values)
		found := 0
		for _, c := range of[*corev1.ConfigMap](all) {
			if _, ok := c.Labels["grafana_dashboard"]; !ok {
				continue
			}
			found++
			if c.Labels["grafana_dashboard"] != "1" || c.Namespace != want.namespace || c.Annotations["grafana_folder"] != want.folder || len(c.Data) != 1 {
				t.Errorf("%s of %s: %v %v %q, %d files", c.Name, values, c.Labels, c.Annotations, c.Namespace, len(c.Data))
			}
			for key, got := range c.Data {
				name := strings.TrimPrefix(key, "adminsessions-")
				source := strings.NewReplacer("adminsessions-loki", want.loki, "adminsessions-prometheus", want.prometheus).Replace(string(read(t, "dashboards", name)))
				if got != strings.TrimSpace(source) {
					t.Errorf("%s of %s is not dashboards/%s", key, values, name)
				}
				if !json.Valid([]byte(got)) {
					t.Errorf("%s is no JSON", key)
				}
			}
		}
		if found != len(files) {
			t.Errorf("%s: %d of %d dashboards; a new one needs a link in the chart's files/dashboards", values, found, len(files))
		}
	}
}

// The operator's dashboards are those of ConfigMaps that are there.
func TestGrafanaOperator(t *testing.T) {
	all := render(t, "everything.yaml")
	dashboards := of[*grafanaDashboard](all)
	if len(dashboards) < 9 {
		t.Errorf("%d dashboards", len(dashboards))
	}
	for _, d := range dashboards {
		if _, ok := one[*corev1.ConfigMap](t, all, d.Spec.ConfigMapRef.Name).Data[d.Spec.ConfigMapRef.Key]; !ok {
			t.Errorf("%s: no %s in %s", d.Name, d.Spec.ConfigMapRef.Key, d.Spec.ConfigMapRef.Name)
		}
		if d.Spec.InstanceSelector.MatchLabels["dashboards"] != "grafana" || d.Spec.Folder != "Monitoring" {
			t.Errorf("%s: %+v", d.Name, d.Spec)
		}
	}
	uids := map[string]string{}
	for _, d := range of[*grafanaDatasource](all) {
		uids[d.Spec.UID] = d.Spec.DataSource.URL
	}
	if len(uids) != 2 || uids["loki"] != "http://loki-read:3100" || uids["prom"] == "" {
		t.Errorf("data sources %v", uids)
	}
	for _, c := range of[*corev1.ConfigMap](all) {
		if _, ok := c.Labels["grafana_datasource"]; ok {
			t.Error("the sidecar makes data sources, too")
		}
	}
}

// The data sources are those that deploy/grafana provisions.
func TestDataSources(t *testing.T) {
	type file struct {
		APIVersion  int          `json:"apiVersion"`
		Prune       bool         `json:"prune"`
		DataSources []dataSource `json:"datasources"`
	}
	var got, want file
	c := one[*corev1.ConfigMap](t, render(t, "grafana.yaml"), "trail-adminsessions-datasources")
	if c.Labels["grafana_datasource"] != "1" || c.Namespace != "monitoring" {
		t.Errorf("%+v", c.ObjectMeta)
	}
	if err := yaml.UnmarshalStrict([]byte(c.Data["adminsessions-datasources.yaml"]), &got); err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(read(t, "deploy", "grafana", "provisioning", "datasources", "adminsessions.yaml"), &want); err != nil {
		t.Fatal(err)
	}
	want.Prune = false // of a file of Grafana's own; here it would prune others'
	for i := range want.DataSources {
		want.DataSources[i].URL = got.DataSources[i].URL
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, deploy/grafana has %+v", got, want)
	}
	alone := render(t, "grafana.yaml", "grafana: {dataSources: {prometheusURL: ''}}")
	if text := one[*corev1.ConfigMap](t, alone, "trail-adminsessions-datasources").Data["adminsessions-datasources.yaml"]; strings.Contains(text, "prometheus") {
		t.Errorf("without an address:\n%s", text)
	}
}

// Rules that nobody touches are those of the files.
func TestRulesAreThoseOfTheFiles(t *testing.T) {
	all := render(t, "grafana.yaml")
	for name, c := range map[string]struct {
		got  any
		file string
	}{
		"prometheus": {one[*monitoringv1.PrometheusRule](t, all, "").Spec, "dashboards/alerts/prometheus.yaml"},
		"grafana":    {one[*corev1.ConfigMap](t, render(t, "grafana.yaml", "grafana: {folder: Monitoring}"), "trail-adminsessions-grafana-rules").Data["adminsessions-rules.yaml"], "deploy/grafana/provisioning/alerting/adminsessions-rules.yaml"},
		"loki":       {lokiRules(t, render(t, "grafana.yaml", "rules: {grafana: {enabled: false}, lokiRuler: {enabled: true}}")), "dashboards/alerts/loki-ruler.yaml"},
	} {
		if got, want := generic(t, c.got), generic(t, string(read(t, c.file))); !reflect.DeepEqual(got, want) {
			t.Errorf("%s: not the rules of %s", name, c.file)
		}
	}
	if l := one[*monitoringv1.PrometheusRule](t, all, "").Labels["release"]; l != "kube-prometheus-stack" {
		t.Errorf("Prometheus does not select it: %q", l)
	}
	if c := one[*corev1.ConfigMap](t, all, "trail-adminsessions-grafana-rules"); c.Labels["grafana_alert"] != "1" || !strings.Contains(c.Data["adminsessions-rules.yaml"], "folder: Audit\n") {
		t.Errorf("%+v", c.ObjectMeta)
	}
}

func lokiRules(t *testing.T, all manifests) string {
	t.Helper()
	for _, c := range of[*corev1.ConfigMap](all) {
		if value, ok := c.Labels["loki_rule"]; ok {
			if value != "" || c.Annotations["k8s-sidecar-target-directory"] != "fake" {
				t.Errorf("%+v", c.ObjectMeta)
			}
			return c.Data["adminsessions.yaml"]
		}
	}
	t.Fatal("no rules for Loki's ruler")
	return ""
}

// generic reads YAML, or a value, without types.
func generic(t *testing.T, of any) any {
	t.Helper()
	text, ok := of.(string)
	if !ok {
		b, err := json.Marshal(of)
		if err != nil {
			t.Fatal(err)
		}
		text = string(b)
	}
	var v any
	if err := yaml.UnmarshalStrict([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// disabled, overrides and services: in all three forms of the rules.
func TestRulesChanged(t *testing.T) {
	all := render(t, "everything.yaml")
	var loki groups
	if err := yaml.UnmarshalStrict([]byte(lokiRules(t, all)), &loki); err != nil {
		t.Fatal(err)
	}
	var prometheus groups
	if b, err := yaml.Marshal(one[*monitoringv1.PrometheusRule](t, all, "").Spec); err != nil || yaml.UnmarshalStrict(b, &prometheus) != nil {
		t.Fatal(err)
	}
	byName := map[string]rule{}
	for _, g := range slices.Concat(loki.Groups, prometheus.Groups) {
		for _, r := range g.Rules {
			byName[r.Alert] = r
		}
	}
	for _, off := range []string{"AdminSessionsClockSkew", "AdminSessionsNewAddress"} {
		if _, ok := byName[off]; ok {
			t.Errorf("%s is disabled", off)
		}
	}
	r := byName["AdminSessionsMassDeletion"]
	if !maps.Equal(r.Labels, map[string]string{"severity": "warning", "team": "sre"}) || r.For != "5m" || r.Annotations["summary"] == "" {
		t.Errorf("overridden: %+v", r)
	}
	if r := byName["AdminSessionsDropping"]; !maps.Equal(r.Labels, map[string]string{"severity": "critical", "team": "sre"}) {
		t.Errorf("overridden: %+v", r)
	}
	for name, r := range byName {
		for _, selector := range regexp.MustCompile(`service_name=~"[^"]*"`).FindAllString(r.Expr, -1) {
			if selector != `service_name=~"panel|billing"` {
				t.Errorf("%s watches %s", name, selector)
			}
		}
	}
	// false disables nothing; a group without rules is none.
	some := one[*monitoringv1.PrometheusRule](t, render(t, "grafana.yaml", "rules: {disabled: {AdminSessionsDropping: false}}"), "").Spec
	if some.Groups[0].Rules[0].Alert != "AdminSessionsDropping" {
		t.Errorf("%+v", some.Groups[0].Rules[0])
	}

	grafana := render(t, "grafana.yaml", "rules: {services: panel, disabled: {AdminSessionsNewAddress: true}, overrides: {AdminSessionsOutsideWorkingHours: {isPaused: false}}}", "grafana: {lokiUID: mine}")
	text := one[*corev1.ConfigMap](t, grafana, "trail-adminsessions-grafana-rules").Data["adminsessions-rules.yaml"]
	if strings.Contains(text, "AdminSessionsNewAddress\n") || strings.Contains(text, "isPaused: true") || strings.Contains(text, `service_name=~".+"`) ||
		!strings.Contains(text, "datasourceUid: mine\n") || strings.Contains(text, "adminsessions-loki") {
		t.Error("Grafana's rules are not as they were changed")
	}
}

// promtool accepts the rules of the PrometheusRule.
func TestPromtoolAcceptsTheRules(t *testing.T) {
	promtool, err := tools.Find(root(t), "promtool")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"grafana.yaml", "everything.yaml"} {
		b, err := yaml.Marshal(one[*monitoringv1.PrometheusRule](t, render(t, file), "").Spec)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Join(t.TempDir(), "rules.yaml")
		if err := os.WriteFile(name, b, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command(promtool, "check", "rules", name).CombinedOutput(); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
	}
}

// What is packed is all that is needed, and no more; what Helm keeps of a release
// fits into a Secret.
func TestPackage(t *testing.T) {
	dir := t.TempDir()
	if _, said, err := helm(t, "package", chart(t), "--destination", dir); err != nil {
		t.Fatalf("%v\n%s", err, said)
	}
	packed, err := filepath.Glob(filepath.Join(dir, "*.tgz"))
	if err != nil || len(packed) != 1 {
		t.Fatal(packed, err)
	}
	if out, err := exec.Command("tar", "xzf", packed[0], "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(dir, "adminsessions", "ci")); !os.IsNotExist(err) {
		t.Errorf("the tests' values are packed: %v", err)
	}
	files, _ := filepath.Glob(filepath.Join(root(t), "dashboards", "*.json"))
	for _, f := range files {
		name := filepath.Base(f)
		got, err := os.ReadFile(filepath.Join(dir, "adminsessions", "files", "dashboards", name))
		if err != nil || string(got) != string(read(t, "dashboards", name)) {
			t.Errorf("%s is not packed as it is: %v", name, err)
		}
	}
	// From the package it renders as from the folder.
	for _, file := range cases(t) {
		here, _, err := helm(t, "template", "trail", chart(t), "--values", file)
		if err != nil {
			t.Fatal(err)
		}
		there, said, err := helm(t, "template", "trail", packed[0], "--values", file)
		if err != nil || string(here) != string(there) {
			t.Errorf("%s: packed, it renders otherwise: %v %s", filepath.Base(file), err, said)
		}
		if n := releaseSize(t, filepath.Join(dir, "adminsessions"), here); n > 900_000 {
			t.Errorf("%s: a release takes %d bytes; a Secret takes 1 MiB", filepath.Base(file), n)
		}
	}
}
