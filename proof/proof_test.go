package proof_test

import (
	"crypto/rand"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/transparency-dev/merkle/rfc6962"
	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/proof"
)

const (
	origin = proof.OriginPrefix + "3f0c9a6d5b1e8f42"
	labels = `{audit_log_id="3f0c9a6d5b1e8f42", service_name="panel"}`
)

func key(t testing.TB) (note.Signer, note.Verifiers) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "panel")
	if err != nil {
		t.Fatal(err)
	}
	signer, err1 := note.NewSigner(private)
	verifier, err2 := note.NewVerifier(public)
	if err := errors.Join(err1, err2); err != nil {
		t.Fatal(err)
	}
	return signer, note.VerifierList(verifier)
}

// A tree that is continued from a checkpoint is the tree.
func TestResume(t *testing.T) {
	whole, resumed := proof.NewTree(), proof.NewTree()
	for i := range uint64(300) {
		h, _ := proof.Leaf(labels, int64(i), "x", nil)
		whole.Append(h)
		resumed.Append(h)
		a, b := whole.Checkpoint(origin, time.Time{}), resumed.Checkpoint(origin, time.Time{})
		if a.Text() != b.Text() {
			t.Fatalf("after %d leaves\n%s%s", i+1, a.Text(), b.Text())
		}
		var err error
		if resumed, err = proof.ResumeTree(&b); err != nil {
			t.Fatal(err)
		}
	}
}

// A gap of any length is appended in a few steps, and makes the tree that its
// leaves make one by one.
func TestGapsOfAnyLength(t *testing.T) {
	for before := range uint64(20) {
		for length := uint64(1); length < 70; length++ {
			one, run := proof.NewTree(), proof.NewTree()
			for i := range before {
				h, _ := proof.Leaf(labels, int64(i), "x", nil)
				one.Append(h)
				run.Append(h)
			}
			for range length {
				one.Append(proof.GapLeaf("lost"))
			}
			run.AppendGap(before+length, "lost")
			a, b := one.Checkpoint(origin, time.Time{}), run.Checkpoint(origin, time.Time{})
			if a.Size != b.Size || a.Root != b.Root || !slices.Equal(a.Range, b.Range) {
				t.Fatalf("%d leaves and a gap of %d: size %d root %x, one by one %d %x", before, length, b.Size, b.Root, a.Size, a.Root)
			}
		}
	}
	tree := proof.NewTree()
	tree.AppendGap(1<<63+12345, "lost")
	h, _ := proof.Leaf(labels, 1, "x", nil)
	tree.Append(h)
	if c := tree.Checkpoint(origin, time.Time{}); c.Size != 1<<63+12346 || len(c.Range) != 7 {
		t.Errorf("size %d, range of %d", c.Size, len(c.Range))
	}
}

func TestTreesAreThoseOfRFC6962(t *testing.T) {
	tree := proof.NewTree()
	if c := tree.Checkpoint(origin, time.Time{}); string(c.Root[:]) != string(rfc6962.DefaultHasher.EmptyRoot()) {
		t.Errorf("root without leaves %x", c.Root)
	}
	one, _ := proof.Leaf(labels, 1, "one", nil)
	two, _ := proof.Leaf(labels, 2, []byte("two"), nil)
	if one == two || one == proof.GapLeaf("one") {
		t.Error("different leaves have one hash")
	}
	tree.Append(one)
	tree.Append(two)
	if c := tree.Checkpoint(origin, time.Time{}); string(c.Root[:]) != string(rfc6962.DefaultHasher.HashChildren(one[:], two[:])) {
		t.Errorf("root of two leaves %x", c.Root)
	}
}

func TestWhatIsNoCheckpoint(t *testing.T) {
	signer, keys := key(t)
	another, _ := key(t)
	tree := proof.NewTree()
	tree.AppendGap(5, "x")
	good := tree.Checkpoint(origin, time.Unix(1, 0))
	good.After = &proof.Predecessor{Origin: "o", Size: 3, Root: good.Root}
	signed, err := good.Sign(signer)
	if err != nil {
		t.Fatal(err)
	}
	back, err := proof.Open(signed, keys)
	if err != nil || back.Text() != good.Text() {
		t.Fatalf("%+v, %v", back, err)
	}
	wrong := good
	wrong.Root[0]++
	foreign, _ := good.Sign(another)
	bad, _ := wrong.Sign(signer)
	shorter := good
	shorter.Range = shorter.Range[:1]
	short, _ := shorter.Sign(signer)
	outside := good
	outside.Gaps = []proof.Gap{{From: 4, To: 6}}
	out, _ := outside.Sign(signer)
	for name, b := range map[string][]byte{
		"another key": foreign, "a root that is not the range's": bad, "a range too short": short, "a gap beyond the log": out, "nothing": nil,
		"changed": []byte(strings.Replace(string(signed), "\n5\n", "\n6\n", 1)), "no signature": []byte(good.Text()),
	} {
		if c, err := proof.Open(b, keys); err == nil {
			t.Errorf("%s: %+v", name, c)
		}
	}
}

func FuzzOpen(f *testing.F) {
	signer, keys := key(f)
	tree := proof.NewTree()
	tree.AppendGap(5, "x")
	c := tree.Checkpoint(origin, time.Unix(1, 0))
	f.Add(c.Text())
	f.Add("o\n0\n\n")
	f.Fuzz(func(t *testing.T, text string) {
		signed, err := note.Sign(&note.Note{Text: text}, signer)
		if err != nil {
			return
		}
		c, err := proof.Open(signed, keys)
		if err != nil {
			return
		}
		if _, err := proof.ResumeTree(c); err != nil {
			t.Error(err)
		}
	})
}

func BenchmarkLeaf(b *testing.B) {
	line := []byte(strings.Repeat("x", 520))
	tree := proof.NewTree()
	var scratch []byte
	b.ReportAllocs()
	for b.Loop() {
		var h proof.Hash
		h, scratch = proof.Leaf(labels, 1, line, scratch)
		tree.Append(h)
	}
}
