package delivery

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"runtime/metrics"
	"runtime/pprof"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
)

// A peer's process is this test binary, started again with its configuration in
// the environment. It writes lines to its standard output: the request ids of
// accepted events if asked to, and at the end its usage.
const senderEnv = "ADMINSESSIONS_BENCH_SENDER"

const writers = 2

type senderConfig struct {
	Peer     string
	Loki     string // address
	SpoolDir string
	Instance string
	First    int // number of the first event
	Events   int
	Rate     int           // events per second; 0: as fast as they are taken
	Finish   time.Duration // how long the peer may take to deliver what is left
	Say      bool          // each accepted event
	Profile  string        // file for a CPU profile
}

// usage is what a run has cost the peer's process, from the first event to the
// last answer.
type usage struct {
	Accepted, Refused int
	Took, Emitting    time.Duration
	CPU               time.Duration // user and system time
	Mallocs           uint64
	PeakHeap, PeakRSS int64 // bytes
	Sent              int64 // bytes pushed
}

func (u usage) perEvent(v float64) float64 { return v / float64(max(1, u.Accepted)) }

// send is the peer's process.
func send(config string) error {
	var c senderConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	src := newSource(c.First, c.Events)
	p, err := openPeer(c)
	if err != nil {
		return err
	}
	if c.Profile != "" {
		f, err := os.Create(c.Profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	heap := watchHeap()
	runtime.GC()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()

	var u usage
	u.Accepted, u.Refused = emitAll(c, src, p)
	u.Emitting = time.Since(start)
	ctx, cancel := context.WithTimeout(context.Background(), c.Finish)
	defer cancel()
	if err := p.finish(ctx); err != nil {
		return fmt.Errorf("finishing: %w", err)
	}
	u.Took, u.CPU = time.Since(start), cpuTime()-cpu
	runtime.ReadMemStats(&after)
	u.Mallocs = after.Mallocs - before.Mallocs
	u.PeakHeap = heap()
	u.PeakRSS = peakRSS()
	u.Sent = p.sent()
	return json.NewEncoder(os.Stdout).Encode(u)
}

func emitAll(c senderConfig, src *source, p peer) (accepted, refused int) {
	var next, failed atomic.Int64
	var wg sync.WaitGroup
	for range writers {
		wg.Go(func() {
			const tick = 5 * time.Millisecond
			due := c.Events + 1 // of this turn; the one too many ends it
			var ticks <-chan time.Time
			if c.Rate > 0 {
				ticks = time.NewTicker(tick).C
				due = c.Rate * int(tick) / int(time.Second) / writers
			}
			var e adminsessions.Event
			for {
				if ticks != nil {
					<-ticks
				}
				for range due {
					i := int(next.Add(1)) - 1
					if i >= c.Events {
						return
					}
					src.event(i, &e)
					if err := p.emit(&e); err != nil {
						failed.Add(1)
						continue
					}
					if c.Say {
						_, _ = os.Stdout.WriteString(e.RequestID + "\n")
					}
				}
			}
		})
	}
	wg.Wait()
	return c.Events - int(failed.Load()), int(failed.Load())
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

func peakRSS() int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return u.Maxrss << 10
}

// watchHeap looks at the heap until the function returned is called, which
// returns the most it has seen.
func watchHeap() func() int64 {
	stop, most := make(chan struct{}), make(chan int64)
	go func() {
		sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
		tick := time.NewTicker(20 * time.Millisecond)
		defer tick.Stop()
		var peak uint64
		for {
			metrics.Read(sample)
			peak = max(peak, sample[0].Value.Uint64())
			select {
			case <-stop:
				most <- int64(peak)
				return
			case <-tick.C:
			}
		}
	}()
	return func() int64 { close(stop); return <-most }
}

// sender is a peer's process as the benchmark sees it.
type sender struct {
	b       *testing.B
	cmd     *exec.Cmd
	stderr  strings.Builder
	done    chan struct{} // closed when its output has ended
	said    []string      // request ids; valid once done
	count   atomic.Int64  // of said
	usage   usage
	readErr error
}

func startSender(b *testing.B, c senderConfig) *sender {
	b.Helper()
	if c.Finish == 0 {
		c.Finish = 5 * time.Minute
	}
	if *profFlag != "" && !c.Say {
		c.Profile = filepath.Join(*profFlag, c.Instance+".prof")
	}
	config, err := json.Marshal(c)
	if err != nil {
		b.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	s := &sender{b: b, cmd: exec.Command(exe), done: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), senderEnv+"="+string(config))
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		b.Fatal(err)
	}
	go func() {
		defer close(s.done)
		r := bufio.NewReaderSize(stdout, 1<<20)
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return // a line without its end is none
			}
			if strings.HasPrefix(line, "{") {
				s.readErr = json.Unmarshal([]byte(line), &s.usage)
				continue
			}
			s.said = append(s.said, strings.TrimSpace(line))
			s.count.Add(1)
		}
	}()
	return s
}

// wait returns when the peer has finished.
func (s *sender) wait() usage {
	s.b.Helper()
	<-s.done
	if err := s.cmd.Wait(); err != nil {
		s.b.Fatalf("peer: %v: %s", err, s.stderr.String())
	}
	if s.readErr != nil {
		s.b.Fatal(s.readErr)
	}
	return s.usage
}

// await returns when the peer has said that it has accepted n events.
func (s *sender) await(n int64) {
	s.b.Helper()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for s.count.Load() < n {
		select {
		case <-s.done:
			s.b.Fatalf("the peer ended after %d of %d events: %s", s.count.Load(), n, s.stderr.String())
		case <-tick.C:
		}
	}
}

// kill ends the peer with SIGKILL and returns the ids of the events it had
// accepted.
func (s *sender) kill() []string {
	s.b.Helper()
	_ = s.cmd.Process.Kill()
	<-s.done
	_ = s.cmd.Wait()
	if s.cmd.ProcessState.Exited() {
		s.b.Fatalf("the peer ended by itself: %s", s.stderr.String())
	}
	return s.said
}
