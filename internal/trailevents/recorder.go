package trailevents

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

const (
	// interval is how often at most an event of a kind is written.
	interval = time.Minute
	// refusedPause is how long a spool that refuses events is left alone.
	refusedPause = 10 * time.Second
)

// Config is what a [Recorder] needs.
type Config struct {
	// Record writes an event into the spool. It may be called by several
	// goroutines at once.
	Record func(*adminsessions.Event) error
	// Refusing reports that the spool would refuse an event now.
	Refusing func() bool
	Now      func() time.Time
}

// Recorder writes the trail's own events. Its methods may be called from many
// goroutines at once; those that only tell it something also before there is a
// spool.
type Recorder struct {
	cfg Config

	mu      sync.Mutex
	waiting map[kind]*occurrence
	last    map[kind]time.Time // when one of the kind was written last
	counts  map[string]uint64  // events written, by action
	retryAt time.Time          // when the spool is asked again after a refusal

	// wake tells Run that something waits. Sent without waiting, never closed.
	wake chan struct{}
}

// New returns a Recorder. What it is told is written once Run runs.
func New(c Config) *Recorder {
	r := &Recorder{
		cfg: c, wake: make(chan struct{}, 1),
		waiting: map[kind]*occurrence{}, last: map[kind]time.Time{}, counts: map[string]uint64{},
	}
	for _, a := range actions() {
		r.counts[a] = 0
	}
	return r
}

// Counts returns how many events were written, by their action without "trail.".
// Every action is there from the start.
func (r *Recorder) Counts() map[string]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return maps.Clone(r.counts)
}

// occurrence is something that the trail says of itself, as often as it happened
// since it was written last.
type occurrence struct {
	action  string
	reason  string // tells kinds of one action apart, if there are several
	alone   string // if not empty, it is only merged with those of the same
	outcome adminsessions.Outcome
	count   uint64    // how often
	first   uint64    // the lowest number that it is about, 0 if none
	last    uint64    // the highest
	since   time.Time // the first time
	// note says it in words.
	note  func(o *occurrence) string
	attrs []attribute.KeyValue
	// checkpoint is the signed note of a checkpoint.
	checkpoint string
}

// kind is what is merged and bounded together.
type kind struct{ action, reason, alone string }

func (o *occurrence) kind() kind { return kind{o.action, o.reason, o.alone} }

// merge makes o stand for what is older, too.
func (o *occurrence) merge(older *occurrence) {
	o.count += older.count
	o.since = older.since
	if older.first != 0 {
		o.first = min(cmp.Or(o.first, older.first), older.first)
		o.last = max(o.last, older.last)
	}
}

// tell has something written, soon, or as part of the next of its kind.
func (r *Recorder) tell(o occurrence) {
	o.count = max(o.count, 1)
	if o.since.IsZero() {
		o.since = r.cfg.Now()
	}
	r.mu.Lock()
	r.add(&o)
	r.mu.Unlock()
	select {
	case r.wake <- struct{}{}:
	default:
	}
}

// add keeps an occurrence until it is written. mu is held.
func (r *Recorder) add(o *occurrence) {
	if older := r.waiting[o.kind()]; older != nil {
		o.merge(older)
	}
	r.waiting[o.kind()] = o
}

// Run writes what it is told until ctx is done.
func (r *Recorder) Run(ctx context.Context) {
	for {
		var timer <-chan time.Time
		if pause := r.writeDue(false); pause > 0 {
			timer = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer:
		}
	}
}

// writeDue writes what may be written now, or, with all, everything. It returns
// the time until there may be more; 0 if nothing waits.
func (r *Recorder) writeDue(all bool) (pause time.Duration) {
	for {
		o, pause := r.takeDue(all)
		if o == nil {
			return pause
		}
		if r.write(o) != nil && all {
			return 0
		}
	}
}

// takeDue takes one occurrence that may be written now, oldest first.
func (r *Recorder) takeDue(all bool) (o *occurrence, pause time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.waiting) == 0 {
		return nil, 0
	}
	now := r.cfg.Now()
	if !all && now.Before(r.retryAt) {
		return nil, r.retryAt.Sub(now)
	}
	if r.cfg.Refusing() {
		r.retryAt = now.Add(refusedPause)
		return nil, refusedPause
	}
	list := slices.SortedFunc(maps.Values(r.waiting), func(a, b *occurrence) int { return a.since.Compare(b.since) })
	for _, w := range list {
		wait := r.last[w.kind()].Add(interval).Sub(now)
		if all || wait <= 0 || wait > interval { // or the clock was set back
			delete(r.waiting, w.kind())
			return w, 0
		}
		pause = min(cmp.Or(pause, wait), wait)
	}
	return nil, pause
}

// writeNow writes something at once, or soon if the spool refuses it.
func (r *Recorder) writeNow(o occurrence) {
	o.count, o.since = 1, r.cfg.Now()
	_ = r.write(&o) // it is kept then
}

// write writes an event, or keeps what it says for later.
func (r *Recorder) write(o *occurrence) error {
	err := r.cfg.Record(r.event(o))
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.retryAt = r.cfg.Now().Add(refusedPause)
		newer := r.waiting[o.kind()]
		r.waiting[o.kind()] = o
		if newer != nil {
			r.add(newer)
		}
		return err
	}
	if o.alone == "" {
		r.last[o.kind()] = r.cfg.Now()
	}
	r.counts[o.action]++
	return nil
}

// event is what stands in the trail.
func (r *Recorder) event(o *occurrence) *adminsessions.Event {
	ev := &adminsessions.Event{
		Time: r.cfg.Now(), RequestID: randomID(), Type: adminsessions.Trail,
		Actor:  adminsessions.Actor{Type: adminsessions.ActorSystem},
		Action: "trail." + o.action, Outcome: o.outcome, Checkpoint: o.checkpoint,
	}
	if o.note != nil {
		ev.Note = o.note(o)
	}
	if o.reason != "" {
		ev.Attributes = append(ev.Attributes, attribute.String("reason", o.reason))
	}
	if o.count > 1 || o.first != 0 {
		ev.Attributes = append(ev.Attributes, attribute.Int64("count", int64(o.count)),
			attribute.String("since", o.since.UTC().Format(time.RFC3339Nano)))
	}
	if o.first != 0 {
		ev.Attributes = append(ev.Attributes, attribute.Int64("first_number", int64(o.first)), attribute.Int64("last_number", int64(o.last)))
	}
	ev.Attributes = append(ev.Attributes, o.attrs...)
	return ev
}

// randomID is an id as requests have one. It also makes a line that can't be
// guessed from its hash.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}
