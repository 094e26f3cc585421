package notary

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/slotfile"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/proof"
)

// logTree is a log's Merkle tree with what its next checkpoint is to say: a leaf
// for every number, whether there is an entry with it or will be none. What is sent
// again after the process's death has its leaf already.
type logTree struct {
	logID    string // whose tree it is
	own      string // the spool's identity; another one while a copy delivers what was in it
	since    uint64 // its first number
	tree     *proof.Tree
	heldBack time.Time          // until when there is no first checkpoint
	after    *proof.Predecessor // named by the log's first checkpoint; nil if not known, or named
	last     *proof.Predecessor // the last checkpoint
	pending  string             // a checkpoint that is not in the trail yet
	events   uint64             // since the last checkpoint, without those that carry one
	cutAt    time.Time          // when the last one was made; zero before the first of this process
	absences *absences

	path     string
	file     *slotfile.File // nil until it is open
	keys     []*spool.Key   // that encrypt the file, if there are any
	unsaved  bool
	saveTold loglimit.Limit

	log      *slog.Logger
	now      func() time.Time
	every    uint64
	interval time.Duration
}

func newLogTree(c *Config, a *absences) *logTree {
	return &logTree{
		tree: proof.NewTree(), absences: a, path: filepath.Join(c.Dir, treeFile), keys: c.FileKeys,
		log: c.Logger, now: c.Now, every: c.Events, interval: c.Interval,
	}
}

// seen is the number of the last event in the tree, if it is that of the log.
func (t *logTree) seen(id string) (uint64, bool) {
	if t.logID != id {
		return 0, false
	}
	return t.tree.Size(), true
}

// begin continues the tree with a log. kept is the last checkpoint beside the
// spool, from which a tree that was lost is continued. It returns the last
// checkpoint of another log if that was in this folder before.
func (t *logTree) begin(l Log, kept *proof.Checkpoint) (before *proof.Predecessor) {
	t.own, t.since = l.ID, l.Since
	ownKept := kept != nil && kept.Origin == proof.OriginPrefix+t.own
	switch {
	case t.logID == t.own && (!ownKept || kept.Size <= t.tree.Size()):
	case t.logID != "" && t.logID == l.Previous:
		// A copy: what is left of its original's is delivered first.
		if l.Acked+1 >= t.since {
			t.enterOwn()
		}
	case ownKept && t.resume(kept): // the tree was lost, or is older: a power cut may do that
	default:
		before = t.last
		if before == nil && kept != nil {
			before = kept.AsPredecessor()
		}
		t.start()
		t.tree.AppendGap(t.since-1, elsewhere)
	}
	if l.Acked > t.tree.Size() {
		t.tree.AppendGap(l.Acked, proof.Unproven)
	}
	return before
}

// resume continues the tree of a checkpoint.
func (t *logTree) resume(c *proof.Checkpoint) bool {
	tree, err := proof.ResumeTree(c)
	if err != nil {
		return false
	}
	t.start()
	t.tree, t.last = tree, c.AsPredecessor()
	t.pending = c.Text() // the process may have died before it was in the trail
	return true
}

// start begins the tree of the spool's own log.
func (t *logTree) start() {
	t.logID, t.tree = t.own, proof.NewTree()
	t.after, t.last, t.pending, t.events, t.cutAt = nil, nil, "", 0, time.Time{}
}

// enterOwn ends the tree of the log that the spool is a copy of.
func (t *logTree) enterOwn() {
	c := t.tree.Checkpoint(proof.OriginPrefix+t.logID, t.now())
	t.start()
	t.after = c.AsPredecessor()
	t.tree.AppendGap(t.since-1, elsewhere)
}

// add appends the leaf of an event.
func (t *logTree) add(e *Entry) {
	if e.Number >= t.since && t.logID != t.own {
		t.addAbsent(t.since - 1)
		t.enterOwn()
	}
	if e.Number <= t.tree.Size() {
		return // sent again after the process's death
	}
	t.addAbsent(e.Number - 1)
	t.makeRoom()
	switch {
	case e.Quarantined:
		t.addGap(e.Number, proof.Quarantined)
	case t.gapsFull():
		t.addGap(e.Number, proof.Unproven)
	default:
		t.tree.Append(e.Leaf)
		if !carriesCheckpoint(e.Line) {
			t.events++
		}
	}
}

// addAbsent declares what is missing up to and including a number.
func (t *logTree) addAbsent(upTo uint64) {
	for t.tree.Size() < upTo {
		g := t.absences.first(t.tree.Size()+1, upTo)
		t.addGap(g.To, g.Reason)
	}
}

// addGap declares a gap, and makes a checkpoint when no more fit into one. While
// that is not in the trail, what comes is one gap.
func (t *logTree) addGap(upTo uint64, reason string) {
	t.makeRoom()
	if t.gapsFull() {
		reason = proof.Unproven
	}
	t.events += upTo - t.tree.Size()
	t.tree.AppendGap(upTo, reason)
}

// makeRoom makes a checkpoint if no more gaps but one fit into the next, and the
// one before is in the trail.
func (t *logTree) makeRoom() {
	if t.tree.GapCount() >= proof.MaxGaps-1 {
		t.cut()
	}
}

// gapsFull reports whether the next checkpoint can hold only one more gap.
func (t *logTree) gapsFull() bool {
	return t.pending != "" && t.tree.GapCount() >= proof.MaxGaps-1
}

var (
	ofTrail        = []byte("type=TRAIL ")
	withCheckpoint = []byte(" action=" + proof.CheckpointAction + " ")
)

func carriesCheckpoint(line []byte) bool {
	return bytes.HasPrefix(line, ofTrail) && bytes.Contains(line[:min(len(line), 256)], withCheckpoint)
}

// due reports whether to make a checkpoint: of enough events, or of some after a
// while, or of the first ones of a process.
func (t *logTree) due() bool {
	if t.pending != "" || t.events == 0 || t.now().Before(t.heldBack) {
		return false
	}
	age := t.now().Sub(t.cutAt)
	return t.events >= t.every || age >= t.interval || age < 0
}

// cutIfDue makes a checkpoint if one is to be made now.
func (t *logTree) cutIfDue() {
	if t.due() {
		t.cut()
	}
}

// cut makes a checkpoint, unless one is not in the trail yet.
func (t *logTree) cut() {
	if t.pending != "" {
		return
	}
	t.heldBack = time.Time{}
	c := t.tree.Checkpoint(proof.OriginPrefix+t.logID, t.now())
	c.After, t.after = t.after, nil
	t.pending, t.events, t.cutAt, t.unsaved = c.Text(), 0, t.now(), true
	t.last = c.AsPredecessor()
}

// holdBack has the first checkpoint of the log wait until the log before is known.
func (t *logTree) holdBack(d time.Duration) {
	if t.heldBack.IsZero() && t.last == nil && t.tree.Size() == 0 {
		t.heldBack = t.now().Add(d)
	}
}

// precededBy notes the last checkpoint of the log before, nil if there is none.
func (t *logTree) precededBy(before *proof.Predecessor) {
	t.heldBack = time.Time{}
	if before != nil && t.last == nil && t.logID == t.own {
		t.after, t.unsaved = before, true
	}
}

// certified notes that a checkpoint is in the trail.
func (t *logTree) certified(text string) {
	if t.pending == text {
		t.pending, t.unsaved = "", true
	}
}
