package exporter

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
	"github.com/adminsessions/adminsessions/proof"
)

// A copy of a spool goes on under an identity of its own: the tree of the original
// is continued with what is left of it, and named by the copy's first checkpoint.
func TestProofOfACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		dir, other := filepath.Join(t.TempDir(), "spool"), filepath.Join(t.TempDir(), "spool")
		var isAway atomic.Bool
		l := &fakeLoki{t: t, answer: func(received) loki.Answer {
			if isAway.Load() {
				return away()
			}
			return taken
		}}
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(time.Minute)
		isAway.Store(true)
		emit(t, x, 10)
		id := x.spool.ID()
		shutdown(t, x)
		if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		isAway.Store(false)
		y := startOver(t, l, other, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, y, 5)
		time.Sleep(time.Minute)
		shutdown(t, y)
		if y.Stats().Proof.LogsLost[lostCopied] != 1 {
			t.Errorf("logs lost: %v", y.Stats().Proof.LogsLost)
		}
		list := l.proved(y.spool.ID(), verifiers(t, k))
		l.proved(id, verifiers(t, k))
		_, since := y.spool.Predecessor()
		after := list[0].After
		if gapsOf(list) != fmt.Sprintf("1-%d predecessor", since-1) || after == nil || after.Origin != proof.OriginPrefix+id || after.Size != since-1 {
			t.Errorf("gaps %s, after %+v; want up to %d", gapsOf(list), after, since-1)
		}
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		shutdown(t, x)
		if gaps := gapsOf(l.proved(id, verifiers(t, k))); gaps != "" {
			t.Errorf("gaps %s in the original", gaps)
		}
	})
}

// A spool whose files were removed, but for the tree; and one whose tree was.
func TestProofOfWhatWasRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		keep string
		lost string
		gaps string
	}{
		"all but the tree": {treeFile, lostVanished, ""},
		"the tree":         {"", "", "14-14 unproven"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, dir := newKey(t), t.TempDir()
				l := &fakeLoki{t: t}
				x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 10)
				time.Sleep(time.Minute)
				shutdown(t, x)
				id := x.spool.ID()
				before := l.proved(id, verifiers(t, k))
				files, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					if keep := c.keep == f.Name(); c.keep != "" && !keep || c.keep == "" && f.Name() == treeFile {
						if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
							t.Fatal(err)
						}
					}
				}
				x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 10)
				time.Sleep(time.Minute)
				shutdown(t, x)
				list := l.proved(x.spool.ID(), verifiers(t, k))
				if c.lost != "" {
					after := list[0].After
					if after == nil || after.Origin != proof.OriginPrefix+id || after.Size != before[len(before)-1].Size {
						t.Errorf("after %+v", after)
					}
					lost := l.only("spool_lost")
					if len(lost) != 1 || attr(lost[0], "reason") != c.lost || attr(lost[0], "predecessor") != id {
						t.Errorf("%+v", lost)
					}
				}
				if gaps := gapsOf(list); gaps != c.gaps {
					t.Errorf("gaps %q, want %q", gaps, c.gaps)
				}
			})
		})
	}
}

// A spool that was removed, with all that tells, is noticed by what stands in Loki,
// and so is one that was set back with all that tells. Another spool of the same
// instance is not taken for one.
func TestLogsThatWereLost(t *testing.T) {
	var written time.Time
	for name, c := range map[string]struct {
		lose func(t *testing.T, dir string, old map[string][]byte) (next string)
		lost string
	}{
		"removed": {func(t *testing.T, dir string, _ map[string][]byte) string {
			if err := os.RemoveAll(dir); err != nil {
				t.Fatal(err)
			}
			return dir
		}, lostVanished},
		"set back": {func(t *testing.T, dir string, old map[string][]byte) string {
			files, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range files {
				name := filepath.Join(dir, f.Name())
				if old[f.Name()] == nil {
					err = os.Remove(name)
				} else {
					err = os.WriteFile(name, old[f.Name()], 0o600)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			// The disk is set back, not a copy of its files put in their place.
			if err := os.Chtimes(filepath.Join(dir, "cursor"), time.Time{}, written); err != nil {
				t.Fatal(err)
			}
			return dir
		}, lostSetBack},
		"another folder": {func(t *testing.T, dir string, _ map[string][]byte) string { return dir + "-2" }, ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, dir := newKey(t), filepath.Join(t.TempDir(), "spool")
				l := &fakeLoki{t: t}
				old := map[string][]byte{}
				for run := range 2 {
					x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
					emit(t, x, 10)
					time.Sleep(2 * time.Minute)
					if run > 0 {
						shutdown(t, x)
						break
					}
					kill(t, x)
					files, err := os.ReadDir(dir)
					if err != nil {
						t.Fatal(err)
					}
					for _, f := range files {
						if info, err := f.Info(); err == nil && f.Name() == "cursor" {
							written = info.ModTime()
						}
						if old[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
							t.Fatal(err)
						}
					}
				}
				before := l.proved(logIDs(l)[0], verifiers(t, k))
				next := c.lose(t, dir, old)
				after := &fakeLoki{t: t, raw: map[string]map[uint64]push.Entry{}}
				for labels, entries := range l.raw {
					after.raw[labels] = maps.Clone(entries)
				}
				if c.lost == lostSetBack { // numbers come twice
					after.raw, after.history = nil, l
				}
				x := startOver(t, after, next, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 1)
				time.Sleep(5 * time.Minute)
				shutdown(t, x)
				lost := x.Stats().Proof.LogsLost
				for _, reason := range []string{lostCopied, lostSetBack, lostVanished} {
					if want := uint64(len(c.lost)); reason == c.lost && lost[reason] != min(want, 1) || reason != c.lost && lost[reason] != 0 {
						t.Errorf("logs lost %v, want one %q", lost, c.lost)
					}
				}
				told := after.only("spool_lost")
				if c.lost != "" && (len(told) != 1 || attr(told[0], "reason") != c.lost) || c.lost == "" && len(told) != 0 {
					t.Errorf("the trail says %+v", told)
				}
				if c.lost == lostVanished {
					list := after.proved(x.spool.ID(), verifiers(t, k))
					if a := list[0].After; a == nil || a.Origin != before[0].Origin || a.Size != before[len(before)-1].Size {
						t.Errorf("after %+v, want %d", a, before[len(before)-1].Size)
					}
				}
			})
		})
	}
}

// logIDs are the logs that are stored.
func logIDs(l *fakeLoki) (ids []string) {
	for labels := range l.raw {
		ids = append(ids, spooled.LogID([]byte(labels)))
	}
	return ids
}

// A Loki that takes events and answers no queries keeps nothing from being proved.
func TestProofWithALokiThatCannotBeAsked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		l := &fakeLoki{t: t}
		l.unreadable.Store(true)
		x := startOver(t, l, t.TempDir(), WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(2 * time.Minute)
		if n := x.Stats().Proof.Checkpoints; n == 0 {
			t.Error("no checkpoint")
		}
		shutdown(t, x)
		if list := l.proved(x.spool.ID(), verifiers(t, k)); list[0].After != nil {
			t.Errorf("after %+v", list[0].After)
		}
	})
}

// A spool that was set back while its tree was not: what is in the tree is not given
// a number again.
func TestASpoolOlderThanItsTree(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		l := &fakeLoki{t: t}
		with := WithProof(Proof{Keys: []*proof.Key{k}})
		x := startOver(t, l, dir, with)
		emit(t, x, 10)
		time.Sleep(time.Minute)
		kill(t, x)
		old := map[string][]byte{}
		cursor := filepath.Join(dir, "cursor")
		info, err := os.Stat(cursor)
		if err != nil {
			t.Fatal(err)
		}
		files, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			if old[f.Name()], err = os.ReadFile(filepath.Join(dir, f.Name())); err != nil {
				t.Fatal(err)
			}
		}
		x = startOver(t, l, dir, with)
		emit(t, x, 10)
		time.Sleep(time.Minute)
		last := x.Stats().SpoolSequence
		kill(t, x)
		if files, err = os.ReadDir(dir); err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			name := filepath.Join(dir, f.Name())
			switch {
			case f.Name() == treeFile:
			case old[f.Name()] == nil:
				err = os.Remove(name)
			default:
				err = os.WriteFile(name, old[f.Name()], 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		if err := os.Chtimes(cursor, time.Time{}, info.ModTime()); err != nil {
			t.Fatal(err)
		}
		x = startOver(t, l, dir, with)
		emit(t, x, 10)
		time.Sleep(time.Minute)
		shutdown(t, x)
		l.check(30, false)
		l.proved(x.spool.ID(), verifiers(t, k))
		if s := x.Stats(); s.Proof.LogsLost[lostSetBack] != 1 || s.SpoolSequence <= last {
			t.Errorf("%v; numbers go on from %d, the last was %d", s.Proof.LogsLost, s.SpoolSequence, last)
		}
	})
}

// What a process has delivered before Loki answers its question is its own.
func TestALogIsNotOlderThanItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		l := &fakeLoki{t: t}
		with := WithProof(Proof{Keys: []*proof.Key{k}})
		for range 2 {
			l.unreadable.Store(true)
			x := startOver(t, l, dir, with)
			emit(t, x, 10)
			time.Sleep(5 * time.Minute)
			if x.Stats().Proof.Checkpoints == 0 {
				t.Fatal("no checkpoint was delivered before Loki answers")
			}
			l.unreadable.Store(false)
			time.Sleep(time.Minute)
			if lost := x.Stats().Proof.LogsLost; lost[lostSetBack] != 0 || lost[lostVanished] != 0 {
				t.Errorf("%v; nothing was lost", lost)
			}
			shutdown(t, x)
		}
	})
}
