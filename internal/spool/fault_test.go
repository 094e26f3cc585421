package spool

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestEveryCallFails runs one fixed piece of work over and over and lets each
// call to the file system in it fail once, and then a run of calls, with each
// kind of error. Whatever fails: nothing crashes or hangs, every record is either
// accepted and read once, or refused with a reason and a number; when the disk is
// back the spool takes records again and is healthy.
func TestEveryCallFails(t *testing.T) {
	calls := faultyWork(t, "no fault", func(int, string, string) error { return nil })
	for _, fault := range []struct {
		name string
		err  error
	}{{"EIO", syscall.EIO}, {"ENOSPC", syscall.ENOSPC}, {"short write", errShort}} {
		for _, length := range []int{1, 7} {
			for at := 1; at <= calls; at++ {
				what := fmt.Sprintf("%s at calls %d to %d", fault.name, at, at+length-1)
				faultyWork(t, what, func(n int, op, _ string) error {
					if n >= at && n < at+length {
						return fault.err
					}
					return nil
				})
			}
		}
	}
}

func faultyWork(t *testing.T, what string, fault func(n int, op, name string) error) (calls int) {
	t.Helper()
	fail := func(format string, args ...any) {
		t.Helper()
		t.Fatalf("%s: %s", what, fmt.Sprintf(format, args...))
	}
	m := newMemFS()
	now := time.Unix(1_800_000_000, 0)
	o := Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, Now: func() time.Time { return now }}
	var drops []Reason
	o.OnDrop = func(r Reason, _ uint64) { drops = append(drops, r) }
	var lost uint64
	o.OnDamage = func(d Damage) { lost += d.Records }

	open := func() *Log {
		l, err := load(o)
		if err != nil { // a process that can't open its spool says so; the next try succeeds
			m.fault = nil
			m.kill()
			if l, err = load(o); err != nil {
				fail("opening after the fault: %v", err)
			}
		}
		return l
	}
	accepted, given, read := map[uint64]string{}, map[uint64]bool{}, map[uint64]bool{}
	n := 0
	work := func(l *Log, records int) {
		for range records {
			n++
			payload := fmt.Sprintf("%d %s", n, strings.Repeat("p", 700))
			before := len(drops)
			rec, err := l.Append(context.Background(), now, []byte(payload))
			if given[rec.Seq] {
				fail("number %d is given twice", rec.Seq)
			}
			given[rec.Seq] = true
			var refused *RefusedError
			switch {
			case err == nil:
				accepted[rec.Seq] = payload
			case !errors.As(err, &refused) || refused.Seq != rec.Seq || len(drops) != before+1 || drops[before] != refused.Reason:
				fail("append: %v, drops %v", err, drops)
			}
			now = now.Add(300 * time.Millisecond)
		}
	}
	drain := func(l *Log) {
		for range 20 {
			l.runRound(true)
			for {
				rec, ok, err := l.Reader().TryNext()
				if !ok || err != nil {
					break
				}
				if want, ok := accepted[rec.Seq]; ok && want != string(rec.Payload) {
					fail("record %d is %.10q", rec.Seq, rec.Payload)
				}
				read[rec.Seq] = true
			}
			_ = l.Ack(l.Reader().read.Load())
		}
	}

	m.fault = fault
	l := open()
	work(l, 12)
	l.runRound(true)
	work(l, 6)
	drain(l)
	work(l, 6)
	if _, err := l.Append(context.Background(), now, make([]byte, minSegmentBytes)); err == nil {
		fail("a record that is too large is accepted")
	}
	given[l.nextSeq.Load()-1] = true
	close(l.stopped)
	_ = l.Close()
	_ = l.Reader().Close()
	m.kill()
	m.fault = fault
	l = open()
	work(l, 6)
	drain(l)
	calls = m.calls
	m.fault = nil

	now = now.Add(time.Minute)
	drain(l)
	before := len(accepted)
	work(l, 3)
	drain(l)
	if len(accepted) != before+3 {
		fail("the disk is back, and records are refused: %v", drops)
	}
	for seq := range accepted {
		if !read[seq] {
			fail("record %d was accepted and is not read; %d reported as lost", seq, lost)
		}
	}
	if err := l.Health(); err != nil {
		fail("the disk is back, and health is %v", err)
	}
	if got := uint64(len(given)); got != l.nextSeq.Load()-1 {
		fail("%d numbers were given, the next is %d", got, l.nextSeq.Load())
	}
	return calls
}

// TestFailedFsyncIsNotTriedAgain: the segment is given up, those who wait are
// told, the log goes on in another one, and the records are delivered all the
// same.
func TestFailedFsyncIsNotTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, Sync: SyncAlways})
		var failing atomic.Bool
		var syncs sync.Map
		m.fault = func(_ int, op, name string) error {
			if op == "sync" && strings.HasSuffix(name, segmentExt) {
				if failing.Load() {
					return syscall.EIO
				}
				c, _ := syncs.LoadOrStore(name, new(atomic.Int64))
				c.(*atomic.Int64).Add(1)
			}
			return nil
		}
		mustAppend(t, l, "durable")
		failing.Store(true)
		rec, err := l.Append(t.Context(), time.Now(), []byte("doubtful"))
		var notDurable *NotDurableError
		if !errors.As(err, &notDurable) || !errors.Is(err, syscall.EIO) || notDurable.Rec.Seq != 2 || rec.Seq != 2 {
			t.Errorf("append while fsync fails: %v", err)
		}
		if l.Health() == nil {
			t.Error("healthy while fsync fails")
		}
		failing.Store(false)
		mustAppend(t, l, "durable again")
		if err := l.Sync(t.Context()); err != nil {
			t.Errorf("fsync works again: %v", err)
		}
		if err := l.Durable(t.Context()); !errors.Is(err, syscall.EIO) {
			t.Errorf("nobody knows whether a record is durable: %v", err)
		}
		if err := l.Health(); err != nil {
			t.Errorf("fsync works again and health is %v", err)
		}
		for _, want := range []string{"1 durable", "2 doubtful", "3 durable again"} {
			if got := next(t, l.Reader()); got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		}
		if segs := m.names(segmentExt); len(segs) != 2 {
			t.Errorf("segments are %v", segs)
		}
		if err := errors.Join(l.Ack(2), l.Durable(t.Context())); err != nil {
			t.Errorf("the record is delivered: %v", err)
		}
		if c, ok := syncs.Load(segmentName(1)); !ok || c.(*atomic.Int64).Load() != 1 {
			t.Error("the segment whose fsync failed was synced again")
		}
	})
}

// TestDiskFullAndBack: records are refused while the disk is full, without
// asking it each time, and taken soon after there is room; the gap is as large as
// the drops that are counted.
func TestDiskFullAndBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		var drops []Reason
		l := open(t, Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, OnDrop: func(r Reason, _ uint64) { drops = append(drops, r) }})
		m.mu.Lock()
		m.room = m.used() + 2*minSegmentBytes
		m.mu.Unlock()
		var last uint64
		for range 100 {
			if rec, err := l.Append(t.Context(), time.Now(), make([]byte, 500)); err == nil {
				last = rec.Seq
			}
		}
		if len(drops) == 0 || slices.ContainsFunc(drops, func(r Reason) bool { return r != ReasonDiskFull }) {
			t.Fatalf("drops are %v", drops)
		}
		if w := l.Stats().WriteErrors; w > 3 {
			t.Errorf("the full disk was asked %d times for %d records", w, len(drops))
		}
		if l.Health() == nil {
			t.Error("healthy with a full disk")
		}
		m.mu.Lock()
		m.room = 0
		m.mu.Unlock()
		time.Sleep(2 * maxBackoff)
		rec := mustAppend(t, l, "there is room")
		if gap := rec.Seq - last - 1; gap != uint64(len(drops)) {
			t.Errorf("%d numbers are missing for %d drops", gap, len(drops))
		}
		if s := l.Stats(); s.Dropped[ReasonDiskFull] != uint64(len(drops)) {
			t.Errorf("%d drops are counted as %v", len(drops), s.Dropped)
		}
		if err := l.Health(); err != nil {
			t.Errorf("there is room, and health is %v", err)
		}
	})
}

// TestFolderThatStaysAway: looking for it costs nothing to speak of.
func TestFolderThatStaysAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m})
		mustAppend(t, l, "event")
		var made atomic.Int64
		m.mu.Lock()
		clear(m.dir)
		m.fault = func(_ int, op, _ string) error {
			if op == "mkdir" {
				made.Add(1)
				return syscall.EROFS
			}
			return nil
		}
		m.mu.Unlock()
		for range 600 {
			if _, err := l.Append(t.Context(), time.Now(), []byte("event")); err == nil && made.Load() > 0 {
				t.Fatal("a record is taken")
			}
			time.Sleep(100 * time.Millisecond)
		}
		m.mu.Lock()
		m.fault = nil
		m.mu.Unlock()
		if n := made.Load(); n < 50 || n > 70 {
			t.Errorf("it was tried %d times in a minute", made.Load())
		}
		time.Sleep(2 * time.Second)
		if got := next(t, l.Reader()); got != "1 event" {
			t.Errorf("read %q", got)
		}
		if err := l.Health(); err != nil {
			t.Error(err)
		}
	})
}

// TestHungDisk: AppendSync keeps its deadline when fsync does not return, and
// what it wrote is there when the disk comes back.
func TestHungDisk(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		hung := &hangingFS{memFS: m, resume: make(chan struct{})}
		l := open(t, Options{Dir: spoolDir, FS: hung})
		hung.hangs.Store(true)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		start := time.Now()
		for range 3 {
			_, err := l.AppendSync(ctx, time.Now(), []byte("strict"))
			var notDurable *NotDurableError
			if !errors.As(err, &notDurable) || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("append on a hung disk: %v", err)
			}
		}
		if took := time.Since(start); took != 3*time.Second {
			t.Errorf("it took %v, the deadline was 3 s", took)
		}
		mustAppend(t, l, "others go on") // writing works, only fsync hangs
		close(hung.resume)
		for i := range 3 {
			if got, want := next(t, l.Reader()), fmt.Sprintf("%d strict", i+1); got != want {
				t.Errorf("read %q, want %q", got, want)
			}
		}
	})
}

// hangingFS is a disk whose fsync does not return until resume is closed.
type hangingFS struct {
	*memFS
	hangs  atomic.Bool
	resume chan struct{}
}

func (h *hangingFS) SyncDir(name string) error {
	if h.hangs.Load() {
		<-h.resume
	}
	return h.memFS.SyncDir(name)
}
