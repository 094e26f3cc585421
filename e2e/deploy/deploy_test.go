// Package deploy_test checks what is mounted and started as it is: the compose
// file with the parser that docker compose uses, Loki's configurations with
// Loki itself, Prometheus' with promtool, the gateways with nginx before a Loki.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions/internal/tools"
)

func root(t *testing.T) string {
	t.Helper()
	dir, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// run runs a pinned program and returns what it says.
func run(t *testing.T, program string, env []string, args ...string) (string, error) {
	t.Helper()
	bin, err := tools.Find(root(t), program)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(bin, args...)
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func TestLokiAcceptsItsConfigurations(t *testing.T) {
	bucket := []string{"LOKI_S3_BUCKET=trail", "LOKI_S3_REGION=eu-central-1"}
	for _, c := range []struct {
		name, folder string
		env          []string
	}{
		{"one process", "loki", nil},
		{"one process, every variable", "loki", []string{
			"LOKI_DATA_DIR=/data", "LOKI_RULES_DIR=/rules", "LOKI_HTTP_ADDRESS=0.0.0.0", "LOKI_HTTP_PORT=3101", "LOKI_GRPC_PORT=9096",
			"LOKI_RETENTION=48h", "LOKI_QUERY_PARALLELISM=16", "LOKI_ALERTMANAGER_URL=http://alertmanager:9093",
		}},
		{"distributed", "loki-distributed", bucket},
		{"distributed, another store", "loki-distributed", append(bucket, "LOKI_S3_ENDPOINT=s3.example:9000", "LOKI_S3_INSECURE=true", "LOKI_S3_LOOKUP=path",
			"LOKI_S3_ACCESS_KEY_ID=id", "LOKI_S3_SECRET_ACCESS_KEY=secret", "LOKI_RETENTION=48h")},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := run(t, "loki", c.env, "-config.file="+filepath.Join(root(t), "deploy", c.folder, "loki.yaml"),
				"-config.expand-env=true", "-verify-config")
			if err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// The check above is worth something only if a fault fails it.
func TestLokiRefusesAFaultyConfiguration(t *testing.T) {
	good, err := os.ReadFile(filepath.Join(root(t), "deploy", "loki", "loki.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for name, fault := range map[string]struct{ old, with string }{
		"unknown name": {"max_query_series:", "max_query_serieses:"},
		"bad value":    {"chunk_encoding: zstd", "chunk_encoding: zip"},
	} {
		bad := strings.Replace(string(good), fault.old, fault.with, 1)
		if bad == string(good) {
			t.Fatalf("%s: %q is not in the configuration", name, fault.old)
		}
		file := filepath.Join(t.TempDir(), "loki.yaml")
		if err := os.WriteFile(file, []byte(bad), 0o600); err != nil {
			t.Fatal(err)
		}
		if out, err := run(t, "loki", nil, "-config.file="+file, "-config.expand-env=true", "-verify-config"); err == nil {
			t.Errorf("%s: accepted:\n%s", name, out)
		}
	}
}

func TestPromtoolAcceptsPrometheus(t *testing.T) {
	// As docker-compose.yml mounts them.
	dir := t.TempDir()
	for from, to := range map[string]string{
		"deploy/prometheus/prometheus.yml":  "prometheus.yml",
		"dashboards/alerts/prometheus.yaml": "rules/adminsessions.yaml",
	} {
		data, err := os.ReadFile(filepath.Join(root(t), from))
		if err != nil {
			t.Fatal(err)
		}
		to = filepath.Join(dir, to)
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := run(t, "promtool", nil, "check", "config", "--lint=all", filepath.Join(dir, "prometheus.yml"))
	if err != nil || !strings.Contains(out, "rules found") {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
}
