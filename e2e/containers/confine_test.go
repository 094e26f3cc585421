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

// request is one that somebody makes who has broken into a container.
type request struct {
	url  string
	post bool
	may  bool // be answered, by 200
}

// apart makes requests from the networks of the containers: to Loki by its name and
// its address, and to the gateways for more than they are for.
func (p *project) apart(t *testing.T) {
	lokis, pushes := p.addresses(t, "loki"), p.addresses(t, "loki-push")
	if len(lokis) != 1 || len(pushes) != 2 {
		t.Fatalf("Loki has the addresses %v, its gateway for pushes %v", lokis, pushes)
	}
	byAddress := "http://" + lokis[0] + ":3100/ready"
	// Who may only ask. That the same way leads to the gateway shows that it is no fault
	// of the attempt if it leads no further.
	asks := []request{
		{url: "http://loki-read:3100/ready", may: true},
		{url: "http://loki-read:3100/loki/api/v1/push", post: true},
		{url: "http://loki-read:3100/flush", post: true},
		{url: "http://loki:3100/ready"},
		{url: byAddress},
		{url: "http://loki-push:3100/healthz"},
		{url: "http://" + pushes[0] + ":3100/healthz"},
		{url: "http://" + pushes[1] + ":3100/healthz"},
	}
	for from, requests := range map[string][]request{
		"loki-push": {{url: "http://loki:3100/ready", may: true}},
		"loki-read": {{url: byAddress, may: true}},
		"adminpanel": {
			{url: "http://loki-read:3100/ready", may: true},
			{url: "http://loki-push:3100/healthz", may: true},
			{url: "http://loki-push:3100/loki/api/v1/labels"},
			{url: "http://loki-push:3100/flush", post: true},
			{url: "http://loki-read:3100/flush", post: true},
			{url: "http://loki-read:3100/loki/api/v1/push", post: true},
			{url: "http://loki:3100/ready"},
			{url: byAddress},
		},
		"prometheus": asks,
		"grafana":    asks,
	} {
		if slices.Contains(p.services, from) {
			p.try(t, from, requests)
		}
	}
	p.onTheirNetworks(t)
}

// try makes requests from the network of a service's container, all at once.
func (p *project) try(t *testing.T, from string, requests []request) {
	t.Helper()
	var script strings.Builder
	for i, r := range requests {
		post := ""
		if r.post {
			post = "--post-data={}"
		}
		fmt.Fprintf(&script, "timeout 10 wget -qO /dev/null %s %s && echo =%d= & ", post, r.url, i)
	}
	out, err := p.inside(t, from, "sh", "-c", script.String()+"wait")
	if err != nil {
		t.Errorf("from %s: %v", from, err)
		return
	}
	for i, r := range requests {
		if answered := strings.Contains(out, fmt.Sprintf("=%d=", i)); answered != r.may {
			t.Errorf("from %s, %s (post: %t) is answered: %t", from, r.url, r.post, answered)
		}
	}
}

// addresses are those of a service's container.
func (p *project) addresses(t *testing.T, service string) []string {
	t.Helper()
	return strings.Fields(p.must(t, "docker", "inspect", "-f", "{{range .NetworkSettings.Networks}}{{.IPAddress}} {{end}}", p.container(t, service)))
}

// onTheirNetworks finds each container on its networks alone, and two of those
// without a way out.
func (p *project) onTheirNetworks(t *testing.T) {
	t.Helper()
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
