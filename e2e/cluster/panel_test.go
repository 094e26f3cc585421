package cluster

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/proof"
)

// A panel is this test binary, started again with its configuration in the
// environment. It records events at a rate until it is killed or told to end, and
// says on its standard output how many of this run have been accepted: the
// number is a promise that so many will be in Loki.
const panelEnv = "ADMINSESSIONS_TEST_PANEL"

const service = "cluster"

type panelConfig struct {
	Push, SpoolDir, Instance string
	KeyFile                  string // of the key that signs the panel's checkpoints
	Run                      int    // of this instance: begins the request ids
	EventsPerSecond          int    // 0 delivers what is in the spool and ends
	Suspicious               bool   // the first event of the first run is one that a rule tells of
}

// requestID names an event by the panel's run and its number in it.
func requestID(run, n int) string { return fmt.Sprintf("%d-%d", run, n) }

// record is the panel's process.
func record(config string) error {
	var c panelConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	keys, err := proof.ReadKeyFile(c.KeyFile)
	if err != nil {
		return err
	}
	exp, err := exporter.New(
		exporter.WithProof(exporter.Proof{Keys: keys}),
		exporter.WithLoki(adminsessions.Loki{URL: c.Push, TenantID: tenant}),
		exporter.WithSpoolDir(c.SpoolDir),
		exporter.WithSpoolLimit(2<<30),
		exporter.WithBackoff(100*time.Millisecond, time.Second),
		exporter.WithResource(resource.NewSchemaless(
			attribute.String("service.name", service),
			attribute.String("service.instance.id", c.Instance),
			attribute.String("deployment.environment.name", "test"),
		)),
	)
	if err != nil {
		return err
	}
	if c.EventsPerSecond == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		defer cancel()
		return errors.Join(exp.ForceFlush(ctx), exp.Shutdown(ctx))
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	const ticks = 50 // a second
	ticker := time.NewTicker(time.Second / ticks)
	defer ticker.Stop()
	for n := 0; ; {
		select {
		case <-ctx.Done():
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return exp.Shutdown(ctx)
		case <-ticker.C:
		}
		for range c.EventsPerSecond / ticks {
			e := event(c.Run, n+1)
			if c.Suspicious && c.Run == 0 && n == 0 {
				e.User, e.Action, e.Resource.Type = mallory, "roles.grant", "roles"
			}
			if err := exp.RecordEvent(ctx, e, adminsessions.Spooled); err != nil {
				return fmt.Errorf("recording event %s: %w", requestID(c.Run, n+1), err)
			}
			n++
		}
		if _, err := fmt.Println(n); err != nil {
			return err
		}
	}
}

var mallory = adminsessions.User{ID: "9", FullName: "Mallory", Email: "mallory@example.com"}

func event(run, n int) *adminsessions.Event {
	return &adminsessions.Event{
		Time: time.Now(), RequestID: requestID(run, n), Type: adminsessions.API, Method: "PUT", StatusCode: 200,
		User:          adminsessions.User{ID: "1", FullName: "Anna Kowalska", Email: "anna@example.com"},
		ClientAddress: netip.AddrFrom4([4]byte{10, 2, 0, byte(rand.IntN(256))}),
		Action:        "clients.update", Resource: adminsessions.Resource{Type: "clients", ID: strconv.Itoa(n)},
		URL: "https://panel.example/admin/api/clients/" + strconv.Itoa(n), Route: "/admin/api/clients/{id}",
		Duration: time.Duration(rand.IntN(1e9)), SessionID: "5f0c7e1ab2d94a33",
		UserAgent: "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
	}
}

// panel is an instance of the panel as its test sees it, run after run over one
// spool.
type panel struct {
	config   panelConfig
	accepted []int // by run, from 0; what the last one has accepted is in count

	cmd    *exec.Cmd
	count  *atomic.Int64
	said   strings.Builder // standard error of the last run
	silent chan struct{}   // closed when its output has ended
}

func newPanel(t *testing.T, c *cluster, instance string, rate int) *panel {
	t.Helper()
	p := &panel{config: panelConfig{Push: c.push, SpoolDir: t.TempDir(), Instance: instance, KeyFile: c.key, EventsPerSecond: rate}}
	t.Cleanup(func() {
		if p.cmd != nil {
			_ = p.cmd.Process.Kill()
			<-p.silent
			_ = p.cmd.Wait()
		}
	})
	return p
}

func (p *panel) start(t *testing.T) {
	t.Helper()
	p.config.Run = len(p.accepted)
	config, err := json.Marshal(p.config)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	p.said.Reset()
	p.cmd = exec.Command(exe)
	p.cmd.Env = append(os.Environ(), panelEnv+"="+string(config))
	p.cmd.Stderr = &p.said
	out, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	childproc.Bind(p.cmd, syscall.SIGKILL)
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p.count, p.silent = new(atomic.Int64), make(chan struct{})
	go listen(out, p.count, p.silent)
}

// listen keeps the last number that was said; one without its line's end is one
// that a kill has cut.
func listen(out io.Reader, count *atomic.Int64, silent chan<- struct{}) {
	defer close(silent)
	r := bufio.NewReader(out)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return // the process is gone
		}
		if n, err := strconv.ParseInt(strings.TrimSpace(line), 10, 64); err == nil {
			count.Store(n)
		}
	}
}

// end sends a signal, waits until the process is gone and keeps what it has
// accepted. A panel that was told to end must do so in order.
func (p *panel) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	_ = p.cmd.Process.Signal(sig)
	<-p.silent
	err := p.cmd.Wait()
	p.cmd = nil
	p.accepted = append(p.accepted, int(p.count.Load()))
	if sig != syscall.SIGKILL && err != nil {
		t.Errorf("panel %s: %v: %s", p.config.Instance, err, p.said.String())
	}
}

// drain delivers what is left in the spool.
func (p *panel) drain(t *testing.T) {
	t.Helper()
	rate := p.config.EventsPerSecond
	p.config.EventsPerSecond = 0
	p.start(t)
	p.end(t, 0) // it ends by itself
	p.accepted = p.accepted[:len(p.accepted)-1]
	p.config.EventsPerSecond = rate
}

// total is how many events the panel has accepted.
func (p *panel) total() int {
	n := 0
	for _, accepted := range p.accepted {
		n += accepted
	}
	if p.cmd != nil {
		n += int(p.count.Load())
	}
	return n
}
