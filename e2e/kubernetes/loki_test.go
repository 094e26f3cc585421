package kubernetes

import (
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"regexp"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/adminsessions/adminsessions/internal/tools"
)

// The values for Loki's chart say what deploy/loki/loki.yaml says, and leave out
// nothing that a trail needs.
func TestLokiValues(t *testing.T) {
	var chart struct {
		Loki         map[string]any `json:"loki"`
		ResultsCache struct {
			Enabled bool `json:"enabled"`
		} `json:"resultsCache"`
		Sidecar struct {
			Rules map[string]any `json:"rules"`
		} `json:"sidecar"`
	}
	if err := yaml.Unmarshal(read(t, "deploy", "kubernetes", "loki-values.yaml"), &chart); err != nil {
		t.Fatal(err)
	}
	if chart.ResultsCache.Enabled || chart.Sidecar.Rules["folderAnnotation"] != "k8s-sidecar-target-directory" || chart.Sidecar.Rules["label"] != "loki_rule" {
		t.Errorf("%+v", chart)
	}
	// Variables stand for their defaults.
	text := regexp.MustCompile(`\$\{[A-Z_]+:-([^}]*)\}`).ReplaceAllString(string(read(t, "deploy", "loki", "loki.yaml")), "$1")
	var ours map[string]any
	if err := yaml.Unmarshal([]byte(text), &ours); err != nil {
		t.Fatal(err)
	}
	elsewhere := map[string]bool{ // in the chart's own values, or of one process on one machine
		"ingester.lifecycler": true, "ingester.wal": true, "compactor.working_directory": true,
	}
	for _, section := range []string{"analytics", "ingester", "ingester_client", "querier", "query_range", "limits_config", "compactor"} {
		got, _ := chart.Loki[section].(map[string]any)
		want, _ := ours[section].(map[string]any)
		if len(want) == 0 {
			t.Errorf("deploy/loki/loki.yaml says nothing of %s", section)
		}
		for key, value := range want {
			if name := section + "." + key; !elsewhere[name] && !reflect.DeepEqual(got[key], value) {
				t.Errorf("%s is %v, want %v as in deploy/loki/loki.yaml", name, got[key], value)
			}
		}
	}
	if wal, _ := chart.Loki["ingester"].(map[string]any)["wal"].(map[string]any); wal["enabled"] != true {
		t.Errorf("without its log, Loki loses what it has acknowledged when it is killed: %v", wal)
	}

	// Loki knows each of them.
	config := map[string]any{"common": map[string]any{
		"path_prefix": t.TempDir(), "replication_factor": 1,
		"storage": map[string]any{"filesystem": map[string]any{"chunks_directory": t.TempDir(), "rules_directory": t.TempDir()}},
	}}
	for from, to := range map[string]string{
		"analytics": "analytics", "ingester": "ingester", "ingester_client": "ingester_client", "querier": "querier", "query_range": "query_range",
		"limits_config": "limits_config", "compactor": "compactor", "schemaConfig": "schema_config", "rulerConfig": "ruler", "auth_enabled": "auth_enabled",
	} {
		if chart.Loki[from] == nil {
			t.Errorf("nothing is said of %s", from)
		}
		config[to] = chart.Loki[from]
	}
	b, err := yaml.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "loki.yaml")
	if err := os.WriteFile(name, b, 0o600); err != nil {
		t.Fatal(err)
	}
	bin, err := tools.Find(root(t), "loki")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "-config.file="+name, "-verify-config").CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}
