// Package loglimit keeps a failure that lasts from filling the log.
package loglimit

import "time"

// Reminder is how often a failure that lasts is logged again.
const Reminder = 5 * time.Minute

// Limit bounds how often one thing is logged. Its zero value is ready. It belongs
// to one goroutine.
type Limit struct {
	last time.Time
	kept int // how often it was not logged since
}

// Allow reports whether to log now, and if so, how often it was not logged since
// the last time.
func (l *Limit) Allow(now time.Time, interval time.Duration) (kept int, ok bool) {
	if !l.last.IsZero() && now.Sub(l.last) < interval {
		l.kept++
		return 0, false
	}
	kept = l.kept
	l.last, l.kept = now, 0
	return kept, true
}
