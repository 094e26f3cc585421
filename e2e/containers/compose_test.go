//go:build containers

package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// project is docker-compose.yml as it runs.
type project struct {
	*engine
	root     string
	services []string
	panel    string // URL
	read     string // Loki's URL for questions
	loki     *loki.Client
	browser  *http.Client
	asked    int // requests that the panel has answered
}

const patience = 2 * time.Minute

// TestCompose runs the file and kills what runs in it, a container at a time and
// all of them. Nothing that the panel has answered may be missing.
func TestCompose(t *testing.T) {
	p := up(t)

	t.Run("containers are confined", p.confined)
	t.Run("networks are apart", p.apart)
	t.Run("restarts", func(t *testing.T) {
		p.work(t, 20)
		for _, service := range p.services {
			p.must(t, "docker", "kill", "-s", "KILL", p.container(t, service))
			p.workWithout(t, service)
			p.command(t, "start", service)
			p.healthy(t)
			if service == "adminpanel" {
				p.signIn(t) // its sessions live as long as it does
			}
			p.work(t, 10)
		}
		p.verify(t)
	})
	t.Run("down and up", func(t *testing.T) {
		p.command(t, "down")
		p.command(t, append([]string{"up", "-d"}, p.services...)...)
		p.healthy(t)
		p.signIn(t)
		p.work(t, 10)
		p.verify(t)
	})
}

// up starts the services, without waiting for one another, until the test ends.
func up(t *testing.T) *project {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	p := &project{engine: startEngine(t), root: root, services: []string{"adminpanel", "loki-push", "loki-read", "loki", "prometheus"}}
	if p.provide(t, root, os.Getenv("GRAFANA_HOME")) {
		p.services = append(p.services, "grafana")
	}
	secret := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(secret, []byte("of-a-test"), 0o644); err != nil { // Grafana's own user reads it
		t.Fatal(err)
	}
	panel, read := freePort(t), freePort(t)
	p.panel, p.read = "http://127.0.0.1:"+panel, "http://127.0.0.1:"+read
	p.env = append(p.env,
		"COMPOSE_PROJECT_NAME=adminsessions-test", "GRAFANA_ADMIN_PASSWORD_FILE="+secret, "ADMINSESSIONS_DEMO_TRAFFIC=off",
		"ADMINSESSIONS_DEMO_PANEL_PORT="+panel, "ADMINSESSIONS_DEMO_LOKI_PORT="+read,
		"ADMINSESSIONS_DEMO_PROMETHEUS_PORT="+freePort(t), "ADMINSESSIONS_DEMO_GRAFANA_PORT="+freePort(t))
	t.Cleanup(func() {
		if t.Failed() {
			out, err := p.run(nil, append(slices.Clone(p.compose), "-f", p.file(), "logs", "--tail=30")...)
			t.Logf("the containers said last: %v\n%s", err, out)
		}
		p.command(t, "down", "--volumes")
	})
	p.command(t, append([]string{"up", "-d", "--build"}, p.services...)...)
	p.healthy(t)
	if p.loki, err = loki.New(adminsessions.Loki{URL: p.read}, nil); err != nil {
		t.Fatal(err)
	}
	p.signIn(t)
	return p
}

func (p *project) file() string { return filepath.Join(p.root, "docker-compose.yml") }

func (p *project) command(t *testing.T, args ...string) {
	t.Helper()
	p.must(t, append(append(slices.Clone(p.compose), "-f", p.file()), args...)...)
}

func (p *project) container(t *testing.T, service string) string {
	t.Helper()
	return p.must(t, append(slices.Clone(p.compose), "-f", p.file(), "ps", "-q", service)...)
}

// healthy waits until every container says that it is.
func (p *project) healthy(t *testing.T) {
	t.Helper()
	for _, service := range p.services {
		await(t, service+" is healthy", func() error {
			id, err := p.run(nil, append(slices.Clone(p.compose), "-f", p.file(), "ps", "-q", service)...)
			if err != nil {
				return err
			}
			status, err := p.run(nil, "docker", "inspect", "-f", "{{.State.Health.Status}}", id)
			if err == nil && status != "healthy" {
				err = errors.New(status)
			}
			return err
		})
	}
}

// confined checks what each container may do, by what the engine says of it and
// by what it finds when it tries.
func (p *project) confined(t *testing.T) {
	for _, service := range p.services {
		id := p.container(t, service)
		said := p.must(t, "docker", "inspect", "-f",
			"{{.HostConfig.ReadonlyRootfs}} {{.HostConfig.CapDrop}} {{.HostConfig.SecurityOpt}} {{.HostConfig.Privileged}} {{gt .HostConfig.Memory 0}} {{.HostConfig.PidsLimit}}", id)
		if want := "true [ALL] [no-new-privileges:true] false true 512"; said != want {
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

// apart tries from within the containers that have a program to try with: the
// side that asks can't write, and nobody reaches Loki itself.
func (p *project) apart(t *testing.T) {
	for _, service := range []string{"loki-read", "loki-push"} {
		id := p.container(t, service)
		if out, err := p.run(nil, "docker", "exec", id, "wget", "-qO-", "--post-data=x", "http://127.0.0.1:3100/flush"); err == nil {
			t.Errorf("%s lets somebody flush Loki: %s", service, out)
		}
	}
	if out, err := p.run(nil, "docker", "exec", p.container(t, "loki-read"), "wget", "-qO-", "--post-data={}", "http://127.0.0.1:3100/loki/api/v1/push"); err == nil {
		t.Errorf("loki-read takes pushes: %s", out)
	}
	for service, want := range map[string]string{
		"adminpanel": "front write", "loki": "loki", "loki-push": "loki write", "loki-read": "front loki", "prometheus": "front",
	} {
		said := p.must(t, "docker", "inspect", "-f", "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}", p.container(t, service))
		got := strings.Fields(strings.ReplaceAll(said, "adminsessions-test_", ""))
		slices.Sort(got)
		if strings.Join(got, " ") != want {
			t.Errorf("%s is in the networks %v, want %s", service, got, want)
		}
	}
	for network, want := range map[string]string{"write": "true", "loki": "true"} {
		if got := p.must(t, "docker", "network", "inspect", "-f", "{{.Internal}}", "adminsessions-test_"+network); got != want {
			t.Errorf("network %s: internal is %s, want %s", network, got, want)
		}
	}
}

func (p *project) signIn(t *testing.T) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	p.browser = &http.Client{Jar: jar, Timeout: 10 * time.Second}
	resp, err := p.browser.PostForm(p.panel+"/admin/login", url.Values{"email": {"anna@example.com"}, "password": {"demo"}})
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK || strings.HasSuffix(resp.Request.URL.Path, "/login") {
		t.Fatalf("signing in: %s at %s", resp.Status, resp.Request.URL)
	}
}

// work makes requests, each told by its number.
func (p *project) work(t *testing.T, n int) {
	t.Helper()
	for range n {
		if err := p.ask(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
}

func (p *project) ask(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.panel+"/admin/clients?search=number-"+strconv.Itoa(p.asked+1)+"-", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := p.browser.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || resp.Request.URL.Query().Get("search") == "" {
		return fmt.Errorf("%s answers %s", resp.Request.URL, resp.Status)
	}
	p.asked++
	return nil
}

// workWithout goes on while a service is away; the panel itself can't then.
func (p *project) workWithout(t *testing.T, away string) {
	t.Helper()
	if away != "adminpanel" {
		p.work(t, 10)
	}
}

// verify waits until everything that was answered is in Loki, once, without a
// number missing.
func (p *project) verify(t *testing.T) {
	t.Helper()
	await(t, "the whole trail is there", func() error {
		now := time.Now()
		entries, err := p.loki.AllLogs(t.Context(), `{service_name=~".+"}`, now.Add(-time.Hour).UnixNano(), now.Add(time.Hour).UnixNano())
		if err != nil {
			return err
		}
		times, last := map[uint64]int{}, uint64(0)
		searched := make([]int, p.asked+1)
		for _, e := range entries {
			ev, err := adminsessions.ParseLine(e.Line)
			if err != nil || ev.Sequence == 0 {
				return fmt.Errorf("entry %q: %w", e.Line, err)
			}
			times[ev.Sequence]++
			last = max(last, ev.Sequence)
			if _, rest, ok := strings.Cut(ev.URL, "search=number-"); ok {
				number, _, _ := strings.Cut(rest, "-")
				if n, err := strconv.Atoi(number); err == nil && n <= p.asked {
					searched[n]++
				}
			}
		}
		for n := uint64(1); n <= last; n++ {
			if times[n] != 1 {
				return fmt.Errorf("number %d of %d is there %d times", n, last, times[n])
			}
		}
		for n, found := range searched[1:] {
			if found != 1 {
				return fmt.Errorf("request %d of %d is there %d times", n+1, p.asked, found)
			}
		}
		return nil
	})
	t.Logf("%d requests, none missing, none twice", p.asked)
}

// await asks again and again until there is no error.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	eventually.NoError(t, patience, what, ask)
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())
	return port
}
