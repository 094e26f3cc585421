package notary

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions/proof"
)

func contextOf(t *testing.T) (context.Context, context.CancelFunc) {
	t.Helper()
	return context.WithCancel(t.Context())
}

func removeAll(t *testing.T, pattern string) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	for _, f := range files {
		err = errors.Join(err, os.Remove(f))
	}
	if err != nil || len(files) == 0 {
		t.Fatal(files, err)
	}
}

func TestAbsences(t *testing.T) {
	a := &absences{}
	a.note(0, 0, "no number")
	a.note(5, 4, "none")
	a.note(10, 12, "full")
	a.note(13, 13, "full") // meets it
	a.note(20, 25, "damaged")
	a.note(12, 22, "late") // what was said first counts
	for _, want := range []absence{{1, 9, proof.Unused}, {10, 13, "full"}, {14, 19, "late"}, {20, 25, "damaged"}, {26, 99, proof.Unused}} {
		if got := a.first(want.From, 99); got != want {
			t.Errorf("from %d: %+v, want %+v", want.From, got, want)
		}
	}
	if got := a.first(11, 12); got != (absence{11, 12, "full"}) {
		t.Errorf("a part of a range: %+v", got)
	}
	if !a.changed() || len(a.snapshot(2)) != 2 || a.changed() {
		t.Error("what was noted is not in the snapshot")
	}
	a.forget(22)
	if got := a.snapshot(9); !slices.Equal(got, []absence{{20, 25, "damaged"}}) {
		t.Errorf("behind 22: %+v", got)
	}
	for n := range uint64(2 * maxAbsences) {
		a.note(1000+2*n, 1000+2*n, "many")
	}
	if n := len(a.snapshot(1 << 20)); n != maxAbsences {
		t.Errorf("%d ranges are remembered", n)
	}
}

func TestKeptCheckpoints(t *testing.T) {
	dir, key := t.TempDir(), newKey(t)
	k := keptCheckpoints{dir}
	if list := k.read(10); len(list) != 0 || k.lastSignedBy(Verifiers([]*proof.Key{key})) != nil {
		t.Errorf("%d checkpoints in no file", len(list))
	}
	tree := proof.NewTree()
	sign := func(with *proof.Key) []byte {
		tree.Append(proof.Hash{1})
		c := tree.Checkpoint(proof.OriginPrefix+"a", time.Unix(1, 0))
		signed, err := c.Sign(with)
		if err != nil {
			t.Fatal(err)
		}
		return signed
	}
	for range 10 {
		if err := k.add(sign(key)); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.add(sign(newKey(t))); err != nil { // a key that is not ours
		t.Fatal(err)
	}
	// The process was killed while it wrote.
	f, err := os.OpenFile(filepath.Join(dir, keptFile), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = f.WriteString(`"adminsessions/a\n12`); err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	list := k.read(3)
	if len(list) != 3 || !bytes.HasPrefix(list[2], []byte("adminsessions/a\n11\n")) {
		t.Errorf("%q", list)
	}
	if c := k.lastSignedBy(Verifiers([]*proof.Key{key})); c == nil || c.Size != 10 {
		t.Errorf("the last one signed is %+v", c)
	}

	// The files are bounded, and the last checkpoints are in one of the two.
	large := bytes.Repeat([]byte("x"), 100<<10)
	for i := range 50 {
		if err := k.add(fmt.Appendf(nil, "%d %s", i, large)); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{keptFile, keptBefore} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() > maxKept+int64(len(large))+100 {
			t.Errorf("%s: %v, %v", name, info, err)
		}
	}
	list = k.read(5)
	for i, c := range list {
		if !bytes.HasPrefix(c, fmt.Appendf(nil, "%d ", 45+i)) {
			t.Errorf("number %d is %.10q", i, c)
		}
	}
}

// slowAnchor takes what it is given when the test lets it.
type slowAnchor struct {
	open  chan struct{} // closed when it takes anything
	mu    sync.Mutex
	taken []string
}

func (a *slowAnchor) Name() string { return "slow" }

func (a *slowAnchor) Anchor(ctx context.Context, signed []byte) error {
	select {
	case <-a.open:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.taken = append(a.taken, string(signed))
	return nil
}

// An anchor that is away for long gets the one that is under way, and the newest.
func TestTheQueueOfAnAnchor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := &slowAnchor{open: make(chan struct{})}
		o, _, _ := open(t, t.TempDir(), newKey(t), aLog, func(c *Config) { c.Anchors = []proof.Anchor{slow} })
		o.run()
		const given = 2 * maxUnanchored
		for i := range given {
			o.anchor(fmt.Appendf(nil, "%d", i))
			time.Sleep(time.Second)
		}
		if s := o.Stats().Anchors["slow"]; s.Waiting != maxUnanchored || s.Dropped != maxUnanchored || s.Failures == 0 || s.Anchored != 0 || !s.LastSuccess.IsZero() {
			t.Errorf("%+v", s)
		}
		limited, cancel := context.WithTimeout(t.Context(), time.Second)
		o.WaitAnchored(limited)
		if cancel(); limited.Err() == nil {
			t.Error("it did not wait")
		}
		close(slow.open)
		o.WaitAnchored(t.Context())
		if s := o.Stats().Anchors["slow"]; s.Waiting != 0 || s.Anchored != maxUnanchored || s.LastSuccess.IsZero() {
			t.Errorf("%+v", s)
		}
		want := []string{"0"}
		for i := given - maxUnanchored + 1; i < given; i++ {
			want = append(want, fmt.Sprint(i))
		}
		if !slices.Equal(slow.taken, want) {
			t.Errorf("it was brought %s", strings.Join(slow.taken, " "))
		}
		o.end()
	})
}

// Nothing that stands in the place of the tree's file is written through.
func TestTheTreesFileIsALink(t *testing.T) {
	dir, other := t.TempDir(), filepath.Join(t.TempDir(), "other")
	if err := errors.Join(os.WriteFile(other, []byte("x"), 0o600), os.Symlink(other, filepath.Join(dir, treeFile))); err != nil {
		t.Fatal(err)
	}
	n := New(Config{Dir: dir})
	n.Seen("a")
	if _, _, err := n.Begin(aLog); err == nil || !strings.Contains(err.Error(), "opening the log's tree "+filepath.Join(dir, treeFile)) {
		t.Errorf("%v", err)
	}
	if err := n.BeforeRemove(); err == nil {
		t.Error("the spool may remove what is in no tree")
	}
}
