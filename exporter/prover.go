package exporter

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"time"

	"github.com/adminsessions/adminsessions/internal/slotfile"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/proof"
)

// treeFile keeps the log's tree, beside the spool's own files.
const treeFile = "tree"

// prover keeps the log's Merkle tree: a leaf for every number, made when the
// shipper has the entry as Loki has acknowledged it, or knows that there will be
// none. The tree is saved before the spool's cursor moves; what is sent again after
// the process's death has its leaf already, and the same bytes. prover belongs to
// the shipper.
type prover struct {
	logID    string // whose tree it is
	own      string // the spool's identity; another one while a copy delivers what was in it
	since    uint64 // its first number
	tree     *proof.Tree
	waiting  time.Time          // until when the first checkpoint waits for that
	after    *proof.Predecessor // named by the log's first checkpoint; nil if not known, or named
	last     *proof.Predecessor // the last checkpoint
	pending  string             // a checkpoint that is not in the trail yet
	events   uint64             // since the last checkpoint, without those that carry one
	cutAt    time.Time          // when the last one was made; zero before the first of this process
	absences *absences
	path     string
	file     *slotfile.File
	keys     []*spool.Key // that seal the file, if there are any
	scratch  []byte
	unsaved  bool

	log      *slog.Logger
	now      func() time.Time
	every    uint64
	interval time.Duration
	saveTold logLimit
}

// treeState is the content of treeFile.
type treeState struct {
	LogID   string             `json:"log_id"`
	Tree    string             `json:"tree"`
	Events  uint64             `json:"events,omitempty"`
	Pending string             `json:"pending,omitempty"`
	After   *proof.Predecessor `json:"after,omitempty"`
	Last    *proof.Predecessor `json:"last,omitempty"`
	Absent  []absence          `json:"absent,omitempty"`
}

// maxSavedAbsences are those that survive the process; the tree comes to them
// first.
const maxSavedAbsences = 64

func newProver(c *config, a *absences) *prover {
	return &prover{
		tree: proof.NewTree(), absences: a, path: filepath.Join(c.spoolDir, treeFile),
		keys: c.spoolKeys, log: c.logger, now: c.now, every: c.proof.events(), interval: c.proof.interval(),
	}
}

// open reads what an earlier process has kept. The spool's folder is locked.
func (p *prover) open() error {
	file, text, damaged, err := slotfile.Open(p.path)
	if err != nil {
		return fmt.Errorf("opening the log's tree %s: %w", p.path, err)
	}
	p.file = file
	if text != nil {
		if err := p.read(text); err != nil {
			p.log.Error("the log's tree can't be read; what is in the trail so far is proved by earlier checkpoints only", "file", p.path, "error", err)
		}
	} else if damaged {
		p.log.Error("the log's tree is damaged; what is in the trail so far is proved by earlier checkpoints only", "file", p.path)
	}
	return nil
}

func (p *prover) read(text []byte) error {
	if len(p.keys) > 0 {
		var err error
		if text, err = spool.OpenSealed(p.keys, treeFile, text); err != nil {
			return err
		}
	}
	var s treeState
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	var t proof.Tree
	if err := t.UnmarshalText([]byte(s.Tree)); err != nil {
		return err
	}
	if err := s.checkPending(); err != nil {
		return err
	}
	p.logID, p.tree, p.events, p.pending, p.after, p.last = s.LogID, &t, s.Events, s.Pending, s.After, s.Last
	for _, l := range s.Absent {
		p.absences.note(l.From, l.To, l.Reason)
	}
	return nil
}

// checkPending fails unless the text that is to be signed is a checkpoint of the
// tree: who has the disk has no text of his own signed.
func (s *treeState) checkPending() error {
	if s.Pending == "" {
		return nil
	}
	c, err := proof.ParseText(s.Pending)
	tree, terr := proof.ParseText(s.Tree)
	if err = errors.Join(err, terr); err != nil {
		return fmt.Errorf("the checkpoint that is to be signed: %w", err)
	}
	tree.Origin = c.Origin
	if c.Origin != proof.OriginPrefix+s.LogID || !tree.Follows(c) {
		return fmt.Errorf("the checkpoint that is to be signed, of %s with %d events, is none of this tree", c.Origin, c.Size)
	}
	return nil
}

// seen is the number of the last event in the tree, if it is that of the log.
func (p *prover) seen(id string) (uint64, bool) {
	if p.logID != id {
		return 0, false
	}
	return p.tree.Size(), true
}

// begin continues the tree with a log that has been opened. kept is the last
// checkpoint beside the spool, from which a tree that was lost is continued. It
// returns the last checkpoint of another log if that was in this folder before.
func (p *prover) begin(log *spool.Log, acked uint64, kept *proof.Checkpoint) (before *proof.Predecessor) {
	previous, since := log.Predecessor()
	p.own, p.since = log.ID(), since
	ownKept := kept != nil && kept.Origin == proof.OriginPrefix+p.own
	switch {
	case p.logID == p.own && (!ownKept || kept.Size <= p.tree.Size()):
	case p.logID != "" && p.logID == previous:
		// A copy: what is left of its original's is delivered first.
		if acked+1 >= since {
			p.enterOwn()
		}
	case ownKept && p.resume(kept): // the tree was lost, or is older: a power cut may do that
	default:
		before = p.last
		if before == nil && kept != nil {
			before = predecessorOf(kept)
		}
		p.startTree()
		p.tree.AppendGap(since-1, absentElsewhere)
	}
	if acked > p.tree.Size() {
		p.tree.AppendGap(acked, absentUnproven)
	}
	p.unsaved = true
	return before
}

// resume continues the tree of a checkpoint.
func (p *prover) resume(c *proof.Checkpoint) bool {
	t, err := proof.ResumeTree(c)
	if err != nil {
		return false
	}
	p.startTree()
	p.tree, p.last = t, predecessorOf(c)
	p.pending = c.Text() // the process may have died before it was in the trail
	return true
}

// startTree begins the tree of the spool's own log.
func (p *prover) startTree() {
	p.logID, p.tree = p.own, proof.NewTree()
	p.after, p.last, p.pending, p.events, p.cutAt = nil, nil, "", 0, time.Time{}
}

// enterOwn ends the tree of the log that the spool is a copy of.
func (p *prover) enterOwn() {
	c := p.tree.Checkpoint(proof.OriginPrefix+p.logID, p.now())
	p.startTree()
	p.after = predecessorOf(&c)
	p.tree.AppendGap(p.since-1, absentElsewhere)
}

// add appends the leaves of a batch of which nothing is left to deliver.
func (p *prover) add(b *batch) {
	next := make([]int, len(b.streams))
	for {
		var of *stream
		var e *entry
		at := -1
		for i, s := range b.streams {
			if next[i] < len(s.entries) && (e == nil || s.entries[next[i]].seq < e.seq) {
				of, e, at = s, &s.entries[next[i]], i
			}
		}
		if e == nil {
			return
		}
		p.addEntry(of, e, next[at])
		next[at]++
	}
}

func (p *prover) addEntry(s *stream, e *entry, i int) {
	if e.seq >= p.since && p.logID != p.own {
		p.addAbsent(p.since - 1)
		p.enterOwn()
	}
	if e.seq <= p.tree.Size() {
		return // sent again after the process's death
	}
	p.addAbsent(e.seq - 1)
	p.makeRoom()
	switch {
	case e.quarantined:
		p.addGap(e.seq, absentQuarantined)
	case p.gapsFull():
		p.addGap(e.seq, absentUnproven)
	default:
		leaf := e.leaf
		if !e.hashed {
			leaf = p.leaf(s, e, i)
		}
		p.tree.Append(leaf)
	}
	if !isCheckpoint(s.Line(i)) {
		p.events++
	}
}

// hash makes the leaves of a batch while it is under way.
func (p *prover) hash(b *batch) {
	for _, s := range b.streams {
		for i := range s.entries {
			if e := &s.entries[i]; !e.hashed {
				e.leaf, e.hashed = p.leaf(s, e, i), true
			}
		}
	}
}

func (p *prover) leaf(s *stream, e *entry, i int) (h proof.Hash) {
	h, p.scratch = proof.Leaf(s.labels, e.time, s.Line(i), p.scratch)
	return h
}

// addAbsent declares what is missing up to and including a number.
func (p *prover) addAbsent(upTo uint64) {
	for p.tree.Size() < upTo {
		g := p.absences.first(p.tree.Size()+1, upTo)
		p.addGap(g.To, g.Reason)
	}
}

// addGap declares a gap, and makes a checkpoint when no more fit into one. While
// that is not in the trail, what comes is one gap.
func (p *prover) addGap(upTo uint64, reason string) {
	p.makeRoom()
	if p.gapsFull() {
		reason = absentUnproven
	}
	p.events += upTo - p.tree.Size()
	p.tree.AppendGap(upTo, reason)
}

// makeRoom makes a checkpoint if no more gaps but one fit into the next, and the
// one before is in the trail.
func (p *prover) makeRoom() {
	if len(p.tree.Gaps()) >= proof.MaxGaps-1 {
		p.cut()
	}
}

// gapsFull reports whether the next checkpoint can hold only one more gap.
func (p *prover) gapsFull() bool {
	return p.pending != "" && len(p.tree.Gaps()) >= proof.MaxGaps-1
}

var (
	ofTrail        = []byte("type=TRAIL ")
	withCheckpoint = []byte(" action=" + proof.CheckpointAction + " ")
)

func isCheckpoint(line []byte) bool {
	return bytes.HasPrefix(line, ofTrail) && bytes.Contains(line[:min(len(line), 256)], withCheckpoint)
}

// due reports whether a checkpoint is to be made now: of enough events, or of some
// after a while, or of the first ones of a process.
func (p *prover) due() bool {
	if p.pending != "" || p.events == 0 || p.now().Before(p.waiting) {
		return false
	}
	age := p.now().Sub(p.cutAt)
	return p.events >= p.every || age >= p.interval || age < 0
}

// cut makes a checkpoint, unless one is not in the trail yet.
func (p *prover) cut() {
	if p.pending != "" {
		return
	}
	p.waiting = time.Time{}
	c := p.tree.Checkpoint(proof.OriginPrefix+p.logID, p.now())
	c.After, p.after = p.after, nil
	p.pending, p.events, p.cutAt, p.unsaved = c.Text(), 0, p.now(), true
	p.last = predecessorOf(&c)
}

// precededBy notes the last checkpoint of the log before, nil if there is none.
func (p *prover) precededBy(before *proof.Predecessor) {
	p.waiting = time.Time{}
	if before != nil && p.last == nil && p.logID == p.own {
		p.after, p.unsaved = before, true
	}
}

// certified notes that a checkpoint is in the trail.
func (p *prover) certified(text string) {
	if p.pending == text {
		p.pending, p.unsaved = "", true
	}
}

// beforeRemove makes the tree survive a power cut before the spool removes what is
// in it.
func (p *prover) beforeRemove() error {
	if p.file == nil {
		return errors.New("the log's tree is not open")
	}
	if err := p.file.Sync(); err != nil {
		return fmt.Errorf("syncing the log's tree: %w", err)
	}
	return nil
}

// close ends it, for good. nil has nothing to end.
func (p *prover) close() error {
	if p == nil {
		return nil
	}
	p.save() // what is known of numbers that were refused
	return p.file.Close()
}

// save keeps the tree. It must be kept before the cursor moves past its events.
func (p *prover) save() {
	p.absences.forget(p.tree.Size())
	tree, err := p.tree.MarshalText()
	var text []byte
	if err == nil {
		text, err = json.Marshal(treeState{
			LogID: p.logID, Tree: string(tree), Events: p.events, Pending: p.pending,
			After: p.after, Last: p.last, Absent: p.absences.snapshot(maxSavedAbsences),
		})
	}
	if err == nil && len(p.keys) > 0 {
		text = p.keys[0].Seal(treeFile, text)
	}
	if err == nil {
		err = p.file.Write(text)
	}
	p.unsaved = err != nil
	if err == nil {
		return
	}
	if n, ok := p.saveTold.allow(p.now(), reminderInterval); ok {
		p.log.Error("the log's tree can't be saved; if the process is killed now, some of its events are not proved", "error", err, "not_told", n)
	}
}
