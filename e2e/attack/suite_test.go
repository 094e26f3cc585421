package attack

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
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

const (
	// patience is how long one attack may wait for an answer.
	patience = 20 * time.Second

	// The panel trusts its own machine, as it would trust a proxy; strangers come
	// from other addresses of the loopback network.
	proxyAddress = "127.0.0.1"
	panelHost    = "panel.example"
)

// suite is the panel under attack.
type suite struct {
	t       *testing.T
	loki    *lokitest.Server
	address string
	ops     string // address of its metrics and health
	cmd     *exec.Cmd
	exited  chan struct{} // closed when the panel is gone
	log     *bytes.Buffer // read once exited is closed
	session string        // cookie of anna's browser
	next    int           // number of the last stranger's address
}

// startSuite builds the panel and runs it as a process of its own.
func startSuite(t *testing.T) *suite {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	build := exec.Command("go", "build", "-o", dir, "./examples/adminpanel")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("build the panel: %v\n%s", err, out)
	}
	s := &suite{t: t, loki: lokitest.Start(t), address: freeport.Address(t), ops: freeport.Address(t), log: new(bytes.Buffer), exited: make(chan struct{})}
	s.cmd = exec.Command(filepath.Join(dir, "adminpanel"))
	s.cmd.Env = append(os.Environ(),
		"ADMINPANEL_LISTEN="+s.address,
		"ADMINPANEL_METRICS_LISTEN="+s.ops,
		"ADMINPANEL_DATA="+t.TempDir(),
		"ADMINSESSIONS_LOKI_URL="+s.loki.URL(),
		"ADMINSESSIONS_DEMO_TRAFFIC=off")
	s.cmd.Stdout, s.cmd.Stderr = s.log, s.log
	childproc.Bind(s.cmd, syscall.SIGKILL)
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		_ = s.cmd.Wait() // how it ended is in its log
		close(s.exited)
	}()
	t.Cleanup(func() {
		_ = s.cmd.Process.Kill()
		<-s.exited
		if t.Failed() {
			t.Logf("the end of the panel's log:\n%s", s.log.String()[max(0, s.log.Len()-4<<10):])
		}
	})
	eventually.NoError(t, time.Minute, "the panel is ready", func() error {
		select {
		case <-s.exited:
			t.Fatalf("the panel has ended:\n%s", s.log)
		default:
		}
		resp, err := http.Get("http://" + s.ops + "/readyz")
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			return errors.New(resp.Status)
		}
		return nil
	})
	s.signIn()
	return s
}

// stop ends the panel in order: what it has recorded is delivered.
func (s *suite) stop() {
	s.t.Helper()
	if err := s.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		s.t.Fatal(err)
	}
	select {
	case <-s.exited:
	case <-time.After(time.Minute):
		s.t.Fatal("the panel did not end within a minute of SIGTERM")
	}
}

// signIn is anna at her browser.
func (s *suite) signIn() {
	s.t.Helper()
	body := "email=anna%40example.com&password=demo"
	a := &attack{name: "sign-in"}
	answer, err := s.exchange(a, s.stranger(), request{method: "POST", target: "/admin/login", body: body, headers: form}.bytes(s, a))
	if err != nil {
		s.t.Fatal(err)
	}
	for _, cookie := range answer.Cookies() {
		s.session = cookie.Name + "=" + cookie.Value
	}
	if s.session == "" {
		s.t.Fatalf("no session after the sign-in: %s", answer.Status)
	}
}

// stranger is an address that nobody has used before: what is recorded of one
// is not rationed for the sake of another.
func (s *suite) stranger() string {
	s.next++
	return fmt.Sprintf("127.7.%d.%d", s.next/250, s.next%250+1)
}

// dial opens a connection to the panel from an address of this machine.
func (s *suite) dial(from string) (net.Conn, error) {
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(from)}, Timeout: patience}
	conn, err := d.DialContext(s.t.Context(), "tcp", s.address)
	if err != nil {
		return nil, err
	}
	return conn, conn.SetDeadline(time.Now().Add(patience))
}

// exchange writes bytes and reads the first answer whole. A server that closes
// while the request is still being written has answered, too.
func (s *suite) exchange(a *attack, from string, bytes []byte) (*http.Response, error) {
	conn, err := s.dial(from)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, err)
	}
	defer conn.Close()
	_, writeErr := conn.Write(bytes)
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", a.name, errors.Join(writeErr, err))
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	resp.Body = io.NopCloser(strings.NewReader(string(body)))
	return resp, err
}

// reset writes bytes and resets the connection.
func (s *suite) reset(from string, bytes []byte) error {
	conn, err := s.dial(from)
	if err != nil {
		return err
	}
	if _, err := conn.Write(bytes); err != nil {
		return err
	}
	if err := conn.(*net.TCPConn).SetLinger(0); err != nil {
		return err
	}
	return conn.Close()
}

// memory is what the panel's process holds, in bytes.
func (s *suite) memory() int {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	kib, err := strconv.Atoi(strings.Fields(rest)[0])
	if err != nil {
		s.t.Fatal(err)
	}
	return kib << 10
}
