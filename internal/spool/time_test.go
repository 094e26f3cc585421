package spool

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// countSyncs counts fsyncs of segments.
func countSyncs(m *memFS) *atomic.Int64 {
	var n atomic.Int64
	m.fault = func(_ int, op, name string) error {
		if op == "sync" && strings.HasSuffix(name, segmentExt) {
			n.Add(1)
		}
		return nil
	}
	return &n
}

func TestSyncInterval(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, SyncInterval: time.Second})
		syncs := countSyncs(m)
		for range 100 {
			mustAppend(t, l, "event")
		}
		time.Sleep(999 * time.Millisecond)
		synctest.Wait()
		if n := syncs.Load(); n != 0 {
			t.Errorf("%d syncs before the interval is over", n)
		}
		time.Sleep(2 * time.Millisecond)
		synctest.Wait()
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs after one interval, want 1", n)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs, with nothing to sync since the first", n)
		}
		if s := l.Stats(); s.Syncs != 1 || s.LastSync.IsZero() || s.SyncErrors != 0 {
			t.Errorf("stats are %+v", s)
		}
	})
}

func TestSyncNoneSyncsOnDemandOnly(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, Sync: SyncNone})
		syncs := countSyncs(m)
		mustAppend(t, l, "event")
		if got := next(t, l.Reader()); got != "1 event" { // readable at once
			t.Errorf("read %q", got)
		}
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := syncs.Load(); n != 0 {
			t.Errorf("%d syncs that nobody asked for", n)
		}
		if _, err := l.AppendSync(t.Context(), time.Now(), []byte("strict")); err != nil {
			t.Error(err)
		}
		if n := syncs.Load(); n != 1 {
			t.Errorf("%d syncs for AppendSync, want 1", n)
		}
	})
}

// slowSync makes every fsync take its time, so that callers gather behind it.
type slowSync struct{ *memFS }

func (s slowSync) OpenFile(name string, flag int, perm fsMode) (File, error) {
	f, err := s.memFS.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return slowFile{f}, nil
}

type slowFile struct{ File }

func (f slowFile) Sync() error {
	time.Sleep(10 * time.Millisecond)
	return f.File.Sync()
}

func TestConcurrentCallersShareAnFsync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: slowSync{m}, Sync: SyncAlways})
		syncs := countSyncs(m)
		var wg sync.WaitGroup
		for range 200 {
			wg.Go(func() { mustAppend(t, l, "event") })
		}
		wg.Wait()
		if n := syncs.Load(); n > 4 {
			t.Errorf("200 concurrent callers took %d fsyncs", n)
		}
	})
}

func TestReaderSeesOnlyWhatIsSynced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		l := open(t, Options{Dir: spoolDir, FS: m, SyncInterval: time.Second})
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		r := l.Reader()
		mustAppend(t, l, "event")
		if _, ok, err := r.Peek(); ok || err != nil {
			t.Fatalf("a record can be read that a power cut would take: %v", err)
		}
		// The waiting reader brings the sync forward, to a tenth of the interval.
		start := time.Now()
		if got := next(t, r); got != "1 event" {
			t.Errorf("read %q", got)
		}
		if took := time.Since(start); took > 100*time.Millisecond {
			t.Errorf("the reader waited %v", took)
		}
		// And not more often than that.
		syncs := countSyncs(m)
		start = time.Now()
		go func() {
			for range 500 {
				mustAppend(t, l, "event")
				time.Sleep(2 * time.Millisecond)
			}
		}()
		for range 500 {
			next(t, r)
		}
		if n := syncs.Load(); n > 11 {
			t.Errorf("%d syncs in %v for a reader that keeps waiting", n, time.Since(start))
		}
	})
}

func TestAvailable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, Options{Dir: spoolDir, FS: newMemFS()})
		r := l.Reader()
		if _, ok, err := r.TryNext(); ok || err != nil {
			t.Fatal(ok, err)
		}
		mustAppend(t, l, "event")
		<-r.Available()
		for range 2 {
			if rec, ok, err := r.Peek(); !ok || err != nil || string(rec.Payload) != "event" {
				t.Fatalf("peek: %v %v %v", rec, ok, err)
			}
		}
		if rec, ok, err := r.TryNext(); !ok || err != nil || rec.Seq != 1 {
			t.Fatalf("read: %v %v %v", rec, ok, err)
		}
	})
}

func TestNextEndsWithItsContextAndWithTheLog(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := open(t, Options{Dir: spoolDir, FS: newMemFS()})
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := l.Reader().Next(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("next: %v", err)
		}
		ended := make(chan error)
		go func() {
			_, err := l.Reader().Next(t.Context())
			ended <- err
		}()
		synctest.Wait()
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if err := <-ended; !errors.Is(err, ErrClosed) {
			t.Errorf("next on a closed log: %v", err)
		}
		_, err := l.Append(t.Context(), time.Now(), nil)
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != ReasonClosed || !errors.Is(err, ErrClosed) {
			t.Errorf("append to a closed log: %v", err)
		}
		if err := l.Ack(0); !errors.Is(err, ErrClosed) {
			t.Errorf("ack: %v", err)
		}
		if err := l.Sync(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("sync: %v", err)
		}
	})
}

func TestFullDropAndItsGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := newMemFS()
		o := Options{Dir: spoolDir, FS: m, SegmentBytes: minSegmentBytes, MaxBytes: 4 * minSegmentBytes}
		l := open(t, o)
		kept, dropped := 0, 0
		for range 60 {
			rec, err := l.Append(t.Context(), time.Now(), make([]byte, 500))
			var refused *RefusedError
			switch {
			case err == nil:
				kept++
			case errors.As(err, &refused) && refused.Reason == ReasonSpoolFull && rec.Seq == uint64(kept+dropped+1):
				dropped++
			default:
				t.Fatal(err)
			}
			if used := l.Stats().DiskBytes; used > o.MaxBytes || m.used() > o.MaxBytes+cursorBytes+holderMax {
				t.Fatalf("the spool has %d bytes, its files %d, the limit is %d", used, m.used(), o.MaxBytes)
			}
		}
		if kept < 25 || dropped == 0 || l.Health() == nil {
			t.Fatalf("%d kept, %d dropped, health %v", kept, dropped, l.Health())
		}
		// Delivery makes room.
		for range kept {
			next(t, l.Reader())
		}
		if err := l.Ack(uint64(kept)); err != nil {
			t.Fatal(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
		if rec := mustAppend(t, l, "room"); rec.Seq != 61 {
			t.Errorf("the next number is %d, want 61", rec.Seq)
		}
		if err := l.Health(); err != nil {
			t.Errorf("health is %v", err)
		}
	})
}

func TestFullBlock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fill := func(l *Log) (n int) {
			for {
				ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
				_, err := l.Append(ctx, time.Now(), make([]byte, 500))
				cancel()
				if err != nil {
					return n
				}
				n++
			}
		}
		l := open(t, Options{Dir: spoolDir, FS: newMemFS(), SegmentBytes: minSegmentBytes, MaxBytes: 2 * minSegmentBytes,
			Full: BlockWhenFull, BlockTimeout: time.Minute})
		n := fill(l)

		start := time.Now()
		_, err := l.Append(t.Context(), time.Now(), make([]byte, 500))
		var refused *RefusedError
		if !errors.As(err, &refused) || refused.Reason != ReasonSpoolFull || time.Since(start) != time.Minute {
			t.Errorf("after %v: %v", time.Since(start), err)
		}

		start = time.Now()
		var wg sync.WaitGroup
		wg.Go(func() {
			if rec := mustAppend(t, l, strings.Repeat("w", 500)); rec.Seq != uint64(n+3) {
				t.Errorf("it is number %d, want %d: waiting consumes none", rec.Seq, n+3)
			}
		})
		time.Sleep(20 * time.Second)
		if b := l.Stats().Blocked; b != 1 {
			t.Errorf("%d callers are blocked", b)
		}
		for range n {
			next(t, l.Reader())
		}
		if err := l.Ack(uint64(n)); err != nil {
			t.Error(err)
		}
		wg.Wait()
		if took := time.Since(start); took > 21*time.Second {
			t.Errorf("it waited %v, there was room after 20 s", took)
		}
	})
}

func TestTimesStrictlyIncrease(t *testing.T) {
	m := newMemFS()
	now := time.Unix(1_800_000_000, 0)
	o := Options{Dir: spoolDir, FS: m, Now: func() time.Time { return now }}
	l := open(t, o)
	add := func(ts time.Time) Record {
		t.Helper()
		rec, err := l.Append(t.Context(), ts, []byte("event"))
		if err != nil {
			t.Fatal(err)
		}
		if want := ts.UnixNano(); rec.Origin != want {
			t.Errorf("origin is %d, want %d", rec.Origin, want)
		}
		return rec
	}
	a := add(now)
	if b := add(now); b.Time != a.Time+1 {
		t.Errorf("same time twice: %d after %d", b.Time, a.Time)
	}
	if b := add(now.Add(-time.Hour)); b.Time != a.Time+2 {
		t.Errorf("an older time: %d after %d", b.Time, a.Time)
	}
	// Also after a restart with a clock that was set back a little.
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	now = now.Add(-time.Minute)
	l = open(t, o)
	if b := add(now); b.Time != a.Time+3 {
		t.Errorf("after reopening: %d after %d", b.Time, a.Time)
	}
	// A time stamp from far in the future is not believed.
	if b := add(now.Add(time.Hour)); b.Time != a.Time+4 {
		t.Errorf("an hour ahead: %d after %d", b.Time, a.Time)
	}
	// A clock that was wrong by far and is mended.
	now = now.Add(24 * time.Hour)
	add(now)
	now = now.Add(-24 * time.Hour)
	if b := add(now); b.Time != now.UnixNano() || l.Stats().ClockResets != 1 {
		t.Errorf("after the clock was mended: %d, now is %d, resets %d", b.Time, now.UnixNano(), l.Stats().ClockResets)
	}
	if rec, err := l.Append(t.Context(), time.Time{}, nil); err != nil || rec.Time < now.UnixNano() {
		t.Errorf("without a time: %v %v", rec, err)
	}
}

// TestUnreadableSpot: a spot that the disk does not give is tried again for a
// minute; then the records on it are lost, and only they.
func TestUnreadableSpot(t *testing.T) {
	b := build(t, 50, 0)
	name := b.segments()[0]
	bad := b.frames(name)[2]
	m := newMemFS()
	for name, data := range b.files {
		f := &inode{data: data, durable: data}
		m.dir[name], m.durable[name] = f, f
	}
	now := time.Unix(1_800_000_000, 0)
	l, err := load(Options{Dir: spoolDir, FS: badSector{m, name, int64(bad.from), int64(bad.to)}, Now: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	l.runRound(true)
	read := map[uint64]bool{}
	var waited time.Duration
	for len(read) < 50 {
		rec, ok, err := l.Reader().TryNext()
		if err != nil {
			now = now.Add(time.Second)
			waited += time.Second
			if waited > 10*readPatience {
				t.Fatal(err)
			}
			continue
		}
		if !ok {
			break
		}
		read[rec.Seq] = true
	}
	if waited < readPatience {
		t.Errorf("it gave up after %v", waited)
	}
	for seq := range b.records {
		// The reader asks for sectors, as disks do.
		if touched := b.touched(name, bad.from/sector*sector, (bad.to/sector+1)*sector); !read[seq] && !contains(touched, seq) {
			t.Errorf("record %d is lost", seq)
		}
	}
	if s := l.Stats(); s.RecordsLost != uint64(50-len(read)) {
		t.Errorf("%d records are read, %d reported as lost", len(read), s.RecordsLost)
	}
}
