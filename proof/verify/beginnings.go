package verify

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions/proof"
)

// checkBeginnings looks at how each log begins: as the successor of one that it
// names, or of one that it should name, because a process begins a new log only if
// it does not find the spool of the one before.
func (v *verification) checkBeginnings() {
	for i := range v.report.Logs {
		l := &v.report.Logs[i]
		first := v.judges[l.ID].begun
		switch {
		case first == nil || first.Since > 0:
		case first.After != nil:
			l.Predecessor = strings.TrimPrefix(first.After.Origin, proof.OriginPrefix)
			v.checkPredecessor(l, first.After.Size)
		default:
			v.checkNoPredecessor(l, first)
		}
	}
}

// checkPredecessor looks whether a log's predecessor went on after it had begun.
func (v *verification) checkPredecessor(l *Log, size uint64) {
	if j := v.judges[l.Predecessor]; j != nil && j.last != nil && j.last.Size > size {
		l.Notes = append(l.Notes, fmt.Sprintf("it goes on behind event %d of log %s, which itself has gone on to %d: a copy of that log's spool was taken into use, or the spool was set back to an older state",
			size, l.Predecessor, j.last.Size))
	}
}

// checkNoPredecessor looks for a log that a new one should have named.
func (v *verification) checkNoPredecessor(l *Log, first *mark) {
	for _, id := range slices.Sorted(maps.Keys(v.judges)) {
		f, began := v.logs[id], v.judges[id].begun
		ended := v.judges[id].newest()
		if id == l.ID || f.gone || !meet(f.Instances, l.Instances) || !meet(f.Services, l.Services) || !ended.Before(first.Time) ||
			began != nil && !began.Time.Before(first.Time) {
			continue
		}
		when := "before"
		if !ended.IsZero() {
			when = "until " + ended.Format(time.RFC3339)
		}
		l.Notes = append(l.Notes, fmt.Sprintf("it names no log before it, though log %s of the same service and instance was there %s: its spool was removed, and what had not been delivered from it is lost without a number", id, when))
		l.headless = true
		l.judge()
		return
	}
}

func meet(set map[string]bool, list []string) bool {
	return slices.ContainsFunc(list, func(s string) bool { return set[s] })
}
