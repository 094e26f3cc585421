package proof

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/transparency-dev/merkle/compact"
	"github.com/transparency-dev/merkle/proof"
)

// growth is the compact range of the leaves that a tree has had added since it
// had a size. It costs no hashing: its nodes are among those that the tree makes.
type growth struct {
	since uint64
	nodes [][]byte
}

// add takes a leaf, or a subtree that was added as a whole.
func (g *growth) add(hash []byte) { g.nodes = append(g.nodes, hash) }

// merge takes a node that the tree has made of the two nodes below it.
func (g *growth) merge(id compact.NodeID, hash []byte) {
	if first, _ := id.Coverage(); id.Level == 0 || first < g.since {
		return
	}
	g.nodes = append(g.nodes[:len(g.nodes)-2], hash)
}

// growth is the compact range of the leaves behind c.Since.
func (c *Checkpoint) growth() [][]byte {
	if c.Since == 0 {
		return nodesOf(c.Range)
	}
	return nodesOf(c.Growth)
}

// Follows reports whether the checkpoint shows that its tree is that of an
// earlier one, grown: neither has anything before been changed, nor is there
// another history.
func (c *Checkpoint) Follows(earlier *Checkpoint) bool {
	if c.Origin != earlier.Origin || c.Since != earlier.Size {
		return false
	}
	r, err := grown(earlier, c)
	return err == nil && root(r) == c.Root
}

// Join is what a checkpoint would say of the log's growth had the one before it,
// which it follows, not been made. Nobody has signed it.
func Join(before, c *Checkpoint) (*Checkpoint, error) {
	added, err := addedBy(before.Since, before, c)
	if err != nil {
		return nil, err
	}
	joined := *c
	joined.Since, joined.Growth = before.Since, nil
	if before.Since > 0 {
		joined.Growth = hashesOf(added.Hashes())
	}
	return &joined, nil
}

// Consistency is the proof of RFC 6962 that the tree of a checkpoint is that of an
// earlier one, grown: one that it follows, itself or joined with those between.
func Consistency(earlier, c *Checkpoint) ([]Hash, error) {
	if earlier.Size == 0 {
		return nil, nil
	}
	if c.Size == earlier.Size {
		if c.Root != earlier.Root {
			return nil, fmt.Errorf("two trees of %d events", c.Size)
		}
		return nil, nil
	}
	if !c.Follows(earlier) {
		return nil, fmt.Errorf("the log's tree of %d events is not shown to be that of %d, grown", c.Size, earlier.Size)
	}
	nodes, err := proof.Consistency(earlier.Size, c.Size)
	if err != nil {
		return nil, err
	}
	// Every node of the proof is in one of the two ranges that meet at the earlier
	// size.
	known := map[compact.NodeID][]byte{}
	note := func(begin, end uint64, hashes [][]byte) {
		for i, id := range compact.RangeNodes(begin, end, nil) {
			known[id] = hashes[i]
		}
	}
	note(0, earlier.Size, nodesOf(earlier.Range))
	note(earlier.Size, c.Size, c.growth())
	hashes := make([][]byte, len(nodes.IDs))
	for i, id := range nodes.IDs {
		if hashes[i] = known[id]; hashes[i] == nil {
			return nil, fmt.Errorf("node %d of level %d is not known", id.Index, id.Level)
		}
	}
	if hashes, err = nodes.Rehash(hashes, ranges.Hash); err != nil {
		return nil, err
	}
	return hashesOf(hashes), nil
}

// grown is the tree of a checkpoint with what following ones say was added.
func grown(first *Checkpoint, following ...*Checkpoint) (*compact.Range, error) {
	r, err := rangeOf(&ranges, first.Size, first.Range)
	if err != nil {
		return nil, err
	}
	added, err := addedBy(first.Size, following...)
	if err != nil {
		return nil, err
	}
	return r, r.AppendRange(added, nil)
}

func addedBy(since uint64, following ...*Checkpoint) (*compact.Range, error) {
	added := ranges.NewEmptyRange(since)
	for _, c := range following {
		if c.Since != added.End() {
			return nil, fmt.Errorf("between the checkpoints of %d and %d events one is missing: this one was made after the one of %d", added.End(), c.Size, c.Since)
		}
		part, err := ranges.NewRange(c.Since, c.Size, c.growth())
		if err != nil {
			return nil, fmt.Errorf("the checkpoint of %d events can't have grown from %d: %w", c.Size, c.Since, err)
		}
		if err := added.AppendRange(part, nil); err != nil {
			return nil, err
		}
	}
	return added, nil
}

// validGrowth reports whether a checkpoint's growth is that of its own tree.
func (c *Checkpoint) validGrowth() error {
	if c.Since == 0 {
		if len(c.Growth) > 0 {
			return errors.New("it has grown from nothing by what is not its range")
		}
		return nil
	}
	if c.Since > c.Size {
		return fmt.Errorf("it was made after one of %d events", c.Since)
	}
	part, err := ranges.NewRange(c.Since, c.Size, c.growth())
	if err != nil {
		return fmt.Errorf("growth since %d: %w", c.Since, err)
	}
	// What both ranges hold must be the same. The rest only who knows the earlier
	// checkpoint can compare.
	mine := map[compact.NodeID][]byte{}
	for i, id := range compact.RangeNodes(0, c.Size, nil) {
		mine[id] = c.Range[i][:]
	}
	for i, id := range compact.RangeNodes(c.Since, c.Size, nil) {
		if h := mine[id]; h != nil && !bytes.Equal(h, part.Hashes()[i]) {
			return errors.New("it has grown by what is not in its range")
		}
	}
	return nil
}
