package exporter

import (
	"slices"

	"github.com/adminsessions/adminsessions/internal/loki"
)

const (
	// maxParts is how many pushes in a row may be refused before the next one
	// waits, and no part is cut any more: looking for blame costs a bounded
	// number of pushes.
	maxParts = 32

	// proofs is how often an entry must be refused alone to be to blame: once,
	// then, after another one was taken, twice in a row, and after another one four
	// times. So no gateway that refuses every second or third push is believed.
	proofs = 1 + 2 + 4

	// minLineLimit is the least max_line_size that can be meant: Loki that takes
	// less takes no events, which no event is to blame for.
	minLineLimit = 4 << 10
)

// refused looks for the entry that is to blame for a refusal, if there is one: a
// part that is refused again is cut in halves, until the entry is alone. An entry
// is blamed only if Loki refuses it alone, and again after it has taken others of
// the same stream, see proofs. As long as Loki takes none at all, the reason
// lies elsewhere; and where one of two gateways refuses everything, an entry that
// comes again passes by the other.
func (s *shipper) refused(b *batch, p part, reason string, a loki.Answer) {
	if !b.refusing {
		b.refusing = true
		for _, st := range b.streams {
			st.taken = 0
		}
	}
	b.row++
	next := true // the next part is tried at once
	switch {
	case p.control: // it takes nothing of this stream any more
		b.parts, next = b.parts[1:], false
	case p.len() == 1:
		next = s.refusedAlone(b, p, reason, a)
	case b.row > maxParts:
		b.postpone()
		next = false
	case p.refused == 0 && a.Verdict != loki.TooLarge:
		b.parts[0].refused++
	default:
		b.halve()
		s.metrics.splits.Add(1)
	}
	if !next || b.row > maxParts || s.circuit.open && !b.retry {
		s.failed(b, holding(a))
	}
}

// refusedAlone deals with the refusal of a part of one entry. It reports whether
// to go on at once.
func (s *shipper) refusedAlone(b *batch, p part, reason string, a loki.Answer) bool {
	taken := b.taken(p.stream.Labels())
	switch p.refused {
	case 0:
		if taken == 0 {
			b.postpone()
			return false
		}
	case 1, 3: // a new round: Loki must have taken another one meanwhile
		if taken == p.takenAt {
			// There is no other one left: ask again for one that was taken.
			c, ok := b.sample(p.stream.Labels())
			if ok {
				b.parts = slices.Insert(b.parts, 0, c)
			}
			return ok
		}
	case proofs - 1:
		if !s.blame(b, p, p.from, reason, a) {
			return false // it can't even be written down: hold it
		}
		b.parts = b.parts[1:]
		return true
	}
	first := &b.parts[0]
	first.refused, first.takenAt = p.refused+1, taken
	if first.refused == 1 || first.refused == 3 {
		b.postpone()
	}
	return true
}

// blame puts an entry into quarantine.
func (s *shipper) blame(b *batch, p part, i int, reason string, a loki.Answer) bool {
	if !s.setAside(s.entry(p, i, reason, a.Err)) {
		return false
	}
	p.stream.entries[i].quarantined = true
	if b.retry {
		s.metrics.retried.add(retriedRefused)
	}
	return true
}

// holding is the answer, to be told as one that takes a person.
func holding(a loki.Answer) loki.Answer {
	a.Verdict = loki.Hold
	return a
}

// oversized puts the entries into quarantine whose lines are longer than Loki
// takes, if it has named them, and leaves the others to be sent again.
func (s *shipper) oversized(b *batch, p part, a loki.Answer) {
	if a.Faults.MaxLine < minLineLimit {
		s.failed(b, holding(a))
		return
	}
	var kept []part
	named, from := 0, p.from
	for i := p.from; i < p.to; i++ {
		if len(p.stream.Line(i)) <= a.Faults.MaxLine {
			continue
		}
		if !s.blame(b, p, i, quarantineTooLarge, a) {
			s.failed(b, a)
			return
		}
		named++
		if i > from {
			kept = append(kept, part{stream: p.stream, from: from, to: i})
		}
		from = i + 1
	}
	if named == 0 { // it is none of these
		s.refused(b, p, quarantineRefused, a)
		return
	}
	if from < p.to {
		kept = append(kept, part{stream: p.stream, from: from, to: p.to})
	}
	b.replaceFirst(kept...)
}

// widen lets a batch of which Loki takes nothing have more entries, if all that
// is left of it are single ones: one of the others may be taken, and show where
// the blame lies.
func (s *shipper) widen() {
	b := s.batch
	if !b.refusing || b.retry || b.count >= 2*s.batchEvents {
		return
	}
	for _, p := range b.parts {
		if p.len() > 1 || p.control {
			return
		}
	}
	s.fill()
	if n := s.next; n != nil && !n.empty() {
		s.next = nil
		n.seal()
		b.absorb(n)
		s.free = append(s.free, n)
	}
}
