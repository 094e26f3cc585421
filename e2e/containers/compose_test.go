//go:build containers

package containers

import (
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestCompose runs the file and does to it what happens to such things in a year:
// what runs in it is killed, a container at a time and all of them at once, is
// upgraded and configured anew, taken down and put up again. Nothing that the panel
// has answered may be missing.
func TestCompose(t *testing.T) {
	p := up(t)

	for _, step := range []struct {
		name string
		do   func(*testing.T)
	}{
		{"containers are confined", p.confined},
		{"networks are apart", p.apart},
		{"restarts", p.restarts},
		{"the power is cut", p.powerCut},
		{"the panel is upgraded", p.upgrade},
		{"Loki is configured anew", p.configure},
		{"the password of Grafana is changed", p.changePassword},
		{"down and up", p.downAndUp},
		{"the spool's disk is full", p.fullDisk},
	} {
		if !t.Run(step.name, step.do) {
			return // the next one builds on it
		}
	}
}

// goOn finds that everything has come back, that it works, and that nothing is
// missing of what was done before.
func (p *project) goOn(t *testing.T) {
	t.Helper()
	p.healthy(t)
	p.signIn(t) // the panel's sessions live as long as it does
	p.work(t, 10)
	p.verify(t)
}

func (p *project) restarts(t *testing.T) {
	p.work(t, 20)
	for _, service := range p.services {
		p.must(t, "docker", "kill", "-s", "KILL", p.container(t, service))
		if service != "adminpanel" {
			p.work(t, 10)
			// It records and serves, whoever else is away: nobody may take it away.
			if status, err := p.health("adminpanel"); err != nil || status != "healthy" {
				t.Errorf("without %s, the panel is %s (%v)", service, status, err)
			}
		}
		p.command(t, "start", service)
		p.healthy(t)
		if service == "adminpanel" {
			p.signIn(t)
		}
		p.work(t, 10)
	}
	p.verify(t)
}

// powerCut ends everything at once. The engine starts by itself what has not been
// stopped.
func (p *project) powerCut(t *testing.T) {
	if p.dir == "" {
		t.Log("left out: the engine is not the test's own")
		return
	}
	p.work(t, 20)
	p.cutPower(t)
	p.goOn(t)
}

// upgrade puts up a panel of another build, as "docker compose up -d --build" does
// after a change.
func (p *project) upgrade(t *testing.T) {
	p.work(t, 20)
	before := p.container(t, "adminpanel")
	p.must(t, "docker", "build", "-q", "--label", "org.opencontainers.image.version=next",
		"-t", "adminsessions/adminpanel:demo", "-f", p.root+"/examples/adminpanel/Dockerfile", p.root)
	p.command(t, append([]string{"up", "-d"}, p.services...)...)
	if after := p.container(t, "adminpanel"); after == before {
		t.Error("the panel's container is the former one")
	}
	p.goOn(t)
}

// configure changes how long Loki keeps the trail.
func (p *project) configure(t *testing.T) {
	p.work(t, 20)
	p.env = append(p.env, "LOKI_RETENTION=720h")
	p.command(t, append([]string{"up", "-d"}, p.services...)...)
	p.goOn(t)
	config, err := p.inside(t, "loki", "wget", "-qO-", "http://127.0.0.1:3100/config")
	if err != nil || !strings.Contains(config, "retention_period: 30d") {
		t.Errorf("Loki does not keep the trail for 30 days (%v)", err)
	}
}

// changePassword gives Grafana's administrator another password, as the file's head
// says: what stands in the secret counts at Grafana's first start only.
func (p *project) changePassword(t *testing.T) {
	if !slices.Contains(p.services, "grafana") {
		t.Log("left out: there is no Grafana")
		return
	}
	signIn := func(password string) (int, error) {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, p.grafana+"/api/org", http.NoBody)
		if err != nil {
			return 0, err
		}
		req.SetBasicAuth("admin", password)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return 0, err
		}
		return resp.StatusCode, resp.Body.Close()
	}
	if status, err := signIn("of-a-test"); err != nil || status != http.StatusOK {
		t.Fatalf("signing in with the first password: %d, %v", status, err)
	}
	write(t, p.secret, "another\n")
	p.must(t, append([]string{"sh", "-c", `exec "$@" <"$0"`, p.secret},
		p.line("exec", "-T", "grafana", "grafana", "cli", "admin", "reset-admin-password", "--password-from-stdin")...)...)
	for password, want := range map[string]int{"another": http.StatusOK, "of-a-test": http.StatusUnauthorized} {
		if status, err := signIn(password); err != nil || status != want {
			t.Errorf("signing in with %q: %d (%v), want %d", password, status, err, want)
		}
	}
}

func (p *project) downAndUp(t *testing.T) {
	p.command(t, "down")
	p.command(t, append([]string{"up", "-d"}, p.services...)...)
	p.goOn(t)
}

// fullDisk has the panel's volume fill while Loki is away. The panel goes on; what
// it can't keep is counted, and those numbers alone are missing in the end.
func (p *project) fullDisk(t *testing.T) {
	p.command(t, "down", "--volumes")
	file := filepath.Join(filepath.Dir(p.files[0]), "small.yml") // what takes everything down in the end reads it, too
	write(t, file, `
volumes:
  panel-data:
    driver_opts: {type: tmpfs, device: tmpfs, o: "size=3m,uid=65532,gid=65532,mode=0700"}
`)
	p.files = append(p.files, file)
	p.asked = 0
	p.command(t, append([]string{"up", "-d"}, p.services...)...)
	p.healthy(t)
	p.signIn(t)
	p.command(t, "stop", "loki")
	for dropped := 0; dropped == 0; {
		if p.asked >= 50_000 {
			t.Fatalf("after %d requests nothing is dropped", p.asked)
		}
		p.work(t, 1000)
		var err error
		if dropped, err = p.dropped(t); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("full after %d requests", p.asked)
	if status, err := p.health("adminpanel"); err != nil {
		t.Errorf("the panel is %s (%v)", status, err)
	}
	p.command(t, "start", "loki")
	p.healthy(t)
	await(t, "what is missing is what was dropped", func() error {
		if err := p.ask(t.Context()); err != nil {
			return err
		}
		dropped, err := p.dropped(t)
		if err != nil {
			return err
		}
		times, last, _, err := p.trail(t.Context())
		if err != nil {
			return err
		}
		missing := 0
		for n := uint64(1); n <= last; n++ {
			switch times[n] {
			case 0:
				missing++
			case 1:
			default:
				return fmt.Errorf("number %d is there %d times", n, times[n])
			}
		}
		if missing != dropped {
			return fmt.Errorf("of %d numbers %d are missing, %d were dropped", last, missing, dropped)
		}
		t.Logf("%d requests, %d dropped and known to be", p.asked, dropped)
		return nil
	})
}

// dropped is how many events the panel says that it could not keep.
func (p *project) dropped(t *testing.T) (n int, err error) {
	metrics, err := p.inside(t, "adminpanel", "wget", "-qO-", "http://127.0.0.1:9464/metrics")
	for line := range strings.Lines(metrics) {
		if rest, ok := strings.CutPrefix(line, "adminsessions_exporter_events_dropped_total{"); ok {
			_, value, _ := strings.Cut(rest, "} ")
			one, bad := strconv.Atoi(strings.TrimSpace(value))
			n, err = n+one, errors.Join(err, bad)
		}
	}
	return n, err
}
