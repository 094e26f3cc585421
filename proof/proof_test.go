package proof_test

import (
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
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

// trail is a log of events, of which every tenth is a checkpoint, as it is
// stored, and all its checkpoints, as they are kept elsewhere.
type trail struct {
	entries []proof.Entry
	anchors []*proof.Checkpoint
}

// record makes a log of n events, in which those in lost are declared gaps.
func record(t testing.TB, n uint64, lost map[uint64]string, salt string) trail {
	t.Helper()
	signer, keys := key(t)
	tree := proof.NewTree()
	var all trail
	var last *proof.Checkpoint
	for i := uint64(1); i <= n; i++ {
		if reason, ok := lost[i]; ok {
			tree.AppendGap(i, reason)
			continue
		}
		e := proof.Entry{Number: i, Labels: labels, Nanos: int64(i) * 1e9, Line: fmt.Sprintf("event %d %s", i, salt)}
		if i%10 == 0 {
			c := tree.Checkpoint(origin, time.Unix(int64(i), 0))
			signed, err := c.Sign(signer)
			if err != nil {
				t.Fatal(err)
			}
			opened, err := proof.Open(signed, keys)
			if err != nil {
				t.Fatal(err)
			}
			e.Line, e.Checkpoint, last = string(signed), opened, opened
			all.anchors = append(all.anchors, last)
		}
		all.entries = append(all.entries, e)
		h, _ := proof.Leaf(e.Labels, e.Nanos, e.Line, nil)
		tree.Append(h)
	}
	return all
}

func (a trail) each() iter.Seq2[proof.Entry, error] {
	return func(yield func(proof.Entry, error) bool) {
		for _, e := range a.entries {
			if !yield(e, nil) {
				return
			}
		}
	}
}

func (a trail) at(n uint64) int {
	return slices.IndexFunc(a.entries, func(e proof.Entry) bool { return e.Number == n })
}

// What an attacker can do to a trail, and what shows.
func TestAttacks(t *testing.T) {
	spans := func(list []proof.Span) string {
		var b strings.Builder
		for _, s := range list {
			fmt.Fprintf(&b, "%d-%d ", s.From, s.To)
		}
		return strings.TrimSpace(b.String())
	}
	other := record(t, 100, nil, "another")
	for name, c := range map[string]struct {
		attack                                             func(a *trail)
		anchored                                           bool
		complete, unaltered                                proof.Verdict
		missing, altered, doubled, forks, unjudged, verify string
	}{
		"nothing":                  {func(*trail) {}, false, "yes", "yes", "", "", "", "", "100-100", "1-99"},
		"nothing, anchored":        {func(*trail) {}, true, "yes", "yes", "", "", "", "", "100-100", "1-99"},
		"delete one":               {func(a *trail) { a.entries = slices.Delete(a.entries, a.at(42), a.at(43)) }, false, "no", "unknown", "42-42", "", "", "", "100-100", "1-99"},
		"delete some":              {func(a *trail) { a.entries = slices.Delete(a.entries, a.at(42), a.at(47)) }, false, "no", "unknown", "42-46", "", "", "", "100-100", "1-99"},
		"cut the head":             {func(a *trail) { a.entries = a.entries[5:] }, false, "no", "unknown", "1-5", "", "", "", "100-100", "1-99"},
		"cut the tail":             {func(a *trail) { a.entries = a.entries[:a.at(75)] }, false, "yes", "yes", "", "", "", "", "70-74", "1-69"},
		"cut the tail, anchored":   {func(a *trail) { a.entries = a.entries[:a.at(75)] }, true, "no", "unknown", "75-99", "", "", "", "", "1-99"},
		"delete the log, anchored": {func(a *trail) { a.entries = nil }, true, "no", "unknown", "1-99", "", "", "", "", "1-99"},
		"delete the log":           {func(a *trail) { a.entries = nil }, false, "unknown", "unknown", "", "", "", "", "", "0-0"},
		"replace one":              {func(a *trail) { a.entries[a.at(42)].Line = "harmless" }, false, "yes", "no", "", "40-49", "", "", "100-100", "1-99"},
		"another time":             {func(a *trail) { a.entries[a.at(42)].Nanos++ }, false, "yes", "no", "", "40-49", "", "", "100-100", "1-99"},
		"another stream":           {func(a *trail) { a.entries[a.at(42)].Labels = `{audit_log_id="x"}` }, false, "yes", "no", "", "40-49", "", "", "100-100", "1-99"},
		"swap two": {func(a *trail) {
			x, y := a.at(42), a.at(43)
			a.entries[x].Line, a.entries[y].Line = a.entries[y].Line, a.entries[x].Line
		}, false, "yes", "no", "", "40-49", "", "", "100-100", "1-99"},
		"insert a second one": {func(a *trail) {
			a.entries = slices.Insert(a.entries, a.at(43), proof.Entry{Number: 42, Labels: labels, Nanos: 42e9 + 1, Line: "forged"})
		}, false, "yes", "no", "", "", "42-42", "", "100-100", "1-99"},
		"send one twice": {func(a *trail) { a.entries = slices.Insert(a.entries, a.at(43), a.entries[a.at(42)]) }, false, "yes", "yes", "", "", "", "", "100-100", "1-99"},
		"invent the future": {func(a *trail) {
			a.entries = append(a.entries, proof.Entry{Number: 500, Labels: labels, Line: "forged"})
		}, false, "yes", "yes", "", "", "", "", "100-500", "1-99"},
		"delete a checkpoint":              {func(a *trail) { a.entries = slices.Delete(a.entries, a.at(50), a.at(51)) }, false, "no", "unknown", "50-50", "", "", "", "100-100", "1-99"},
		"strip every checkpoint":           {func(a *trail) { strip(a) }, false, "unknown", "unknown", "", "", "", "", "1-100", "0-0"},
		"strip every checkpoint, anchored": {func(a *trail) { strip(a) }, true, "yes", "yes", "", "", "", "", "100-100", "1-99"},
		"the tail of another log, with its checkpoints": {func(a *trail) {
			a.entries = append(slices.Clone(a.entries[:a.at(60)]), other.entries[59:]...)
		}, false, "yes", "no", "", "50-59", "", "", "100-100", "1-99"},
		"grown anew from the beginning, anchored": {func(a *trail) { a.entries = other.entries }, true, "yes", "no", "", "1-9 10-19 20-29 30-39 40-49 50-59 60-69 70-79 80-89 90-99", "", "9-9 19-19 29-29 39-39 49-49 59-59 69-69 79-79 89-89 99-99", "100-100", "1-99"},
	} {
		t.Run(name, func(t *testing.T) {
			a := record(t, 100, nil, "")
			anchors := a.anchors
			if !c.anchored {
				anchors = nil
			}
			c.attack(&a)
			r, err := proof.Verify(origin, nil, a.each(), anchors)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := fmt.Sprintf("%s %s missing %s altered %s doubled %s forks %s unjudged %s of %d-%d", r.Complete, r.Unaltered, spans(r.Missing), spans(r.Altered), spans(r.Doubled), spans(r.Forks), spans(r.Unjudged), r.From, r.To),
				fmt.Sprintf("%s %s missing %s altered %s doubled %s forks %s unjudged %s of %s", c.complete, c.unaltered, c.missing, c.altered, c.doubled, c.forks, c.unjudged, c.verify); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

func strip(a *trail) {
	for i := range a.entries {
		a.entries[i].Checkpoint = nil
	}
}

func TestDeclaredGaps(t *testing.T) {
	a := record(t, 40, map[uint64]string{3: "spool_full", 4: "spool_full", 15: "refused"}, "")
	r, err := proof.Verify(origin, nil, a.each(), a.anchors)
	if err != nil || r.Complete != proof.Yes || r.Unaltered != proof.Yes {
		t.Fatalf("%+v, %v", r, err)
	}
	if want := []proof.Gap{{From: 3, To: 4, Reason: "spool_full"}, {From: 15, To: 15, Reason: "refused"}}; !slices.Equal(r.Declared, want) {
		t.Errorf("declared %v", r.Declared)
	}
}

func TestFromACheckpointOn(t *testing.T) {
	a := record(t, 100, nil, "")
	start := a.anchors[4]
	a.entries = a.entries[a.at(45):]
	r, err := proof.Verify(origin, start, a.each(), nil)
	if err != nil || r.Complete != proof.Yes || r.Unaltered != proof.Yes || r.From != start.Size+1 || r.To != 99 {
		t.Errorf("%+v, %v", r, err)
	}
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

func BenchmarkVerify(b *testing.B) {
	a := record(b, 100_000, nil, strings.Repeat("x", 500))
	for b.Loop() {
		if r, err := proof.Verify(origin, nil, a.each(), nil); err != nil || r.Unaltered != proof.Yes {
			b.Fatal(r, err)
		}
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N)*10, "s/1M-events")
}
