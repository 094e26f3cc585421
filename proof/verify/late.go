package verify

import (
	"fmt"
	"slices"

	"github.com/adminsessions/adminsessions/proof"
)

// delivered is an entry that stands in the log under a number that the log says is
// not there, and the act that says it came late.
type delivered struct {
	leaf leaf
	by   *act
}

// unexpected notes an entry with a number that the log declares to be absent. It
// may have come out of quarantine since, which the log says then.
func (j *judge) unexpected(l leaf, reason string) {
	if c := j.lates.of(l); c != nil && reason == proof.Quarantined {
		j.delivered = append(j.delivered, delivered{l, c.by})
		return
	}
	s := Span{From: l.number, To: l.number, Before: timeOf(l), After: timeOf(l)}
	if proof.MayBeThere(reason) {
		s.Why = "it is there, and the log, which says " + reason + ", does not know what it was"
		j.log.unsigned = true
		addSpan(&j.log, &j.log.Unjudged, s)
		return
	}
	s.Finding = l.finding(j.log.ID)
	s.Why = "an entry has a number of which the log says that there is none: " + reason
	addDoubled(&j.log, s)
}

// checkLate believes that events came late if the log says so.
func (j *judge) checkLate(l *Log) {
	n := 0
	for _, d := range j.delivered {
		if d.by.proved {
			n++
			continue
		}
		l.unsigned = true
		addSpan(l, &l.Unjudged, Span{From: d.leaf.number, To: d.leaf.number, Before: timeOf(d.leaf), After: timeOf(d.leaf),
			Why: "it came out of quarantine, says event " + d.by.name() + ", which is not proved itself"})
	}
	if n > 0 {
		l.Notes = append(l.Notes, fmt.Sprintf("%d of the events that are declared missing came out of quarantine later, as the log says", n))
	}
}

// declaredReason is why the log says that it has no event with a number; "" if it
// does not say so.
func (j *judge) declaredReason(number uint64) string {
	for _, s := range j.log.Declared {
		if s.From <= number && number <= s.To {
			return s.Why
		}
	}
	return ""
}

// proveActs notes which of the log's acts are among the leaves that were signed.
func (j *judge) proveActs(iv *interval, chosen map[uint64]leaf) {
	for _, a := range j.acts {
		if n := a.leaf.number; n >= iv.from() && n <= iv.to() {
			signed, several := chosen[n]
			a.proved = a.proved || several && signed.hash == a.leaf.hash ||
				!several && iv.has(a.leaf) && !slices.ContainsFunc(iv.mark.Gaps, func(g proof.Gap) bool { return g.From <= n && n <= g.To })
		}
	}
}
