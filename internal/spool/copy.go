package spool

import (
	"crypto/rand"
	"encoding/hex"
	"time"
)

// A folder that was copied, to another machine or back from a backup, would give
// numbers a second time that its original has given. So the cursor says in which
// file it was written, and a cursor that is found in another file makes the log go
// on under an identity of its own. The secret stays: it is what the records on
// disk are read with.

// isCopy tells that the cursor was written to another file than the one in which
// it was found, or into the same one by somebody else since the log was closed.
func (c found) isCopy() bool {
	if c.origin != 0 && c.at.ID != 0 && c.origin != c.at.ID {
		return true
	}
	// A damaged file may have lost the newest slots.
	return c.bad == nil && c.clean && c.closed != 0 && !c.at.Modified.IsZero() && !c.at.Modified.Equal(time.Unix(int64(c.closed), 0))
}

// leaveOriginal gives the position an identity of its own. high is the highest
// number that was given under the old one, as far as the copy knows.
func (p *position) leaveOriginal(high uint64) {
	p.previous = p.id
	p.since = high + 1
	_, _ = rand.Read(p.id[:]) // never fails
}

// Predecessor returns the identity of the log that this one was copied from, and
// this one's first number: where a copy was noticed, the numbers go on under a new
// identity. Records that were in the copy have their numbers under the old one,
// which their payload has to say. It returns "" and 1 for a log that is no copy.
func (l *Log) Predecessor() (id string, first uint64) {
	return l.previous, max(1, l.since)
}

func (l *Log) setIdentity(p position) {
	l.ident, l.id = p.identity, hex.EncodeToString(p.id[:])
	l.since = p.since
	if p.previous != [16]byte{} {
		l.previous = hex.EncodeToString(p.previous[:])
	}
	for _, s := range l.segments {
		s.key = l.ident.secret.key(s.first)
	}
}
