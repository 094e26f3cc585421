package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"syscall"
	"time"

	"github.com/adminsessions/adminsessions/internal/childproc"
)

const (
	// stopGrace is how long a service may take to end when asked to.
	stopGrace = 20 * time.Second
	// quick is a run so short that the next start should wait longer.
	quick = 20 * time.Second
	// firstPause is how long to wait before the first start again; it doubles.
	firstPause = time.Second
	// maxCrashes is after how many quick ends in a row the demo gives up.
	maxCrashes = 5
)

// supervisor keeps the services running. Its fields and theirs belong to the
// goroutine in run; it is also the one that starts the processes, on the main
// thread, so that they end if this process does.
type supervisor struct {
	out     io.Writer
	running []*service // in the order in which they end
	exits   chan exit  // written by one goroutine for each process, until it has ended
	retries chan *service
	pause   time.Duration // before the first start again
}

// exit is the end of a process.
type exit struct {
	service *service
	err     error
}

func newSupervisor(out io.Writer) *supervisor {
	return &supervisor{out: out, exits: make(chan exit), retries: make(chan *service), pause: firstPause}
}

// run starts the services, and others when they are built, and keeps them running
// until ctx ends or one can't be kept running. Either way all are gone when it
// returns.
func (s *supervisor) run(ctx context.Context, services []*service, programs <-chan built, ready <-chan struct{}, summary string) (err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // the timers of restarts end with it
	defer func() { err = errors.Join(err, s.stopAll()) }()
	for _, one := range services {
		if err := s.start(one); err != nil {
			return err
		}
	}
	for {
		select {
		case <-ctx.Done():
			s.say("ending")
			return nil
		case b := <-programs:
			if b.err != nil {
				return fmt.Errorf("%w; what the panel recorded is in its spool and will be delivered by the next start", b.err)
			}
			if b.service == nil {
				break
			}
			if err := s.start(b.service); err != nil {
				return err
			}
		case e := <-s.exits:
			if err := s.crashed(ctx, e); err != nil {
				return err
			}
		case one := <-s.retries:
			if err := s.start(one); err != nil {
				return err
			}
		case <-ready:
			s.say("%s", summary)
		}
	}
}

func (s *supervisor) say(format string, args ...any) {
	fmt.Fprintf(s.out, "demo: "+format+"\n", args...)
}

func (s *supervisor) start(one *service) error {
	if err := one.start(); err != nil {
		return fmt.Errorf("start %s: %w", one.name, err)
	}
	s.say("%s is process %d, its log %s", one.name, one.cmd.Process.Pid, one.logPath)
	if !slices.Contains(s.running, one) {
		s.running = append(s.running, one)
	}
	cmd := one.cmd
	go func() { s.exits <- exit{one, cmd.Wait()} }()
	return nil
}

// crashed takes note of a process that ended by itself and starts it again,
// later each time it happens soon after the last.
func (s *supervisor) crashed(ctx context.Context, e exit) error {
	one := e.service
	ran := time.Since(one.started)
	s.release(one)
	if ran > quick {
		one.crashes = 0
	}
	one.crashes++
	if one.crashes == maxCrashes {
		return fmt.Errorf("%s ended %d times in a row, last with: %s; the end of its log:\n%s", one.name, maxCrashes, outcome(e.err), one.lastWords())
	}
	wait := s.pause << (one.crashes - 1)
	s.say("%s ended (%s); starting it again in %s", one.name, outcome(e.err), wait)
	go func() {
		select {
		case <-ctx.Done():
		case <-time.After(wait):
			select {
			case <-ctx.Done():
			case s.retries <- one:
			}
		}
	}()
	return nil
}

func outcome(err error) string {
	if err == nil {
		return "exit status 0"
	}
	return err.Error()
}

// release ends what a process that is gone may have left in its group.
func (s *supervisor) release(one *service) {
	if err := childproc.Signal(one.cmd, syscall.SIGKILL); err != nil {
		s.say("end what %s left: %v", one.name, err)
	}
	one.cmd = nil
}

// stopAll ends the services one after the other: the panel first, so that
// Loki is still there to take what it delivers.
func (s *supervisor) stopAll() error {
	var errs []error
	for _, one := range s.running {
		if one.cmd != nil {
			errs = append(errs, s.stop(one))
		}
	}
	return errors.Join(errs...)
}

func (s *supervisor) stop(one *service) error {
	if err := childproc.Signal(one.cmd, syscall.SIGTERM); err != nil {
		return fmt.Errorf("end %s: %w", one.name, err)
	}
	grace := time.NewTimer(stopGrace)
	defer grace.Stop()
	var err error
	for one.cmd != nil {
		select {
		case e := <-s.exits: // this one's, or that of another which ends meanwhile
			s.release(e.service)
		case <-grace.C:
			err = fmt.Errorf("%s did not end within %s and was killed", one.name, stopGrace)
			if killErr := childproc.Signal(one.cmd, syscall.SIGKILL); killErr != nil {
				return errors.Join(err, killErr)
			}
		}
	}
	return err
}
