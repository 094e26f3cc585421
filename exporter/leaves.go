package exporter

import (
	"iter"

	"github.com/adminsessions/adminsessions/internal/notary"
	"github.com/adminsessions/adminsessions/proof"
)

// What the log's tree is made of, while the bytes that Loki gets are still in the
// batch.

// hash makes all leaves of a batch that are not made yet.
func (b *batch) hash() {
	for _, s := range b.streams {
		for i := range s.entries {
			s.leaf(i)
		}
	}
}

// leaf is the hash of an entry as it is pushed.
func (s *stream) leaf(i int) proof.Hash {
	e := &s.entries[i]
	if !e.hashed {
		e.leaf, s.scratch = proof.Leaf(s.labels, e.time, s.Line(i), s.scratch)
		e.hashed = true
	}
	return e.leaf
}

// inOrder yields the entries of a batch in the order of their numbers.
func (b *batch) inOrder() iter.Seq[notary.Entry] {
	return func(yield func(notary.Entry) bool) {
		next := make([]int, len(b.streams)) // the first entry of each that is not yielded
		for {
			lowest := -1
			for i, s := range b.streams {
				if next[i] < len(s.entries) && (lowest < 0 || s.entries[next[i]].seq < b.streams[lowest].entries[next[lowest]].seq) {
					lowest = i
				}
			}
			if lowest < 0 {
				return
			}
			s, i := b.streams[lowest], next[lowest]
			next[lowest]++
			e := &s.entries[i]
			if !yield(notary.Entry{Number: e.seq, Line: s.Line(i), Leaf: s.leaf(i), Quarantined: e.quarantined}) {
				return
			}
		}
	}
}
