package spool

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// TestCopies copies a used spool in each way. The copy takes an identity of its
// own and never gives a number under the original's; what is in it is delivered
// under the original's, byte for byte as the original would.
func TestCopies(t *testing.T) {
	for _, c := range []struct {
		what  string
		copy  func(t *testing.T, from string) (to string)
		clean bool // only after a clean end is it noticed
	}{
		{"to another folder", func(t *testing.T, from string) string {
			to := filepath.Join(t.TempDir(), "copy")
			return copyInto(t, from, to)
		}, false},
		{"back, after the folder was removed", func(t *testing.T, from string) string {
			backup := copyInto(t, from, filepath.Join(t.TempDir(), "backup"))
			workOn(t, from)
			if err := os.RemoveAll(from); err != nil {
				t.Fatal(err)
			}
			return copyInto(t, backup, from)
		}, false},
		{"back, after the folder was emptied", func(t *testing.T, from string) string {
			backup := copyInto(t, from, filepath.Join(t.TempDir(), "backup"))
			workOn(t, from)
			if err := emptyFolder(from); err != nil {
				t.Fatal(err)
			}
			return copyInto(t, backup, from)
		}, false},
		{"back, over the files that are there", func(t *testing.T, from string) string {
			backup := copyInto(t, from, filepath.Join(t.TempDir(), "backup"))
			workOn(t, from)
			return copyInto(t, backup, from)
		}, true},
		{"the cursor alone, from an older state", func(t *testing.T, from string) string {
			backup := copyInto(t, from, filepath.Join(t.TempDir(), "backup"))
			workOn(t, from)
			data, err := os.ReadFile(filepath.Join(backup, cursorName))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(from, cursorName), data, 0o600); err != nil {
				t.Fatal(err)
			}
			return from
		}, true},
	} {
		for _, clean := range []bool{true, false} {
			if c.clean && !clean {
				continue
			}
			t.Run(fmt.Sprintf("%s/clean=%v", c.what, clean), func(t *testing.T) {
				dir := filepath.Join(t.TempDir(), "spool")
				id := used(t, dir, clean)
				to := c.copy(t, dir)

				var log lines
				var found []DamageReason
				l := open(t, Options{Dir: to, SegmentBytes: minSegmentBytes, Logger: log.logger(),
					OnDamage: func(d Damage) { found = append(found, d.Reason) }})
				prev, first := l.Predecessor()
				if l.ID() == id || prev != id || first != l.NextSeq() || first < 41 {
					t.Fatalf("the copy of %s is %s; it says that it is one of %q and begins with %d", id, l.ID(), prev, first)
				}
				if log.count("is a copy") != 1 || len(found) != 1 || found[0] != DamageCopied {
					t.Errorf("damage %v, logged:\n%s", found, log.String())
				}
				if rec := mustAppend(t, l, l.ID()+" new"); rec.Seq != first {
					t.Errorf("the first number is %d, want %d", rec.Seq, first)
				}
				seen := logs(t, l)
				for seq := uint64(11); seq < first; seq++ {
					if seq <= 40 && seen[seq] != id {
						t.Errorf("record %d of the original is of log %q", seq, seen[seq])
					}
				}
				if seen[first] != l.ID() {
					t.Errorf("the copy's record is of log %q", seen[first])
				}

				// It stays what it is.
				own := l.ID()
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = open(t, Options{Dir: to, SegmentBytes: minSegmentBytes})
				if prev, f := l.Predecessor(); l.ID() != own || prev != id || f != first {
					t.Errorf("opened again it is %s after %s from %d", l.ID(), prev, f)
				}
				if seen := logs(t, l); seen[40] != id || seen[first] != own {
					t.Errorf("opened again, record 40 is of %s, %d of %s", seen[40], first, seen[first])
				}
				// A copy of the copy, with records of both.
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				l = open(t, Options{Dir: copyInto(t, to, filepath.Join(t.TempDir(), "second")), SegmentBytes: minSegmentBytes})
				if prev, _ := l.Predecessor(); l.ID() == own || l.ID() == id || prev != own {
					t.Errorf("the copy of the copy is %s after %s", l.ID(), prev)
				}
				if seen := logs(t, l); seen[40] != id || seen[first] != own {
					t.Errorf("in the copy of the copy, record 40 is of %s, %d of %s", seen[40], first, seen[first])
				}
			})
		}
	}
}

// TestNoCopies: what happens to a spool on its machine does not make it a copy.
func TestNoCopies(t *testing.T) {
	for _, c := range []struct {
		what string
		do   func(t *testing.T, dir string) (now string)
	}{
		{"nothing", func(_ *testing.T, dir string) string { return dir }},
		{"the folder is renamed", func(t *testing.T, dir string) string {
			if err := os.Rename(dir, dir+"-2"); err != nil {
				t.Fatal(err)
			}
			return dir + "-2"
		}},
		{"its parent is renamed", func(t *testing.T, dir string) string {
			parent := filepath.Dir(dir)
			if err := os.Rename(parent, parent+"-2"); err != nil {
				t.Fatal(err)
			}
			return filepath.Join(parent+"-2", filepath.Base(dir))
		}},
		{"it is reached through a link", func(t *testing.T, dir string) string {
			if err := os.Symlink(dir, dir+"-link"); err != nil {
				t.Fatal(err)
			}
			return dir + "-link"
		}},
		{"the lock is removed", func(t *testing.T, dir string) string {
			if err := os.Remove(filepath.Join(dir, lockName)); err != nil {
				t.Fatal(err)
			}
			return dir
		}},
		{"modes and names are set again", func(t *testing.T, dir string) string {
			err := errors.Join(os.Chmod(filepath.Join(dir, cursorName), 0o660), os.Chmod(filepath.Join(dir, cursorName), 0o600),
				os.Chown(filepath.Join(dir, cursorName), os.Getuid(), os.Getgid()))
			if err != nil {
				t.Fatal(err)
			}
			return dir
		}},
		{"it was read", func(t *testing.T, dir string) string {
			copyInto(t, dir, filepath.Join(t.TempDir(), "copy"))
			return dir
		}},
	} {
		for _, clean := range []bool{true, false} {
			dir := filepath.Join(t.TempDir(), "parent", "spool")
			id := used(t, dir, clean)
			l := open(t, Options{Dir: c.do(t, dir), SegmentBytes: minSegmentBytes})
			if prev, first := l.Predecessor(); l.ID() != id || prev != "" || first != 1 {
				t.Errorf("%s: the identity is %s after %s from %d", c.what, l.ID(), prev, first)
			}
			if seen := logs(t, l); seen[40] != id {
				t.Errorf("%s: record 40 is of %s", c.what, seen[40])
			}
		}
	}
}

// used makes a spool of which records 1 to 10 of 40 are delivered, and returns its
// identity. If it is not clean, its process was killed.
func used(t *testing.T, dir string, clean bool) (id string) {
	t.Helper()
	o := Options{Dir: dir, SegmentBytes: minSegmentBytes}
	var l *Log
	var err error
	if clean {
		l = open(t, o)
	} else if l, err = load(o); err != nil {
		t.Fatal(err)
	}
	for i := range 40 {
		mustAppend(t, l, fmt.Sprintf("%s event %d %s", l.ID(), i+1, strings.Repeat("z", 300)))
	}
	if clean {
		if err := l.Sync(t.Context()); err != nil {
			t.Fatal(err)
		}
	} else {
		l.runRound(true)
	}
	for range 10 {
		next(t, l.Reader())
	}
	if err := l.Ack(10); err != nil {
		t.Fatal(err)
	}
	if clean {
		err = l.Close()
	} else {
		err = errors.Join(l.Reader().Close(), l.lock.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return l.ID()
}

// workOn lets the original go on.
func workOn(t *testing.T, dir string) {
	t.Helper()
	l := open(t, Options{Dir: dir, SegmentBytes: minSegmentBytes})
	for range 20 {
		mustAppend(t, l, strings.Repeat("o", 300))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
}

// copyInto copies a folder's files, over those that are there.
func copyInto(t *testing.T, from, to string) string {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	entries, err := os.ReadDir(from)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(from, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(to, e.Name()), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return to
}

// logs reads to the end and returns the log of each number, as its payload says.
func logs(t *testing.T, l *Log) map[uint64]string {
	t.Helper()
	if err := l.Sync(t.Context()); err != nil {
		t.Fatal(err)
	}
	seen := map[uint64]string{}
	var at int64
	for {
		rec, ok, err := l.Reader().TryNext()
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return seen
		}
		if rec.Time <= at {
			t.Errorf("record %d has time %d after %d", rec.Seq, rec.Time, at)
		}
		id, _, _ := strings.Cut(string(rec.Payload), " ")
		seen[rec.Seq], at = id, rec.Time
	}
}

// TestCopyOnAnotherMachine: a disk's image, in which the files are the same.
func TestCopyOnAnotherMachine(t *testing.T) {
	m := newMemFS()
	m.origin = 1
	l := open(t, Options{Dir: spoolDir, FS: m})
	mustAppend(t, l, "event")
	id := l.ID()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	for machine := uint64(2); machine < 4; machine++ {
		m.origin = machine
		l = open(t, Options{Dir: spoolDir, FS: m})
		if prev, _ := l.Predecessor(); l.ID() == id || prev != id {
			t.Errorf("on machine %d it is %s after %s", machine, l.ID(), prev)
		}
		id = l.ID()
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	m.origin = 0 // which is no answer
	l = open(t, Options{Dir: spoolDir, FS: m})
	if l.ID() != id {
		t.Error("a machine that can't tell is taken for another one")
	}
	if _, err := l.Append(t.Context(), time.Now(), []byte("event")); err != nil {
		t.Error(err)
	}
}
