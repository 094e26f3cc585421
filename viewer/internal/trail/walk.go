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
		lo, hi := w.Window.From.UnixNano(), w.Window.To.UnixNano()
		total := float64(hi - lo)
		if !w.Past.IsZero() {
			if w.Forward {
				lo = max(lo, w.Past.Nanos)
			} else {
				hi = min(hi, w.Past.Nanos+1)
			}
		}
		width := int64(firstSlice)
		for lo < hi {
			start, end := lo, hi
			if w.Forward {
				end = min(hi, lo+width)
			} else {
				start = max(lo, hi-width)
			}
			events, err := s.Client.queryRange(ctx, expr, start, end, w.Batch, !w.Forward)
			if err != nil {
				yield(Event{}, err)
				return
			}
			w.sort(events)
			if len(events) < w.Batch {
				width = min(width*sliceFactor, int64(lastSlice))
			} else {
				// The answer was cut, maybe in the middle of its last
				// nanosecond: that one is asked for again.
				last := events[len(events)-1].Nanos
				whole := events[:slices.IndexFunc(events, func(e Event) bool { return e.Nanos == last })]
				if len(whole) == 0 {
					if events, err = s.instantOf(ctx, expr, last); err != nil {
						yield(Event{}, err)
						return
					}
					w.sort(events)
					start, end = last, last+1
				} else {
					events, start, end = whole, last+1, last
				}
			}
			for _, e := range events {
				if !w.past(e.Cursor()) {
					continue
				}
				if !yield(e, nil) {
					return
				}
			}
			place := Cursor{Nanos: start}
			if w.Forward {
				lo = end
				place = Cursor{Nanos: end - 1, Hash: math.MaxUint64}
			} else {
				hi = start
			}
			if w.Progress != nil {
				w.Progress(1-float64(hi-lo)/total, place)
			}
		}
	}
}

// instantOf returns every event of one nanosecond.
func (s *Store) instantOf(ctx context.Context, expr string, nanos int64) ([]Event, error) {
	events, err := s.Client.queryRange(ctx, expr, nanos, nanos+1, MaxBatch, true)
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
