package flood

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	"golang.org/x/sys/unix"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/internal/childproc"
)

// A panel's process is this test binary, started again with its configuration
// in the environment. It writes its address to standard output, serves until
// its standard input ends, delivers, and writes what it has counted.
const panelEnv = "ADMINSESSIONS_BENCH_PANEL"

const serviceName = "flood"

type panelConfig struct {
	Record     bool
	Loki       string
	SpoolDir   string
	SpoolLimit int64 // 0 for the default
	Instance   string
	Deliver    time.Duration // how long the end may take
}

// panelStats is what a panel has seen.
type panelStats struct {
	Anonymous, Admin int64         // requests served
	Quiet, Flood     quantiles     // of the time an administrator's request spent in the panel
	Undisturbed      quantiles     // of Flood's, without those that another program has interrupted
	PeakHeap         int64         // bytes
	PeakRSS          int64         // bytes
	PeakSpool        int64         // bytes
	CPU              time.Duration // user and system time
	ShutdownError    string
}

// panel is the panel itself.
type panel struct {
	anonymous, admin atomic.Int64
	quiet, flood     durations
	undisturbed      durations
}

func (p *panel) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		p.anonymous.Add(1)
		w.WriteHeader(http.StatusUnauthorized)
	})
	mux.HandleFunc("POST /admin/{phase}/{n}", func(w http.ResponseWriter, r *http.Request) {
		p.admin.Add(1)
		instrumentation.SetAdmin(r.Context(), adminsessions.User{ID: "7", FullName: "Anna Kowalska", Email: "anna@example.com"})
		w.WriteHeader(http.StatusCreated)
	})
	return mux
}

// timed measures the time that administrators' requests spend in the panel, and
// apart the time of those in whose midst the operating system did not give the
// processor to another program.
func (p *panel) timed(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		all, undisturbed := &p.flood, &p.undisturbed
		switch {
		case strings.HasPrefix(r.URL.Path, "/admin/quiet/"):
			all, undisturbed = &p.quiet, nil
		case !strings.HasPrefix(r.URL.Path, "/admin/flood/"):
			next.ServeHTTP(w, r)
			return
		}
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		before := preempted()
		start := time.Now()
		next.ServeHTTP(w, r)
		took := time.Since(start)
		all.add(took)
		if undisturbed != nil && preempted() == before {
			undisturbed.add(took)
		}
	})
}

// preempted is how often the thread has had to give up its processor.
func preempted() int64 {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_THREAD, &u); err != nil {
		panic(err)
	}
	return u.Nivcsw
}

func servePanel(config string) error {
	var c panelConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	p := &panel{}
	h := p.handler()
	shutdown := func(context.Context) error { return nil }
	if c.Record {
		opts := []exporter.Option{
			exporter.WithLoki(adminsessions.Loki{URL: c.Loki}), exporter.WithSpoolDir(c.SpoolDir),
			exporter.WithResource(resource.NewSchemaless(
				attribute.String("service.name", serviceName),
				attribute.String("service.instance.id", c.Instance),
				attribute.String("deployment.environment.name", "bench"))),
		}
		if c.SpoolLimit > 0 {
			opts = append(opts, exporter.WithSpoolLimit(c.SpoolLimit))
		}
		x, err := exporter.New(opts...)
		if err != nil {
			return err
		}
		shutdown = x.Shutdown
		record, err := instrumentation.NewMiddleware(instrumentation.WithLoggerProvider(x.LoggerProvider()))
		if err != nil {
			return err
		}
		h = record(h)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	srv := &http.Server{Handler: p.timed(h), ReadHeaderTimeout: 10 * time.Second}
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()
	fmt.Println(listener.Addr())
	peak := watchProcess(c.SpoolDir)

	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	ctx, cancel := context.WithTimeout(context.Background(), c.Deliver)
	defer cancel()
	if err := srv.Shutdown(ctx); err != nil {
		return fmt.Errorf("ending the server: %w", err)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	var s panelStats
	if err := shutdown(ctx); err != nil {
		s.ShutdownError = err.Error()
	}
	s.PeakHeap, s.PeakSpool = peak()
	s.CPU, s.PeakRSS = usage()
	s.Anonymous, s.Admin = p.anonymous.Load(), p.admin.Load()
	s.Quiet, s.Flood = p.quiet.quantiles(), p.flood.quantiles()
	s.Undisturbed = p.undisturbed.quantiles()
	return json.NewEncoder(os.Stdout).Encode(s)
}

func usage() (time.Duration, int64) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), u.Maxrss << 10
}

// watchProcess looks at heap and spool until the function returned is called,
// which returns the most it has seen of each.
func watchProcess(spoolDir string) func() (heap, spool int64) {
	stop := make(chan struct{})
	var heap, spool int64
	var watching sync.WaitGroup
	watching.Go(func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		for {
			metrics.Read(sample)
			heap = max(heap, int64(sample[0].Value.Uint64()))
			spool = max(spool, folderSize(spoolDir))
			select {
			case <-stop:
				return
			case <-tick.C:
			}
		}
	})
	return func() (int64, int64) {
		close(stop)
		watching.Wait()
		return heap, spool
	}
}

func folderSize(dir string) (size int64) {
	if dir == "" {
		return 0
	}
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return nil // deleted meanwhile
		}
		if info, err := d.Info(); err == nil && info.Mode().IsRegular() {
			size += info.Size()
		}
		return nil
	})
	return size
}

// panelProcess is a panel as the benchmark sees it.
type panelProcess struct {
	b       testing.TB
	cmd     *exec.Cmd
	stdin   interface{ Close() error }
	stdout  *bufio.Reader
	stderr  strings.Builder
	address string
}

func startPanel(b testing.TB, c panelConfig) *panelProcess {
	b.Helper()
	if c.Deliver == 0 {
		c.Deliver = time.Minute
	}
	config, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	p := &panelProcess{b: b, cmd: exec.Command(exe)}
	p.cmd.Env = append(os.Environ(), panelEnv+"="+string(config))
	p.cmd.Stderr = &p.stderr
	childproc.Bind(p.cmd, syscall.SIGKILL)
	stdin, err := p.cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	p.stdin, p.stdout = stdin, bufio.NewReader(stdout)
	line, err := p.stdout.ReadString('\n')
	if err != nil {
		_ = p.cmd.Wait()
		b.Fatalf("the panel does not start: %v: %s", err, p.stderr.String())
	}
	p.address = strings.TrimSpace(line)
	return p
}

// end lets the panel deliver and returns what it has counted.
func (p *panelProcess) end() panelStats {
	p.b.Helper()
	_ = p.stdin.Close()
	var s panelStats
	err := json.NewDecoder(p.stdout).Decode(&s)
	if waitErr := p.cmd.Wait(); err != nil || waitErr != nil {
		p.b.Fatalf("panel: %v: %v: %s", err, waitErr, p.stderr.String())
	}
	return s
}
