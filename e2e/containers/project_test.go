//go:build containers

package containers

import (
	"context"
	"errors"
	"fmt"
	"io"
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
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// project is docker-compose.yml as it runs.
type project struct {
	*engine
	root     string
	files    []string // the compose file, and what stands beside it
	services []string
	panel    string // URL
	read     string // Loki's URL for questions
	grafana  string // URL
	secret   string // file: the password of Grafana's administrator
	loki     *loki.Client
	browser  *http.Client
	asked    int // requests that the panel has answered
}

const (
	patience = 2 * time.Minute
	name     = "adminsessions-test"
)

// up starts the services, without waiting for one another, until the test ends.
func up(t *testing.T) *project {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	p := &project{engine: startEngine(t), root: root, services: []string{"adminpanel", "loki-push", "loki-read", "loki", "prometheus"}}
	text, grafana := p.provide(t, root, os.Getenv("GRAFANA_HOME"))
	if grafana {
		p.services = append(p.services, "grafana")
	}
	file := filepath.Join(t.TempDir(), "docker-compose.yml")
	write(t, file, text)
	p.files = []string{file}
	p.secret = filepath.Join(t.TempDir(), "password")
	write(t, p.secret, "of-a-test") // Grafana's own user reads it
	panel, read, grafanaPort := freeport.Port(t), freeport.Port(t), freeport.Port(t)
	p.panel, p.read, p.grafana = "http://127.0.0.1:"+panel, "http://127.0.0.1:"+read, "http://127.0.0.1:"+grafanaPort
	p.env = append(p.env,
		"COMPOSE_PROJECT_NAME="+name, "GRAFANA_ADMIN_PASSWORD_FILE="+p.secret, "ADMINSESSIONS_DEMO_TRAFFIC=off",
		"ADMINSESSIONS_DEMO_PANEL_PORT="+panel, "ADMINSESSIONS_DEMO_LOKI_PORT="+read,
		"ADMINSESSIONS_DEMO_PROMETHEUS_PORT="+freeport.Port(t), "ADMINSESSIONS_DEMO_GRAFANA_PORT="+grafanaPort)
	t.Cleanup(func() {
		if t.Failed() {
			out, err := p.run(p.line("logs", "--tail=30")...)
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

// line is a command of compose about the project.
func (p *project) line(args ...string) []string {
	line := append(slices.Clone(p.compose), "--project-directory", p.root)
	for _, file := range p.files {
		line = append(line, "-f", file)
	}
	return append(line, args...)
}

func (p *project) command(t *testing.T, args ...string) {
	t.Helper()
	p.must(t, p.line(args...)...)
}

func (p *project) container(t *testing.T, service string) string {
	t.Helper()
	return p.must(t, p.line("ps", "-q", service)...)
}

// health is what a service's container says of itself.
func (p *project) health(service string) (string, error) {
	id, err := p.run(p.line("ps", "-q", service)...)
	if err != nil {
		return "", err
	}
	return p.run("docker", "inspect", "-f", "{{.State.Health.Status}}", id)
}

// inside runs a program of busybox in the network of a service's container, as
// somebody who has broken into it could.
func (p *project) inside(t *testing.T, service string, command ...string) (string, error) {
	t.Helper()
	p.importBusybox(t)
	return p.run(append([]string{"docker", "run", "--rm", "--network", "container:" + p.container(t, service), busybox}, command...)...)
}

// healthy waits until every container says that it is.
func (p *project) healthy(t *testing.T) {
	t.Helper()
	for _, service := range p.services {
		await(t, service+" is healthy", func() error {
			status, err := p.health(service)
			if err == nil && status != "healthy" {
				err = errors.New(status)
			}
			return err
		})
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

// verify waits until everything that was answered is in Loki, once, without a
// number missing.
func (p *project) verify(t *testing.T) {
	t.Helper()
	await(t, "the whole trail is there", func() error {
		times, last, searched, err := p.trail(t.Context())
		if err != nil {
			return err
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

// trail is what is in Loki: how often each sequence number up to the last, and
// each request that was asked for.
func (p *project) trail(ctx context.Context) (times map[uint64]int, last uint64, searched []int, err error) {
	now := time.Now()
	entries, err := p.loki.AllLogs(ctx, `{service_name=~".+"}`, now.Add(-time.Hour).UnixNano(), now.Add(time.Hour).UnixNano())
	if err != nil {
		return nil, 0, nil, err
	}
	times, searched = map[uint64]int{}, make([]int, p.asked+1)
	for _, e := range entries {
		ev, err := adminsessions.ParseLine(e.Line)
		if err != nil || ev.Sequence == 0 {
			return nil, 0, nil, fmt.Errorf("entry %q: %w", e.Line, err)
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
	return times, last, searched, nil
}

// await asks again and again until there is no error.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	eventually.NoError(t, patience, what, ask)
}
