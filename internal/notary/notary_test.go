package notary

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/proof"
)

// office is a notary at work: what a test gives it is in Loki, and what it has
// recorded is in recorded.
type office struct {
	*Notary
	t    *testing.T
	keys note.Verifiers
	stop func()

	mu       sync.Mutex
	recorded []*proof.Checkpoint
	refusing bool
}

func newKey(t *testing.T) *proof.Key {
	t.Helper()
	_, k, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// open makes an office whose notary has read what is in the folder.
func open(t *testing.T, dir string, k *proof.Key, l Log, change ...func(*Config)) (o *office, last, before *proof.Predecessor) {
	t.Helper()
	o = &office{t: t, keys: Verifiers([]*proof.Key{k})}
	c := Config{
		Dir: dir, Keys: []*proof.Key{k}, Events: 10, Interval: time.Minute, Record: o.record,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, Step: func(string) {},
	}
	for _, f := range change {
		f(&c)
	}
	o.Notary = New(c)
	o.Seen(l.ID)
	last, before, err := o.Begin(l)
	if err != nil {
		t.Fatal(err)
	}
	return o, last, before
}

func (o *office) record(size uint64, signed []byte) error {
	c, err := proof.Open(signed, o.keys)
	if err != nil || c.Size != size {
		o.t.Errorf("recorded as of %d events: %+v, %v", size, c, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.refusing {
		return errors.New("refused")
	}
	o.recorded = append(o.recorded, c)
	return nil
}

// sizes are those of the checkpoints recorded, with their gaps.
func (o *office) sizes() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	var b strings.Builder
	for _, c := range o.recorded {
		fmt.Fprintf(&b, " %d", c.Size)
		for _, g := range c.Gaps {
			fmt.Fprintf(&b, "(%d-%d %s)", g.From, g.To, g.Reason)
		}
	}
	return strings.TrimPrefix(b.String(), " ")
}

// entries are events, numbers from to to.
func entries(from, to uint64) (list []Entry) {
	for n := from; n <= to; n++ {
		list = append(list, Entry{Number: n, Line: []byte("type=API "), Leaf: proof.Hash{byte(n)}})
	}
	return list
}

// deliver proves events and waits for what becomes of it.
func (o *office) deliver(list ...Entry) {
	o.Prove(slices.Values(list))
	o.turn()
}

func (o *office) turn() {
	for range 2 { // a checkpoint that comes back makes room for the next
		o.Turn()
		synctest.Wait()
	}
	o.Turn()
}

var aLog = Log{ID: "a", Since: 1}

func TestWhenCheckpointsAreMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _, _ := open(t, t.TempDir(), newKey(t), aLog)
		o.run()
		for _, step := range []struct {
			do   func()
			want string
		}{
			{func() { o.turn() }, ""},
			{func() { o.deliver(entries(1, 1)...) }, "1"}, // the first of a process
			{func() { o.deliver(entries(2, 10)...) }, "1"},
			{func() { o.deliver(entries(11, 11)...) }, "1 11"}, // of enough events
			{func() { o.deliver(entries(12, 12)...) }, "1 11"},
			{func() { time.Sleep(59 * time.Second); o.turn() }, "1 11"},
			{func() { time.Sleep(time.Second); o.turn() }, "1 11 12"}, // after a while
			{func() { time.Sleep(time.Hour); o.turn() }, "1 11 12"},   // of nothing there is none
			{func() {
				o.deliver(Entry{Number: 13, Line: []byte("type=TRAIL method=- action=trail.checkpoint outcome=success")})
				time.Sleep(time.Hour)
				o.turn()
			}, "1 11 12"}, // nor of checkpoints alone
			{func() { o.deliver(entries(5, 14)...); o.Seal(); o.turn() }, "1 11 12 14"}, // what comes again counts once
		} {
			if step.do(); o.sizes() != step.want {
				t.Fatalf("checkpoints %q, want %q", o.sizes(), step.want)
			}
		}
		o.end()
		if s := o.Stats(); s.Checkpoints != 4 || s.Size != 14 || s.Failures != 0 || s.Last.IsZero() {
			t.Errorf("%+v", s)
		}
	})
}

func (o *office) run() {
	ctx, cancel := contextOf(o.t)
	var running sync.WaitGroup
	running.Go(func() { o.Run(ctx) })
	o.stop = func() { cancel(); running.Wait() }
}

func (o *office) end() {
	o.stop()
	if err := o.Close(); err != nil {
		o.t.Error(err)
	}
}

// While the spool refuses events a checkpoint waits, and the tree goes on.
func TestACheckpointThatCannotBeRecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, k := t.TempDir(), newKey(t)
		o, _, _ := open(t, dir, k, aLog)
		o.run()
		o.refusing = true
		for n := uint64(1); n <= 50; n++ {
			o.deliver(entries(n, n)...)
			time.Sleep(time.Minute)
		}
		o.end()
		if o.sizes() != "" {
			t.Errorf("recorded %q", o.sizes())
		}
		// The next process signs it first.
		o, last, _ := open(t, dir, k, Log{ID: "a", Since: 1, Acked: 50})
		if last == nil || last.Size != 1 {
			t.Errorf("the last checkpoint is %+v", last)
		}
		o.run()
		o.turn()
		o.end()
		if o.sizes() != "1 50" {
			t.Errorf("recorded %q", o.sizes())
		}
	})
}

func TestWhatIsAbsentIsDeclared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o, _, _ := open(t, t.TempDir(), newKey(t), aLog, func(c *Config) { c.Events = 1000 })
		o.run()
		defer o.end()
		o.deliver(entries(1, 1)...)
		o.Absent(2, 3, "spool_full")
		o.Absent(3, 4, "disk_full")
		o.Absent(8, 8, proof.Quarantined)
		list := entries(6, 6)
		list = append(list, Entry{Number: 7, Quarantined: true})
		o.deliver(append(list, entries(9, 9)...)...)
		o.Seal()
		o.turn()
		if want := "1 9(2-3 spool_full)(4-4 disk_full)(5-5 unused)(7-8 quarantined)"; o.sizes() != want {
			t.Errorf("checkpoints %q, want %q", o.sizes(), want)
		}

		// More gaps than a checkpoint can hold, while none can be recorded.
		o.refusing = true
		for n := uint64(11); n < 401; n += 2 {
			o.deliver(entries(n, n)...)
		}
		o.mu.Lock()
		o.refusing = false
		o.mu.Unlock()
		time.Sleep(time.Minute)
		o.turn()
		o.Seal()
		o.turn()
		o.mu.Lock()
		defer o.mu.Unlock()
		for i, c := range o.recorded[1:] {
			if len(c.Gaps) > proof.MaxGaps || !c.Follows(o.recorded[i]) {
				t.Errorf("the checkpoint of %d declares %d gaps", c.Size, len(c.Gaps))
			}
		}
		if last := o.recorded[len(o.recorded)-1]; last.Size != 399 || last.Gaps[len(last.Gaps)-1].Reason != proof.Unproven {
			t.Errorf("%d: %+v", last.Size, last.Gaps)
		}
	})
}

// What a process finds decides which tree goes on, from where, and what is told of
// the log before.
func TestBegin(t *testing.T) {
	for name, c := range map[string]struct {
		log    Log
		remove string // a file of the process before
		size   uint64
		own    string // whose tree it is
		gaps   []proof.Gap
		last   uint64
		before uint64
		after  uint64 // of the log before, as the log's first checkpoint names it
	}{
		"the same log":                    {log: Log{ID: "a", Since: 1, Acked: 12}, size: 12, own: "a", last: 12},
		"not all acknowledged":            {log: Log{ID: "a", Since: 1, Acked: 9}, size: 12, own: "a", last: 12},
		"more acknowledged than seen":     {log: Log{ID: "a", Since: 1, Acked: 14}, size: 14, own: "a", gaps: []proof.Gap{{From: 13, To: 14, Reason: proof.Unproven}}, last: 12},
		"its tree lost":                   {log: Log{ID: "a", Since: 1, Acked: 13}, remove: treeFile, size: 13, own: "a", gaps: []proof.Gap{{From: 13, To: 13, Reason: proof.Unproven}}, last: 12},
		"its tree and checkpoints lost":   {log: Log{ID: "a", Since: 1, Acked: 13}, remove: "*", size: 13, own: "a", gaps: []proof.Gap{{From: 1, To: 13, Reason: proof.Unproven}}},
		"its checkpoints lost":            {log: Log{ID: "a", Since: 1, Acked: 12}, remove: keptFile, size: 12, own: "a", last: 12},
		"a copy, all delivered":           {log: Log{ID: "b", Previous: "a", Since: 13, Acked: 12}, size: 12, own: "b", gaps: []proof.Gap{{From: 1, To: 12, Reason: elsewhere}}, after: 12},
		"a copy with a backlog":           {log: Log{ID: "b", Previous: "a", Since: 20, Acked: 12}, size: 12, own: "a", last: 12, after: 19},
		"another log":                     {log: Log{ID: "b", Since: 1}, own: "b", before: 12, after: 12},
		"another log, the tree lost, too": {log: Log{ID: "b", Since: 1}, remove: treeFile, own: "b", before: 12, after: 12},
		"another log, nothing left":       {log: Log{ID: "b", Since: 1}, remove: "*", own: "b"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				dir, k := t.TempDir(), newKey(t)
				o, _, _ := open(t, dir, k, aLog)
				o.run()
				o.deliver(entries(1, 12)...)
				o.end()
				if c.remove != "" {
					removeAll(t, filepath.Join(dir, c.remove))
				}
				o, last, before := open(t, dir, k, c.log)
				if o.tree.logID != c.own || o.tree.tree.Size() != c.size || sizeIn(last) != c.last || sizeIn(before) != c.before {
					t.Errorf("tree of %s with %d events, last %+v, before %+v", o.tree.logID, o.tree.tree.Size(), last, before)
				}
				if got := o.tree.tree.Checkpoint("", time.Time{}).Gaps; !slices.Equal(got, c.gaps) {
					t.Errorf("gaps %v, want %v", got, c.gaps)
				}
				o.run()
				next := max(c.size+1, c.log.Since)
				o.deliver(entries(next, next)...)
				o.Seal()
				o.turn()
				o.end()
				latest := o.recorded[len(o.recorded)-1]
				for _, r := range o.recorded {
					if r.Origin == proof.OriginPrefix+c.log.ID && sizeIn(r.After) != 0 {
						latest = r
					}
				}
				if latest.Origin != proof.OriginPrefix+c.log.ID || sizeIn(latest.After) != c.after {
					t.Errorf("the checkpoint of %s with %d events names %+v", latest.Origin, latest.Size, latest.After)
				}
			})
		})
	}
}

func sizeIn(p *proof.Predecessor) uint64 {
	if p == nil {
		return 0
	}
	return p.Size
}

// A power cut may leave a tree that is older than the last checkpoint, which was
// synced: the tree goes on from that.
func TestATreeOlderThanItsCheckpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir, k := t.TempDir(), newKey(t)
		o, _, _ := open(t, dir, k, aLog)
		o.run()
		o.deliver(entries(1, 12)...)
		old, err := os.ReadFile(filepath.Join(dir, treeFile))
		if err != nil {
			t.Fatal(err)
		}
		o.deliver(entries(13, 30)...)
		o.end()
		if err := os.WriteFile(filepath.Join(dir, treeFile), old, 0o600); err != nil {
			t.Fatal(err)
		}
		o, last, before := open(t, dir, k, Log{ID: "a", Since: 1, Acked: 30})
		if sizeIn(last) != 30 || before != nil {
			t.Errorf("last %+v, before %+v", last, before)
		}
		o.run()
		o.deliver(entries(31, 50)...)
		o.end()
		if o.sizes() != "30 50" {
			t.Errorf("checkpoints %q", o.sizes())
		}
	})
}

// A clock that is set back does not hold up checkpoints.
func TestAClockThatIsSetBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		back := time.Duration(0)
		o, _, _ := open(t, t.TempDir(), newKey(t), aLog, func(c *Config) { c.Now = func() time.Time { return time.Now().Add(-back) } })
		o.run()
		o.deliver(entries(1, 1)...)
		back = time.Hour
		o.deliver(entries(2, 2)...)
		if o.sizes() != "1 2" {
			t.Errorf("checkpoints %q", o.sizes())
		}
		o.end()
	})
}

// The first checkpoint of a new log waits to name the log before, but not for ever.
func TestPrecede(t *testing.T) {
	for name, c := range map[string]struct {
		answer bool
		before *proof.Predecessor
		waits  time.Duration
	}{
		"known":     {true, &proof.Predecessor{Origin: proof.OriginPrefix + "b", Size: 7}, 10 * time.Second},
		"none":      {true, nil, 10 * time.Second},
		"no answer": {false, nil, predecessorPatience},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, _, _ := open(t, t.TempDir(), newKey(t), aLog)
				o.run()
				defer o.end()
				o.AwaitPredecessor()
				time.Sleep(time.Hour) // it only begins to wait when there is something to prove
				o.deliver(entries(1, 1)...)
				time.Sleep(c.waits - time.Nanosecond)
				o.turn()
				if o.sizes() != "" {
					t.Fatalf("checkpoints %q before it is known", o.sizes())
				}
				if time.Sleep(time.Nanosecond); c.answer {
					go o.Precede(c.before)
					<-o.Changed()
				}
				o.turn()
				if o.sizes() != "1" {
					t.Fatalf("checkpoints %q", o.sizes())
				}
				if after := o.recorded[0].After; (after == nil) != (c.before == nil) || after != nil && *after != *c.before {
					t.Errorf("after %+v, want %+v", after, c.before)
				}
			})
		})
	}
}

func TestWithoutAKeyItDoesNothing(t *testing.T) {
	var n *Notary
	n.Absent(1, 2, "x")
	n.Prove(slices.Values(entries(1, 2)))
	n.Turn()
	n.Seal()
	n.Precede(nil)
	if n.Changed() != nil || n.Close() != nil || n.Stats().Anchors != nil {
		t.Error("it does something")
	}
}
