package lokitest

import (
	"bytes"
	"context"
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

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/childproc"
	"github.com/adminsessions/adminsessions/internal/freeport"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/tools"
)

// How long a Loki may take to become ready, unless WithReadyTimeout says more, and
// to end when it is asked to. It does both in about a second; a loaded machine gets
// its time.
const (
	readyTimeout = time.Minute
	stopTimeout  = time.Minute
)

// An Option changes how Start runs Loki.
type Option func(*Server)

// WithEnv sets variables that deploy/loki/loki.yaml reads, such as
// "LOKI_RETENTION=48h".
func WithEnv(env ...string) Option {
	return func(s *Server) { s.env = append(s.env, env...) }
}

// WithArgs adds flags to Loki's command line; they override the configuration.
func WithArgs(args ...string) Option {
	return func(s *Server) { s.args = append(s.args, args...) }
}

// WithDataDir keeps Loki's data in dir instead of a temporary folder.
func WithDataDir(dir string) Option {
	return func(s *Server) { s.dataDir = dir }
}

// WithReadyTimeout lets Loki take longer to become ready than the minute that it has
// else: one with a large write-ahead log reads all of it first.
func WithReadyTimeout(d time.Duration) Option {
	return func(s *Server) { s.readyTimeout = d }
}

// A Server is one Loki. Its methods that end or start the process are
// for one goroutine; queries and pushes are for any number. One from [At] has
// no process to end.
type Server struct {
	t       testing.TB
	bin     string
	config  string
	dataDir string
	env     []string
	args    []string

	readyTimeout time.Duration

	httpPort, grpcPort string
	url                string
	client             *http.Client // for what is no question
	loki               *loki.Client // for questions

	cmd    *exec.Cmd
	exited chan struct{} // closed by wait when the process is gone
	exit   error         // valid once exited is closed
}

// Start runs a Loki until the test ends. It fails the test if there is no
// binary or it does not become ready; Loki's log is then in the failure.
func Start(t testing.TB, opts ...Option) *Server {
	t.Helper()
	root, err := tools.Root()
	if err != nil {
		t.Fatal(err)
	}
	bin, err := tools.Find(root, "loki")
	if err != nil {
		t.Fatal(err)
	}
	s := &Server{
		t:      t,
		bin:    bin,
		config: filepath.Join(root, "deploy", "loki", "loki.yaml"),
		client: newClient(),

		readyTimeout: readyTimeout,
	}
	for _, opt := range opts {
		opt(s)
	}
	if s.dataDir == "" {
		s.dataDir = t.TempDir()
	}
	t.Cleanup(func() {
		s.Kill()
		s.client.CloseIdleConnections()
		if s.loki != nil {
			s.loki.CloseIdleConnections()
		}
		if t.Failed() {
			t.Logf("end of Loki's log:\n%s", s.logTail())
		}
	})

	// A port that was free a moment ago can be taken by the time Loki listens.
	for attempt := 1; ; attempt++ {
		s.httpPort, s.grpcPort = freeport.Port(t), freeport.Port(t)
		s.connect("http://" + net.JoinHostPort("127.0.0.1", s.httpPort))
		err := s.start()
		if err == nil {
			return s
		}
		s.Kill()
		if attempt == 3 || !strings.Contains(s.logTail(), "address already in use") {
			t.Fatalf("start Loki: %v\n%s", err, s.logTail())
		}
	}
}

// At is a Loki that somebody else runs, to be asked and written to.
func At(t testing.TB, url string) *Server {
	t.Helper()
	s := &Server{t: t, client: newClient()}
	s.connect(url)
	t.Cleanup(s.client.CloseIdleConnections)
	t.Cleanup(s.loki.CloseIdleConnections)
	return s
}

func (s *Server) connect(url string) {
	s.t.Helper()
	client, err := loki.New(adminsessions.Loki{URL: url}, nil)
	if err != nil {
		s.t.Fatal(err)
	}
	s.url, s.loki = url, client
}

func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
}

// URL is the server's address, such as http://127.0.0.1:40123, for as long as
// the Server lives: a restart keeps it.
func (s *Server) URL() string { return s.url }

// PushURL is where Loki takes in entries.
func (s *Server) PushURL() string { return s.URL() + "/loki/api/v1/push" }

// DataDir is where Loki keeps its data.
func (s *Server) DataDir() string { return s.dataDir }

// PID of the running process.
func (s *Server) PID() int { return s.cmd.Process.Pid }

// CPUTime is what the process has used of the processors, by Linux's account: it
// does not depend on what else the machine does. Elsewhere it is 0.
func (s *Server) CPUTime() time.Duration {
	s.t.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", s.PID()))
	if err != nil {
		return 0
	}
	// After the name in parentheses: field 14 is user time, 15 is system time, in
	// hundredths of a second.
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	user, err1 := strconv.Atoi(fields[11])
	system, err2 := strconv.Atoi(fields[12])
	if err := errors.Join(err1, err2); err != nil {
		s.t.Fatal(err)
	}
	return time.Duration(user+system) * 10 * time.Millisecond
}

// Stop ends Loki in order (SIGTERM) and waits until it is gone.
func (s *Server) Stop() {
	s.t.Helper()
	s.signal(syscall.SIGTERM)
	select {
	case <-s.exited:
	case <-time.After(stopTimeout):
		s.Kill()
		s.t.Fatalf("Loki did not end within %s of SIGTERM", stopTimeout)
	}
}

// Kill ends Loki at once (SIGKILL), as a crash does, and waits until it is
// gone. What Loki acknowledged is in its write-ahead log. Killing a Loki that
// is gone does nothing.
func (s *Server) Kill() {
	if s.cmd == nil {
		return
	}
	_ = s.cmd.Process.Kill()
	<-s.exited
}

// Pause halts Loki (SIGSTOP): it keeps its connections and answers nothing.
func (s *Server) Pause() {
	s.t.Helper()
	s.signal(syscall.SIGSTOP)
}

// Resume lets a paused Loki go on.
func (s *Server) Resume() {
	s.t.Helper()
	s.signal(syscall.SIGCONT)
}

// Restart starts a stopped or killed Loki again, on the same address with the
// same data, and returns once it is ready.
func (s *Server) Restart() {
	s.t.Helper()
	s.Kill()
	if err := s.start(); err != nil {
		s.t.Fatalf("restart Loki: %v\n%s", err, s.logTail())
	}
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("send %s to Loki: %v", sig, err)
	}
}

func (s *Server) start() error {
	log, err := os.OpenFile(filepath.Join(s.dataDir, "loki.log"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return err
	}
	defer log.Close()

	cmd := exec.Command(s.bin, append([]string{
		"-config.file=" + s.config,
		"-config.expand-env=true",
	}, s.args...)...)
	cmd.Env = append(os.Environ(),
		"LOKI_DATA_DIR="+s.dataDir,
		"LOKI_RULES_DIR="+filepath.Join(s.dataDir, "rules"),
		"LOKI_HTTP_ADDRESS=127.0.0.1",
		"LOKI_HTTP_PORT="+s.httpPort,
		"LOKI_GRPC_PORT="+s.grpcPort)
	cmd.Env = append(cmd.Env, s.env...)
	cmd.Stdout, cmd.Stderr = log, log
	childproc.Bind(cmd, syscall.SIGKILL) // a test that is killed leaves no Loki behind
	if err := cmd.Start(); err != nil {
		return err
	}
	s.cmd, s.exited = cmd, make(chan struct{})
	go s.wait(cmd, s.exited)

	ctx, cancel := context.WithTimeout(context.Background(), s.readyTimeout)
	defer cancel()
	return s.ready(ctx)
}

func (s *Server) wait(cmd *exec.Cmd, exited chan<- struct{}) {
	s.exit = cmd.Wait()
	close(exited)
}

// ready waits until Loki says it is.
func (s *Server) ready(ctx context.Context) error {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	last := errors.New("not asked yet")
	for {
		select {
		case <-s.exited:
			return fmt.Errorf("it ended: %w", s.exit)
		case <-ctx.Done():
			return fmt.Errorf("not ready within %s: %w", s.readyTimeout, last)
		case <-tick.C:
			if last = s.Get(ctx, "/ready", nil, nil); last == nil {
				return nil
			}
		}
	}
}

// grumble is in two lines that Loki logs for each query because entries can't
// be deleted from it (deletion_mode in its configuration).
const grumble = "deletion is not available for this tenant"

// logTail returns the end of Loki's log.
func (s *Server) logTail() string {
	const most = 8 << 10
	data, err := os.ReadFile(filepath.Join(s.dataDir, "loki.log"))
	if err != nil {
		return err.Error()
	}
	var said strings.Builder
	for line := range strings.Lines(string(data)) {
		if !strings.Contains(line, grumble) {
			said.WriteString(line)
		}
	}
	return said.String()[max(0, said.Len()-most):]
}

// readError is the body of an answer that is not the one expected.
func readError(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	return fmt.Errorf("%s %s: %s: %s", resp.Request.Method, resp.Request.URL.Path, resp.Status, strings.TrimSpace(string(body)))
}
