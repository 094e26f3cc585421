package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/childproc"
)

// patience is how long a process may take to become ready or to end: an
// ingester joins the ring after 15 seconds, and all of them share two cores.
const patience = 2 * time.Minute

// process is a program that is started, killed and started again.
type process struct {
	name  string
	args  []string // the program first
	env   []string
	ready string // URL that answers 200 when it is; "" if it is ready at once
	log   string // file

	cmd    *exec.Cmd
	exited chan struct{} // closed when cmd is gone
}

func (p *process) start(t *testing.T) {
	t.Helper()
	log, err := os.OpenFile(p.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = append(os.Environ(), p.env...)
	cmd.Stdout, cmd.Stderr = log, log
	childproc.Bind(cmd, syscall.SIGKILL)
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting %s: %v", p.name, err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait() // its log tells why
		close(exited)
	}()
	p.cmd, p.exited = cmd, exited
}

// end sends a signal and waits until the process is gone.
func (p *process) end(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Signal(sig) // gone already is as good
	select {
	case <-p.exited:
	case <-time.After(patience):
		t.Errorf("%s does not end within %s of %s", p.name, patience, sig)
		_ = p.cmd.Process.Kill()
		<-p.exited
	}
}

// awaitReady waits until the process says that it is ready.
func (p *process) awaitReady(t *testing.T) {
	t.Helper()
	await(t, p.name+" to be ready", func() error {
		select {
		case <-p.exited:
			t.Fatalf("%s ended:\n%s", p.name, p.tail())
		default:
		}
		if p.ready == "" {
			return nil
		}
		return get(t.Context(), p.ready)
	})
}

func (p *process) tail() string {
	const most = 4 << 10
	said, err := os.ReadFile(filepath.Clean(p.log))
	if err != nil {
		return err.Error()
	}
	return string(said[max(0, len(said)-most):])
}

// await calls ok until it returns nil, and fails the test if that takes too long.
func await(t *testing.T, what string, ok func() error) {
	t.Helper()
	eventually.NoError(t, patience, what, ok)
}

var client = &http.Client{Timeout: 10 * time.Second}

func get(ctx context.Context, url string) error { return call(ctx, http.MethodGet, url, "") }

// call makes a request as the tenant; an answer other than 2xx is an error.
func call(ctx context.Context, method, url, body string) error {
	req, err := http.NewRequestWithContext(ctx, method, url, strings.NewReader(body))
	if err != nil {
		return err
	}
	req.Header.Set("X-Scope-OrgID", tenant)
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("%s %s: %w", method, url, errors.New(resp.Status))
	}
	return nil
}
