package trail

import (
	"container/heap"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions"
)

// Sorted is a part of a result in an order other than time.
type Sorted struct {
	Events []Event
	// Scanned is how many events were looked at. If Cut, there were more, and
	// only the newest Scanned have been sorted.
	Scanned int
	Cut     bool
}

// Order is an order of events by some of their attributes.
type Order struct {
	Keys    []string // all that Compare looks at
	Compare func(a, b *Event) int
}

// Sort walks over the whole result of w, newest first, and returns the events
// number skip to skip+take (from 0) in the given order, ties the newest first.
// It looks at no more than limit events, for no longer than ctx allows: what has
// more is Cut.
//
// It reads only the attributes that the order needs, keeps the best skip+take
// events and one batch in memory, and fetches the events that it returns whole
// at the end.
func (s *Store) Sort(ctx context.Context, w Walk, order Order, skip, take, limit int) (Sorted, error) {
	scan := ctx
	if deadline, ok := ctx.Deadline(); ok {
		// Some time must be left to fetch the events.
		var cancel context.CancelFunc
		scan, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	w.Forward, w.Past, w.Batch = false, Cursor{}, MaxBatch
	w.Keep = append(slices.Clone(order.Keys), adminsessions.KeyRequestID)
	full := func(a, b *Event) int {
		if c := order.Compare(a, b); c != 0 {
			return c
		}
		return b.Cursor().Compare(a.Cursor())
	}
	var result Sorted
	best := &worstFirst{compare: full}
	for e, err := range s.Walk(scan, w) {
		if OutOfTime(scan, err) && result.Scanned > 0 {
			result.Cut = true
			break
		}
		if err != nil {
			return Sorted{}, err
		}
		if result.Scanned == limit {
			result.Cut = true
			break
		}
		result.Scanned++
		switch {
		case len(best.events) < skip+take:
			heap.Push(best, e)
		case full(&e, &best.events[0]) < 0:
			best.events[0] = e
			heap.Fix(best, 0)
		}
	}
	slices.SortFunc(best.events, func(a, b Event) int { return full(&a, &b) })
	var err error
	result.Events, err = s.complete(ctx, w.Filter, best.events[min(skip, len(best.events)):])
	return result, err
}

// fetchers is how many events are fetched at a time.
const fetchers = 4

// complete returns the events, of which a few attributes are known, whole.
func (s *Store) complete(ctx context.Context, f Filter, events []Event) ([]Event, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	expr := logQL(s.Scope, f)
	var (
		wg    sync.WaitGroup
		mu    sync.Mutex
		found = make(map[int64][]Event) // by nanosecond
		turn  = make(chan struct{}, fetchers)
	)
	asked := make(map[int64]bool)
	for _, e := range events {
		if asked[e.Nanos] {
			continue
		}
		asked[e.Nanos] = true
		turn <- struct{}{}
		wg.Go(func() {
			defer func() { <-turn }()
			whole, err := s.instantOf(ctx, expr, e.Nanos)
			if err != nil {
				cancel(err)
			}
			mu.Lock()
			defer mu.Unlock()
			found[e.Nanos] = whole
		})
	}
	wg.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	complete := make([]Event, len(events))
	for i, e := range events {
		complete[i] = e
		there := found[e.Nanos]
		if at := slices.IndexFunc(there, e.isPartOf); at >= 0 {
			complete[i] = there[at]
			found[e.Nanos] = slices.Delete(there, at, at+1)
		}
	}
	return complete, nil
}

// isPartOf reports whether e is whole with some attributes left out.
func (e *Event) isPartOf(whole Event) bool {
	if e.Line != whole.Line {
		return false
	}
	for name, value := range e.Metadata {
		if whole.Metadata[name] != value {
			return false
		}
	}
	return true
}

// worstFirst is a heap of the best events so far, the worst of them on top.
type worstFirst struct {
	events  []Event
	compare func(a, b *Event) int
}

func (h *worstFirst) Len() int           { return len(h.events) }
func (h *worstFirst) Less(i, j int) bool { return h.compare(&h.events[i], &h.events[j]) > 0 }
func (h *worstFirst) Swap(i, j int)      { h.events[i], h.events[j] = h.events[j], h.events[i] }
func (h *worstFirst) Push(x any)         { h.events = append(h.events, x.(Event)) }
func (h *worstFirst) Pop() any {
	last := h.events[len(h.events)-1]
	h.events = h.events[:len(h.events)-1]
	return last
}
