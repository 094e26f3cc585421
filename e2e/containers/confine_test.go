//go:build containers

package containers

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	"github.com/compose-spec/compose-go/v2/types"
)

// said is the file as its own parser reads it.
func (p *project) said(t *testing.T) *types.Project {
	t.Helper()
	options, err := cli.NewProjectOptions(p.files, cli.WithWorkingDirectory(p.root), cli.WithEnv(p.env), cli.WithName(name))
	if err != nil {
		t.Fatal(err)
	}
	project, err := options.LoadProject(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return project
}

// confined checks what each container may do, by what the engine says of it.
func (p *project) confined(t *testing.T) {
	file := p.said(t)
	for _, service := range p.services {
		id := p.container(t, service)
		said := p.must(t, "docker", "inspect", "-f",
			"{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}} {{.HostConfig.Memory}} {{.HostConfig.NanoCpus}} {{.HostConfig.PidsLimit}}", id)
		limits := file.Services[service]
		want := fmt.Sprintf("true [ALL] [no-new-privileges:true] false %d %.0f %d", limits.MemLimit, limits.CPUS*1e9, limits.PidsLimit)
		if said != want || limits.MemLimit == 0 || limits.CPUS == 0 || limits.PidsLimit == 0 {
			t.Errorf("%s: %s, want %s", service, said, want)
		}
		processes := p.must(t, "docker", "top", id, "-eo", "pid,uid") // the engine wants the pid
		for line := range strings.Lines(processes) {
			if fields := strings.Fields(line); fields[1] == "0" {
				t.Errorf("process %s of %s is root's", fields[0], service)
			}
		}
		ports := p.must(t, "docker", "inspect", "-f", "{{range .NetworkSettings.Ports}}{{range .}}{{.HostIp}} {{end}}{{end}}", id)
		for ip := range strings.FieldsSeq(ports) {
			if ip != "127.0.0.1" {
				t.Errorf("%s is published on %s", service, ip)
			}
		}
	}
}

// apart tries, from the networks of the containers, what somebody would who has
// broken into one of them: to reach Loki by its name and its addresses, and to get
// more from the gateways than they are for.
func (p *project) apart(t *testing.T) {
	const post = "--post-data={}"
	lokis := strings.Fields(p.must(t, "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", p.container(t, "loki")))
	pushes := strings.Fields(p.must(t, "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", p.container(t, "loki-push")))
	if len(lokis) != 1 || len(pushes) != 2 {
		t.Fatalf("Loki has the addresses %v, its gateway for pushes %v", lokis, pushes)
	}
	type attempt struct {
		from, what string
		post, may  bool
	}
	attempts := []attempt{
		// The way there is, so that a failure below is no fault of the attempt.
		{from: "loki-push", what: "http://loki:3100/ready", may: true},
		{from: "loki-read", what: "http://" + lokis[0] + ":3100/ready", may: true},
		{from: "adminpanel", what: "http://loki-push:3100/healthz", may: true},
		{from: "adminpanel", what: "http://loki-read:3100/ready", may: true},
		{from: "prometheus", what: "http://loki-read:3100/metrics", may: true},

		{from: "adminpanel", what: "http://loki:3100/ready"},
		{from: "adminpanel", what: "http://" + lokis[0] + ":3100/ready"},
		{from: "adminpanel", what: "http://loki-push:3100/loki/api/v1/query?query=1"},
		{from: "adminpanel", what: "http://loki-push:3100/flush", post: true},
		{from: "adminpanel", what: "http://loki-read:3100/flush", post: true},
		{from: "adminpanel", what: "http://loki-read:3100/loki/api/v1/push", post: true},
	}
	for _, outside := range []string{"prometheus", "grafana"} {
		if !slices.Contains(p.services, outside) {
			continue
		}
		attempts = append(attempts,
			attempt{from: outside, what: "http://loki-read:3100/ready", may: true},
			attempt{from: outside, what: "http://loki-read:3100/loki/api/v1/push", post: true},
			attempt{from: outside, what: "http://loki:3100/ready"},
			attempt{from: outside, what: "http://" + lokis[0] + ":3100/ready"},
			attempt{from: outside, what: "http://loki-push:3100/healthz"})
		for _, ip := range pushes {
			attempts = append(attempts, attempt{from: outside, what: "http://" + ip + ":3100/healthz"})
		}
	}
	for _, a := range attempts {
		command := []string{"timeout", "5", "wget", "-qO-", a.what}
		if a.post {
			command = append(command, post)
		}
		switch out, err := p.inside(t, a.from, command...); {
		case a.may && err != nil:
			t.Errorf("from %s, %s: %v", a.from, a.what, err)
		case !a.may && err == nil:
			t.Errorf("from %s, %s is answered: %.200s", a.from, a.what, out)
		}
	}
	for service, want := range map[string]string{
		"adminpanel": "front write", "loki": "loki", "loki-push": "loki write", "loki-read": "front loki", "prometheus": "front",
	} {
		said := p.must(t, "docker", "inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", p.container(t, service))
		got := strings.Fields(strings.ReplaceAll(said, name+"_", ""))
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s is in the networks %v, want %s", service, got, want)
		}
	}
	for network, want := range map[string]string{"write": "true", "loki": "true"} {
		if got := p.must(t, "docker", "network", "inspect", "-f", "{{.Internal}}", name+"_"+network); got != want {
			t.Errorf("network %s: internal is %s, want %s", network, got, want)
		}
	}
}
