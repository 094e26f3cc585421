package verify

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"time"
)

// askAnchors judges by the checkpoints kept elsewhere that are about more events
// than those in the log.
func (j *judge) askAnchors() {
	for _, m := range j.waiting {
		j.mark(m)
	}
	j.waiting = nil
	if n := len(j.doubtful); n > 0 && j.doubtful[n-1].Size > j.base.End() {
		j.hold(j.doubtful[n-1])
	}
}

// finish gives the report, once everything was read.
func (j *judge) finish() *Log {
	l := &j.log
	for _, iv := range j.intervals {
		j.settle(iv)
	}
	for _, m := range j.unlinked {
		j.setBack(m)
	}
	j.tail()
	if l.Last < l.First {
		l.First, l.Last = 0, 0
	}
	l.accept(j.accepted)
	l.sort()
	l.headless = j.headless
	l.judge()
	j.upTo()
	for _, place := range slices.Sorted(maps.Keys(j.places)) {
		l.Anchors = append(l.Anchors, *j.places[place])
	}
	return l
}

// upTo finds the last checkpoint up to which everything is as it should be.
func (j *judge) upTo() {
	l := &j.log
	first := cmp.Or(l.wrong, math.MaxUint64)
	good := j.from
	next := l.First
	j.proved.sort()
	for _, r := range j.proved {
		if r.from != next || r.to >= first {
			break
		}
		if next = r.to + 1; !r.mark.rootOnly {
			good = r.mark
		}
	}
	if good != nil {
		l.UpTo, l.Checkpoint = good.Time, good.signed
	}
}

// newest is the time of the newest entry; zero if there was none.
func (j *judge) newest() time.Time {
	if j.latest == 0 {
		return time.Time{}
	}
	return time.Unix(0, j.latest).UTC()
}

// tail notes what stands behind the last checkpoint.
func (j *judge) tail() {
	if len(j.pending) == 0 {
		return
	}
	iv := &interval{leaves: slices.DeleteFunc(j.pending, func(l leaf) bool { return !j.until.IsZero() && !timeOf(l).Before(j.until) })}
	if len(iv.leaves) == 0 {
		return
	}
	iv.sort()
	from := iv.leaves[0].number
	if j.started {
		from = j.base.End() + 1
	}
	why := "behind the last checkpoint"
	if !j.started {
		why = "no checkpoint by a known key"
	}
	next := from
	for _, leaf := range iv.leaves {
		if next == 0 { // behind the highest of all numbers
			break
		}
		if at := timeOf(leaf); !leaf.own && at.After(j.log.open) {
			j.log.open = at
		}
		if leaf.number > next {
			addSpan(&j.log, &j.log.Unjudged, iv.around(next, leaf.number-1, "not there; the next checkpoint will say whether that is declared"))
		}
		if leaf.number >= next {
			addSpan(&j.log, &j.log.Unjudged, iv.around(leaf.number, leaf.number, why))
			next = leaf.number + 1
		}
	}
}
