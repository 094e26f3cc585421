package panel_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// programs is the folder with adminpanel and demo, built once for all tests.
var programs string

func TestMain(m *testing.M) {
	os.Exit(testMain(m))
}

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "adminsessions-e2e-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	root, err := tools.Root()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	build := exec.Command("go", "build", "-o", dir, "./examples/adminpanel", "./examples/demo")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build the panel and the demo: %v\n%s", err, out)
		return 1
	}
	programs = dir
	return m.Run()
}

// panel is a running adminpanel.
type panel struct {
	t       *testing.T
	url     string
	ops     string // address of its metrics and health
	listen  string
	lokiURL string
	dataDir string
	env     []string // beyond what every panel of the tests gets

	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
	log    *bytes.Buffer // read once exited is closed
}

// startPanel runs the panel with its data in the test's folder, recording into
// loki, and returns when it is ready.
func startPanel(t *testing.T, loki *lokitest.Server) *panel {
	t.Helper()
	p := newPanel(t, loki, t.TempDir())
	p.start()
	p.awaitReady()
	return p
}

// newPanel is a panel that does not run yet.
func newPanel(t *testing.T, loki *lokitest.Server, dataDir string, env ...string) *panel {
	t.Helper()
	address := freeport.Address(t)
	p := &panel{t: t, url: "http://" + address, ops: freeport.Address(t), listen: address, lokiURL: loki.URL(), dataDir: dataDir, env: env}
	t.Cleanup(p.kill)
	return p
}

func (p *panel) start() {
	p.t.Helper()
	p.cmd = exec.Command(filepath.Join(programs, "adminpanel"))
	p.cmd.Env = append(os.Environ(),
		"ADMINPANEL_LISTEN="+p.listen,
		"ADMINPANEL_METRICS_LISTEN="+p.ops,
		"ADMINPANEL_DATA="+p.dataDir,
		"ADMINSESSIONS_LOKI_URL="+p.lokiURL,
		"ADMINSESSIONS_DEMO_TRAFFIC=off")
	p.cmd.Env = append(p.cmd.Env, p.env...)
	p.log = new(bytes.Buffer)
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	childproc.Bind(p.cmd, syscall.SIGKILL)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.exited = make(chan struct{})
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait() // how it ended is the test's own doing
		close(exited)
	}(p.cmd, p.exited)
}

// kill ends the panel as a crash does.
func (p *panel) kill() {
	if p.cmd == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	if p.t.Failed() {
		p.t.Logf("the panel's log:\n%s", p.log)
	}
}

// stop ends the panel in order.
func (p *panel) stop() {
	p.t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		p.t.Fatal(err)
	}
	select {
	case <-p.exited:
	case <-time.After(30 * time.Second):
		p.t.Fatal("the panel did not end within 30 s of SIGTERM")
	}
}

// awaitReady waits for 200 from /readyz.
func (p *panel) awaitReady() {
	p.t.Helper()
	await(p.t, "the panel is ready", func() error {
		select {
		case <-p.exited:
			p.t.Fatalf("the panel ended:\n%s", p.log)
		default:
		}
		status, body, err := get(p.t.Context(), "http://"+p.ops+"/readyz")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("%d: %s", status, body)
		}
		return err
	})
}

// await asks again and again until there is no error, for a minute.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	eventually.NoError(t, time.Minute, what, ask)
}

// eventOf reads an entry's line.
func eventOf(t *testing.T, e lokitest.Entry) adminsessions.Event {
	t.Helper()
	event, err := adminsessions.ParseLine(e.Line)
	if err != nil {
		t.Fatal(err)
	}
	return event
}

func get(ctx context.Context, address string) (status int, body string, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return 0, "", err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, strings.TrimSpace(string(text)), err
}

// browser is a person's: it keeps cookies and shows redirects.
func browser(t *testing.T) *http.Client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &http.Client{
		Jar:           jar,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send makes a request and reads its whole answer.
func send(ctx context.Context, client *http.Client, method, address string, header http.Header, body string) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, address, strings.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	maps.Copy(req.Header, header)
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp.StatusCode, answer, err
}

func form(values ...string) string {
	f := url.Values{}
	for i := 0; i < len(values); i += 2 {
		f.Set(values[i], values[i+1])
	}
	return f.Encode()
}
