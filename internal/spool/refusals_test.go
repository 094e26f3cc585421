package spool

import (
	"fmt"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestRefusalsAreToldInFewLines: a flood of refused records makes a line a minute
// for each reason, which says how many and why, and one when it is over.
func TestRefusalsAreToldInFewLines(t *testing.T) {
	for _, c := range []struct {
		reason Reason
		what   string
		begin  func(l *Log, m *memFS)
		end    func(t *testing.T, l *Log, m *memFS)
		record func(t *testing.T, l *Log) error
	}{
		{ReasonSpoolFull, "the spool is full", nil, deliverAll, appendPlain},
		{ReasonDiskFull, "the disk is full", func(_ *Log, m *memFS) { setFault(m, "write", syscall.ENOSPC) }, noFault, appendPlain},
		{ReasonIOError, "can't be written", func(_ *Log, m *memFS) { setFault(m, "write", syscall.EIO) }, noFault, appendPlain},
		{ReasonReserved, "reserved", nil, deliverAll, func(t *testing.T, l *Log) error {
			_, err := l.Append(t.Context(), time.Now(), make([]byte, 700), Limited)
			return err
		}},
		{ReasonTooLarge, "larger", nil, noFault, func(t *testing.T, l *Log) error {
			_, err := l.Append(t.Context(), time.Now(), make([]byte, minSegmentBytes))
			return err
		}},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log lines
			m := newMemFS()
			l := open(t, Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, MaxBytes: 6 * minSegmentBytes,
				ReservedBytes: 2 * minSegmentBytes, Logger: log.logger()})
			if c.begin != nil {
				c.begin(l, m)
			}
			refused := 0
			start := time.Now()
			for time.Since(start) < 5*time.Minute {
				for range 20 {
					if c.record(t, l) != nil {
						refused++
					}
				}
				time.Sleep(time.Second)
			}
			if n := log.count(c.what); refused < 5_000 || n < 5 || n > 6 || log.count("") != n {
				t.Errorf("%s: %d lines for %d refused records:\n%s", c.reason, n, refused, log.String())
			}
			if got := l.refusing(); got != c.reason && (c.reason != ReasonReserved && c.reason != ReasonTooLarge || got != "") {
				t.Errorf("%s: refusing is %q", c.reason, got)
			}
			c.end(t, l, m)
			time.Sleep(2 * quietFor)
			if got := l.refusing(); got != "" {
				t.Errorf("%s: it is over, and refusing is %q", c.reason, got)
			}
			if n := log.count("for a while"); n != 1 || !strings.Contains(log.String(), fmt.Sprint("refused=", refused)) {
				t.Errorf("%s: told %d times that it is over, %d were refused:\n%s", c.reason, n, refused, log.String())
			}
			if n := l.Stats().Dropped[c.reason]; n != uint64(refused) {
				t.Errorf("%s: %d counted of %d", c.reason, n, refused)
			}
		})
	}
}

// TestFlappingIsToldInFewLines: room that comes and goes makes no more lines.
func TestFlappingIsToldInFewLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log lines
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, Logger: log.logger()})
		for i := range 60 {
			if i%2 == 0 {
				setFault(m, "write", syscall.ENOSPC)
			} else {
				noFault(t, l, m)
			}
			for range 10 {
				_ = appendPlain(t, l)
				time.Sleep(500 * time.Millisecond)
			}
		}
		if n := log.count(""); n < 5 || n > 7 {
			t.Errorf("%d lines in five minutes:\n%s", n, log.String())
		}
	})
}

func appendPlain(t *testing.T, l *Log) error {
	_, err := l.Append(t.Context(), time.Now(), make([]byte, 700))
	return err
}

func setFault(m *memFS, on string, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = func(_ int, op, name string) error {
		if op == on && strings.HasSuffix(name, segmentExt) {
			return err
		}
		return nil
	}
}

func noFault(_ *testing.T, _ *Log, m *memFS) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fault = nil
}

func deliverAll(t *testing.T, l *Log, _ *memFS) {
	readAll(t, l)
	if err := l.Ack(l.reader.read.Load()); err != nil {
		t.Error(err)
	}
}
