//go:build unix

package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// aged is a spool with a backlog of records 1 to n over several segments, of which
// some are closed and one is open.
func aged(t *testing.T, n int, o Options) *Log {
	t.Helper()
	o.SegmentBytes = minSegmentBytes
	if o.SyncInterval == 0 {
		o.SyncInterval = time.Hour // the test says when
	}
	l := open(t, o)
	for i := range n {
		mustAppend(t, l, fmt.Sprintf("event %d %s", i+1, strings.Repeat("z", 300)))
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

// TestFolderRemoved takes the folder away in each way, while the log is open. No
// record is refused, what was in open files is there again, the rest is counted,
// and another process finds all of it.
func TestFolderRemoved(t *testing.T) {
	for _, c := range []struct {
		what string
		take func(dir string) error
		// kept says that the closed segments are still in the folder.
		kept bool
	}{
		{"removed", os.RemoveAll, false},
		{"its parent removed", func(dir string) error { return os.RemoveAll(filepath.Dir(dir)) }, false},
		{"emptied", emptyFolder, false},
		{"moved away", func(dir string) error { return os.Rename(dir, dir+".old") }, false},
		{"replaced by an empty one", func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.Mkdir(dir, 0o700))
		}, false},
		{"replaced by a copy", func(dir string) error {
			return errors.Join(os.Rename(dir, dir+".old"), os.CopyFS(dir, os.DirFS(dir+".old")), os.Chmod(dir, 0o700))
		}, true},
		{"replaced by another spool", func(dir string) error {
			if err := os.Rename(dir, dir+".old"); err != nil {
				return err
			}
			other, err := Open(Options{Dir: dir})
			if err != nil {
				return err
			}
			for range 3 {
				if _, err := other.Append(t.Context(), time.Now(), []byte("another's")); err != nil {
					return err
				}
			}
			return other.Close()
		}, false},
		{"its lock removed", func(dir string) error { return os.Remove(filepath.Join(dir, lockName)) }, true},
		{"its cursor removed", func(dir string) error { return os.Remove(filepath.Join(dir, cursorName)) }, true},
		{"its cursor replaced", func(dir string) error {
			return errors.Join(os.WriteFile(dir+".new", []byte("?"), 0o600), os.Rename(dir+".new", filepath.Join(dir, cursorName)))
		}, true},
		{"its newest segment removed", func(dir string) error {
			names, err := filepath.Glob(filepath.Join(dir, "*"+segmentExt))
			return errors.Join(err, os.Remove(slices.Max(names)))
		}, true},
	} {
		for _, readBefore := range []int{0, 5} {
			t.Run(fmt.Sprintf("%s/read=%d", c.what, readBefore), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "parent", "spool")
				l := aged(t, 60, Options{Dir: dir})
				for range readBefore { // opens the oldest segment
					next(t, l.Reader())
				}
				if err := l.Ack(uint64(readBefore) / 2); err != nil {
					t.Fatal(err)
				}
				if err := c.take(dir); err != nil {
					t.Fatal(err)
				}
				for i := range 30 { // into the open segment, and into new ones
					if rec := mustAppend(t, l, strings.Repeat("n", 300)); rec.Seq != uint64(61+i) {
						t.Fatalf("record %d after it has number %d", i, rec.Seq)
					}
				}
				if _, err := l.AppendSync(t.Context(), time.Now(), []byte("synced")); err != nil {
					t.Fatal(err)
				}
				if err := l.Health(); err != nil {
					t.Errorf("health: %v", err)
				}
				s := l.Stats()
				if want := 91 - uint64(readBefore)/2 - s.RecordsLost; s.BacklogEvents != want || l.Backlog() != want {
					t.Errorf("backlog is %d, want %d: %d are lost", s.BacklogEvents, want, s.RecordsLost)
				}
				if lost := s.RecordsLost > 0; lost == c.kept {
					t.Errorf("%d records are lost", s.RecordsLost)
				}
				if s.DamageFound[DamageRemoved] == 0 {
					t.Errorf("damage found: %v", s.DamageFound)
				}

				// Another process finds the same as this one.
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = open(t, Options{Dir: dir})
				acked := l.Stats().AckedSeq
				got := rest(t, l)
				if want := upTo(uint64(60-60%11), 91); len(got) < 31 || !slices.Equal(got[len(got)-31:], upTo(61, 91)) {
					t.Errorf("read %v, want at least %v", got, want)
				}
				if missing := 91 - acked - uint64(len(got)); missing > s.RecordsLost+uint64(readBefore) {
					t.Errorf("%d records are missing, %d were reported as lost", missing, s.RecordsLost)
				}
				if rec := mustAppend(t, l, "next"); rec.Seq != 92 {
					t.Errorf("the next number is %d", rec.Seq)
				}
			})
		}
	}
}

func emptyFolder(dir string) error {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		err = errors.Join(err, os.Remove(filepath.Join(dir, e.Name())))
	}
	return err
}

// TestFolderRemovedWhileReading: the same process delivers what it can and counts
// every other number exactly once.
func TestFolderRemovedWhileReading(t *testing.T) {
	for _, readBefore := range []int{0, 1, 5, 12, 59, 60} {
		l := aged(t, 60, Options{Dir: filepath.Join(t.TempDir(), "spool")})
		for range readBefore {
			next(t, l.Reader())
		}
		if err := os.RemoveAll(l.Dir()); err != nil {
			t.Fatal(err)
		}
		for range 30 {
			mustAppend(t, l, strings.Repeat("n", 300))
		}
		got := rest(t, l)
		if s := l.Stats(); uint64(len(got)+readBefore)+s.RecordsLost != 90 {
			t.Errorf("%d read before, %d after, %d lost of 90", readBefore, len(got), s.RecordsLost)
		}
		if len(got) < 30 || !slices.Equal(got[len(got)-30:], upTo(61, 90)) {
			t.Errorf("after %d: read %v", readBefore, got)
		}
		if err := l.Ack(90); err != nil {
			t.Error(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		if s := l.Stats(); s.BacklogEvents != 0 || s.Segments > 1 || s.FilesSetAside > 0 {
			t.Errorf("all is acknowledged: %+v", s)
		}
		if err := l.Health(); err != nil {
			t.Error(err)
		}
	}
}

// TestEmptyLogsFolderRemoved: with nothing open but lock and cursor.
func TestEmptyLogsFolderRemoved(t *testing.T) {
	l := open(t, Options{Dir: filepath.Join(t.TempDir(), "spool"), SyncInterval: time.Hour})
	for i := range 3 {
		if err := os.RemoveAll(l.Dir()); err != nil {
			t.Fatal(err)
		}
		if rec := mustAppend(t, l, "event"); rec.Seq != uint64(i+1) {
			t.Errorf("number %d is %d", i+1, rec.Seq)
		}
		if got := rest(t, l); !slices.Equal(got, []uint64{uint64(i + 1)}) {
			t.Errorf("read %v", got)
		}
		if err := l.Ack(uint64(i + 1)); err != nil {
			t.Error(err)
		}
		if err := l.Sync(t.Context()); err != nil {
			t.Error(err)
		}
		if err := l.Health(); err != nil {
			t.Error(err)
		}
	}
	if s := l.Stats(); s.RecordsLost != 0 || s.BacklogEvents != 0 {
		t.Errorf("stats are %+v", s)
	}
}

// TestClosedSegmentRemoved: one file of many. It is counted once, and soon, also
// while nothing is read.
func TestClosedSegmentRemoved(t *testing.T) {
	for at := range 4 {
		for _, readFirst := range []bool{true, false} {
			now := time.Unix(1_800_000_000, 0)
			l := aged(t, 60, Options{Dir: filepath.Join(t.TempDir(), "spool"), Now: func() time.Time { return now }})
			names, err := filepath.Glob(filepath.Join(l.Dir(), "*"+segmentExt))
			if err != nil || len(names) < 5 {
				t.Fatal(names, err)
			}
			if err := os.Remove(names[at]); err != nil {
				t.Fatal(err)
			}
			if !readFirst {
				now = now.Add(listEvery)
				if err := l.Sync(t.Context()); err != nil {
					t.Fatal(err)
				}
				if s := l.Stats(); s.RecordsLost == 0 || s.BacklogEvents != 60-s.RecordsLost {
					t.Errorf("segment %d: %d lost, backlog %d", at, s.RecordsLost, s.BacklogEvents)
				}
			}
			got := rest(t, l)
			if s := l.Stats(); s.RecordsLost == 0 || uint64(len(got))+s.RecordsLost != 60 || s.DamageFound[DamageMissing] != 1 {
				t.Errorf("segment %d: %d read, %d lost, damage %v", at, len(got), s.RecordsLost, s.DamageFound)
			}
		}
	}
}

// TestFolderTakenByAnotherProcess: what stands in the folder's place belongs to
// whoever has locked it. This process refuses records and touches nothing of it,
// also after the other's end.
func TestFolderTakenByAnotherProcess(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "spool")
	l := aged(t, 60, Options{Dir: dir})
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	other := aged(t, 40, Options{Dir: dir})
	if _, err := l.AppendSync(t.Context(), time.Now(), []byte("event")); err == nil {
		t.Error("a record is taken that no process will find")
	}
	var refused *RefusedError
	if _, err := l.Append(t.Context(), time.Now(), []byte("event")); !errors.As(err, &refused) || !errors.Is(err, ErrLocked) {
		t.Errorf("append: %v", err)
	}
	if err := l.Health(); !errors.Is(err, ErrLocked) {
		t.Errorf("health: %v", err)
	}
	_ = rest(t, l) // what it has open
	id := other.ID()
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Log(err)
	}
	if err := l.Close(); err != nil {
		t.Log(err)
	}
	other = open(t, Options{Dir: dir})
	if got := rest(t, other); other.ID() != id || len(got) != 40 {
		t.Errorf("the other's spool: %d records of 40, identity %s was %s", len(got), other.ID(), id)
	}
}

// TestFolderThatCannotBeMade: records are refused and counted, it is told once,
// and everything goes on when the folder can be made again.
func TestFolderThatCannotBeMade(t *testing.T) {
	parent := filepath.Join(t.TempDir(), "parent")
	var log lines
	l := aged(t, 60, Options{Dir: filepath.Join(parent, "spool"), Logger: log.logger()})
	if err := errors.Join(os.RemoveAll(parent), os.WriteFile(parent, nil, 0o600)); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	var refused *RefusedError
	for i := range 5 {
		rec, err := l.Append(t.Context(), time.Now(), []byte("event"))
		if !errors.As(err, &refused) || refused.Reason != ReasonIOError || rec.Seq != uint64(61+i) {
			t.Errorf("append: %v", err)
		}
	}
	if l.Health() == nil {
		t.Error("healthy without a folder")
	}
	if n := log.count("folder is gone"); n != 1 {
		t.Errorf("told %d times: %s", n, log.String())
	}
	if err := os.Remove(parent); err != nil {
		t.Fatal(err)
	}
	if err := l.Sync(t.Context()); err != nil {
		t.Error(err)
	}
	if rec := mustAppend(t, l, "event"); rec.Seq != 66 {
		t.Errorf("number %d", rec.Seq)
	}
	if err := l.Health(); err != nil {
		t.Errorf("health: %v", err)
	}
	if s := l.Stats(); s.Dropped[ReasonIOError] != 5 {
		t.Errorf("dropped %v", s.Dropped)
	}
}
