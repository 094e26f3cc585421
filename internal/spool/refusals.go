package spool

import (
	"slices"
	"sync"
	"time"
)

const (
	// tellEvery is how often it is logged, for each reason, that records are
	// refused; a flood of them must not become a flood of lines.
	tellEvery = time.Minute
	// quietFor is how long none must have been refused before it is logged that
	// records are taken again.
	quietFor = 10 * time.Second
)

// advice tells an operator what a reason means. ReasonClosed has none: whoever
// closes a log knows.
var advice = [len(reasons)]string{
	"the spool is full: events are lost until some are delivered or its limit is raised",
	"what is left of the spool is reserved: limited events are refused",
	"the disk is full: events are lost until there is room",
	"the spool can't be written: events are lost until its disk or folder can be used again",
	"events are larger than the spool takes: they are lost",
	"",
}

// refusals counts the records that were refused, and tells of them in a bounded
// number of log lines.
type refusals struct {
	mu   sync.Mutex
	list [len(reasons)]refusal
}

type refusal struct {
	total  uint64    // since Open
	spell  uint64    // since records were last taken
	untold uint64    // since the last line
	since  time.Time // when the spell began
	last   time.Time // when the last one was refused
	told   time.Time // when the last line was logged
}

// noteRefused counts a record that was refused, and tells of it. It does nothing
// for another error. No lock is held.
func (l *Log) noteRefused(err error) {
	e, ok := err.(*RefusedError) //nolint:errorlint // made here
	if !ok {
		return
	}
	i, now := slices.Index(reasons[:], e.Reason), l.opts.Now()
	l.refusals.mu.Lock()
	r := &l.refusals.list[i]
	if r.spell == 0 {
		r.since = now
	}
	r.total++
	r.spell++
	r.untold++
	r.last = now
	was := *r
	tell := advice[i] != "" && (r.told.IsZero() || now.Sub(r.told) >= tellEvery || now.Before(r.told))
	if tell {
		r.told, r.untold = now, 0
	}
	l.refusals.mu.Unlock()
	if tell {
		//nolint:sloglint // one of a list
		l.opts.Logger.Error(advice[i], "dir", l.opts.Dir, "reason", string(e.Reason), "refused", was.untold,
			"since", was.since, "last_number", e.Seq, "error", e.Err)
	}
	if l.opts.OnDrop != nil {
		l.opts.OnDrop(e.Reason, e.Seq)
	}
}

// tellTaken logs that records are taken again, for each reason for which they were
// refused and have not been for a while.
func (l *Log) tellTaken() {
	if l.refusing() != "" {
		return
	}
	now := l.opts.Now()
	for i, reason := range reasons {
		l.refusals.mu.Lock()
		r := &l.refusals.list[i]
		was := *r
		over := r.spell > 0 && (now.Sub(r.last) >= quietFor || now.Before(r.last))
		if over {
			r.spell, r.untold = 0, 0
		}
		l.refusals.mu.Unlock()
		if over && advice[i] != "" {
			l.opts.Logger.Info("the spool has refused no events for a while", "dir", l.opts.Dir, "reason", string(reason),
				"refused", was.spell, "since", was.since, "until", was.last)
		}
	}
}

func (r *refusals) totals() (n [len(reasons)]uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i := range r.list {
		n[i] = r.list[i].total
	}
	return n
}
