package trail

import (
	"container/heap"
	"context"
	"slices"
	"time"
)

// Sorted is a part of a result in an order other than time.
type Sorted struct {
	Events []Event
	// Scanned is how many events were looked at. If Cut, there were more, and
	// only the newest Scanned have been sorted.
	Scanned int
	Cut     bool
}

// Sort walks over the whole result of w, newest first, and returns the events
// number skip to skip+take (from 0) in the order of compare, ties the newest
// first. It looks at no more than limit events, for three quarters of the time
// that ctx allows: what has more is Cut. It keeps the best skip+take events and
// one batch in memory.
func (s *Store) Sort(ctx context.Context, w Walk, compare func(a, b *Event) int, skip, take, limit int) (Sorted, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)*3/4)
		defer cancel()
	}
	w.Forward, w.Past, w.Batch = false, Cursor{}, MaxBatch
	full := func(a, b *Event) int {
		if c := compare(a, b); c != 0 {
			return c
		}
		return b.Cursor().Compare(a.Cursor())
	}
	var result Sorted
	best := &worstFirst{compare: full}
	for e, err := range s.Walk(ctx, w) {
		if OutOfTime(ctx, err) && result.Scanned > 0 || err == nil && result.Scanned == limit {
			result.Cut = true
			break
		}
		if err != nil {
			return Sorted{}, err
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
	result.Events = slices.Clone(best.events[min(skip, len(best.events)):])
	return result, nil
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
