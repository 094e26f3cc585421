package notary

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/internal/loglimit"
	"github.com/adminsessions/adminsessions/internal/spool"
	"github.com/adminsessions/adminsessions/proof"
)

// predecessorPatience is how long the first checkpoint of a log waits for
// [Notary.Precede], after its first events were delivered.
const predecessorPatience = 30 * time.Second

// Config is what a [Notary] needs. Nothing in it has a default.
type Config struct {
	Dir      string       // the spool's folder, which the notary's files are in
	FileKeys []*spool.Key // that encrypt the tree's file; none if the spool is not encrypted
	// Keys sign the checkpoints, each of them every one.
	Keys []*proof.Key
	// A checkpoint is made of so many Events, or of some after an Interval.
	Events   uint64
	Interval time.Duration
	Anchors  []proof.Anchor // their names differ
	// Record writes the event that carries a signed checkpoint of so many events into
	// the spool. It is called again until it succeeds.
	Record func(size uint64, signed []byte) error
	Logger *slog.Logger
	Now    func() time.Time
	// Step is called between steps that a process's death may part.
	Step func(name string)
}

// Notary keeps a log's tree and has its checkpoints signed. A nil Notary is that of
// a log without a key: its methods do nothing.
type Notary struct {
	cfg Config

	// These belong to the goroutine of Prove and Turn.
	tree    *logTree
	signing bool // the pending checkpoint is with the signer
	asking  bool // Precede is still to be called

	openErr  error // of the tree's file
	absences *absences
	kept     keptCheckpoints
	anchors  []*anchoring

	// A checkpoint's text goes to the signer on todo, and comes back on done before
	// there is another one. preceded is what Precede was told. changed tells that
	// one of the two has something. None is ever closed, and no sender waits.
	todo     chan string
	done     chan string
	preceded chan *proof.Predecessor
	changed  chan struct{}

	mu   sync.Mutex
	busy bool          // a checkpoint is on its way into the trail
	idle chan struct{} // closed and replaced when busy ends

	signTold, keepTold loglimit.Limit // the signer's

	checkpoints, failures, size atomic.Uint64
	lastAt                      atomic.Int64 // ns, 0 before the first
}

// New returns a notary that has not touched the disk yet.
func New(c Config) *Notary {
	n := &Notary{
		cfg: c, absences: &absences{}, kept: keptCheckpoints{c.Dir},
		todo: make(chan string, 1), done: make(chan string, 1), preceded: make(chan *proof.Predecessor, 1), changed: make(chan struct{}, 1),
		idle: make(chan struct{}),
	}
	n.tree = newLogTree(&c, n.absences)
	for _, a := range c.Anchors {
		n.anchors = append(n.anchors, newAnchoring(a, &c))
	}
	return n
}

// Verifiers are the public halves of keys.
func Verifiers(keys []*proof.Key) note.Verifiers {
	var list []note.Verifier
	for _, k := range keys {
		if v, err := note.NewVerifier(k.Public()); err == nil {
			list = append(list, v)
		}
	}
	return note.VerifierList(list...)
}

// Seen is for spool.Options: it reads the tree of an earlier process. The spool's
// folder is this one's by then.
func (n *Notary) Seen(id string) (number uint64, ok bool) {
	if n.openErr = n.tree.open(); n.openErr != nil {
		return 0, false
	}
	return n.tree.seen(id)
}

// BeforeRemove is for spool.Options: it makes the tree survive a power cut before
// the spool removes what is in it. It waits for an fsync.
func (n *Notary) BeforeRemove() error { return n.tree.sync() }

// Log is the log of a spool that has been opened.
type Log struct {
	ID       string
	Previous string // the log that it is a copy of, "" if it is none
	Since    uint64 // its first number
	Acked    uint64 // every event up to this one is delivered or quarantined
}

// Begin continues the tree with a log, and brings the last checkpoints to the
// anchors once more: the process before may have died first. last is the log's own
// last checkpoint; before is that of another log, if the folder was that one's. It
// fails if the tree's file could not be opened.
func (n *Notary) Begin(l Log) (last, before *proof.Predecessor, err error) {
	if n.openErr != nil {
		return nil, nil, fmt.Errorf("opening the log's tree %s: %w", n.tree.path, n.openErr)
	}
	before = n.tree.begin(l, n.kept.lastSignedBy(Verifiers(n.cfg.Keys)))
	last = n.tree.last
	if before != nil {
		n.tree.after = before
	}
	n.tree.save()
	for _, signed := range n.kept.read(anchorAgain) {
		n.anchor(signed)
	}
	return last, before, nil
}

// AwaitPredecessor has the first checkpoint of a new log wait for [Notary.Precede],
// half a minute at most, after its first events were delivered.
func (n *Notary) AwaitPredecessor() { n.asking = true }

// Precede says which is the last checkpoint of the log before, nil if there is
// none. It is called once, on any goroutine.
func (n *Notary) Precede(before *proof.Predecessor) {
	if n == nil {
		return
	}
	n.preceded <- before
	n.wake()
}

// Absent says why numbers, both ends included, will not be in the trail. What was
// said first counts. It may be called on any goroutine.
func (n *Notary) Absent(from, to uint64, reason string) {
	if n != nil {
		n.absences.note(from, to, reason)
	}
}

// Entry is an event that nothing is left to be done with.
type Entry struct {
	Number uint64
	Line   []byte     // as Loki has it
	Leaf   proof.Hash // of it
	// Quarantined says that Loki refuses it.
	Quarantined bool
}

// Prove appends events to the tree, in the order of their numbers, and saves it.
// Numbers that are left out are declared to be absent; those that the tree has already
// are passed over. The spool must not be told that they are delivered before.
func (n *Notary) Prove(entries iter.Seq[Entry]) {
	if n == nil {
		return
	}
	if n.asking {
		n.tree.holdBack(predecessorPatience)
	}
	for e := range entries {
		n.tree.add(&e)
	}
	n.cfg.Step("added")
	n.tree.cutIfDue()
	n.tree.save()
	n.cfg.Step("saved")
}

// Changed receives when [Notary.Turn] has something to do at once.
func (n *Notary) Changed() <-chan struct{} {
	if n == nil {
		return nil
	}
	return n.changed
}

// Turn makes a checkpoint if one is due, and has one signed that waits for it. It
// is to be called every few seconds, too.
func (n *Notary) Turn() {
	if n == nil {
		return
	}
	select {
	case text := <-n.done:
		n.signing = false
		n.tree.certified(text)
	default:
	}
	select {
	case before := <-n.preceded:
		n.asking = false
		n.tree.precededBy(before)
	default:
	}
	n.tree.cutIfDue()
	if n.tree.unsaved || n.absences.changed() {
		n.tree.save()
		n.cfg.Step("checkpoint saved")
	}
	if n.tree.pending != "" && !n.signing {
		n.signing = true
		n.sign(n.tree.pending)
	}
}

// Seal makes a last checkpoint, unless there is one of all that was delivered.
func (n *Notary) Seal() {
	if n != nil && n.tree.events > 0 {
		n.tree.cut()
		n.Turn()
	}
}

// Close ends it, for good: Prove and Turn are not called any more.
func (n *Notary) Close() error {
	if n == nil {
		return nil
	}
	return n.tree.close()
}

func (n *Notary) wake() {
	select {
	case n.changed <- struct{}{}:
	default:
	}
}

// Run signs checkpoints and brings them to the anchors until ctx is done, and
// returns when the key and the anchors have, which may be far away.
func (n *Notary) Run(ctx context.Context) {
	var anchors sync.WaitGroup
	for _, a := range n.anchors {
		anchors.Go(func() { a.run(ctx) })
	}
	n.runSigner(ctx)
	anchors.Wait()
}

// WaitAnchored returns when nothing waits for an anchor, or ctx is done.
func (n *Notary) WaitAnchored(ctx context.Context) {
	for _, a := range n.anchors {
		a.wait(ctx)
	}
}

// anchor gives a signed checkpoint to the anchors.
func (n *Notary) anchor(signed []byte) {
	for _, a := range n.anchors {
		a.add(signed)
	}
}
