package viewer

import (
	"context"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// What happened since a viewer last looked. When that was is read from the trail,
// where his looks are on record, so it is the same in every browser, and nobody can
// set it to hide something; it is asked for once a visit. Nothing is counted for it:
// how much is new can be seen from the rows.

const (
	// visitGap is how long a viewer looks at nothing before what he looks at next is
	// another visit.
	visitGap = 30 * time.Minute
	// lookedWithin is how far back the last visit is looked for, and lookWait how
	// long a page waits for it.
	lookedWithin = 30 * 24 * time.Hour
	lookWait     = 500 * time.Millisecond
	// maxVisits bounds how many visits are remembered; then all are forgotten.
	maxVisits = 1000
)

// visits remembers of each viewer the visit that goes on.
type visits struct {
	mu    sync.Mutex
	known map[string]visit
}

type visit struct {
	before time.Time // when he last looked before it, zero if that is not known
	seen   time.Time // when he looked the last time
}

// lastLook returns when who is signed in last looked at the trail before this visit,
// zero if that is not known, and notes that he looks now.
func (h *Handler) lastLook(ctx context.Context, me adminsessions.User, now time.Time) time.Time {
	own := trail.Scope{Own: adminsessions.User{ID: me.ID, Email: me.Email}}
	if own.IsZero() || own.Check() != nil {
		return time.Time{}
	}
	key := own.Key()
	h.visits.mu.Lock()
	known, ok := h.visits.known[key]
	h.visits.mu.Unlock()
	if !ok || now.Sub(known.seen) > visitGap {
		before, err := h.askVisit(ctx, own, now)
		switch {
		case err == nil:
			known.before = before
		case ok:
			known.before = known.seen // what is known here, which may be long ago
		default:
			return time.Time{} // the next page asks again
		}
	}
	known.seen = now
	h.visits.mu.Lock()
	defer h.visits.mu.Unlock()
	if h.visits.known == nil || len(h.visits.known) >= maxVisits {
		h.visits.known = make(map[string]visit)
	}
	h.visits.known[key] = known
	return known.before
}

// askVisit asks the trail. A page that does not wait for the answer leaves it to the
// next.
func (h *Handler) askVisit(ctx context.Context, own trail.Scope, now time.Time) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, lookWait)
	defer cancel()
	now = now.Truncate(time.Millisecond)
	return h.looks.get(ctx, own.Key(), func(ctx context.Context) (time.Time, error) {
		return h.trail.Within(own).LastLook(ctx, trail.Window{From: now.Add(-lookedWithin), To: now.Add(trail.Ahead)}, now, visitGap)
	})
}

// askLastLook asks for it while the page is made. The channel gets exactly one
// answer, and has room for it.
func (h *Handler) askLastLook(ctx context.Context, p *pageData) <-chan time.Time {
	answer := make(chan time.Time, 1)
	if !p.V.isLive() || p.V.sort != byTime || p.V.asc || p.V.event != "" {
		answer <- time.Time{}
		return answer
	}
	go func() { answer <- h.lastLook(ctx, p.Me, p.Now) }()
	return answer
}

// SinceText says how much is new since the viewer last looked; empty if that is not
// known.
func (p *pageData) SinceText() string {
	if p.Since.IsZero() {
		return ""
	}
	fresh, more := p.fresh()
	at := p.Instant(p.Since)
	switch {
	case more:
		return p.L.T("since.more", p.L.Number(int64(fresh)), at)
	case fresh == 0:
		return p.L.T("since.none", at)
	}
	return p.L.N("since", int64(fresh), at)
}

// fresh is how many of the events that are shown are new, and whether there are
// more.
func (p *pageData) fresh() (n int, more bool) {
	for i := range p.Result.events {
		if !p.Result.events[i].Time.After(p.Since) {
			return n, false
		}
		n++
	}
	return n, p.Result.more
}

// SinceMark is the key of the row before which what is new ends; empty if there is
// nothing new, or nothing else.
func (p *pageData) SinceMark() string {
	if p.Since.IsZero() {
		return ""
	}
	n, _ := p.fresh()
	if n == 0 || n == len(p.Result.events) {
		return ""
	}
	return p.Result.events[n].Cursor().String()
}

// SinceMarkText is what stands there.
func (p *pageData) SinceMarkText() string { return p.L.T("since.mark", p.Instant(p.Since)) }
