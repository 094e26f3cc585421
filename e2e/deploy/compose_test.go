package deploy_test

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

func compose(t *testing.T, env ...string) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{filepath.Join(root(t), "docker-compose.yml")}, cli.WithEnv(env), cli.WithName("demo"))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// It loads with nothing set: docker compose ps, logs and down work without
// Grafana's password.
func TestCompose(t *testing.T) {
	project := compose(t)
	if got, want := project.ServiceNames(), []string{"adminpanel", "grafana", "loki", "loki-push", "loki-read", "prometheus"}; !slices.Equal(got, want) {
		t.Fatalf("services %v, want %v", got, want)
	}
	for name, service := range project.Services {
		t.Run(name, func(t *testing.T) { checkService(t, project, service) })
	}

	if image, want := project.Services["loki"].Image, "grafana/loki:"+pinnedLoki(t); !strings.HasPrefix(image, want+"@sha256:") {
		t.Errorf("Loki's image is %s, the tests use %s", image, want)
	}
	grafana := project.Services["grafana"].Environment
	for variable, want := range map[string]string{
		"GF_AUTH_ANONYMOUS_ENABLED":          "false",
		"GF_USERS_ALLOW_SIGN_UP":             "false",
		"GF_SECURITY_ADMIN_PASSWORD__FILE":   "/run/secrets/grafana-admin-password",
		"GF_DASHBOARDS_MIN_REFRESH_INTERVAL": "2s",
		"GF_SERVER_ROOT_URL":                 "http://127.0.0.1:3000/",
		"ADMINSESSIONS_LOKI_URL":             "http://loki-read:3100",
		"ADMINSESSIONS_PROMETHEUS_URL":       "http://prometheus:9090",
		"ADMINSESSIONS_DASHBOARDS":           "/etc/adminsessions/dashboards",
	} {
		if got := grafana[variable]; got == nil || *got != want {
			t.Errorf("Grafana's %s is not %q", variable, want)
		}
	}
	panel := project.Services["adminpanel"].Environment
	for variable, want := range map[string]string{
		"ADMINSESSIONS_LOKI_URL":       "http://loki-push:3100",
		"ADMINSESSIONS_LOKI_QUERY_URL": "http://loki-read:3100",
	} {
		if got := panel[variable]; got == nil || *got != want {
			t.Errorf("the panel's %s is not %q", variable, want)
		}
	}
	if moved := compose(t, "ADMINSESSIONS_DEMO_GRAFANA_PORT=3333").Services["grafana"].Environment["GF_SERVER_ROOT_URL"]; *moved != "http://127.0.0.1:3333/" {
		t.Errorf("with another port, shared links lead to %s", *moved)
	}
}

// pinnedLoki is the release that tools/loki pins.
func pinnedLoki(t *testing.T) string {
	t.Helper()
	mod, err := os.ReadFile(filepath.Join(root(t), "tools", "loki", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)^require github.com/grafana/loki/v3 v(\S+)`).FindSubmatch(mod)
	if found == nil {
		t.Fatal("tools/loki/go.mod pins no Loki")
	}
	return string(found[1])
}

// Nobody but the two gateways shares a network with Loki, and only the panel
// shares one with the gateway that takes pushes.
func TestComposeKeepsLokiApart(t *testing.T) {
	project := compose(t)
	on := make(map[string][]string)
	for name, service := range project.Services {
		if len(service.Networks) == 0 || service.NetworkMode != "" {
			t.Errorf("%s is on the network that all share (mode %q)", name, service.NetworkMode)
		}
		for network := range service.Networks {
			on[network] = append(on[network], name)
		}
	}
	for network, want := range map[string][]string{
		"front": {"adminpanel", "grafana", "loki-read", "prometheus"},
		"write": {"adminpanel", "loki-push"},
		"loki":  {"loki", "loki-push", "loki-read"},
	} {
		slices.Sort(on[network])
		if !slices.Equal(on[network], want) {
			t.Errorf("on %s are %v, want %v", network, on[network], want)
		}
		if internal := project.Networks[network].Internal; internal != (network != "front") {
			t.Errorf("network %s: internal %t", network, internal)
		}
	}
	for _, name := range []string{"loki", "loki-push"} {
		if ports := project.Services[name].Ports; len(ports) > 0 {
			t.Errorf("%s is published: %v", name, ports)
		}
	}
}

// docker-compose 1.29, which Debian ships, knows the Compose Specification
// without these.
func TestComposeIsReadByOldReleases(t *testing.T) {
	file, err := os.ReadFile(filepath.Join(root(t), "docker-compose.yml"))
	if err != nil {
		t.Fatal(err)
	}
	if bad := regexp.MustCompile(`(?m)^(name|include|models):`).FindString(string(file)); bad != "" {
		t.Errorf("%s at the top level is refused by docker-compose 1.29", bad)
	}
	if strings.Contains(string(file), ":?") {
		t.Error("a required variable makes ps, logs and down fail without it")
	}
}

func checkService(t *testing.T, project *types.Project, s types.ServiceConfig) {
	if _, tag, _ := strings.Cut(s.Image, ":"); tag == "" || tag == "latest" {
		t.Errorf("image %s is not pinned", s.Image)
	}
	// Nobody else has yet told what prom/prometheus:v3.13.5 stands for.
	if made, known := s.Build != nil, regexp.MustCompile(`@sha256:[0-9a-f]{64}$`).MatchString(s.Image); !made && !known && s.Name != "prometheus" {
		t.Errorf("image %s has no digest", s.Image)
	}
	if s.HealthCheck == nil || len(s.HealthCheck.Test) < 2 {
		t.Error("no health check")
	}
	if !slices.Contains(s.SecurityOpt, "no-new-privileges:true") || !slices.Contains(s.CapDrop, "ALL") || s.Privileged {
		t.Error("it has privileges that it does not need")
	}
	if !s.ReadOnly {
		t.Error("its root filesystem can be written to")
	}
	if s.MemLimit == 0 || s.CPUS == 0 || s.PidsLimit == 0 {
		t.Errorf("it has no limits: %d bytes, %g processors, %d processes", s.MemLimit, s.CPUS, s.PidsLimit)
	}
	for _, p := range s.Ports {
		if p.HostIP != "127.0.0.1" {
			t.Errorf("port %s is published on %q, want loopback", p.Published, p.HostIP)
		}
	}
	if len(s.DependsOn) > 0 {
		t.Errorf("it does not start without %v", s.DependsOn)
	}
	for name, value := range s.Environment {
		if secret := regexp.MustCompile(`(?i)password|token|secret`); secret.MatchString(name) && !strings.HasSuffix(name, "_FILE") && value != nil {
			t.Errorf("%s is a secret in the environment, where anybody who may inspect the container reads it", name)
		}
	}
	for _, v := range s.Volumes {
		switch v.Type {
		case types.VolumeTypeVolume:
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
	if s.Build != nil {
		if _, err := os.Stat(filepath.Join(s.Build.Context, s.Build.Dockerfile)); err != nil {
			t.Error(err)
		}
	}
}
