package notary

import (
	"slices"
	"sync"

	"github.com/adminsessions/adminsessions/proof"
)

// elsewhere is why numbers are absent that were given under the identity of the log
// that this one is a copy of. The other reasons are those of package proof, and the
// spool's for refusing a record.
const elsewhere = "predecessor"

// maxAbsences bounds the ranges that are remembered. They are merged where they
// meet, so a spool that is full for hours makes one.
const maxAbsences = 4096

// absence is a range of numbers, both ends included, that will not be delivered.
type absence struct {
	From   uint64 `json:"from"`
	To     uint64 `json:"to"`
	Reason string `json:"reason"`
}

// absences remembers why numbers are absent until the tree comes to them.
type absences struct {
	mu    sync.Mutex
	list  []absence
	noted bool // something that snapshot has not returned
}

// note remembers a range. What was noted first counts.
func (a *absences) note(from, to uint64, reason string) {
	if from == 0 || to < from {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noted = true
	for i := len(a.list) - 1; i >= 0 && i >= len(a.list)-4; i-- { // callers come almost in order
		if l := &a.list[i]; l.Reason == reason && from <= l.To+1 && to+1 >= l.From {
			l.From, l.To = min(l.From, from), max(l.To, to)
			return
		}
	}
	if len(a.list) < maxAbsences {
		a.list = append(a.list, absence{from, to, reason})
	}
}

// first returns the beginning of the range from..to that has one reason.
func (a *absences) first(from, to uint64) absence {
	a.mu.Lock()
	defer a.mu.Unlock()
	found := absence{from, to, proof.Unused}
	known := false
	for _, l := range a.list {
		switch {
		case !known && l.From <= from && from <= l.To:
			found.Reason, found.To, known = l.Reason, min(found.To, l.To), true
		case !known && l.From > from:
			found.To = min(found.To, l.From-1)
		}
	}
	return found
}

// forget drops what is about numbers up to upTo.
func (a *absences) forget(upTo uint64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = slices.DeleteFunc(a.list, func(l absence) bool { return l.To <= upTo })
}

// snapshot returns a copy of at most n of the ranges.
func (a *absences) snapshot(n int) []absence {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.noted = false
	return slices.Clone(a.list[:min(n, len(a.list))])
}

// changed reports whether something was noted since the last snapshot.
func (a *absences) changed() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.noted
}
