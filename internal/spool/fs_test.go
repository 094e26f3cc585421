package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

type fsMode = fs.FileMode

func contains(seqs []uint64, seq uint64) bool { return slices.Contains(seqs, seq) }

// badSector is a disk that does not give the bytes from..to of one file.
type badSector struct {
	*memFS
	name     string
	from, to int64
}

func (b badSector) OpenFile(name string, flag int, perm fsMode) (File, error) {
	f, err := b.memFS.OpenFile(name, flag, perm)
	if err != nil || filepath.Base(name) != b.name {
		return f, err
	}
	return badFile{f, b.from, b.to}, nil
}

type badFile struct {
	File
	from, to int64
}

func (f badFile) ReadAt(p []byte, off int64) (int, error) {
	if off < f.to && off+int64(len(p)) > f.from {
		n := 0
		if off < f.from {
			n, _ = f.File.ReadAt(p[:f.from-off], off)
		}
		return n, syscall.EIO
	}
	return f.File.ReadAt(p, off)
}

func TestOneProcessPerFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "spool")
	l := open(t, Options{Dir: dir})
	_, err := Open(Options{Dir: dir})
	var locked *LockedError
	holder := fmt.Sprintf("process %d on ", os.Getpid())
	if !errors.Is(err, ErrLocked) || !errors.As(err, &locked) || !strings.HasPrefix(locked.Holder, holder) {
		t.Errorf("opening it again: %v", err)
	}
	if want := fmt.Sprintf("folder %s is in use by %s", dir, holder); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error is %q, it does not say %q", err, want)
	}
	if fi, err := os.Stat(dir); err != nil || fi.Mode().Perm() != 0o700 {
		t.Errorf("the folder's mode is %v, %v", fi.Mode(), err)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	open(t, Options{Dir: dir})
}

func TestOptionsAreChecked(t *testing.T) {
	for _, c := range []struct {
		field string
		o     Options
	}{
		{"Dir", Options{}},
		{"Sync", Options{Dir: "x", Sync: 9}},
		{"Full", Options{Dir: "x", Full: 9}},
		{"MaxBytes", Options{Dir: "x", MaxBytes: -1}},
		{"SegmentBytes", Options{Dir: "x", SegmentBytes: 100}},
		{"MaxBytes", Options{Dir: "x", SegmentBytes: 1 << 20, MaxBytes: 1 << 20}},
		{"ReservedBytes", Options{Dir: "x", MaxBytes: 16 << 20, SegmentBytes: 1 << 20, ReservedBytes: 15 << 20}},
		{"MaxRecordBytes", Options{Dir: "x", SegmentBytes: 1 << 20, MaxRecordBytes: 1 << 20}},
		{"MaxRecordBytes", Options{Dir: "x", MaxRecordBytes: 17 << 20}},
	} {
		if _, err := Open(c.o); err == nil || !strings.Contains(err.Error(), c.field) {
			t.Errorf("%+v: %v, want an error that names %s", c.o, err, c.field)
		}
	}
	o, err := Options{Dir: "x", MaxBytes: 1 << 20}.withDefaults()
	if err != nil || o.SegmentBytes != 1<<17 || o.MaxRecordBytes >= 1<<17 {
		t.Errorf("defaults for a small spool: %+v, %v", o, err)
	}
}

// TestOpenReadsOnlyTheEnd: what Open opens does not grow with the backlog.
func TestOpenReadsOnlyTheEnd(t *testing.T) {
	opened := func(records int) (n int) {
		b := build(t, records, 0)
		m := newMemFS()
		for name, data := range b.files {
			m.dir[name] = &inode{data: data, durable: data}
		}
		m.fault = func(_ int, op, name string) error {
			if op == "open" && strings.HasSuffix(name, segmentExt) {
				n++
			}
			return nil
		}
		l, err := load(Options{Dir: spoolDir, FS: m})
		if err != nil {
			t.Fatal(err)
		}
		if l.nextSeq.Load() != uint64(records+1) {
			t.Errorf("the next number is %d of %d", l.nextSeq.Load(), records)
		}
		l.runRound(true)
		return n
	}
	if few, many := opened(20), opened(2000); few != many || many > 2 {
		t.Errorf("%d segments are opened for a small backlog, %d for a large one", few, many)
	}
}

func TestAppendAndReadDoNotAllocate(t *testing.T) {
	l := open(t, Options{Dir: t.TempDir(), Sync: SyncNone})
	payload := make([]byte, 600)
	now := time.Now()
	ctx := t.Context()
	r := l.Reader()
	step := func() {
		if _, err := l.Append(ctx, now, payload); err != nil {
			t.Fatal(err)
		}
		rec, ok, err := r.TryNext()
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		if err := l.Ack(rec.Seq); err != nil {
			t.Fatal(err)
		}
	}
	step()
	if n := testing.AllocsPerRun(2000, step); n >= 1.5 {
		t.Errorf("%v allocations for an append, a read and an ack", n)
	}
}

func TestReadOnlyView(t *testing.T) {
	dir := t.TempDir()
	if _, err := OpenReadOnly(dir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("an empty folder: %v", err)
	}
	l := open(t, Options{Dir: dir, SegmentBytes: minSegmentBytes})
	for i := range 40 {
		mustAppend(t, l, fmt.Sprint("event ", i, strings.Repeat(" ", 300)))
	}
	read := func() (seqs []uint64, damage []*DamageError) {
		t.Helper()
		v, err := OpenReadOnly(dir) // while it is being written
		if err != nil {
			t.Fatal(err)
		}
		if v.ID() != l.ID() {
			t.Errorf("identity is %s, want %s", v.ID(), l.ID())
		}
		for rec, err := range v.Records() {
			var d *DamageError
			switch {
			case errors.As(err, &d):
				damage = append(damage, d)
			case err != nil:
				t.Fatal(err)
			default:
				seqs = append(seqs, rec.Seq)
			}
		}
		return seqs, damage
	}
	if seqs, damage := read(); len(seqs) != 40 || len(damage) != 0 {
		t.Errorf("read %v, %v", seqs, damage)
	}
	name := filepath.Join(dir, segmentName(1))
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	data[headerSize+frameHeader+5] ^= 1
	if err := os.WriteFile(name, data, 0o600); err != nil {
		t.Fatal(err)
	}
	if seqs, damage := read(); len(seqs) != 39 || seqs[0] != 2 || len(damage) != 1 || damage[0].Records != 1 {
		t.Errorf("read %v, %v", seqs, damage)
	}
	if got := next(t, l.Reader()); !strings.HasPrefix(got, "2 ") {
		t.Errorf("the log reads %.9q", got)
	}
}

func TestStatsTellAgeAndBacklog(t *testing.T) {
	now := time.Unix(1_800_000_000, 0)
	l := open(t, Options{Dir: spoolDir, FS: newMemFS(), SegmentBytes: minSegmentBytes, Now: func() time.Time { return now }})
	var frames []int64
	for i := range 30 {
		if _, err := l.Append(t.Context(), now, make([]byte, 100*(i%5))); err != nil {
			t.Fatal(err)
		}
		frames = append(frames, frameSize(100*(i%5)))
		now = now.Add(time.Minute)
	}
	for acked := range 31 {
		var bytes int64
		for _, n := range frames[acked:] {
			bytes += n
		}
		s := l.Stats()
		want := time.Duration(30-acked) * time.Minute
		if s.BacklogEvents != uint64(30-acked) || s.BacklogBytes != bytes || s.OldestAge != want {
			t.Fatalf("after %d: %d events, %d bytes, oldest %v; want %d, %d, %v",
				acked, s.BacklogEvents, s.BacklogBytes, s.OldestAge, 30-acked, bytes, want)
		}
		if acked < 30 {
			next(t, l.Reader())
			if err := l.Ack(uint64(acked + 1)); err != nil {
				t.Fatal(err)
			}
		}
	}
}
