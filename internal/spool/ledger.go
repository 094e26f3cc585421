package spool

// ledger accounts for every number that the reader passes: it is returned, was
// acknowledged before, or is reported as lost. How many records are lost in bytes
// that are none is known only when something tells a later number: the next record,
// or what a header or the log itself knows to have been written.
type ledger struct {
	last   uint64  // every number up to here is accounted for
	damage *Damage // bytes passed over behind last, nil if there are none
	zeros  bool    // those bytes are all zero: perhaps no more than space set apart
}

// passOver adds bytes that are no record.
func (g *ledger) passOver(file string, at, n int64, zeros bool) {
	if g.damage == nil {
		g.damage = &Damage{File: file, Offset: at, Reason: DamageRecord}
		g.zeros = true
	}
	g.damage.Bytes += n
	g.zeros = g.zeros && zeros
}

// cutShort adds a file that ends before its first record. What it held, up to the
// next one, is lost or was refused.
func (g *ledger) cutShort(file string, at int64) {
	g.damage, g.zeros = &Damage{File: file, Offset: at, Reason: DamageMissing}, true
}

// giveUp adds a file that can't be read, whatever is known of it.
func (g *ledger) giveUp(d Damage) { g.damage, g.zeros = &d, false }

// returned accounts for a record. It says false if it was accounted for already.
func (g *ledger) returned(seq uint64) bool {
	if seq <= g.last {
		g.damage = nil // it lies within what is delivered
		return false
	}
	g.last = seq
	return true
}

// account accounts for all numbers up to and including upTo, a record that is known
// to have been written. What is not accounted for yet is lost. If there is anything
// to report it is returned; where it is not known where the records should have
// been, that has no file.
func (g *ledger) account(upTo uint64) (Damage, bool) {
	d := g.damage
	g.damage = nil
	if d == nil {
		d = &Damage{Reason: DamageMissing}
		g.zeros = true
	}
	if upTo > g.last {
		d.Records, d.First, d.Last = upTo-g.last, g.last+1, upTo
		g.last = upTo
	}
	return *d, d.Records > 0 || !g.zeros
}
