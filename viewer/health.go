package viewer

import (
	"errors"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
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
	failure, ok := errors.AsType[*loki.Error](err)
	switch {
	case err == nil, ok && failure.Kind == loki.TooBroad:
		h.downSince = time.Time{}
	case ok && failure.Kind == loki.Unavailable && h.downSince.IsZero():
		h.downSince = now
	}
	return h.downSince
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
