package pipeline

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/exporter"
)

// The sending process is this test binary, started again with its configuration
// in the environment. It records events from two goroutines until it is killed,
// and writes the request id of each event that RecordEvent has accepted to its
// standard output: a line there is a promise that the event will be in Loki.
const senderEnv = "ADMINSESSIONS_TEST_SENDER"

const (
	serviceName = "pipeline"
	writers     = 2

	// What the sender says besides request ids.
	sayOpen = "# open"
)

type senderConfig struct {
	Endpoint, SpoolDir, Instance string
	Name                         string // begins the request ids
	EventsPerSecond              int    // of each goroutine; 0 delivers what is in the spool and ends
}

// exporterOptions are those of every exporter in these tests: the defaults,
// but quick about batches and retries, and never short of room.
func exporterOptions(endpoint, spoolDir, instance string, more ...exporter.Option) []exporter.Option {
	return append([]exporter.Option{
		exporter.WithLoki(adminsessions.Loki{URL: endpoint}),
		exporter.WithSpoolDir(spoolDir),
		exporter.WithSpoolLimit(32 << 20),
		exporter.WithFullPolicy(exporter.BlockWhenFull), exporter.WithBlockTimeout(time.Minute),
		exporter.WithBatch(10*time.Millisecond, 256<<10),
		exporter.WithProof(exporter.Proof{Keys: keys(), Events: 500, Interval: time.Second}),
		exporter.WithBackoff(10*time.Millisecond, 200*time.Millisecond),
		exporter.WithResource(resource.NewSchemaless(
			attribute.String("service.name", serviceName),
			attribute.String("service.instance.id", instance),
			attribute.String("deployment.environment.name", "test"),
		)),
	}, more...)
}

// send is the sending process.
func send(config string) error {
	var c senderConfig
	if err := json.Unmarshal([]byte(config), &c); err != nil {
		return err
	}
	exp, err := exporter.New(exporterOptions(c.Endpoint, c.SpoolDir, c.Instance)...)
	if err != nil {
		return err
	}
	provider := exp.LoggerProvider()
	fmt.Println(sayOpen)
	if c.EventsPerSecond == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		return errors.Join(provider.ForceFlush(ctx), provider.Shutdown(ctx))
	}
	failed := make(chan error, writers)
	for g := range writers {
		go func() {
			s := newSource(fmt.Sprintf("%s-%d", c.Name, g))
			const tick = 2 * time.Millisecond
			ticker := time.NewTicker(tick)
			for range ticker.C {
				for range c.EventsPerSecond * int(tick) / int(time.Second) {
					e := s.next()
					if err := provider.RecordEvent(context.Background(), e, adminsessions.Spooled); err != nil {
						failed <- fmt.Errorf("event %s: %w", e.RequestID, err)
						return
					}
					if _, err := os.Stdout.WriteString(e.RequestID + "\n"); err != nil {
						failed <- err
						return
					}
				}
			}
		}()
	}
	return <-failed
}

// sender is a sending process as its test sees it.
type sender struct {
	cmd      *exec.Cmd
	stderr   strings.Builder
	open     chan struct{} // closed when its exporter is open
	accepted []string      // valid once done
	count    atomic.Int64  // of accepted
	reading  sync.WaitGroup
	readErr  error // written by the reading goroutine
}

func startSender(t *testing.T, c senderConfig) *sender {
	t.Helper()
	config, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := &sender{cmd: exec.Command(exe), open: make(chan struct{})}
	s.cmd.Env = append(os.Environ(), senderEnv+"="+string(config))
	s.cmd.Stderr = &s.stderr
	stdout, err := s.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s.reading.Go(func() { s.readErr = s.read(stdout) })
	return s
}

// read collects what the process says. A last line without its end is one that
// the kill has cut; it is no promise.
func (s *sender) read(stdout io.Reader) error {
	r := bufio.NewReader(stdout)
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil // the process is gone
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == sayOpen:
			close(s.open)
		case strings.HasPrefix(line, "#"):
			return fmt.Errorf("sender says %q", line)
		default:
			s.accepted = append(s.accepted, line)
			s.count.Add(1)
		}
	}
}

// kill ends the process with SIGKILL and returns the request ids it had
// reported. It fails the test if the process was gone before.
func (s *sender) kill(t *testing.T) []string {
	t.Helper()
	_ = s.cmd.Process.Kill()
	s.reading.Wait()
	err := s.cmd.Wait()
	if state := s.cmd.ProcessState; state.Exited() {
		t.Fatalf("the sender ended by itself (%v): %s", err, s.stderr.String())
	}
	if s.readErr != nil {
		t.Fatal(s.readErr)
	}
	return s.accepted
}

// wait waits until the process ends by itself, in order.
func (s *sender) wait(t *testing.T) {
	t.Helper()
	s.reading.Wait()
	if err := s.cmd.Wait(); err != nil {
		t.Fatalf("sender: %v: %s", err, s.stderr.String())
	}
}
