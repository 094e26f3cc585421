package verify

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// findErasures collects what acts of erasure say of events that are not there any
// more. Such an act may stand in any log.
func (v *verification) findErasures(ctx context.Context) error {
	for e, err := range v.source.ReadLog(ctx, v.everywhere(" action="+proof.ErasedAction+" ")) {
		if err != nil {
			return fmt.Errorf("looking for acts of erasure: %w", err)
		}
		event, err := adminsessions.ParseLine(e.Line)
		if err != nil || event.Type != adminsessions.Trail || event.Action != proof.ErasedAction {
			continue
		}
		id := trail.LogID(e.Labels)
		log, leaves, err := proof.ErasedBy(&event)
		if err != nil {
			v.problem("an act of erasure, number %d of the log %s, can't be read: %v", event.Sequence, id, err)
			continue
		}
		by := id + "/" + strconv.FormatUint(event.Sequence, 10)
		for _, l := range leaves {
			v.claims[log] = append(v.claims[log], claim{number: l.Number, hash: l.Hash, by: by})
		}
	}
	for _, list := range v.claims {
		slices.SortStableFunc(list, func(a, b claim) int { return cmp.Compare(a.number, b.number) })
	}
	return nil
}

// checkErasures believes acts of erasure only if they are themselves among the
// events that agree with what was signed.
func (v *verification) checkErasures() {
	for i := range v.report.Logs {
		l := &v.report.Logs[i]
		for k := range l.Erased {
			e := &l.Erased[k]
			log, number, _ := strings.Cut(e.By, "/")
			n, err := strconv.ParseUint(number, 10, 64)
			j := v.judges[log]
			e.Proved = e.Proved && err == nil && j != nil && j.isProved(n)
		}
		l.judge()
	}
}
