package proof_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"github.com/adminsessions/adminsessions/proof"
)

// logged is a tree by other hands: all its leaves, by the checksum database's
// package.
type logged struct {
	hashes []tlog.Hash
	leaves int64
}

func (l *logged) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		list[i] = l.hashes[x]
	}
	return list, nil
}

func (l *logged) add(t testing.TB, h proof.Hash) {
	t.Helper()
	more, err := tlog.StoredHashesForRecordHash(l.leaves, tlog.Hash(h), l)
	if err != nil {
		t.Fatal(err)
	}
	l.hashes, l.leaves = append(l.hashes, more...), l.leaves+1
}

// However a tree has grown, with gaps and restarts between: its roots are those
// that golang.org/x/mod/sumdb/tlog computes, and the proofs of consistency that
// its checkpoints give are proofs to that package.
func TestCheckpointsProveThatALogHasOnlyGrown(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	tree, other := proof.NewTree(), &logged{}
	var chain []*proof.Checkpoint
	for len(chain) < 40 {
		for range random.IntN(30) {
			if n := random.IntN(20); n == 0 {
				to := tree.Size() + 1 + random.Uint64N(20)
				for range to - tree.Size() {
					other.add(t, proof.GapLeaf("lost"))
				}
				tree.AppendGap(to, "lost")
			} else {
				h, _ := proof.Leaf(labels, random.Int64(), "x", nil)
				tree.Append(h)
				other.add(t, h)
			}
			if random.IntN(10) == 0 { // the process ends, another one goes on
				text, err := tree.MarshalText()
				if err != nil {
					t.Fatal(err)
				}
				tree = new(proof.Tree)
				if err := tree.UnmarshalText(text); err != nil {
					t.Fatal(err)
				}
			}
		}
		c := tree.Checkpoint(origin, time.Unix(1, 0))
		if want, err := tlog.TreeHash(other.leaves, other); err != nil || tlog.Hash(c.Root) != want {
			t.Fatalf("root of %d leaves is %x, want %x, %v", c.Size, c.Root, want, err)
		}
		if len(chain) > 0 && !c.Follows(chain[len(chain)-1]) {
			t.Fatalf("the checkpoint of %d does not follow that of %d", c.Size, chain[len(chain)-1].Size)
		}
		chain = append(chain, &c)
	}
	for i, first := range chain {
		for j := i; j < len(chain); j++ {
			last := chain[j]
			joined := last
			for k := j - 1; k > i; k-- {
				var err error
				if joined, err = proof.Join(chain[k], joined); err != nil {
					t.Fatal(err)
				}
			}
			hashes, err := proof.Consistency(first, joined)
			if err != nil {
				t.Fatalf("from %d to %d: %v", first.Size, last.Size, err)
			}
			var tree tlog.TreeProof
			for _, h := range hashes {
				tree = append(tree, tlog.Hash(h))
			}
			if first.Size == 0 {
				continue // every tree has grown from nothing
			}
			if err := tlog.CheckTree(tree, int64(last.Size), tlog.Hash(last.Root), int64(first.Size), tlog.Hash(first.Root)); err != nil {
				t.Fatalf("from %d to %d: %v", first.Size, last.Size, err)
			}
		}
	}
}

func TestCheckpointsThatDoNotFollow(t *testing.T) {
	grow := func(tree *proof.Tree, n int, salt string) *proof.Checkpoint {
		for range n {
			h, _ := proof.Leaf(labels, 1, salt, nil)
			tree.Append(h)
		}
		c := tree.Checkpoint(origin, time.Unix(1, 0))
		return &c
	}
	tree := proof.NewTree()
	a, b, c := grow(tree, 5, "x"), grow(tree, 6, "x"), grow(tree, 7, "x")
	if !b.Follows(a) || !c.Follows(b) || c.Follows(a) || a.Follows(b) {
		t.Error("each checkpoint follows the one before, and no other")
	}
	if _, err := proof.Join(a, c); err == nil || !strings.Contains(err.Error(), "one is missing") {
		t.Errorf("with one left out: %v", err)
	}
	// Cut back to the first checkpoint and grown anew.
	again, err := proof.ResumeTree(a)
	if err != nil {
		t.Fatal(err)
	}
	fork := grow(again, 6, "another history")
	if !fork.Follows(a) || c.Follows(fork) {
		t.Error("what has grown from a fork does not follow from the other side of it")
	}
	joined, err := proof.Join(fork, c)
	if err != nil {
		t.Fatal(err) // both have the same size: nobody can tell yet
	}
	if _, err := proof.Consistency(a, joined); err == nil {
		t.Error("two histories are proved to be one")
	}
}

// A checkpoint fits the line of an event, whatever it has to say.
func TestLargestCheckpoint(t *testing.T) {
	signer, keys := key(t)
	tree := proof.NewTree()
	tree.AppendGap(1<<40-1, "x")
	tree.Checkpoint(origin, time.Unix(1, 0))
	for i := range proof.MaxGaps {
		h, _ := proof.Leaf(labels, int64(i), "x", nil)
		tree.Append(h)
		tree.AppendGap(tree.Size()+1<<18-2, fmt.Sprintf("quarantined_%02d", i))
	}
	c := tree.Checkpoint(origin, time.Unix(1, 1))
	c.After = &proof.Predecessor{Origin: origin, Size: 1 << 40, Root: c.Root}
	signed, err := c.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := proof.Open(signed, keys); err != nil {
		t.Fatal(err)
	}
	if len(signed) > 8192 {
		t.Errorf("%d bytes", len(signed))
	}
}

// What an event costs: its leaf, and its place in the tree.
func BenchmarkEvent(b *testing.B) {
	line := strings.Repeat("x", 480)
	tree := proof.NewTree()
	var scratch []byte
	b.ReportAllocs()
	for b.Loop() {
		var h proof.Hash
		h, scratch = proof.Leaf(labels, int64(tree.Size()), line, scratch)
		tree.Append(h)
	}
}
