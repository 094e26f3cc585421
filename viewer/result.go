package viewer

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// result is what a view shows.
type result struct {
	at     time.Time // that the range is relative to
	window trail.Window
	events []trail.Event
	// inProgress are requests without an end from before the events, on the
	// newest page only. If moreRunning, there are more.
	inProgress  []trail.Event
	moreRunning bool
	more        bool // there is a next page
	// total is how many events there are on all pages, nil where that is still
	// to be counted.
	total *trail.Count
	// reached, unless zero, is how far a search came before its time was over.
	reached trail.Cursor
	// cut is how many events were sorted, if that is not all of them.
	cut int
}

// inProgressWithin is how far back requests without an end are looked for.
const inProgressWithin = 24 * time.Hour

// runningWait is how long a page waits for requests in progress. If they take
// longer to find they stand on the next page that asks.
const runningWait = 200 * time.Millisecond

// spareEntries is how many entries to ask for beyond what is wanted:
// it saves a second query where several events share the last nanosecond.
const spareEntries = 8

// load asks the trail for what the view shows, for QueryTimeout at most; what a
// search has found until then is its result. progress is called with the part
// done of a search that takes more than one query.
func (h *Handler) load(ctx context.Context, v *view, me adminsessions.User, progress func(float64)) (result, error) {
	ctx, cancel := context.WithTimeout(ctx, h.config.QueryTimeout)
	defer cancel()
	r := result{at: v.now(h.config.Now).Truncate(time.Millisecond)}
	r.window = v.window(r.at)
	var place trail.Cursor
	walk := trail.Walk{Filter: v.filter(me), Window: r.window, Both: v.event != "", Progress: func(done float64, at trail.Cursor) {
		place = at
		progress(done)
	}}
	if v.sort != byTime {
		return h.loadSorted(ctx, v, walk, r)
	}
	var started <-chan running
	if v.isLive() && !v.asc && v.event == "" {
		started = h.askRunning(ctx, v, me, r.window)
	}
	walk.Forward = v.asc != v.back
	walk.Past = v.past
	walk.Batch = v.size + 1 + spareEntries
	for e, err := range h.store(ctx).Walk(ctx, walk) {
		if trail.OutOfTime(ctx, err) && !place.IsZero() && !v.back {
			r.reached, r.more = place, true
			break
		}
		if err != nil {
			return result{}, err
		}
		if len(r.events) == v.size {
			r.more = true
			break
		}
		r.events = append(r.events, e)
	}
	if v.back {
		slices.Reverse(r.events)
		r.more = true
	} else if !r.more && v.page == 1 {
		r.total = &trail.Count{N: int64(len(r.events))}
	}
	if started != nil {
		known := <-started
		r.inProgress, r.moreRunning = r.notShown(known.events), known.more
	}
	return r, nil
}

// notShown leaves out events that the page shows at their time.
func (r *result) notShown(events []trail.Event) []trail.Event {
	shown := make(map[trail.Cursor]bool)
	for i := range r.events {
		shown[r.events[i].Cursor()] = true
	}
	return slices.DeleteFunc(slices.Clone(events), func(e trail.Event) bool { return shown[e.Cursor()] })
}

func (h *Handler) loadSorted(ctx context.Context, v *view, walk trail.Walk, r result) (result, error) {
	compare := func(a, b *trail.Event) int {
		if v.asc {
			return v.sort.compare(a, b)
		}
		return v.sort.compare(b, a)
	}
	skip := (v.page - 1) * v.size
	sorted, err := h.store(ctx).Sort(ctx, walk, compare, skip, v.size, h.config.SortLimit)
	if err != nil {
		return result{}, err
	}
	r.events, r.more = sorted.Events, skip+v.size < sorted.Scanned
	if sorted.Cut {
		r.cut = sorted.Scanned
	} else {
		r.total = &trail.Count{N: int64(sorted.Scanned)}
	}
	return r, nil
}

// count is how many events the view has on all its pages. Counting goes on when
// ctx is done, for the next who asks.
func (h *Handler) count(ctx context.Context, v *view, me adminsessions.User, w trail.Window) (trail.Count, error) {
	return h.counts.get(ctx, v.filterKey(me), func(ctx context.Context) (trail.Count, error) {
		return h.store(ctx).Count(ctx, v.filter(me), w)
	})
}

// askRunning asks which requests have no end, beside the search. They are few
// and rarely needed, but Loki has to read a day to find them: a page that would
// otherwise be ready waits for them no longer than runningWait. The channel
// gets exactly one answer and has room for it.
func (h *Handler) askRunning(ctx context.Context, v *view, me adminsessions.User, w trail.Window) <-chan running {
	if w.Length() > inProgressWithin {
		w.From = w.To.Add(-inProgressWithin)
	}
	answer := make(chan running, 1)
	go func() {
		ctx, cancel := context.WithTimeout(ctx, runningWait)
		defer cancel()
		known, err := h.running.get(ctx, v.filterKey(me), func(ctx context.Context) (r running, err error) {
			r.events, r.more, err = h.store(ctx).InProgress(ctx, v.filter(me), w)
			return r, err
		})
		if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, context.Canceled) {
			h.config.Logger.WarnContext(ctx, "looking for requests in progress failed; the page shows none", "error", err)
		}
		answer <- known
	}()
	return answer
}

// filterKey names what the view chooses, for whom, and nothing of how it shows
// it.
func (v *view) filterKey(me adminsessions.User) string {
	key := v.values()
	for _, name := range []string{"sort", "size", "every", "auto", "past", "back", "page"} {
		key.Del(name)
	}
	f := v.filter(me)
	return key.Encode() + " " + f.Hide.ID + " " + f.Hide.Email
}
