package proof

import (
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

var ranges = compact.RangeFactory{Hash: rfc6962.DefaultHasher.HashChildren}

// Gap says that events From to To, both included, were given numbers and are not
// in the trail, and why.
type Gap struct {
	From, To uint64
	Reason   string // a word
}

// Tree is a log's tree as it grows: its compact range, a few hashes, not its
// leaves. It belongs to one goroutine.
type Tree struct {
	nodes *compact.Range
	gaps  []Gap // since the last checkpoint
}

// NewTree returns a tree without leaves.
func NewTree() *Tree { return &Tree{nodes: ranges.NewEmptyRange(0)} }

// ResumeTree returns the tree that a checkpoint is of, with gaps in it that the
// next checkpoint is to declare.
func ResumeTree(c *Checkpoint, undeclared ...Gap) (*Tree, error) {
	r, err := rangeOf(c.Size, c.Range)
	if err != nil {
		return nil, err
	}
	return &Tree{nodes: r, gaps: slices.Clone(undeclared)}, nil
}

func rangeOf(size uint64, hashes []Hash) (*compact.Range, error) {
	nodes := make([][]byte, len(hashes))
	for i := range hashes {
		nodes[i] = hashes[i][:]
	}
	r, err := ranges.NewRange(0, size, nodes)
	if err != nil {
		return nil, fmt.Errorf("a tree of %d leaves has no range of %d hashes: %w", size, len(hashes), err)
	}
	return r, nil
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.nodes.End() }

// Append adds the leaf of event Size()+1.
func (t *Tree) Append(leaf Hash) {
	// It fails for a range that begins elsewhere, never here.
	_ = t.nodes.Append(leaf[:], nil)
}

// AppendGap declares that the events after the last leaf, up to and including
// event to, are not in the trail.
func (t *Tree) AppendGap(to uint64, reason string) {
	from := t.Size() + 1
	if from > to {
		return
	}
	appendRun(t.nodes, to, GapLeaf(reason))
	if last := len(t.gaps) - 1; last >= 0 && t.gaps[last].To+1 == from && t.gaps[last].Reason == reason {
		t.gaps[last].To = to
		return
	}
	t.gaps = append(t.gaps, Gap{from, to, reason})
}

// appendRun appends a leaf again and again, until the range ends at to. It takes
// subtrees as large as fit, however long the run is.
func appendRun(r *compact.Range, to uint64, leaf Hash) {
	subtrees := [][]byte{leaf[:]} // of 1, 2, 4 … leaves
	for r.End() < to {
		level := bits.Len64(to-r.End()) - 1
		if r.End() > 0 {
			level = min(level, bits.TrailingZeros64(r.End()))
		}
		for len(subtrees) <= level {
			last := subtrees[len(subtrees)-1]
			subtrees = append(subtrees, ranges.Hash(last, last))
		}
		// Neither fails for a subtree that begins where r ends.
		next, err := ranges.NewRange(r.End(), r.End()+1<<level, subtrees[level:level+1:level+1])
		if err == nil {
			err = r.AppendRange(next, nil)
		}
		if err != nil {
			panic(errors.Join(errors.New("proof: a run of leaves that does not fit"), err))
		}
	}
}

// Checkpoint describes the tree as it is. The gaps in it are those declared since
// the last call.
func (t *Tree) Checkpoint(origin string, at time.Time) Checkpoint {
	c := Checkpoint{Origin: origin, Size: t.Size(), Root: root(t.nodes), Range: hashesOf(t.nodes), Gaps: t.gaps, Time: at}
	t.gaps = nil
	return c
}

// Gaps are those declared since the last checkpoint. A checkpoint holds at most
// [MaxGaps].
func (t *Tree) Gaps() []Gap { return slices.Clone(t.gaps) }

func hashesOf(r *compact.Range) []Hash {
	var hashes []Hash
	for _, h := range r.Hashes() {
		hashes = append(hashes, Hash(h))
	}
	return hashes
}

func root(r *compact.Range) Hash {
	if r.End() == 0 {
		return Hash(rfc6962.DefaultHasher.EmptyRoot())
	}
	h, err := r.GetRootHash(nil)
	if err != nil {
		panic(errors.Join(errors.New("proof: a range that does not begin at 0"), err))
	}
	return Hash(h)
}
