package proof

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"time"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/rfc6962"
)

var ranges = compact.RangeFactory{Hash: func(left, right []byte) []byte {
	h := hashChildren(left, right)
	return h[:]
}}

// hashChildren is rfc6962.DefaultHasher's, without allocations.
func hashChildren(left, right []byte) Hash {
	var b [1 + 2*sha256.Size]byte
	b[0] = rfc6962.RFC6962NodeHashPrefix
	copy(b[1:], left)
	copy(b[1+sha256.Size:], right)
	return sha256.Sum256(b[:])
}

// hashes allocates hashes, many at a time.
type hashes []Hash

func (s *hashes) keep(h Hash) []byte {
	if len(*s) == 0 {
		*s = make(hashes, 32)
	}
	kept := &(*s)[0]
	*s, *kept = (*s)[1:], h
	return kept[:]
}

// Gap says that events From to To, both included, were given numbers and are not
// in the trail, and why.
type Gap struct {
	From, To uint64
	Reason   string // a word
}

// Tree is a log's tree as it grows: its compact range, a few hashes, not its
// leaves. It belongs to one goroutine.
type Tree struct {
	nodes  *compact.Range
	kept   *hashes
	ranges *compact.RangeFactory // whose hashes are kept there
	gaps   []Gap                 // since the last checkpoint
	growth growth
}

// NewTree returns a tree without leaves.
func NewTree() *Tree {
	t := emptyTree()
	t.nodes = t.ranges.NewEmptyRange(0)
	return t
}

// emptyTree is one that has no range yet.
func emptyTree() *Tree {
	kept := new(hashes)
	return &Tree{kept: kept, ranges: &compact.RangeFactory{Hash: func(left, right []byte) []byte {
		return kept.keep(hashChildren(left, right))
	}}}
}

// ResumeTree returns the tree that a checkpoint is of, with gaps in it that the
// next checkpoint is to declare. A tree that has to outlive its process is kept
// by [Tree.MarshalText], which also remembers how it has grown.
func ResumeTree(c *Checkpoint, undeclared ...Gap) (*Tree, error) {
	t := emptyTree()
	var err error
	if t.nodes, err = rangeOf(t.ranges, c.Size, c.Range); err != nil {
		return nil, err
	}
	t.gaps, t.growth = slices.Clone(undeclared), growth{since: c.Size}
	return t, nil
}

// treeOrigin stands in the text of a tree where a checkpoint's names a log.
const treeOrigin = "adminsessions tree"

// MarshalText writes the tree with what its next checkpoint is to say of the time
// since the last one. The text is for [Tree.UnmarshalText].
func (t *Tree) MarshalText() ([]byte, error) {
	c := t.describe()
	c.Origin = treeOrigin
	return []byte(c.Text()), nil
}

// UnmarshalText continues a tree.
func (t *Tree) UnmarshalText(text []byte) error {
	c, err := ParseText(string(text))
	if err != nil {
		return fmt.Errorf("reading a tree: %w", err)
	}
	if c.Origin != treeOrigin {
		return fmt.Errorf("reading a tree: it begins with %.40q, want %q", c.Origin, treeOrigin)
	}
	*t = *emptyTree()
	if t.nodes, err = rangeOf(t.ranges, c.Size, c.Range); err != nil {
		return err
	}
	t.gaps, t.growth = c.Gaps, growth{since: c.Since, nodes: c.growth()}
	return nil
}

func rangeOf(ranges *compact.RangeFactory, size uint64, hashes []Hash) (*compact.Range, error) {
	r, err := ranges.NewRange(0, size, nodesOf(hashes))
	if err != nil {
		return nil, fmt.Errorf("a tree of %d leaves has no range of %d hashes: %w", size, len(hashes), err)
	}
	return r, nil
}

// Size is the number of leaves.
func (t *Tree) Size() uint64 { return t.nodes.End() }

// Append adds the leaf of event Size()+1.
func (t *Tree) Append(leaf Hash) {
	kept := t.kept.keep(leaf)
	t.growth.add(kept)
	// It fails for a range that begins elsewhere, never here.
	_ = t.nodes.Append(kept, t.growth.merge)
}

// AppendGap declares that the events after the last leaf, up to and including
// event to, are not in the trail.
func (t *Tree) AppendGap(to uint64, reason string) {
	from := t.Size() + 1
	if from > to {
		return
	}
	appendRun(t.ranges, t.nodes, to, GapLeaf(reason), &t.growth)
	if last := len(t.gaps) - 1; last >= 0 && t.gaps[last].To+1 == from && t.gaps[last].Reason == reason {
		t.gaps[last].To = to
		return
	}
	t.gaps = append(t.gaps, Gap{from, to, reason})
}

// appendRun appends a leaf again and again, until the range ends at to. It takes
// subtrees as large as fit, however long the run is.
func appendRun(ranges *compact.RangeFactory, r *compact.Range, to uint64, leaf Hash, g *growth) {
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
			g.add(subtrees[level])
			err = r.AppendRange(next, g.merge)
		}
		if err != nil {
			panic(errors.Join(errors.New("proof: a run of leaves that does not fit"), err))
		}
	}
}

// Checkpoint describes the tree as it is. The gaps in it, and how the tree has
// grown, are those since the last call.
func (t *Tree) Checkpoint(origin string, at time.Time) Checkpoint {
	c := t.describe()
	c.Origin, c.Time = origin, at
	t.gaps, t.growth = nil, growth{since: c.Size}
	return c
}

func (t *Tree) describe() Checkpoint {
	c := Checkpoint{Size: t.Size(), Root: root(t.nodes), Range: hashesOf(t.nodes.Hashes()), Gaps: t.gaps, Since: t.growth.since}
	if c.Since > 0 {
		c.Growth = hashesOf(t.growth.nodes)
	}
	return c
}

// GapCount is how many gaps the next checkpoint is to declare, as the tree is. It
// holds at most [MaxGaps].
func (t *Tree) GapCount() int { return len(t.gaps) }

func hashesOf(nodes [][]byte) []Hash {
	var hashes []Hash
	for _, h := range nodes {
		hashes = append(hashes, Hash(h))
	}
	return hashes
}

func nodesOf(hashes []Hash) [][]byte {
	nodes := make([][]byte, len(hashes))
	for i := range hashes {
		nodes[i] = hashes[i][:]
	}
	return nodes
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
