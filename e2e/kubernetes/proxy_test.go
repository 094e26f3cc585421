package kubernetes

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"

	"github.com/adminsessions/adminsessions/internal/freeport"
)

// program builds adminsessions.
func program(t *testing.T) string {
	t.Helper()
	bin := filepath.Join(t.TempDir(), "adminsessions")
	cmd := exec.Command("go", "build", "-o", bin, ".")
	cmd.Dir = filepath.Join(root(t), "cmd", "adminsessions")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	return bin
}

// container is the proxy as its pod starts it, with the pod's paths below a folder.
type container struct {
	t       *testing.T
	bin     string
	args    []string
	env     []string
	dir     string // of its configuration
	volume  string
	changes *strings.Replacer
}

func newContainer(t *testing.T, bin, volume string, all manifests, replace ...string) *container {
	t.Helper()
	c := one[*appsv1.StatefulSet](t, all, "").Spec.Template.Spec.Containers[0]
	dir, secrets := t.TempDir(), t.TempDir()
	changes := strings.NewReplacer(append([]string{
		"/etc/adminsessions", dir, "/var/lib/adminsessions", volume, "/run/adminsessions", dir, "/run/secrets/adminsessions", secrets,
	}, replace...)...)
	for _, name := range []string{"loki/password", "session/key"} { // of which the proxy takes those that its file names
		path := filepath.Join(secrets, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte("a secret of 32 bytes for the test"), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	for name, text := range one[*corev1.ConfigMap](t, all, one[*appsv1.StatefulSet](t, all, "").Name).Data {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(changes.Replace(text)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	env := []string{"PATH=/nowhere"}
	for _, e := range c.Env {
		if e.ValueFrom == nil {
			env = append(env, e.Name+"="+changes.Replace(e.Value))
		}
	}
	return &container{t: t, bin: bin, args: c.Args, env: env, dir: dir, volume: volume, changes: changes}
}

func (c *container) run(args ...string) (string, error) {
	cmd := exec.Command(c.bin, args...)
	cmd.Env = c.env
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// Every case's file is one that the proxy takes.
func TestProxyTakesItsFile(t *testing.T) {
	bin := program(t)
	for _, file := range []string{"proxy.yaml", "everything.yaml"} {
		out, err := newContainer(t, bin, t.TempDir(), render(t, file)).run("proxy", "check", "POST", "https://panel.example/clients/7")
		if err != nil || !strings.Contains(out, "to      http://panel") {
			t.Errorf("%s: %v\n%s", file, err, out)
		}
	}
	// And one with a mistake it does not: the pod would not start.
	wrong := newContainer(t, bin, t.TempDir(), render(t, "proxy.yaml", "proxy: {config: {serve: {name: panel}}}"))
	if out, err := wrong.run("proxy", "check"); err == nil || !strings.Contains(out, "serve") {
		t.Errorf("%v\n%s", err, out)
	}
}

// start starts the container's process.
func (c *container) start() *exec.Cmd {
	c.t.Helper()
	cmd := exec.Command(c.bin, c.args...)
	cmd.Env = c.env
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if c.t.Failed() {
			c.t.Logf("the proxy says:\n%s", said.String())
		}
	})
	return cmd
}

func (c *container) stop(cmd *exec.Cmd, signal syscall.Signal) {
	c.t.Helper()
	if err := cmd.Process.Signal(signal); err != nil {
		c.t.Fatal(err)
	}
	err := cmd.Wait()
	if signal == syscall.SIGTERM && err != nil {
		c.t.Errorf("it does not end in order: %v", err)
	}
}

func status(t *testing.T, url string) int {
	t.Helper()
	answer, err := http.Get(url)
	if err != nil {
		return 0
	}
	defer answer.Body.Close()
	_, _ = io.Copy(io.Discard, answer.Body)
	return answer.StatusCode
}

func await(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.After(time.Minute); !ok(); {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("%s: not within a minute", what)
		}
	}
}

// A replica whose node dies, or that is scaled away, while Loki is away: it stays in
// service by the pod's probe, and when its volume is mounted again, on whatever
// node, what waits in the spool is delivered.
func TestVolumeComesBack(t *testing.T) {
	bin := program(t)
	panel := httptest.NewServer(http.NotFoundHandler())
	defer panel.Close()
	var pushes atomic.Int64
	var away atomic.Bool
	away.Store(true)
	loki := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case away.Load():
			w.WriteHeader(http.StatusServiceUnavailable)
		case r.URL.Path == "/loki/api/v1/push":
			_, _ = io.Copy(io.Discard, r.Body)
			pushes.Add(1)
			w.WriteHeader(http.StatusNoContent)
		default:
			w.Header().Set("Content-Type", "application/json")
			fmt.Fprint(w, `{"status":"success","data":{"resultType":"streams","result":[]}}`)
		}
	}))
	defer loki.Close()

	volume := t.TempDir()
	pod := func() (c *container, clients, operators string) {
		clients, operators = freeport.Address(t), freeport.Address(t)
		c = newContainer(t, bin, volume, render(t, "proxy.yaml"),
			"listen: :8080", "listen: "+clients, "operators: :9465", "operators: "+operators,
			"http://panel.panel.svc:8000", panel.URL, "http://loki-push.loki.svc:3100", loki.URL, "http://loki-read.loki.svc:3100", loki.URL)
		return c, "http://" + clients, "http://" + operators
	}
	waiting := func(c *container) string {
		out, err := c.run("spool", "ls", "--waiting", "--json")
		if err != nil && strings.TrimSpace(out) != "nothing there" {
			t.Fatalf("%v\n%s", err, out)
		}
		return out
	}

	probe := one[*appsv1.StatefulSet](t, render(t, "proxy.yaml"), "").Spec.Template.Spec.Containers[0].ReadinessProbe.HTTPGet.Path
	first, clients, operators := pod()
	process := first.start()
	await(t, "it is ready without Loki", func() bool { return status(t, operators+probe) == http.StatusOK })
	for i := range 20 {
		if got := status(t, fmt.Sprintf("%s/clients/%d", clients, i)); got != http.StatusNotFound {
			t.Fatalf("the panel's 404 came as %d", got)
		}
	}
	await(t, "20 requests wait", func() bool { return strings.Count(waiting(first), "/clients/") >= 20 })
	await(t, "it says that Loki is away", func() bool { return status(t, operators+"/healthz") == http.StatusServiceUnavailable })
	if got := status(t, operators+probe); got != http.StatusOK {
		t.Errorf("Loki being away takes the pod out of service: %d", got)
	}
	first.stop(process, syscall.SIGKILL)

	away.Store(false)
	second, _, operators := pod()
	process = second.start()
	await(t, "it is ready", func() bool { return status(t, operators+probe) == http.StatusOK })
	await(t, "all is delivered", func() bool { return !strings.Contains(waiting(second), "/clients/") })
	if pushes.Load() == 0 {
		t.Error("nothing was pushed")
	}
	second.stop(process, syscall.SIGTERM)
}
