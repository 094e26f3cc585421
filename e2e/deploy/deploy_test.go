// Package deploy_test checks what is mounted and started as it is: the compose
// file with the parser that docker compose uses, Loki's configurations with
// Loki itself, Prometheus' with promtool.
package deploy_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"

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
func run(t *testing.T, tool tools.Tool, env []string, args ...string) (string, error) {
	t.Helper()
	bin, err := tool.Find(root(t))
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
		{"distributed, another store", "loki-distributed", append(bucket, "LOKI_S3_ENDPOINT=s3.example:9000", "LOKI_S3_FORCE_PATH_STYLE=true",
			"LOKI_S3_ACCESS_KEY_ID=id", "LOKI_S3_SECRET_ACCESS_KEY=secret", "LOKI_RETENTION=48h")},
	} {
		t.Run(c.name, func(t *testing.T) {
			out, err := run(t, tools.Loki, c.env, "-config.file="+filepath.Join(root(t), "deploy", c.folder, "loki.yaml"),
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
		if out, err := run(t, tools.Loki, nil, "-config.file="+file, "-config.expand-env=true", "-verify-config"); err == nil {
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
	out, err := run(t, tools.Promtool, nil, "check", "config", "--lint=all", filepath.Join(dir, "prometheus.yml"))
	if err != nil || !strings.Contains(out, "rules found") {
		t.Errorf("promtool check config: %v\n%s", err, out)
	}
}

const passwordVariable = "GRAFANA_ADMIN_PASSWORD"

func compose(t *testing.T, env ...string) (*types.Project, error) {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root(t), "docker-compose.yml")}, cli.WithEnv(env))
	if err != nil {
		t.Fatal(err)
	}
	return options.LoadProject(t.Context())
}

func TestComposeNeedsGrafanasPassword(t *testing.T) {
	if _, err := compose(t); err == nil || !strings.Contains(err.Error(), passwordVariable) {
		t.Errorf("without a password: %v; want an error that names %s", err, passwordVariable)
	}
}

func TestCompose(t *testing.T) {
	project, err := compose(t, passwordVariable+"=of-the-test")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := project.ServiceNames(), []string{"adminpanel", "grafana", "loki", "prometheus"}; !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for name, service := range project.Services {
		t.Run(name, func(t *testing.T) { checkService(t, project, service) })
	}

	if image, want := project.Services["loki"].Image, "grafana/loki:"+tools.LokiVersion; image != want {
		t.Errorf("Loki's image is %s, the tests use %s", image, want)
	}
	grafana := project.Services["grafana"].Environment
	for variable, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ENABLED":          "false",
		"GF_USERS_ALLOW_SIGN_UP":             "false",
		"GF_SECURITY_ADMIN_PASSWORD":         "of-the-test",
		"GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "2s",
		"ADMINSESSIONS_LOKI_URL":             "http://loki:3100",
		"ADMINSESSIONS_PROMETHEUS_URL":       "http://prometheus:9090",
		"ADMINSESSIONS_DASHBOARDS":           "/etc/adminsessions/dashboards",
	} {
		if got := grafana[variable]; got == nil || *got != want {
			t.Errorf("Grafana's %s is not %q", variable, want)
		}
	}
}

func checkService(t *testing.T, project *types.Project, s types.ServiceConfig) {
	if _, tag, _ := strings.Cut(s.Image, ":"); tag == "" || tag == "latest" {
		t.Errorf("image %s is not pinned", s.Image)
	}
	if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
		t.Error("no health check")
	}
	if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || !slices.Contains(s.CapDrop, "ALL") || s.Privileged {
		t.Error("it has privileges that it does not need")
	}
	if len(s.Ports) == 0 {
		t.Error("no port")
	}
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			t.Errorf("port %s is published on %q, want loopback", p.Published, p.HostIP)
		}
	}
	for dependency, how := range s.DependsOn {
		if how.Condition != types.ServiceConditionHealthy {
			t.Errorf("depends on %s by %s, want by health", dependency, how.Condition)
		}
	}
	kept := false
	for _, v := range s.Volumes {
		switch v.Type {
		case types.VolumeTypeVolume:
			kept = true
			if _, ok := project.Volumes[v.Source]; !ok {
				t.Errorf("volume %q is not a named one", v.Source)
			}
		case types.VolumeTypeBind:
			if _, err := os.Stat(v.Source); err != nil {
				t.Errorf("mounted, but not there: %v", err)
			}
			if !v.ReadOnly {
				t.Errorf("%s is mounted for writing", v.Source)
			}
		default:
			t.Errorf("unexpected mount %+v", v)
		}
	}
	if !kept {
		t.Error("it keeps its data in no named volume")
	}
	if s.Build != nil {
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Error(err)
		}
	}
}
