package panel_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// demo is a running supervisor.
type demo struct {
	t     *testing.T
	cmd   *exec.Cmd
	env   []string
	panel string // its URL
	ops   string // that of its metrics and health
	loki  string
	read  string      // Loki's URL for questions
	lines chan string // closed when its output ends
	said  []string
	pids  map[string]int // by name, as it said them last
	all   []int          // every process it started
}

// newDemo chooses ports and a folder; nothing runs yet.
func newDemo(t *testing.T) *demo {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	loki, err := tools.Find(root, "loki")
	if err != nil {
		t.Fatal(err)
	}
	panel, ops, lokiHTTP, lokiRead, lokiGRPC := freeport.Address(t), freeport.Address(t), freeport.Address(t), freeport.Address(t), freeport.Address(t)
	d := &demo{
		t: t, panel: "http://" + panel, ops: "http://" + ops, loki: "http://" + lokiHTTP, read: "http://" + lokiRead,
		pids: make(map[string]int),
	}
	d.env = append(os.Environ(),
		"ADMINSESSIONS_DEMO_PANEL_PORT="+port(panel),
		"ADMINSESSIONS_DEMO_METRICS_PORT="+port(ops),
		"ADMINSESSIONS_DEMO_LOKI_PORT="+port(lokiHTTP),
		"ADMINSESSIONS_DEMO_LOKI_READ_PORT="+port(lokiRead),
		"ADMINSESSIONS_DEMO_LOKI_GRPC_PORT="+port(lokiGRPC),
		"ADMINSESSIONS_DEMO_DATA="+t.TempDir(),
		"ADMINSESSIONS_DEMO_TRAFFIC=off",
		"LOKI_BIN="+loki,
		"GRAFANA_HOME=", "PATH="+pathWithout("grafana", "grafana-server"))
	return d
}

// pathWithout is PATH less the folders that have one of the programs.
func pathWithout(programs ...string) string {
	var kept []string
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		found := false
		for _, program := range programs {
			if _, err := os.Stat(filepath.Join(dir, program)); err == nil {
				found = true
			}
		}
		if !found {
			kept = append(kept, dir)
		}
	}
	return strings.Join(kept, string(os.PathListSeparator))
}

func port(address string) string {
	_, port, _ := net.SplitHostPort(address)
	return port
}

// run starts the command, by default the supervisor itself.
func (d *demo) run(command ...string) {
	d.t.Helper()
	if len(command) == 0 {
		command = []string{filepath.Join(programs, "demo")}
	}
	d.cmd = exec.Command(command[0], command[1:]...)
	d.cmd.Env = d.env
	out, in := io.Pipe()
	d.cmd.Stdout, d.cmd.Stderr = in, in
	childproc.Bind(d.cmd, syscall.SIGKILL)
	if err := d.cmd.Start(); err != nil {
		d.t.Fatal(err)
	}
	d.lines = make(chan string)
	go func() {
		err := d.cmd.Wait()
		in.CloseWithError(fmt.Errorf("the demo ended: %w", err))
	}()
	go func() {
		defer close(d.lines)
		scanner := bufio.NewScanner(out)
		for scanner.Scan() {
			d.lines <- scanner.Text()
		}
	}()
	d.t.Cleanup(func() {
		_ = childproc.Signal(d.cmd, syscall.SIGTERM) // its children end before it does
		for range d.lines {
		}
	})
}

var isProcess = regexp.MustCompile(`^demo: (\S+) is process (\d+),`)

// until reads what the demo says up to a line that contains text, and returns
// false if it ended before.
func (d *demo) until(text string) bool {
	d.t.Helper()
	limit := time.After(time.Minute)
	for {
		select {
		case line, ok := <-d.lines:
			if !ok {
				return false
			}
			d.said = append(d.said, line)
			if m := isProcess.FindStringSubmatch(line); m != nil {
				pid, err := strconv.Atoi(m[2])
				if err != nil {
					d.t.Fatal(err)
				}
				d.pids[m[1]] = pid
				d.all = append(d.all, pid)
			}
			if strings.Contains(line, text) {
				return true
			}
		case <-limit:
			d.t.Fatalf("the demo did not say %q within a minute but:\n%s", text, strings.Join(d.said, "\n"))
		}
	}
}

func (d *demo) awaitReady() {
	d.t.Helper()
	if !d.until("all is ready") {
		d.t.Fatalf("the demo ended:\n%s", strings.Join(d.said, "\n"))
	}
}

// awaitGone waits until none of the processes is left.
func (d *demo) awaitGone() {
	d.t.Helper()
	await(d.t, "the demo's processes are gone", func() error {
		for _, pid := range d.all {
			if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
				return fmt.Errorf("process %d is still there", pid)
			}
		}
		return nil
	})
}

func (d *demo) signal(sig syscall.Signal) {
	d.t.Helper()
	if err := d.cmd.Process.Signal(sig); err != nil {
		d.t.Fatal(err)
	}
}

func TestDemoEndsEverythingAndGoesOn(t *testing.T) {
	d := newDemo(t)
	for run, end := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT} {
		d.run()
		d.awaitReady()
		if status, body, err := get(t.Context(), d.panel+"/healthz"); err != nil || status != http.StatusOK || body != "ok" {
			t.Fatalf("/healthz: %d %s %v", status, body, err)
		}
		if status, _, err := get(t.Context(), d.panel+fmt.Sprint("/admin/login?run=", run)); err != nil || status != http.StatusOK {
			t.Fatalf("sign-in form: %d %v", status, err)
		}
		d.signal(end)
		if d.until("never said") {
			t.Fatal("unreachable")
		}
		d.awaitGone()
		if state := d.cmd.ProcessState; !state.Success() {
			t.Errorf("after %s the demo ended with %s, want success:\n%s", end, state, strings.Join(d.said, "\n"))
		}
	}

	// The second run went on with the first one's data, and a third still has all.
	d.run()
	d.awaitReady()
	loki := lokitest.At(t, d.loki)
	entries := loki.Await(t.Context(), requests, lokitest.Last(time.Hour), 2)
	for run, e := range entries {
		if want, got := fmt.Sprint("/admin/login?run=", run), eventOf(t, e).URL; !strings.HasSuffix(got, want) {
			t.Errorf("entry %d is of %s, want %s", run, got, want)
		}
	}
}

func TestDemoStartsAgainWhatDies(t *testing.T) {
	d := newDemo(t)
	d.run()
	d.awaitReady()
	for _, name := range []string{"adminpanel", "loki"} {
		before := d.pids[name]
		if err := syscall.Kill(before, syscall.SIGKILL); err != nil {
			t.Fatal(err)
		}
		if !d.until(name + " is process") {
			t.Fatalf("the demo ended:\n%s", strings.Join(d.said, "\n"))
		}
		if d.pids[name] == before {
			t.Errorf("%s was not started again", name)
		}
		await(t, "all is ready again", func() error {
			status, body, err := get(t.Context(), d.ops+"/readyz")
			if err == nil && status != http.StatusOK {
				err = errors.New(body)
			}
			return err
		})
	}
}

// Grafana's address in the demo: a viewer's data source may be asked, never
// written to.
func TestDemoServesQuestionsOnly(t *testing.T) {
	d := newDemo(t)
	d.run()
	d.awaitReady()
	if status, body, err := get(t.Context(), d.read+"/loki/api/v1/labels"); err != nil || status != http.StatusOK {
		t.Errorf("a question: %d %s %v", status, body, err)
	}
	forged := fmt.Sprintf(`{"streams":[{"stream":{"service_name":"adminpanel"},"values":[["%d","forged"]]}]}`, time.Now().UnixNano())
	for _, path := range []string{"/loki/api/v1/push", "/loki/api/v1/query/../push", "/flush", "/log_level?log_level=debug"} {
		status, body, err := send(t.Context(), http.DefaultClient, http.MethodPost, d.read+path, http.Header{"Content-Type": {"application/json"}}, forged)
		if err != nil || status != http.StatusForbidden {
			t.Errorf("POST %s: %d %s %v; want 403", path, status, body, err)
		}
	}
}

func TestDemoKilledLeavesNothingBehind(t *testing.T) {
	d := newDemo(t)
	d.run()
	d.awaitReady()
	d.signal(syscall.SIGKILL)
	d.awaitGone()
}

func TestDemoNamesATakenPort(t *testing.T) {
	d := newDemo(t)
	l, err := net.Listen("tcp", strings.TrimPrefix(d.panel, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	d.run()
	if d.until("all is ready") {
		t.Fatal("the demo runs on a port that is taken")
	}
	said := strings.Join(d.said, "\n")
	if d.cmd.ProcessState.Success() || !strings.Contains(said, "port "+port(l.Addr().String())) ||
		!strings.Contains(said, "ADMINSESSIONS_DEMO_PANEL_PORT") {
		t.Errorf("%s; want a failure that names the port and the variable:\n%s", d.cmd.ProcessState, said)
	}
	if len(d.all) > 0 {
		t.Errorf("processes %v were started all the same", d.all)
	}
}

func TestMakeDemoEndsWithMake(t *testing.T) {
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	d := newDemo(t)
	d.run("make", "-C", root, "demo")
	d.awaitReady()
	d.signal(syscall.SIGTERM)
	if d.until("never said") {
		t.Fatal("unreachable")
	}
	d.awaitGone()
}
