//go:build containers

package containers

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
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

	// Of an engine of the test's own; dir is "" for one that was there.
	dir    string
	daemon *exec.Cmd
	exited chan struct{} // closed when daemon is gone
	said   *bytes.Buffer // by daemon, to be read when it is gone
}

// startEngine returns the engine that answers, or one started for the test.
func startEngine(t *testing.T) *engine {
	t.Helper()
	for _, program := range []string{"docker", "busybox"} {
		if _, err := exec.LookPath(program); err != nil {
			cannot(t, "there is no "+program)
		}
	}
	e := &engine{env: append(os.Environ(), "DOCKER_BUILDKIT=0", "COMPOSE_DOCKER_CLI_BUILD=0")}
	if _, err := e.run("docker", "info"); err != nil {
		e.startOwn(t)
	}
	switch {
	case e.has("docker", "compose", "version"):
		e.compose = []string{"docker", "compose"}
	case e.has("docker-compose", "version"):
		e.compose = []string{"docker-compose"}
	default:
		cannot(t, "there is neither docker compose nor docker-compose")
	}
	return e
}

// cannot ends a test where nothing can be tried. It fails: whoever asks for the
// containers must not take it for an answer that they work.
func cannot(t *testing.T, why string) {
	t.Helper()
	t.Fatalf(`NOTHING WAS TRIED: %s.
It takes a container engine (DOCKER_HOST, or root with dockerd and iptables, which are in Debian's
docker.io and iptables), docker compose or docker-compose, busybox (busybox-static) and nginx (nginx-light).`, why)
}

// startOwn starts an engine that lives as long as the test.
func (e *engine) startOwn(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("dockerd"); err != nil || os.Getuid() != 0 {
		cannot(t, "no container engine answers, and there is no dockerd to start as root")
	}
	dir, err := os.MkdirTemp("", "engine") //nolint:usetesting // a test's folder has too long a path for a socket
	if err != nil {
		t.Fatal(err)
	}
	e.dir = dir
	e.env = append(e.env, "DOCKER_HOST="+e.socket())
	t.Cleanup(func() {
		_ = e.daemon.Process.Signal(syscall.SIGTERM)
		<-e.exited
		// What an engine whose power was cut has mounted, and the network of those that
		// share the machine's, nobody takes back.
		for _, mount := range []string{"data", "exec/netns/default"} {
			for e.has("umount", filepath.Join(dir, mount)) {
				t.Logf("unmounted the engine's %s", mount)
			}
		}
		if err := os.RemoveAll(dir); err != nil {
			t.Logf("the engine's folder stays: %v", err)
		}
	})
	e.startDaemon(t)
}

func (e *engine) socket() string { return "unix://" + filepath.Join(e.dir, "docker.sock") }

// startDaemon starts dockerd, and returns when it answers.
func (e *engine) startDaemon(t *testing.T) {
	t.Helper()
	e.said = new(bytes.Buffer)
	cmd := exec.Command("dockerd", "--data-root", filepath.Join(e.dir, "data"), "--exec-root", filepath.Join(e.dir, "exec"),
		"--pidfile", filepath.Join(e.dir, "pid"), "-H", e.socket())
	cmd.Stdout, cmd.Stderr = e.said, e.said
	childproc.Bind(cmd, syscall.SIGTERM)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() {
		_ = cmd.Wait()
		close(exited)
	}()
	e.daemon, e.exited = cmd, exited
	for limit := time.Now().Add(patience); ; {
		_, err := e.run("docker", "info")
		if err == nil {
			return
		}
		select {
		case <-exited:
			cannot(t, "dockerd does not run here: "+e.said.String())
		case <-time.After(200 * time.Millisecond):
		}
		if time.Now().After(limit) {
			t.Fatalf("dockerd does not answer: %v", err)
		}
	}
}

// cutPower kills, without a word to anybody, the engine and everything in its
// containers, and starts the engine again. It needs an engine of the test's own.
func (e *engine) cutPower(t *testing.T) {
	t.Helper()
	parents := processes(t)
	roots := []int{e.daemon.Process.Pid}
	containers := strings.Fields(e.must(t, "docker", "ps", "-q"))
	for _, id := range containers {
		pid, err := strconv.Atoi(e.must(t, "docker", "inspect", "-f", "{{.State.Pid}}", id))
		shim := parents[pid]
		if err != nil || shim <= 1 {
			t.Fatalf("container %s: process %d of process %d (%v)", id, pid, shim, err)
		}
		roots = append(roots, shim)
	}
	var victims []int
	for pid := range parents {
		for up := pid; up > 1; up = parents[up] {
			if slices.Contains(roots, up) {
				victims = append(victims, pid)
				break
			}
		}
	}
	for _, pid := range victims {
		_ = syscall.Kill(pid, syscall.SIGKILL) // one that has ended meanwhile is as dead
	}
	<-e.exited
	// As after a power cut, none of them is there when the engine comes back: it would
	// take a containerd that is about to end for one that runs.
	await(t, "they are gone", func() error {
		for _, pid := range victims {
			if syscall.Kill(pid, 0) == nil {
				return fmt.Errorf("process %d is still there", pid)
			}
		}
		return nil
	})
	t.Logf("killed %d processes at once, of the engine and of %d containers", len(victims), len(containers))
	e.startDaemon(t)
}

// processes are those of this machine, each with the one that it belongs to.
func processes(t *testing.T) (parents map[int]int) {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parents = map[int]int{}
	for _, stat := range stats {
		text, err := os.ReadFile(stat)
		if err != nil {
			continue // it has ended meanwhile
		}
		// Its number, its name in brackets, its state, its parent's number.
		number, _, _ := strings.Cut(string(text), " ")
		_, rest, _ := strings.Cut(string(text[strings.LastIndexByte(string(text), ')'):]), " ")
		_, rest, _ = strings.Cut(rest, " ")
		parent, _, _ := strings.Cut(rest, " ")
		pid, err := strconv.Atoi(number)
		if err != nil {
			t.Fatal(err)
		}
		if parents[pid], err = strconv.Atoi(parent); err != nil {
			t.Fatal(err)
		}
	}
	return parents
}

func (e *engine) has(command ...string) bool {
	_, err := e.run(command...)
	return err == nil
}

// run runs a command and returns its output. An error holds what it said.
func (e *engine) run(command ...string) (string, error) {
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Env = e.env
	var out, said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &said
	if err := cmd.Run(); err != nil {
		return "", fmt.Errorf("%s: %w", strings.Join(command, " "), errors.Join(err, errors.New(said.String()+out.String())))
	}
	return strings.TrimSpace(out.String()), nil
}

func (e *engine) must(t *testing.T, command ...string) string {
	t.Helper()
	out, err := e.run(command...)
	if err != nil {
		t.Fatal(err)
	}
	return out
}
