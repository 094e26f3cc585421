package cli

import (
	"context"
	"fmt"
	"iter"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

type tailCommand struct {
	Query
	Limit int           `short:"n" default:"10" placeholder:"N" help:"How many events of before to begin with. Default: ${default}."`
	Every time.Duration `default:"2s" placeholder:"DURATION" help:"How often to ask Loki. Default: ${default}."`
	Output
	Trail
}

// Run follows the trail until it is interrupted.
func (c *tailCommand) Run(ctx context.Context, w *World) error {
	if c.Limit < 0 || c.Limit > trail.MaxBatch {
		return usage("--limit %d: want 0 to %d", c.Limit, trail.MaxBatch)
	}
	if c.Every < 200*time.Millisecond || c.Every > time.Hour {
		return usage("--every %v: want 200ms to 1h", c.Every)
	}
	f, err := c.filter()
	if err != nil {
		return err
	}
	store, _, err := c.store(w)
	if err != nil {
		return err
	}
	t := newFollower(store, f, c.events(w), w.Now)
	t.limit, t.warn = c.Limit, func(format string, args ...any) { fmt.Fprintf(w.Stderr, format+"\n", args...) }
	if err := t.begin(ctx); err != nil {
		return failed(ctx, "reading the trail", err)
	}
	tick := time.NewTicker(c.Every)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil // that is how it ends
		case <-tick.C:
		}
		if err := t.poll(ctx); err != nil {
			return failed(ctx, "printing", err)
		}
	}
}

// How far back a poll looks. Events reach Loki in the order of their log, and
// almost at once; but not those of a panel, or a Loki, that was away.
const (
	// recent is looked at by every poll.
	recent = time.Minute
	// late is looked at once every lateEvery: an event that arrives later than
	// that is not shown.
	late      = time.Hour
	lateEvery = 30 * time.Second
	// begun is how far back the first look goes.
	begun = 24 * time.Hour
)

// walker is what a follower needs of a [trail.Store].
type walker interface {
	Walk(ctx context.Context, w trail.Walk) iter.Seq2[trail.Event, error]
}

// follower shows each event of a trail once, as it arrives.
type follower struct {
	trail  walker
	filter trail.Filter
	write  eventWriter
	now    func() time.Time
	limit  int
	warn   func(format string, args ...any)

	start time.Time // events before it are shown by begin only
	seen  map[trail.Cursor]bool
	swept time.Time // when late was looked at last
	// away is since when Loki has not answered; backlog is from when on what was
	// recorded meanwhile may still be on its way, until that has been over for
	// as long as late.
	away, backlog time.Time
	back          time.Time
}

func newFollower(t walker, f trail.Filter, write eventWriter, now func() time.Time) *follower {
	return &follower{trail: t, filter: f, write: write, now: now, seen: make(map[trail.Cursor]bool), warn: func(string, ...any) {}}
}

// begin shows the last events of before.
func (t *follower) begin(ctx context.Context) error {
	now := t.now()
	t.swept = now
	window := trail.Window{From: now.Add(-begun), To: now.Add(trail.Ahead)}
	var last []trail.Event
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	// What is newer than recent is noted even if it is not shown, so that polls
	// do not take it for new.
	t.start = now
	for e, err := range t.trail.Walk(ctx, trail.Walk{Filter: t.filter, Window: window, Batch: max(t.limit, 500)}) {
		if err != nil {
			return err
		}
		if len(last) >= t.limit && e.Cursor().Time().Before(now.Add(-recent)) {
			break
		}
		t.seen[e.Cursor()] = true
		if len(last) < t.limit {
			last = append(last, e)
		}
	}
	slices.Reverse(last)
	t.start = now.Add(-recent)
	for i := range last {
		if err := t.write(&last[i]); err != nil {
			return err
		}
	}
	return nil
}

// poll shows what has arrived since. That Loki does not answer is told, and is no
// reason to end: what was recorded meanwhile is shown when it does.
func (t *follower) poll(ctx context.Context) error {
	now := t.now()
	from := now.Add(-recent)
	sweep := now.Sub(t.swept) >= lateEvery || !t.away.IsZero()
	if sweep {
		from = now.Add(-late)
		if !t.backlog.IsZero() && t.backlog.Before(from) {
			from = t.backlog
		}
	}
	if from.Before(t.start) {
		from = t.start
	}
	fresh, err := t.ask(ctx, trail.Window{From: from, To: now.Add(trail.Ahead)})
	if err != nil {
		t.unanswered(ctx, now, err)
		return nil
	}
	if !t.away.IsZero() {
		t.warn("Loki answers again after %v", now.Sub(t.away).Round(time.Second))
		t.away, t.back = time.Time{}, now
	}
	if sweep {
		t.swept = now
		t.forget(from)
	}
	if !t.backlog.IsZero() && !t.back.IsZero() && now.Sub(t.back) > late {
		t.backlog, t.back = time.Time{}, time.Time{}
	}
	for i := range fresh {
		if err := t.write(&fresh[i]); err != nil {
			return err
		}
		t.seen[fresh[i].Cursor()] = true
	}
	return nil
}

// unanswered notes that Loki does not answer, unless that is because nobody waits
// any more.
func (t *follower) unanswered(ctx context.Context, now time.Time, err error) {
	if ctx.Err() != nil || !t.away.IsZero() {
		return
	}
	t.warn("Loki does not answer; what is recorded meanwhile is shown when it does: %v", err)
	t.away = now
	if t.backlog.IsZero() {
		t.backlog = now.Add(-recent)
	}
}

// ask returns the events of a window that have not been shown, all or none.
func (t *follower) ask(ctx context.Context, window trail.Window) ([]trail.Event, error) {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	var fresh []trail.Event
	for e, err := range t.trail.Walk(ctx, trail.Walk{Filter: t.filter, Window: window, Forward: true, Batch: 1000}) {
		if err != nil {
			return nil, err
		}
		if !t.seen[e.Cursor()] {
			fresh = append(fresh, e)
		}
	}
	return fresh, nil
}

// forget forgets what was shown from before a time that is not looked at again.
func (t *follower) forget(before time.Time) {
	for c := range t.seen {
		if c.Time().Before(before.Add(-recent)) {
			delete(t.seen, c)
		}
	}
}
