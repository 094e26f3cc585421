package exporter

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"

	"github.com/adminsessions/adminsessions"
)

// What happens to the trail itself is recorded in the trail, as events of type
// TRAIL: it was started and stopped, events were dropped or quarantined, Loki was
// away. They go the way of all events and have numbers. They are few: of each kind
// at most one a minute is written, which counts what it stands for. While the
// spool refuses events none is tried, so that none is lost and none is about
// another.

// The actions of the trail's own events, behind "trail.".
const (
	trailStarted     = "started"
	trailStopped     = "stopped"
	trailDropped     = "dropped"
	trailQuarantined = "quarantined"
	trailLokiAway    = "loki_away"
	trailLokiBack    = "loki_back"
	trailClockSkew   = "clock_skew"
	trailCheckpoint  = "checkpoint"
	trailSpoolLost   = "spool_lost"
)

func trailActions() []string {
	return []string{trailStarted, trailStopped, trailDropped, trailQuarantined, trailLokiAway, trailLokiBack, trailClockSkew, trailCheckpoint, trailSpoolLost}
}

const (
	// trailInterval is how often at most an event of a kind is written.
	trailInterval = time.Minute
	// trailPause is how long the trail waits for a spool that refuses events.
	trailPause = 10 * time.Second
	// lokiAwayAfter is how long Loki must have been away to be told.
	lokiAwayAfter = time.Minute
)

// happening is something that the trail says of itself.
type happening struct {
	action  string
	reason  string // tells kinds of one action apart, if there are several
	alone   string // if not empty, it is not merged with others but of the same
	outcome adminsessions.Outcome
	count   uint64    // how often
	first   uint64    // the lowest number that it is about, 0 if none
	last    uint64    // the highest
	since   time.Time // the first time
	// note says it in words.
	note  func(h *happening) string
	attrs []attribute.KeyValue
	// checkpoint is the signed note of a checkpoint.
	checkpoint string
}

type happeningKind struct{ action, reason, alone string }

func (h *happening) kind() happeningKind { return happeningKind{h.action, h.reason, h.alone} }

// merge makes h stand for what is older, too.
func (h *happening) merge(older *happening) {
	h.count += older.count
	h.since = older.since
	if older.first != 0 {
		h.first = min(cmp.Or(h.first, older.first), older.first)
		h.last = max(h.last, older.last)
	}
}

// trail writes the trail's own events.
type trail struct {
	record   func(*adminsessions.Event) error // into the spool
	refusing func() bool                      // the spool would refuse it
	metrics  *metrics
	now      func() time.Time

	mu      sync.Mutex
	waiting map[happeningKind]*happening
	written map[happeningKind]time.Time // when one of the kind was written last
	retryAt time.Time                   // when the spool is asked again after a refusal

	// wake tells run that something waits. Sent without waiting, never closed.
	wake chan struct{}
}

func newTrail(c *config, m *metrics) *trail {
	return &trail{
		metrics: m, now: c.now, wake: make(chan struct{}, 1),
		waiting: map[happeningKind]*happening{}, written: map[happeningKind]time.Time{},
	}
}

// happened has something written, soon, or as part of the next of its kind. It is
// cheap and never waits, and may be called from anywhere.
func (t *trail) happened(h happening) {
	h.count = max(h.count, 1)
	if h.since.IsZero() {
		h.since = t.now()
	}
	t.mu.Lock()
	t.add(&h)
	t.mu.Unlock()
	select {
	case t.wake <- struct{}{}:
	default:
	}
}

// add keeps a happening until it is written. mu is held.
func (t *trail) add(h *happening) {
	if older := t.waiting[h.kind()]; older != nil {
		h.merge(older)
	}
	t.waiting[h.kind()] = h
}

// run writes what has happened until ctx is done.
func (t *trail) run(ctx context.Context) {
	for {
		var timer <-chan time.Time
		if pause := t.writeDue(false); pause > 0 {
			timer = time.After(pause)
		}
		select {
		case <-ctx.Done():
			return
		case <-t.wake:
		case <-timer:
		}
	}
}

// writeDue writes what may be written now, or, with all, everything. It returns
// the time until there may be more; 0 if nothing waits.
func (t *trail) writeDue(all bool) (pause time.Duration) {
	for {
		h, pause := t.takeDue(all)
		if h == nil {
			return pause
		}
		if t.write(h) != nil && all {
			return 0
		}
	}
}

// takeDue takes one happening that may be written now, oldest first.
func (t *trail) takeDue(all bool) (h *happening, pause time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.waiting) == 0 {
		return nil, 0
	}
	now := t.now()
	if !all && now.Before(t.retryAt) {
		return nil, t.retryAt.Sub(now)
	}
	if t.refusing() {
		t.retryAt = now.Add(trailPause)
		return nil, trailPause
	}
	list := slices.SortedFunc(maps.Values(t.waiting), func(a, b *happening) int { return a.since.Compare(b.since) })
	for _, w := range list {
		wait := t.written[w.kind()].Add(trailInterval).Sub(now)
		if all || wait <= 0 || wait > trailInterval { // or the clock was set back
			delete(t.waiting, w.kind())
			return w, 0
		}
		pause = min(cmp.Or(pause, wait), wait)
	}
	return nil, pause
}

// write writes an event, or keeps what it says for later.
func (t *trail) write(h *happening) error {
	err := t.record(t.event(h))
	t.mu.Lock()
	defer t.mu.Unlock()
	if err != nil {
		t.retryAt = t.now().Add(trailPause)
		newer := t.waiting[h.kind()]
		t.waiting[h.kind()] = h
		if newer != nil {
			t.add(newer)
		}
		return err
	}
	if h.alone == "" {
		t.written[h.kind()] = t.now()
	}
	t.metrics.trail.add(h.action)
	return nil
}

// event is what stands in the trail.
func (t *trail) event(h *happening) *adminsessions.Event {
	ev := &adminsessions.Event{
		Time: t.now(), RequestID: randomID(), Type: adminsessions.Trail,
		Actor:  adminsessions.Actor{Type: adminsessions.ActorSystem},
		Action: "trail." + h.action, Outcome: h.outcome, Checkpoint: h.checkpoint,
	}
	if h.note != nil {
		ev.Note = h.note(h)
	}
	if h.reason != "" {
		ev.Attributes = append(ev.Attributes, attribute.String("reason", h.reason))
	}
	if h.count > 1 || h.first != 0 {
		ev.Attributes = append(ev.Attributes, attribute.Int64("count", int64(h.count)),
			attribute.String("since", h.since.UTC().Format(time.RFC3339Nano)))
	}
	if h.first != 0 {
		ev.Attributes = append(ev.Attributes, attribute.Int64("first_number", int64(h.first)), attribute.Int64("last_number", int64(h.last)))
	}
	ev.Attributes = append(ev.Attributes, h.attrs...)
	return ev
}

// randomID is an id as requests have one. It also makes a line that can't be
// guessed from its hash.
func randomID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// ofEvents is how many events, in words: "1 event", "7 events".
func ofEvents(n uint64) string {
	if n == 1 {
		return "1 event"
	}
	return fmt.Sprintf("%d events", n)
}
