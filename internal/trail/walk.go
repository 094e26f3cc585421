package trail

import (
	"context"
	"fmt"
	"iter"
	"math"
	"slices"
	"time"
)

// Store is the trail in one Loki.
type Store struct {
	Client *Client
	Scope  Scope
	// LinesSince, unless zero, is since when every event has its line beside it.
	LinesSince time.Time
}

// Window is a span of time, From included and To not.
type Window struct{ From, To time.Time }

// Length is how long the window is.
func (w Window) Length() time.Duration { return w.To.Sub(w.From) }

// Walk says how [Store.Walk] goes over the trail.
type Walk struct {
	Filter Filter
	Window Window
	// Forward goes from the oldest event to the newest; the default is from
	// the newest to the oldest.
	Forward bool
	// Past, unless zero, leaves out everything up to and including this place.
	Past Cursor
	// Batch is how many events to ask for at a time, 1 to MaxBatch. A little
	// more than what is wanted saves a second query.
	Batch int
	// Keep, unless nil, are the only attributes (keys of the vocabulary) that
	// the events come with. Loki needs far less time for events of a few.
	Keep []string
	// Progress, unless nil, is called after each query, when its events have been
	// yielded, with the part of the window gone over, 0 to 1, and the place up
	// to which it has been: a walk Past it goes on where this one is.
	Progress func(done float64, place Cursor)

	crowded bool // too many lines match to be of use
}

// The width of a slice of time grows from first to last by factor, as long as
// slices are not full.
const (
	firstSlice  = time.Hour
	lastSlice   = 4 * 24 * time.Hour
	sliceFactor = 4
)

// Walk returns the events that w chooses, each exactly once, in the trail's
// order. Events that arrive during the walk with a time it has already passed
// are not in it. The walk ends at the first error. It holds one batch in memory.
func (s *Store) Walk(ctx context.Context, w Walk) iter.Seq2[Event, error] {
	return func(yield func(Event, error) bool) {
		expr := logQL(s.Scope, w.Filter) + keepQL(w.Keep)
		rest := span{w.Window.From.UnixNano(), w.Window.To.UnixNano()}
		total := float64(rest.length())
		if !w.Past.IsZero() {
			if w.Forward {
				rest.from = max(rest.from, w.Past.Nanos)
			} else {
				rest.to = min(rest.to, w.Past.Nanos+1)
			}
		}
		width := int64(firstSlice)
		for rest.length() > 0 {
			read := s.direct
			slice, byLines := s.byLines(&w, w.first(rest, width))
			if byLines {
				read = s.narrowed
			}
			cut := false
			for p, err := range read(ctx, expr, &w, slice) {
				if err != nil {
					yield(Event{}, err)
					return
				}
				for _, e := range p.events {
					if !w.past(e.Cursor()) {
						continue
					}
					if !yield(e, nil) {
						return
					}
				}
				cut = cut || p.cut
				rest = w.after(rest, p.span)
				if w.Progress != nil {
					w.Progress(1-float64(rest.length())/total, w.reached(rest))
				}
			}
			if !cut {
				width = min(width*sliceFactor, int64(lastSlice))
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

// part is all events that a walk chooses in a span of time, in its order.
type part struct {
	span
	events []Event
	cut    bool  // there was more than one answer could hold
	read   int64 // how many entries Loki has read for them, as it says
}

// direct reads a span part by part.
func (s *Store) direct(ctx context.Context, expr string, w *Walk, rest span) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		for rest.length() > 0 {
			p, err := s.readFirst(ctx, expr, w, rest)
			if !yield(p, err) || err != nil {
				return
			}
			rest = w.after(rest, p.span)
		}
	}
}

// readFirst reads the part of a span that comes first.
func (s *Store) readFirst(ctx context.Context, expr string, w *Walk, rest span) (part, error) {
	events, read, err := s.Client.queryRange(ctx, expr, rest, w.Batch, !w.Forward)
	if err != nil {
		return part{}, err
	}
	w.sort(events)
	if len(events) < w.Batch {
		return part{rest, events, false, read}, nil
	}
	// The answer was cut, maybe in the middle of its last nanosecond: that one
	// is asked for again.
	last := events[len(events)-1].Nanos
	whole := events[:slices.IndexFunc(events, func(e Event) bool { return e.Nanos == last })]
	switch {
	case len(whole) == 0:
		whole, err = s.instantOf(ctx, expr, last)
		w.sort(whole)
		return part{span{last, last + 1}, whole, true, read}, err
	case w.Forward:
		return part{span{rest.from, last}, whole, true, read}, nil
	default:
		return part{span{last + 1, rest.to}, whole, true, read}, nil
	}
}

// instantOf returns every event of one nanosecond.
func (s *Store) instantOf(ctx context.Context, expr string, nanos int64) ([]Event, error) {
	events, _, err := s.Client.queryRange(ctx, expr, span{nanos, nanos + 1}, MaxBatch, true)
	if err == nil && len(events) == MaxBatch {
		err = &Error{Kind: TooBroad, Detail: fmt.Sprintf(
			"%d events or more at %d ns: Loki cannot page through events of the same nanosecond", MaxBatch, nanos)}
	}
	return events, err
}

// sort puts events into the order of the walk.
func (w *Walk) sort(events []Event) {
	slices.SortFunc(events, func(a, b Event) int {
		if w.Forward {
			return a.Cursor().Compare(b.Cursor())
		}
		return b.Cursor().Compare(a.Cursor())
	})
}

// past reports whether c comes after the place where the walk starts.
func (w *Walk) past(c Cursor) bool {
	switch {
	case w.Past.IsZero():
		return true
	case w.Forward:
		return c.Compare(w.Past) > 0
	default:
		return c.Compare(w.Past) < 0
	}
}
