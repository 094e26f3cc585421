package spool

import (
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// TestNumbersOfRefusedRecordsSurvive: a refused record's number is not given
// again by the next process, even one that takes over after kill -9 with a full
// disk.
func TestNumbersOfRefusedRecordsSurvive(t *testing.T) {
	m := newMemFS()
	o := Options{Dir: spoolDir, FS: m}
	l, err := load(o)
	if err != nil {
		t.Fatal(err)
	}
	mustAppend(t, l, "one")
	for range 4 {
		if _, err := l.Append(t.Context(), time.Now(), make([]byte, DefaultMaxRecordBytes+1)); err == nil {
			t.Fatal("too large a record is accepted")
		}
	}
	m.kill()
	m.room = 1
	if l, err = load(o); err != nil {
		t.Fatal(err)
	}
	m.room = 0
	if rec := mustAppend(t, l, "two"); rec.Seq != 6 {
		t.Errorf("the next number is %d, want 6", rec.Seq)
	}
}

// TestKilledInTheMiddleOfACopy: a record that a dying process had not finished
// copying leaves no gap and is no damage; one whose marker is there is both.
func TestKilledInTheMiddleOfACopy(t *testing.T) {
	for _, c := range []struct {
		what string
		from int // bytes of the last record before this are not there
		next uint64
		torn uint64
	}{{"marker not written", 4, 3, 0}, {"marker written, the rest not", 0, 4, 1}} {
		m := newMemFS()
		l, err := load(Options{Dir: spoolDir, FS: m})
		if err != nil {
			t.Fatal(err)
		}
		mustAppend(t, l, "one")
		mustAppend(t, l, "two")
		end := l.active.size
		mustAppend(t, l, "three")
		size := l.active.size
		m.kill()
		m.damage(segmentName(1), func(b []byte) []byte {
			if c.from > 0 {
				clear(b[end : end+int64(c.from)])
			} else {
				clear(b[size-10 : size])
			}
			return b
		})
		if l, err = load(Options{Dir: spoolDir, FS: m}); err != nil {
			t.Fatal(err)
		}
		if rec := mustAppend(t, l, "next"); rec.Seq != c.next {
			t.Errorf("%s: the next number is %d, want %d", c.what, rec.Seq, c.next)
		}
		if s := l.Stats(); s.DamageFound[DamageTail] != c.torn || s.RecordsLost != c.torn {
			t.Errorf("%s: damage %v, lost %d, want %d", c.what, s.DamageFound, s.RecordsLost, c.torn)
		}
	}
}

// TestHealthRecoversByItself: a panel that gets no requests while its readiness
// says no must not wait for one to be ready again.
func TestHealthRecoversByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, MaxBytes: 2 * minSegmentBytes})
		room := func(n int64) {
			m.mu.Lock()
			defer m.mu.Unlock()
			m.room = n
		}
		room(cursorBytes + 1)
		if _, err := l.Append(t.Context(), time.Now(), []byte("event")); err == nil || l.Health() == nil {
			t.Errorf("on a full disk: append %v, health %v", err, l.Health())
		}
		room(0)
		time.Sleep(3 * time.Second)
		if err := l.Health(); err != nil {
			t.Errorf("there is room on the disk, and health is %v", err)
		}

		for {
			if _, err := l.Append(t.Context(), time.Now(), make([]byte, 700)); err != nil {
				break
			}
		}
		if l.Health() == nil {
			t.Error("healthy with a full spool")
		}
		readAll(t, l)
		if err := l.Ack(l.reader.read.Load()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(3 * time.Second)
		if err := l.Health(); err != nil {
			t.Errorf("all is delivered, and health is %v", err)
		}
		if s := l.Stats(); s.DiskBytes > 2*headerSize {
			t.Errorf("all is delivered, and the spool has %d bytes", s.DiskBytes)
		}
	})
}

// TestDeliveredFilesAreClosed: an open file keeps its space, which on a full disk
// is the space that the next segment needs.
func TestDeliveredFilesAreClosed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, MaxBytes: 4 * minSegmentBytes})
		for {
			if _, err := l.Append(t.Context(), time.Now(), make([]byte, 700)); err != nil {
				break
			}
		}
		_ = l.Stats()
		readAll(t, l)
		if err := l.Ack(l.reader.read.Load()); err != nil {
			t.Fatal(err)
		}
		if _, ok, err := l.Reader().Peek(); ok || err != nil {
			t.Fatal(ok, err)
		}
		time.Sleep(3 * time.Second)
		if _, ok, err := l.Reader().Peek(); ok || err != nil {
			t.Fatal(ok, err)
		}
		// The cursor, and the active segment for the writer and the reader.
		segments := m.names(segmentExt)
		m.mu.Lock()
		defer m.mu.Unlock()
		if len(segments) > 1 || m.opened > 1+2*len(segments) {
			t.Errorf("%d files are open, segments are %v", m.opened, segments)
		}
	})
}

func readAll(t *testing.T, l *Log) {
	t.Helper()
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	for {
		if _, ok, err := l.Reader().TryNext(); !ok || err != nil {
			if err != nil {
				t.Fatal(err)
			}
			return
		}
	}
}

// TestFolderReadOnlyAndBack: while no file can be made, records are taken into the
// one that is open; when it is full they are refused, and taken again afterwards.
func TestFolderReadOnlyAndBack(t *testing.T) {
	for _, cause := range []error{syscall.EROFS, syscall.EACCES, syscall.EPERM} {
		synctest.Test(t, func(t *testing.T) {
			m := newMemFS()
			l := open(t, Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes})
			mustAppend(t, l, "event")
			readOnly := func(_ int, op, _ string) error {
				if op == "create" || op == "rename" || op == "remove" {
					return cause
				}
				return nil
			}
			m.mu.Lock()
			m.fault = readOnly
			m.mu.Unlock()
			kept, refused := uint64(1), uint64(0)
			for range 20 {
				if rec, err := l.Append(t.Context(), time.Now(), make([]byte, 500)); err == nil {
					kept = rec.Seq
				} else {
					refused++
				}
				time.Sleep(100 * time.Millisecond)
			}
			if kept < 7 || kept+refused != 21 || l.Health() == nil {
				t.Errorf("%v: %d kept, %d refused, health %v", cause, kept, refused, l.Health())
			}
			if got := rest(t, l); len(got) != int(kept) {
				t.Errorf("%v: read %v, want %d", cause, got, kept)
			}
			if err := l.Ack(kept); err != nil {
				t.Error(err)
			}
			m.mu.Lock()
			m.fault = nil
			m.mu.Unlock()
			time.Sleep(3 * time.Second)
			if err := l.Health(); err != nil {
				t.Errorf("%v is over, and health is %v", cause, err)
			}
			if rec := mustAppend(t, l, "event"); rec.Seq != 22 {
				t.Errorf("%v: number %d", cause, rec.Seq)
			}
			if s := l.Stats(); s.Dropped[ReasonIOError] != refused || s.RecordsLost != 0 || s.Segments != 1 {
				t.Errorf("%v: %+v", cause, s)
			}
		})
	}
}

// TestReaderLeavesAnEmptySegment: a reader that waits in a segment whose first
// record could not be written goes on with the next one.
func TestReaderLeavesAnEmptySegment(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m})
		failing, opened := true, false
		m.fault = func(_ int, op, name string) error {
			if op == "write" && strings.HasSuffix(name, segmentExt) && failing && opened {
				return syscall.EIO // not the header
			}
			opened = opened || op == "reserve"
			return nil
		}
		l.wmu.Lock()
		if _, err := l.newSegment(time.Now()); err != nil {
			t.Fatal(err)
		}
		l.wmu.Unlock()
		if _, ok, err := l.Reader().TryNext(); ok || err != nil { // it is in it now
			t.Fatal(ok, err)
		}
		if _, err := l.Append(t.Context(), time.Now(), []byte("refused")); err == nil {
			t.Fatal("a record is taken that can't be written")
		}
		m.mu.Lock()
		failing = false
		m.mu.Unlock()
		time.Sleep(time.Second)
		mustAppend(t, l, "taken")
		if got := next(t, l.Reader()); got != "2 taken" {
			t.Errorf("read %q", got)
		}
	})
}
