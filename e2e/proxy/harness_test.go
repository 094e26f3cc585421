package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// program is adminsessions, built once for all tests; root is the repository.
var program, root string

func TestMain(m *testing.M) { os.Exit(testMain(m)) }

func testMain(m *testing.M) int {
	dir, err := os.MkdirTemp("", "adminsessions-proxy-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(dir)
	if root, err = tools.Root(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	program = filepath.Join(dir, "adminsessions")
	build := exec.Command("go", "build", "-o", program, ".")
	build.Dir = filepath.Join(root, "cmd", "adminsessions")
	if out, err := build.CombinedOutput(); err != nil {
		fmt.Fprintf(os.Stderr, "build adminsessions: %v\n%s", err, out)
		return 1
	}
	return m.Run()
}

// process is a program that a test runs.
type process struct {
	t      *testing.T
	name   string
	make   func() *exec.Cmd
	ready  string // a URL that answers when it is
	cmd    *exec.Cmd
	exited chan struct{} // closed when the process is gone
	log    *bytes.Buffer // read once exited is closed
}

func start(t *testing.T, name, ready string, command func() *exec.Cmd) *process {
	t.Helper()
	p := &process{t: t, name: name, make: command, ready: ready}
	t.Cleanup(p.kill)
	p.start()
	return p
}

func (p *process) start() {
	p.t.Helper()
	p.cmd, p.log, p.exited = p.make(), new(bytes.Buffer), make(chan struct{})
	p.cmd.Stdout, p.cmd.Stderr = p.log, p.log
	childproc.Bind(p.cmd, syscall.SIGKILL)
	if err := p.cmd.Start(); err != nil {
		p.t.Fatalf("start %s: %v", p.name, err)
	}
	go func(cmd *exec.Cmd, exited chan<- struct{}) {
		_ = cmd.Wait() // how it ended is the test's own doing
		close(exited)
	}(p.cmd, p.exited)
	await(p.t, p.name+" is ready", func() error {
		select {
		case <-p.exited:
			p.t.Fatalf("%s ended:\n%s", p.name, p.log)
		default:
		}
		ctx, cancel := context.WithTimeout(p.t.Context(), 5*time.Second)
		defer cancel()
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, p.ready, http.NoBody)
		if err != nil {
			return err
		}
		resp, err := http.DefaultTransport.RoundTrip(req)
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	})
}

// kill ends it as a crash does.
func (p *process) kill() {
	if p.cmd == nil || p.cmd.Process == nil {
		return
	}
	_ = p.cmd.Process.Kill()
	<-p.exited
	if p.t.Failed() {
		p.t.Logf("end of the log of %s:\n%s", p.name, p.log.Bytes()[max(0, p.log.Len()-4000):])
	}
}

// proxy is adminsessions proxy before a panel.
type proxy struct {
	*process
	url, operators string
}

// startProxy starts it with a configuration in which nothing is said of
// addresses, Loki and spool.
func startProxy(t *testing.T, loki *lokitest.Server, panel, config string) *proxy {
	t.Helper()
	dir := t.TempDir()
	address, operators := freeport.Address(t), freeport.Address(t)
	config = fmt.Sprintf("listen: %s\noperators: %s\nupstreams: [{url: '%s'}]\nloki: {url: '%s'}\nspool: {dir: %s/spool}\n%s", address, operators, panel, loki.URL(), dir, config)
	file := filepath.Join(dir, "proxy.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, "adminsessions proxy", "http://"+operators+"/readyz", func() *exec.Cmd { return exec.Command(program, "proxy", "-c", file) })
	return &proxy{p, "http://" + address, operators}
}

// await asks again and again until there is no error, for two minutes.
func await(t *testing.T, what string, ask func() error) {
	t.Helper()
	eventually.NoError(t, 2*time.Minute, what, ask)
}

// recorded are the events in Loki, oldest first, once none of those up to the
// highest number is missing and enough says that they are all there.
func recorded(t *testing.T, loki *lokitest.Server, service string, enough func([]adminsessions.Event) error) (events []adminsessions.Event) {
	t.Helper()
	await(t, "the trail is complete", func() error {
		entries, err := loki.Query(t.Context(), `{service_name="`+service+`"}`, lokitest.Last(time.Hour))
		if err != nil {
			return err
		}
		events = nil
		numbers := map[uint64]bool{}
		highest := uint64(0)
		for _, entry := range entries {
			e, err := adminsessions.ParseLine(entry.Line)
			if err != nil {
				return err
			}
			if numbers[e.Sequence] {
				return fmt.Errorf("number %d is there twice", e.Sequence)
			}
			numbers[e.Sequence] = true
			highest = max(highest, e.Sequence)
			events = append(events, e)
		}
		if n := uint64(len(numbers)); n != highest {
			return fmt.Errorf("%d of %d events are there", n, highest)
		}
		return enough(events)
	})
	return events
}

// someEvent is one for which f holds.
func someEvent(events []adminsessions.Event, f func(*adminsessions.Event) bool) (*adminsessions.Event, error) {
	for i := range events {
		if f(&events[i]) {
			return &events[i], nil
		}
	}
	return nil, errors.New("there is no such event")
}

// startBrowser starts Chromium for the test.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := os.Getenv("CHROMIUM")
	if path == "" {
		path = "chromium"
	}
	path, err := exec.LookPath(path)
	if err != nil {
		t.Fatalf("no Chromium: install it (apt-get install chromium), or set CHROMIUM to the program: %v", err)
	}
	opts := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.NoSandbox,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-component-update", true), chromedp.UserDataDir(t.TempDir()))
	ctx, cancel := chromedp.NewExecAllocator(context.Background(), opts...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	ctx, cancel = context.WithTimeout(ctx, 3*time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// storm sends requests until it is told to stop, and returns the request ids of
// those that were answered by the panel.
func storm(t *testing.T, url string, stop <-chan struct{}) (ids map[string]bool) {
	ids = map[string]bool{}
	client := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Timeout: 20 * time.Second}
	for {
		select {
		case <-stop:
			return ids
		default:
		}
		resp, err := client.Get(url)
		if err != nil {
			continue // the proxy is being killed
		}
		_, err = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		if id := resp.Header.Get("X-Request-Id"); err == nil && id != "" {
			ids[id] = true
		}
	}
}

// missing are the ids that are on no record.
func missing(events []adminsessions.Event, ids map[string]bool) (n int, example string) {
	there := map[string]bool{}
	for _, e := range events {
		there[e.RequestID] = true
	}
	for id := range ids {
		if !there[id] {
			n, example = n+1, id
		}
	}
	return n, example
}

func contains(s string, parts ...string) bool {
	for _, p := range parts {
		if !strings.Contains(s, p) {
			return false
		}
	}
	return true
}
