package verify

import (
	"fmt"
	"slices"
	"time"
)

// mark judges what was read by a signed statement.
func (j *judge) mark(m *mark) {
	if j.fits(m) {
		m.linked = true
		j.compare(m)
	}
	if !m.rootOnly {
		j.remember(m)
		j.link()
	}
}

// fits notes where a mark was found and whether it contradicts another, and
// reports whether it is about events that were not judged yet.
func (j *judge) fits(m *mark) bool {
	j.note(m)
	if h, ok := j.known[m.Size]; ok {
		if h != m.Root {
			j.fork(m.Size, m.Size, m, "two checkpoints of this many events contradict each other")
		}
		return false
	}
	if j.contradicts(m) {
		j.fork(m.Since+1, m.Size, m, "the checkpoint does not follow from the one before, though both are signed")
	}
	if !j.started || m.Size > j.base.End() {
		return true
	}
	if j.last != nil && m.Time.After(j.last.Time) && m.Size < j.last.Size && m.Size >= j.log.First && !m.rootOnly {
		if len(j.unlinked) >= maxWhole {
			j.setBack(j.unlinked[0])
			j.unlinked = j.unlinked[1:]
		}
		j.unlinked = append(j.unlinked, m)
	}
	return false
}

// link looks which of the checkpoints that were read after others of more events
// are of the same history: the clock was set back. Those that nothing follows were
// made after the log was set back.
func (j *judge) link() {
	for again := true; again; {
		n := len(j.unlinked)
		j.unlinked = slices.DeleteFunc(j.unlinked, func(m *mark) bool {
			m.linked = slices.ContainsFunc(j.whole, func(next *mark) bool {
				return next.linked && next.Since == m.Size && next.Follows(m.Checkpoint)
			})
			return m.linked
		})
		again = len(j.unlinked) < n
	}
}

// doubted takes what other logs have said that lies within an interval.
func (j *judge) doubted(iv *interval) (found []*mark) {
	j.doubtful = slices.DeleteFunc(j.doubtful, func(m *mark) bool {
		within := m != iv.mark && m.Size >= iv.from() && m.Size <= iv.to()
		if within {
			found = append(found, m)
		}
		return within || m == iv.mark
	})
	return found
}

func (j *judge) setBack(m *mark) {
	j.fork(m.Size, j.last.Size, m, "a checkpoint of fewer events was signed after one of more: the log was set back")
}

// contradicts reports whether a mark does not follow from the one that it says it
// was made after, though that is known.
func (j *judge) contradicts(m *mark) bool {
	if m.rootOnly || m.Since == 0 {
		return false
	}
	known := false
	for _, earlier := range j.whole {
		if earlier.Size != m.Since {
			continue
		}
		if known = true; m.Follows(earlier.Checkpoint) {
			return false
		}
	}
	return known
}

func (j *judge) fork(from, to uint64, m *mark, why string) {
	addSpan(&j.log, &j.log.Forks, Span{From: from, To: to, Why: fmt.Sprintf("%s (%s, %s)", why, m.place, m.Time.Format(time.RFC3339))})
}

func (j *judge) note(m *mark) {
	p := j.places[m.place]
	if p == nil {
		p = &Anchored{Place: m.place}
		j.places[m.place] = p
	}
	p.Checkpoints++
	if m.Size >= p.Size {
		p.Size, p.Time = m.Size, m.Time
	}
}

func (j *judge) remember(m *mark) {
	if len(j.known) >= maxKnown {
		clear(j.known)
	}
	j.known[m.Size] = m.Root
	if len(j.whole) >= maxWhole {
		j.whole = append(j.whole[:0], j.whole[maxWhole/2:]...)
	}
	j.whole = append(j.whole, m)
}
