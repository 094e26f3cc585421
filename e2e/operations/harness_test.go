package operations

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// programs is a folder with adminsessions, built once for all tests, and systemctl;
// root is the repository.
var programs, root string

// asSystemctl is the variable by which this program is systemctl: where the test
// listens.
const asSystemctl = "ADMINSESSIONS_TEST_SYSTEMCTL"

func TestMain(m *testing.M) {
	if address := os.Getenv(asSystemctl); address != "" {
		os.Exit(systemctl(address))
	}
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	err := func() (err error) {
		if root, err = tools.Root(); err != nil {
			return err
		}
		if programs, err = os.MkdirTemp("", "adminsessions-operations-"); err != nil {
			return err
		}
		self, err := os.Executable()
		if err != nil {
			return err
		}
		if err := os.Symlink(self, filepath.Join(programs, "systemctl")); err != nil {
			return err
		}
		build := exec.Command("go", "build", "-o", filepath.Join(programs, "adminsessions"), ".")
		build.Dir = filepath.Join(root, "cmd", "adminsessions")
		if out, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build adminsessions: %w\n%s", err, out)
		}
		return nil
	}()
	defer os.RemoveAll(programs)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// systemctl has the test do what it is called for.
func systemctl(address string) int {
	resp, err := http.Post(address, "text/plain", strings.NewReader(strings.Join(os.Args[1:], " ")))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		_, _ = io.Copy(os.Stderr, resp.Body)
		return 1
	}
	return 0
}

// system is a machine with adminsessions before a panel, and a Loki.
type system struct {
	t           *testing.T
	loki        *lokitest.Server
	dir         string
	environment []string // of the proxy and of the operator's shell
	address     string   // of the proxy
	operators   string

	cmd      *exec.Cmd // the proxy, nil if it does not run
	exited   chan struct{}
	log      *bytes.Buffer // read once exited is closed
	services chan service  // what systemctl is called for
	control  string
}

// service is a call of systemctl: restart adminsessions.
type service struct {
	call string
	done chan error
}

// newSystem starts a Loki, and neither a proxy nor its log's key.
func newSystem(t *testing.T, opts ...lokitest.Option) *system {
	t.Helper()
	s := &system{t: t, dir: t.TempDir(), loki: lokitest.Start(t, opts...), address: freeport.Address(t), operators: freeport.Address(t), services: make(chan service)}
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		call, err := io.ReadAll(r.Body)
		done := make(chan error, 1)
		if err == nil {
			s.services <- service{string(call), done}
			err = <-done
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
	}))
	t.Cleanup(control.Close)
	s.control = control.URL
	panel := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, "ok") }))
	t.Cleanup(panel.Close)
	for _, d := range []string{"etc", "state", "backup"} {
		if err := os.Mkdir(filepath.Join(s.dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	s.configure(fmt.Sprintf("listen: %s\noperators: %s\nupstreams: [{url: '%s'}]\nservice: {name: panel, instance: panel-0}\nwho: [{basic: {}}]\n", s.address, s.operators, panel.URL))
	s.environment = []string{"ADMINSESSIONS_CONFIG=" + s.path("/etc/adminsessions/proxy.yaml"), "ADMINSESSIONS_SPOOL_DIR=" + s.spool(), "ADMINSESSIONS_LOKI_URL=" + s.loki.URL(), "TZ=UTC", "HOME=" + s.dir}
	t.Cleanup(func() {
		s.kill()
		if t.Failed() && s.log != nil {
			t.Logf("end of the proxy's log:\n%s", s.log.Bytes()[max(0, s.log.Len()-4000):])
		}
	})
	return s
}

// path returns what a folder of the documents is here.
func (s *system) path(text string) string {
	return strings.NewReplacer(
		"/etc/adminsessions", filepath.Join(s.dir, "etc"),
		"/var/lib/adminsessions", filepath.Join(s.dir, "state"),
		"/var/lib/loki", s.loki.DataDir(),
		"/backup", filepath.Join(s.dir, "backup"),
		"http://loki.example:3100", s.loki.URL(),
	).Replace(text)
}

func (s *system) spool() string { return s.path("/var/lib/adminsessions/spool") }

func (s *system) configure(text string) {
	s.t.Helper()
	s.write("/etc/adminsessions/proxy.yaml", text)
}

func (s *system) write(path, text string) {
	s.t.Helper()
	if err := os.WriteFile(s.path(path), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// start starts the proxy, and waits until it records.
func (s *system) start() error {
	s.cmd, s.exited, s.log = exec.Command(filepath.Join(programs, "adminsessions"), "proxy"), make(chan struct{}), new(bytes.Buffer)
	s.cmd.Env = append(os.Environ(), s.environment...)
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	childproc.Bind(s.cmd, syscall.SIGKILL)
	if err := s.cmd.Start(); err != nil {
		return err
	}
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait() // its log tells why
		close(exited)
	}(s.cmd, s.exited)
	ended := false
	eventually.NoError(s.t, 2*time.Minute, "the proxy is ready", func() error {
		select {
		case <-s.exited:
			ended = true
			return nil
		default:
		}
		status, _, err := get(s.t.Context(), "http://"+s.operators+"/readyz", "")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		return err
	})
	if ended {
		s.cmd = nil
		return fmt.Errorf("the proxy ended: %s", s.log)
	}
	return nil
}

func (s *system) stop() error {
	if s.cmd == nil {
		return nil
	}
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		return err
	}
	<-s.exited
	s.cmd = nil
	return nil
}

// kill ends the proxy as a power cut does.
func (s *system) kill() {
	if s.cmd != nil {
		_ = s.cmd.Process.Kill()
		<-s.exited
		s.cmd = nil
	}
}

func (s *system) mustStart() {
	s.t.Helper()
	if err := s.start(); err != nil {
		s.t.Fatal(err)
	}
}

// serve does what systemctl is called for. Loki's methods fail the test by
// themselves.
func (s *system) serve(call string) error {
	switch call {
	case "start adminsessions":
		return s.start()
	case "stop adminsessions":
		return s.stop()
	case "restart adminsessions":
		return errors.Join(s.stop(), s.start())
	case "start loki", "restart loki":
		s.loki.Restart()
	case "stop loki":
		s.loki.Stop()
	default:
		return fmt.Errorf("systemctl %s is none of this machine's", call)
	}
	return nil
}

// shell runs commands as an operator does and returns what they print and their
// exit status.
func (s *system) shell(commands string) (out string, status int) {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.t.Context(), 3*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "/bin/sh", "-eu", "-c", s.path(commands))
	cmd.Dir = s.dir
	cmd.Env = append(os.Environ(), s.environment...)
	cmd.Env = append(cmd.Env, "PATH="+programs+":"+os.Getenv("PATH"), asSystemctl+"="+s.control)
	var printed bytes.Buffer
	cmd.Stdout, cmd.Stderr = &printed, &printed
	ended := make(chan error, 1)
	go func() { ended <- cmd.Run() }()
	for {
		select {
		case c := <-s.services:
			c.done <- s.serve(c.call)
		case err := <-ended:
			exit, ok := errors.AsType[*exec.ExitError](err)
			if err != nil && !ok {
				s.t.Fatalf("%s: %v", commands, err)
			}
			if ok {
				status = exit.ExitCode()
			}
			return printed.String(), status
		}
	}
}

// work makes requests of anna's.
func (s *system) work(tag string, count int) {
	s.t.Helper()
	for i := range count {
		if status, body, err := get(s.t.Context(), fmt.Sprintf("http://%s/clients/%s-%d", s.address, tag, i), "anna"); err != nil || status != http.StatusOK {
			s.t.Fatalf("%d %s %v", status, body, err)
		}
	}
}

// delivered waits until nothing is left in the spool.
func (s *system) delivered() {
	s.t.Helper()
	eventually.NoError(s.t, 2*time.Minute, "all is delivered", func() error {
		_, metrics, err := get(s.t.Context(), "http://"+s.operators+"/metrics", "")
		if err == nil && !strings.Contains(metrics, "\nadminsessions_exporter_backlog_events 0\n") {
			err = errors.New("there is a backlog")
		}
		return err
	})
}

// complete waits until the trail proves itself by the keys, which takes a checkpoint
// of each log, and checks that there are so many requests in it, each once.
func (s *system) complete(loki *lokitest.Server, requests int, keys ...string) {
	s.t.Helper()
	all := "adminsessions verify --all --loki-url " + loki.URL()
	for _, k := range keys {
		all += " --key " + k
	}
	eventually.NoError(s.t, 2*time.Minute, "the trail proves itself", func() error {
		out, status := s.shell(all)
		if status != 0 || !strings.Contains(out, "complete: yes, unaltered: yes") {
			return fmt.Errorf("exit status %d of %s\n%s", status, all, out)
		}
		return nil
	})
	if n := s.count(loki, "url:/clients/"); n != fmt.Sprint(requests) {
		s.t.Errorf("%s requests are in the trail, want %d", n, requests)
	}
}

// count is how many requests a search finds, and what is doubtful about that.
func (s *system) count(loki *lokitest.Server, query string) string {
	s.t.Helper()
	out, _ := s.shell("adminsessions search --count --loki-url " + loki.URL() + " " + query)
	return strings.TrimSpace(out)
}

func get(ctx context.Context, url, user string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	if user != "" {
		req.SetBasicAuth(user, "x")
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(b), err
}
