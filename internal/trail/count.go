package trail

import (
	"context"
	"sync"
	"time"
)

// Counter counts events of a Store. To count Loki reads them all, so a long
// window is counted day by day, one question at a time, whoever asks: Loki has
// room left for the pages. The counts of past days are remembered, so a count
// that is broken off goes on from there.
type Counter struct {
	store *Store
	now   func() time.Time

	turn chan struct{} // holds one token while somebody counts

	mu   sync.Mutex
	days map[dayKey]dayCount
}

type dayKey struct {
	expr string
	day  int64 // Unix days
}

type dayCount struct {
	n     int64
	until time.Time
}

const (
	day = 24 * time.Hour
	// dayHolds is how long the count of a past day is taken for true: a
	// backlog of events that arrives late may still change it.
	dayHolds = 10 * time.Minute
	// maxDays bounds the counts remembered; then all are forgotten.
	maxDays = 10_000
)

// NewCounter returns a counter for the store, with a clock.
func NewCounter(s *Store, now func() time.Time) *Counter {
	return &Counter{store: s, now: now, turn: make(chan struct{}, 1), days: make(map[dayKey]dayCount)}
}

// Count is how many events f chooses in the window, whose ends must be whole
// milliseconds. Loki counts a push that was resent because its answer was lost
// twice until the copies are merged, so the number can be a little too high.
func (c *Counter) Count(ctx context.Context, f Filter, w Window) (int64, error) {
	select {
	case c.turn <- struct{}{}:
		defer func() { <-c.turn }()
	case <-ctx.Done():
		return 0, transportError(ctx, ctx.Err())
	}
	events := logQL(c.store.Scope, f)
	lines, exact := exactLinesQL(c.store.Scope, f)
	byLines := exact && c.store.searchesLines(f)
	var total int64
	for from := w.From; from.Before(w.To); {
		midnight := from.UTC().Truncate(day).Add(day)
		to := midnight
		if to.After(w.To) {
			to = w.To
		}
		expr := events
		if byLines && !from.Before(c.store.LinesSince) {
			expr = lines
		}
		n, err := c.part(ctx, expr, Window{from, to})
		if err != nil {
			return 0, err
		}
		total += n
		from = to
	}
	return total, nil
}

// part counts a part of a day.
func (c *Counter) part(ctx context.Context, expr string, w Window) (int64, error) {
	whole := w.Length() == day && !w.To.After(c.now())
	key := dayKey{expr, w.From.Unix() / int64(day/time.Second)}
	if whole {
		c.mu.Lock()
		known, ok := c.days[key]
		c.mu.Unlock()
		if ok && c.now().Before(known.until) {
			return known.n, nil
		}
	}
	// A range of LogQL excludes its start and includes its end.
	samples, err := c.store.Client.query(ctx, countQL(expr, w.Length()), w.To.Add(-1))
	if err != nil {
		return 0, err
	}
	var n int64
	if len(samples) > 0 {
		n = int64(samples[0].Value)
	}
	if whole {
		c.mu.Lock()
		defer c.mu.Unlock()
		if len(c.days) >= maxDays {
			clear(c.days)
		}
		c.days[key] = dayCount{n, c.now().Add(dayHolds)}
	}
	return n, nil
}
