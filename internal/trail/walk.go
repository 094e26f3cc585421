package trail

import (
	"context"
	"iter"
	"math"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
)

// MaxBatch is how many events can be asked for at a time.
const MaxBatch = loki.MaxEntries

// Walk says how [Store.Walk] goes over the trail.
type Walk struct {
	Filter Filter
	Window Window
	// Forward goes from the oldest event to the newest; the default is from
	// the newest to the oldest.
	Forward bool
	// Past, unless zero, leaves out everything up to and including this place.
	Past Cursor
	// Both yields both records of a request that has gone on and ended, and not
	// only the second.
	Both bool
	// Batch is how many events to ask for at a time, 1 to MaxBatch. A little
	// more than what is wanted saves a second query.
	Batch int
	// Progress, unless nil, is called after each query, when its events have been
	// yielded, with the part of the window gone over, 0 to 1, and the place up
	// to which it has been: a walk Past it goes on where this one is.
	Progress func(done float64, place Cursor)

	stage stage
}

// The width of a slice of time grows from first to last by factor, as long as
// slices are not full.
const (
	firstSlice  = time.Hour
	lastSlice   = 4 * 24 * time.Hour
	sliceFactor = 4
	// longSlice is the last for a walk by ids of requests, which goes far back and
	// finds few. Loki refuses more than 30 days by default.
	longSlice = 28 * 24 * time.Hour
)

// Walk returns the events that w chooses, each exactly once, in the trail's
// order: requests that have ended, and those that have started and not ended
// yet. Events that arrive during the walk with a time it has already passed are
// not in it. The walk ends at the first error. It holds one batch in memory.
func (s *Store) Walk(ctx context.Context, w Walk) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		query := s.expression(w.Filter, w.stage)
		rest := span{w.Window.From.UnixNano(), w.Window.To.UnixNano()}
		total := float64(rest.length())
		if !w.Past.IsZero() {
			if w.Forward {
				rest.from = max(rest.from, w.Past.Nanos)
			} else {
				rest.to = min(rest.to, w.Past.Nanos+1)
			}
		}
		width, last := int64(firstSlice), int64(lastSlice)
		if len(w.Filter.Only.Requests) > 0 {
			last = int64(longSlice)
		}
		for rest.length() > 0 {
			b, err := s.read(ctx, query, &w, w.first(rest, width))
			if err == nil && !w.Both {
				b.events, err = s.withoutEnded(ctx, b.events)
			}
			if err != nil {
				yield(Event{}, err)
				return
			}
			for _, e := range b.events {
				if !w.isAhead(e.Cursor()) || !s.scope.allows(&e) {
					continue
				}
				s.scope.show(&e)
				if !yield(e, nil) {
					return
				}
			}
			rest = w.after(rest, b.span)
			if w.Progress != nil {
				w.Progress(1-float64(rest.length())/total, w.reached(rest))
			}
			if !b.cut {
				width = min(width*sliceFactor, last)
			}
		}
	}
}

// span is a span of time in Unix nanoseconds, from included and to not.
type span struct{ from, to int64 }

func (s span) length() int64 { return s.to - s.from }

// first is the part of a span, no longer than width, that w comes to first.
func (w *Walk) first(s span, width int64) span {
	if w.Forward {
		return span{s.from, min(s.to, s.from+width)}
	}
	return span{max(s.from, s.to-width), s.to}
}

// after is what is left of a span when w has gone over a part of it.
func (w *Walk) after(s, part span) span {
	if w.Forward {
		return span{part.to, s.to}
	}
	return span{s.from, part.from}
}

// reached is the place up to which w has been when a span is left.
func (w *Walk) reached(rest span) Cursor {
	if w.Forward {
		return Cursor{Nanos: rest.from - 1, Hash: math.MaxUint64}
	}
	return Cursor{Nanos: rest.to}
}

// batch is all events that a walk chooses in a span of time, in its order.
type batch struct {
	span
	events []Event
	cut    bool // there was more than one answer could hold
}

// read reads of a span the part that the walk comes to first.
func (s *Store) read(ctx context.Context, query *expression, w *Walk, from span) (batch, error) {
	entries, _, err := s.client.Logs(ctx, loki.LogQuery{Expr: query.String(), From: from.from, To: from.to, Limit: w.Batch, Newest: !w.Forward})
	if err != nil {
		return batch{}, err
	}
	b := batch{span: from, cut: len(entries) >= w.Batch}
	if !b.cut {
		b.events = w.inOrder(entries)
		return b, nil
	}
	// The answer may have been cut in the middle of its last nanosecond: that one
	// is asked for again.
	last := entries[len(entries)-1].Nanos
	whole := entries[:slices.IndexFunc(entries, func(e loki.Entry) bool { return e.Nanos == last })]
	switch {
	case len(whole) == 0:
		b.span = span{last, last + 1}
		if whole, err = s.instant(ctx, query, last); err != nil {
			return batch{}, err
		}
	case w.Forward:
		b.to = last
	default:
		b.from = last + 1
	}
	b.events = w.inOrder(whole)
	return b, nil
}

// inOrder makes events of entries, in the order of the walk.
func (w *Walk) inOrder(entries []loki.Entry) []Event {
	events := make([]Event, len(entries))
	for i := range entries {
		events[i] = newEvent(&entries[i])
	}
	slices.SortFunc(events, func(a, b Event) int {
		if w.Forward {
			a, b = b, a
		}
		return b.Cursor().Compare(a.Cursor())
	})
	return events
}

// isAhead reports whether c comes after the place where the walk starts.
func (w *Walk) isAhead(c Cursor) bool {
	switch {
	case w.Past.IsZero():
		return true
	case w.Forward:
		return c.Compare(w.Past) > 0
	default:
		return c.Compare(w.Past) < 0
	}
}

// isStarted reports whether e is the first of the two records of a request that
// goes on.
func (e *Event) isStarted() bool { return !e.Unreadable && e.Stage == adminsessions.Started }

// InProgress reports whether e is a request that has started and not ended: of
// those that have ended a walk yields the end.
func (e *Event) InProgress() bool { return e.isStarted() }
