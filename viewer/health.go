package viewer

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/viewer/internal/trail"
)

// health remembers since when Loki has not answered.
type health struct {
	mu        sync.Mutex
	downSince time.Time
}

// note takes the outcome of a query, and returns since when Loki is away, zero
// if it is not.
func (h *health) note(now time.Time, err error) time.Time {
	h.mu.Lock()
	defer h.mu.Unlock()
	failure, ok := errors.AsType[*trail.Error](err)
	switch {
	case err == nil, ok && failure.Kind == trail.TooBroad:
		h.downSince = time.Time{}
	case ok && failure.Kind == trail.Unavailable && h.downSince.IsZero():
		h.downSince = now
	}
	return h.downSince
}

// counts remembers how many events a filter chooses for five times as long as
// it took to count them, so that a page that is refreshed every two seconds
// keeps Loki busy with counting a sixth of the time at most.
type counts struct {
	mu    sync.Mutex
	known map[string]count
}

type count struct {
	n     int64
	until time.Time
}

// maxCounts bounds what is remembered; then the oldest is forgotten.
const maxCounts = 256

func (c *counts) get(ctx context.Context, key string, now func() time.Time, ask func(context.Context) (int64, error)) (int64, error) {
	start := now()
	c.mu.Lock()
	known, ok := c.known[key]
	c.mu.Unlock()
	if ok && start.Before(known.until) {
		return known.n, nil
	}
	n, err := ask(ctx)
	if err != nil {
		return 0, err
	}
	end := now()
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.known == nil {
		c.known = make(map[string]count)
	}
	if len(c.known) >= maxCounts {
		oldest, first := "", true
		for k, v := range c.known {
			if first || v.until.Before(c.known[oldest].until) {
				oldest, first = k, false
			}
		}
		delete(c.known, oldest)
	}
	c.known[key] = count{n, end.Add(5 * end.Sub(start))}
	return n, nil
}

// lastViews remembers the last good answer of a few views, to have something to
// show while Loki is away.
type lastViews struct {
	mu    sync.Mutex
	order []string // the most recently stored last
	known map[string]lastView
}

type lastView struct {
	result result
	at     time.Time
}

// maxLastViews bounds what is remembered: 16 views of at most 200 events.
const maxLastViews = 16

func (l *lastViews) store(key string, r result, at time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.known == nil {
		l.known = make(map[string]lastView)
	}
	for i, k := range l.order {
		if k == key {
			l.order = append(l.order[:i], l.order[i+1:]...)
			break
		}
	}
	l.order = append(l.order, key)
	l.known[key] = lastView{r, at}
	if len(l.order) > maxLastViews {
		delete(l.known, l.order[0])
		l.order = l.order[1:]
	}
}

func (l *lastViews) load(key string) (lastView, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	v, ok := l.known[key]
	return v, ok
}
