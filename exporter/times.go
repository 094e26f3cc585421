package exporter

import (
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

const (
	// maxAhead is how far ahead of Loki's clock an entry may be. Loki refuses
	// one that is more than its creation_grace_period, 10 minutes by default.
	maxAhead = 5 * time.Minute
	// maxBack is how far an entry may be behind the one before it. Loki refuses
	// one that is more than half of max_chunk_age, an hour by default, behind
	// the newest of its stream.
	maxBack = 30 * time.Minute
	// maxEarly is how far the search for a time that Loki takes goes back.
	maxEarly = 2 * time.Hour
	// timeMargin is kept from limits that Loki has told.
	timeMargin = time.Minute
)

// times gives entries times that Loki accepts, whatever this machine's clock
// says: an event is never lost to its timestamp. An entry keeps the time of the
// spool as long as Loki has not refused such a one, and in any case its line says
// when the request arrived by this machine's clock.
type times struct {
	now  func() time.Time         // this machine's clock
	loki func() (time.Time, bool) // Loki's clock, once it has answered

	// local and latest are what now says, and the latest time that an entry is
	// sure to be accepted with; as of look.
	local, latest time.Time

	maxAge time.Duration // older entries are refused; 0 if none was
	// ahead is how far ahead of Loki's clock an entry may be, and early how
	// much earlier than that clock seems to say it must be. They count once an
	// entry was refused for being too new.
	limited bool
	ahead   time.Duration
	early   time.Duration
	last    int64 // the time given last, 0 before the first
}

// look looks at the clocks.
func (c *times) look() {
	now, known := c.loki()
	c.local = c.now().Round(0)
	if !known || c.early > 0 && now.After(c.local) {
		now = c.local
	}
	c.latest = now.Add(-c.early)
}

// next returns the time for the next entry, which the spool has at t. The clocks
// are those of the last look.
func (c *times) next(t int64) int64 {
	now := c.latest
	floor := int64(0)
	if c.maxAge > 0 {
		floor = now.Add(-c.maxAge).UnixNano()
	}
	if c.last > 0 {
		floor = max(floor, c.last-int64(maxBack))
	}
	switch {
	case c.limited && t > now.Add(c.ahead).UnixNano():
		t = now.UnixNano()
	case t < floor:
		t = c.raise(t, floor, now)
	}
	if t <= c.last && c.last <= now.Add(maxAhead).UnixNano() {
		t = c.last + 1
	}
	c.last = t
	return t
}

// raise moves a time that is too old. A clock that is behind is most likely the
// reason: then its distance is added, else as little as possible.
func (c *times) raise(t, floor int64, now time.Time) int64 {
	behind := max(0, now.Sub(c.local))
	return max(min(t+int64(behind), now.UnixNano()), floor)
}

// correct returns new times for the entries of a part that Loki has refused for
// theirs, by their index in the stream. attempt counts such refusals in a row,
// from 0.
func (c *times) correct(p part, f loki.Faults, attempt int) map[int]int64 {
	c.look()
	list := make([]int64, p.len())
	for i := range list {
		list[i] = p.stream.entries[p.from+i].time
	}
	tooNew, tooOld := f.Untimely(list, attempt == 0)
	at := make(map[int]int64, len(tooNew)+len(tooOld))
	if len(tooNew) > 0 {
		now := c.learnAhead(list[tooNew[len(tooNew)-1]], attempt)
		for n, i := range tooNew { // the latest comes first
			at[p.from+i] = now + int64(len(tooNew)-n)
		}
	}
	if len(tooOld) > 0 {
		now := c.latest
		floor := c.learnFloor(f, now, attempt)
		last := int64(0)
		for _, i := range tooOld { // the earliest comes first
			last = max(c.raise(list[i], floor, now), last+1)
			at[p.from+i] = last
		}
	}
	if t, ok := at[p.to-1]; ok {
		c.last = t
	}
	return at
}

// learnAhead returns the time to be used instead of those that are too new, the
// earliest of which is given.
func (c *times) learnAhead(earliest int64, attempt int) int64 {
	now := c.latest.UnixNano()
	switch {
	case !c.limited:
		c.limited, c.ahead = true, maxAhead
	case attempt > 1:
		// What Loki's clock seems to say is not early enough: the Date is
		// another server's.
		c.early = min(max(timeMargin, 2*c.early), maxEarly)
		c.look()
	}
	if earliest <= now+int64(c.ahead) {
		c.ahead = 0
	}
	return c.latest.UnixNano()
}

// learnFloor returns the oldest time to be used instead of those that are too
// old, and remembers what Loki has said of its limits.
func (c *times) learnFloor(f loki.Faults, now time.Time, attempt int) int64 {
	if f.Oldest.IsZero() {
		return now.UnixNano()
	}
	margin := timeMargin << min(attempt, 10)
	if len(f.TooOld) > 0 {
		c.maxAge = max(now.Sub(f.Oldest)-margin, timeMargin)
	}
	// Not past now, unless even that is too old.
	return min(f.Oldest.Add(margin).UnixNano(), max(now.UnixNano(), f.Oldest.Add(time.Second).UnixNano()))
}
