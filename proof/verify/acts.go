package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// maxClaims bounds what acts say that is remembered: anybody who can write to Loki
// can write what looks like one. About 64 bytes each.
const maxClaims = 1 << 20

// findActs collects what acts say of events that are not there any more, or came
// late. Such an act may stand in any log.
func (v *verification) findActs(ctx context.Context) error {
	for _, containing := range []string{" action=" + proof.ErasedAction + " ", proof.LateReason} {
		for e, err := range v.source.ReadLog(ctx, v.everywhere(containing)) {
			if err != nil {
				return fmt.Errorf("looking for acts of erasure: %w", err)
			}
			v.takeAct(&e)
		}
	}
	for _, kept := range []map[string]claims{v.erased, v.late} {
		for _, list := range kept {
			slices.SortStableFunc(list, func(a, b claim) int { return cmp.Compare(a.number, b.number) })
		}
	}
	return nil
}

// takeAct notes what an entry says if it is an act.
func (v *verification) takeAct(e *loki.Entry) {
	event, err := adminsessions.ParseLine(e.Line)
	if err != nil || event.Type != adminsessions.Trail {
		return
	}
	kept := v.erased
	switch {
	case event.Action == proof.ErasedAction:
	case proof.IsLate(&event):
		kept = v.late
	default:
		return
	}
	id := trail.LogID(e.Labels)
	log, leaves, err := proof.RecordedLeaves(&event)
	if err != nil {
		v.problem("an act %s, number %d of the log %s, can't be read: %v", event.Action, event.Sequence, id, err)
		return
	}
	if v.claimed += len(leaves); v.claimed > maxClaims {
		v.problem("more than %d events are said to be erased or delivered late; the act number %d of the log %s is passed over", maxClaims, event.Sequence, id)
		return
	}
	a := &act{log: id, leaf: leaf{number: event.Sequence, nanos: e.Nanos}}
	a.leaf.hash, _ = proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
	v.acts[id] = append(v.acts[id], a)
	for _, l := range leaves {
		kept[log] = append(kept[log], claim{number: l.Number, hash: l.Hash, by: a})
	}
}

// checkActs believes acts only if they are themselves among the events that agree
// with what was signed: not another entry with the number of one of those.
func (v *verification) checkActs() {
	for i := range v.report.Logs {
		l := &v.report.Logs[i]
		for k := range l.Erased {
			e := &l.Erased[k]
			e.Proved = e.Proved && e.act.proved
			e.act = nil
		}
		v.judges[l.ID].checkLate(l)
		l.sort()
		l.judge()
	}
}
