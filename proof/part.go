package proof

import (
	"bytes"
	"slices"

	"github.com/transparency-dev/merkle/compact"
)

// Part is a part of a log's tree, put together leaf by leaf to be compared with a
// checkpoint. It holds a few hashes.
type Part struct{ nodes *compact.Range }

// PartAfter begins behind what a checkpoint is about. Its tree, from the first
// leaf on, is what a later checkpoint is compared with.
func PartAfter(c *Checkpoint) (Part, error) {
	r, err := rangeOf(&ranges, c.Size, c.Range)
	return Part{r}, err
}

// PartFrom begins behind the first events of a log. If those are more than none
// only a checkpoint that was made right after one of their number can be compared
// with it.
func PartFrom(size uint64) Part { return Part{ranges.NewEmptyRange(size)} }

// Clone returns a copy.
func (p Part) Clone() Part {
	r, err := ranges.NewRange(p.nodes.Begin(), p.nodes.End(), slices.Clone(p.nodes.Hashes()))
	if err != nil {
		panic("proof: a range that is none: " + err.Error())
	}
	return Part{r}
}

// End is the number of its last event.
func (p Part) End() uint64 { return p.nodes.End() }

// Append adds the leaf of event End()+1.
func (p Part) Append(leaf Hash) {
	if err := p.nodes.Append(leaf[:], nil); err != nil {
		panic("proof: a leaf that can't be appended: " + err.Error())
	}
}

// AppendGap adds the leaves of declared gaps up to and including event to.
func (p Part) AppendGap(to uint64, reason string) {
	appendRun(&ranges, p.nodes, to, GapLeaf(reason), &growth{since: to})
}

// IsOf reports whether the part, to its end, is what a checkpoint has signed.
func (p Part) IsOf(c *Checkpoint) bool {
	if p.End() != c.Size {
		return false
	}
	if p.nodes.Begin() == 0 {
		return root(p.nodes) == c.Root
	}
	return p.nodes.Begin() == c.Since && slices.EqualFunc(p.nodes.Hashes(), c.growth(), bytes.Equal)
}

// HasRoot reports whether the part, which begins with a log's first leaf, has a
// size and a root.
func (p Part) HasRoot(size uint64, h Hash) bool {
	return p.nodes.Begin() == 0 && p.End() == size && root(p.nodes) == h
}
