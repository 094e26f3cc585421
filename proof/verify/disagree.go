package verify

import "github.com/adminsessions/adminsessions/proof"

// disagree notes what is wrong with an interval.
func (j *judge) disagree(iv *interval) {
	whole := true
	name := iv.finding(j.log.ID)
	found := func(from, to uint64, why string) Span {
		s := iv.around(from, to, why)
		s.Finding = name
		return s
	}
	j.doubted(iv)
	for p := range iv.each(j.claims) {
		if p.kind == missing {
			whole = false
			addSpan(&j.log, &j.log.Missing, found(p.from, p.to, j.lateBeginning(iv, p)))
		} else {
			j.report(iv, p, nil)
		}
		if len(p.choices) > 1 {
			addDoubled(&j.log, found(p.from, p.to, doubledWhy(p.choices, nil)))
		}
	}
	if whole {
		addSpan(&j.log, &j.log.Altered, found(iv.from(), iv.to(), "the entries do not make the tree that was signed ("+iv.mark.place+")"))
	}
}

// lateBeginning says what it is if the first events are missing up to a checkpoint.
func (j *judge) lateBeginning(iv *interval, p piece) string {
	if p.from == 1 && p.to >= iv.mark.Since && iv.mark.Since > 0 && j.fromBeginning() {
		return "the log begins with a later checkpoint; if Loki deletes events after some time, verify from a later time on"
	}
	return ""
}

// report notes what a piece of an interval is, besides events as they should be.
// chosen has what was signed; nil if the interval is not proved.
func (j *judge) report(iv *interval, p piece, chosen map[uint64]leaf) {
	switch p.kind {
	case present, missing: // what is missing agrees with nothing
	case declared:
		if p.reason == proof.Unproven {
			first := p.from == 1 && iv.from() == 1 // nothing was signed before
			why := "the log's tree does not know them: it was begun later, or its file was lost"
			if first {
				why = "unproven before the log's first checkpoint at " + stamp(iv.mark.Time)
			}
			j.log.blind = j.log.blind || !first || !j.fromFirst
			addSpan(&j.log, &j.log.Unjudged, iv.around(p.from, p.to, why))
			return
		}
		addSpan(&j.log, &j.log.Declared, iv.around(p.from, p.to, p.reason))
		for _, l := range iv.within(p.from, p.to) {
			j.unexpected(l, p.reason)
		}
	case erased:
		c := &p.claims[0]
		if l, ok := chosen[p.from]; ok {
			c = p.claims.of(l)
		}
		add(&j.log, &j.log.Erased, Erasure{Span: iv.around(p.from, p.to, ""), By: c.by.name(), Proved: chosen != nil, act: c.by})
	}
}
