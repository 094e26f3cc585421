package verify

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions/proof"
)

// leaf is what was read for a number.
type leaf struct {
	number uint64
	hash   proof.Hash
	nanos  int64
	own    bool // the line says that it is one of the trail's own
}

// act is an event that says something of others: that they were erased, or that
// they were delivered late. It counts once it is proved itself.
type act struct {
	log    string
	leaf   leaf
	proved bool
}

// name is the act's log and number.
func (a *act) name() string { return a.log + "/" + strconv.FormatUint(a.leaf.number, 10) }

// claim is what an act says of an event: its leaf's hash.
type claim struct {
	number uint64
	hash   proof.Hash
	by     *act
}

// claims are sorted by number.
type claims []claim

// from returns the claims from a number on.
func (c claims) from(n uint64) claims {
	at, _ := slices.BinarySearchFunc(c, n, func(c claim, n uint64) int { return cmp.Compare(c.number, n) })
	return c[at:]
}

// of returns the claim that an event is a leaf, nil if there is none.
func (c claims) of(l leaf) *claim {
	for c = c.from(l.number); len(c) > 0 && c[0].number == l.number; c = c[1:] {
		if c[0].hash == l.hash {
			return &c[0]
		}
	}
	return nil
}

// interval is the events between two checkpoints, and what was read of them.
type interval struct {
	start  proof.Part // what was signed before
	mark   *mark      // what was signed of its end
	leaves []leaf     // sorted by sort
	extra  []leaf     // came later
	end    proof.Part // the tree at its end, if it is what was signed
}

func (iv *interval) from() uint64 { return iv.start.End() + 1 }
func (iv *interval) to() uint64   { return iv.mark.Size }

// sort orders the leaves by number, and what is there several times over in the
// order of time, without repeats.
func (iv *interval) sort() {
	iv.leaves, iv.extra = append(iv.leaves, iv.extra...), nil
	slices.SortStableFunc(iv.leaves, func(a, b leaf) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.nanos, b.nanos))
	})
	kept := iv.leaves[:0]
	for _, l := range iv.leaves {
		same := false
		for i := len(kept) - 1; i >= 0 && kept[i].number == l.number && !same; i-- {
			same = kept[i].hash == l.hash
		}
		if !same {
			kept = append(kept, l)
		}
	}
	iv.leaves = kept
}

// has reports whether a leaf is among those that are sorted.
func (iv *interval) has(l leaf) bool {
	at, _ := slices.BinarySearchFunc(iv.leaves, l.number, func(l leaf, n uint64) int { return cmp.Compare(l.number, n) })
	for ; at < len(iv.leaves) && iv.leaves[at].number == l.number; at++ {
		if iv.leaves[at].hash == l.hash {
			return true
		}
	}
	return false
}

// within returns the leaves, sorted, with numbers from and to, and those between.
func (iv *interval) within(from, to uint64) []leaf {
	at := func(n uint64) int {
		i, _ := slices.BinarySearchFunc(iv.leaves, n, func(l leaf, n uint64) int { return cmp.Compare(l.number, n) })
		return i
	}
	end := len(iv.leaves)
	if to < math.MaxUint64 {
		end = at(to + 1)
	}
	return iv.leaves[at(from):end]
}

// piece is a part of an interval.
type piece struct {
	kind     pieceKind
	from, to uint64
	reason   string // of a declared gap
	choices  []leaf // of an event; several if entries contradict each other
	claims   claims // of an erased one; several if acts contradict each other
}

type pieceKind int

const (
	present  pieceKind = iota // an event
	declared                  // a gap
	erased
	missing
)

// pieces takes the interval apart, in the order of numbers. It yields events one
// by one, and everything else in runs.
func (iv *interval) pieces(claims claims, yield func(piece) bool) {
	next, to := iv.from(), iv.to()
	leaves, gaps := iv.leaves, iv.mark.Gaps
	for next <= to && next > 0 {
		for len(leaves) > 0 && leaves[0].number < next {
			leaves = leaves[1:]
		}
		for len(gaps) > 0 && gaps[0].To < next {
			gaps = gaps[1:]
		}
		if len(gaps) > 0 && gaps[0].From <= next {
			end := min(gaps[0].To, to)
			if !yield(piece{kind: declared, from: next, to: end, reason: gaps[0].Reason}) {
				return
			}
			next = end + 1
			continue
		}
		if n := countOf(leaves, next); n > 0 {
			if !yield(piece{kind: present, from: next, to: next, choices: leaves[:n]}) {
				return
			}
			next++
			continue
		}
		claims = claims.from(next)
		if len(claims) > 0 && claims[0].number == next {
			n := 1
			for n < len(claims) && claims[n].number == next {
				n++
			}
			if !yield(piece{kind: erased, from: next, to: next, claims: claims[:n]}) {
				return
			}
			next++
			continue
		}
		end := to
		if len(leaves) > 0 {
			end = min(end, leaves[0].number-1)
		}
		if len(gaps) > 0 {
			end = min(end, gaps[0].From-1)
		}
		if len(claims) > 0 {
			end = min(end, claims[0].number-1)
		}
		if !yield(piece{kind: missing, from: next, to: end}) {
			return
		}
		next = end + 1
	}
}

// countOf is how many leaves with a number stand first.
func countOf(leaves []leaf, number uint64) (n int) {
	for n < len(leaves) && leaves[n].number == number {
		n++
	}
	return n
}

// maxForms bounds how many ways to choose among entries of one number are tried.
const maxForms = 256

// compare reports whether the interval's leaves make the tree that was signed.
// Where a number has several entries it is enough that one choice does; chosen then
// has, by number, the one that was signed.
func (iv *interval) compare(claims claims) (same bool, chosen map[uint64]leaf) {
	whole, forms, most := true, 1, 1
	for p := range iv.each(claims) {
		whole = whole && p.kind != missing
		n := max(1, len(p.choices), len(p.claims))
		most, forms = max(most, n), min(maxForms, forms*n)
	}
	if !whole {
		return false, nil
	}
	// The first of each, the second of each, …: forged entries are likely to have
	// been written all before or all after the others.
	for n := range min(most, maxForms) {
		if chosen, ok := iv.try(claims, func(choices int) int { return min(n, choices-1) }); ok {
			return true, chosen
		}
	}
	for form := 1; form < forms; form++ {
		rest := form
		if chosen, ok := iv.try(claims, func(choices int) int {
			n := rest % choices
			rest /= choices
			return n
		}); ok {
			return true, chosen
		}
	}
	return false, nil
}

// try makes the tree with one of the choices of each number.
func (iv *interval) try(claims claims, choose func(choices int) int) (chosen map[uint64]leaf, same bool) {
	tree := iv.start.Clone()
	chosen = map[uint64]leaf{}
	for p := range iv.each(claims) {
		switch p.kind {
		case present:
			l := p.choices[0]
			if len(p.choices) > 1 {
				l = p.choices[choose(len(p.choices))]
				chosen[l.number] = l
			}
			tree.Append(l.hash)
		case erased:
			c := p.claims[0]
			if len(p.claims) > 1 {
				c = p.claims[choose(len(p.claims))]
				chosen[c.number] = leaf{number: c.number, hash: c.hash}
			}
			tree.Append(c.hash)
		case declared:
			tree.AppendGap(p.to, p.reason)
		case missing:
		}
	}
	same = iv.mark.isOf(tree)
	if same {
		iv.end = tree
	}
	return chosen, same
}

func (iv *interval) each(claims claims) func(yield func(piece) bool) {
	return func(yield func(piece) bool) { iv.pieces(claims, yield) }
}

// around is the span from and to with the times of what was read next to it.
func (iv *interval) around(from, to uint64, why string) Span {
	s := Span{From: from, To: to, Why: why}
	at, _ := slices.BinarySearchFunc(iv.leaves, from, func(l leaf, n uint64) int { return cmp.Compare(l.number, n) })
	if at > 0 {
		s.Before = timeOf(iv.leaves[at-1])
	}
	for ; at < len(iv.leaves); at++ {
		if iv.leaves[at].number > to {
			s.After = timeOf(iv.leaves[at])
			break
		}
	}
	return s
}

func timeOf(l leaf) time.Time { return time.Unix(0, l.nanos).UTC() }

func doubledWhy(choices []leaf, signed *leaf) string {
	if signed == nil {
		return fmt.Sprintf("%d different entries have this number; which of them was signed is not known", len(choices))
	}
	return fmt.Sprintf("%d different entries have this number; the one of %s was signed, the others are forged", len(choices), timeOf(*signed).Format(time.RFC3339Nano))
}
