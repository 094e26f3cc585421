package verify

import (
	"time"

	"github.com/adminsessions/adminsessions/proof"
)

// edge is how much later than asked for the first checkpoint may be.
const edge = 24 * time.Hour

// beginAt begins with the first mark. What was before it is nobody's to judge,
// unless it is to be there.
func (j *judge) beginAt(m *mark) {
	since := m.Since
	if m.rootOnly || j.fromBeginning() { // the first events may have later times
		since = 0
	}
	j.begin(proof.PartFrom(since))
	if since > 0 {
		j.notBefore(m, since)
	}
}

// notBefore notes that nothing before a number can be judged.
func (j *judge) notBefore(m *mark, to uint64) {
	if j.lowest > 0 && j.lowest <= to {
		addSpan(&j.log, &j.log.Unjudged, Span{From: j.lowest, To: to, Why: "before the first checkpoint that was found"})
	}
	if m.Time.After(j.since.Add(edge)) {
		j.headless = true
	}
}

// nothing notes that nothing is there, which may be right.
func (j *judge) nothing() {
	m := j.waiting[len(j.waiting)-1]
	j.note(m)
	j.waiting, j.headless = nil, true
	addSpan(&j.log, &j.log.Unjudged, Span{From: 1, To: m.Size, Why: "nothing of it is there; it may have ended before what was asked for"})
}

// beginBehind begins with the end of the first mark, if the beginning of what it
// is about is not there: it may be older than what was asked for.
func (j *judge) beginBehind(iv *interval) bool {
	if j.from != nil || j.fromBeginning() || iv.from() != j.log.First || iv.mark.Since == 0 || iv.mark.rootOnly {
		return false
	}
	for p := range iv.each(j.claims) {
		if p.kind != missing {
			return false
		}
		break
	}
	j.notBefore(iv.mark, iv.to())
	j.follow(iv.mark)
	j.log.First = iv.to() + 1
	return true
}
