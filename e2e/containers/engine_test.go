//go:build containers

package containers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
)

// engine is a container engine, spoken to through its command line.
type engine struct {
	env     []string
	compose []string // the command, "docker compose" or "docker-compose"
}

// startEngine returns the engine that answers, or one started for the test.
func startEngine(t *testing.T) *engine {
	t.Helper()
	for _, program := range []string{"docker", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			cannot(t, "no %s here", program)
		}
	}
	e := &engine{env: append(os.Environ(), "DOCKER_BUILDKIT=0", "COMPOSE_DOCKER_CLI_BUILD=0")}
	if _, err := e.run(nil, "docker", "info"); err != nil {
		e.startDaemon(t)
	}
	switch {
	case e.has("docker", "compose", "version"):
		e.compose = []string{"docker", "compose"}
	case e.has("docker-compose", "version"):
		e.compose = []string{"docker-compose"}
	default:
		cannot(t, "neither docker compose nor docker-compose here")
	}
	return e
}

// cannot ends a test where the containers can't be tried. Whoever asks for them
// on a machine without an engine is told so, and nothing has failed.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	t.Skipf("the containers can't be tried: "+format, args...) //nolint:forbidigo // it runs where it is asked for only
}

func (e *engine) startDaemon(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Getuid() != 0 {
		cannot(t, "no container engine answers, and there is no dockerd to start as root")
	}
	dir, err := os.MkdirTemp("", "engine") //nolint:usetesting // a test's folder has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	socket := "unix://" + filepath.Join(dir, "docker.sock")
	var said bytes.Buffer
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"),
		"--pidfile", filepath.Join(dir, "pid"), "-H", socket)
	cmd.Stdout, cmd.Stderr = &said, &said
	childproc.Bind(cmd, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{}) // closed when it is gone
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		<-exited
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("the engine's folder stays: %v", err)
		}
	})
	e.env = append(e.env, "DOCKER_HOST="+socket)
	for limit := time.Now().Add(time.Minute); ; {
		if _, err = e.run(nil, "docker", "info"); err == nil {
			return
		}
		select {
		case <-exited:
			cannot(t, "dockerd does not run here\n%s", said.String())
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(limit) {
			t.Fatalf("dockerd does not answer: %v\n%s", err, said.String())
		}
	}
}

func (e *engine) has(command ...string) bool {
	_, err := e.run(nil, command...)
	return err == nil
}

// run runs a command and returns its output. An error holds what it said.
func (e *engine) run(stdin *os.File, command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = e.env
	if stdin != nil {
		cmd.Stdin = stdin
	}
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(command, " "), errors.Join(err, errors.New(said.String()+out.String())))
	}
	return strings.TrimSpace(out.String()), nil
}

func (e *engine) must(t *testing.T, command ...string) string {
	t.Helper()
	out, err := e.run(nil, command...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
