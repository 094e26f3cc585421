package verify

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/prooftest"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

func TestDeclaredGaps(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(12)
	w.Tree.AppendGap(15, "spool_full")
	w.Tree.AppendGap(16, "refused")
	w.Write(24)
	w.Tree.AppendGap(1<<40, "damaged")
	w.Checkpoint()
	w.Checkpoint()
	r := verifyFake(t, &fakeLoki{entries: w.Entries}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "yes yes; a 1-1099511627777 declared 13-15 16-16 25-1099511627776 unjudged 1099511627778-1099511627778"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// Of what the tree does not know nothing is said.
	u := prooftest.New(t, "u", began)
	u.Tree.AppendGap(500, proof.Unproven)
	u.Write(520)
	if got, want := verifyFake(t, &fakeLoki{entries: u.Entries}, Config{Keys: []string{u.Public}}).String(), "unknown unknown; u 1-519 unjudged 1-500 520-520"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	if g := r.Logs[0].Declared[0]; g.Why != "spool_full" || !g.Before.Equal(began.Add(12*time.Second)) || !g.After.Equal(began.Add(13*time.Second)) {
		t.Errorf("%+v", g)
	}
}

// An overloaded Loki answers short: what it gives when it is asked again, from the
// other side, is not missing.
func TestShortAnswers(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(105)
	forward := func(from, to uint64) func(trail.LogRead, *loki.Entry) bool {
		return func(r trail.LogRead, e *loki.Entry) bool {
			n, _ := adminsessions.SequenceOf(e.Line)
			return !r.Backward && r.Containing == "" && n >= from && n <= to
		}
	}
	for name, c := range map[string]struct {
		hide func(trail.LogRead, *loki.Entry) bool
		want string
	}{
		"none":                     {nil, "yes yes; a 1-99 unjudged 100-105"},
		"one":                      {forward(42, 42), "yes yes; a 1-99 unjudged 100-105"},
		"some with checkpoints":    {forward(38, 63), "yes yes; a 1-99 unjudged 100-105"},
		"what is really not there": {func(_ trail.LogRead, e *loki.Entry) bool { n, _ := adminsessions.SequenceOf(e.Line); return n == 42 }, "no unknown; a 1-99 missing 42-42 unjudged 100-105"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeLoki{entries: w.Entries, hide: c.hide}
			if got := verifyFake(t, f, Config{Keys: []string{w.Public}}).String(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
			if name == "none" && f.read > 105+20 {
				t.Errorf("%d entries were read of a log of 105 in which nothing is missing", f.read)
			}
		})
	}
}

// An entry may have another time than its neighbours: Loki has refused its own.
func TestTimesOutOfOrder(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(44)
	w.At = w.At.Add(2 * time.Hour)
	w.Write(45)
	w.At = w.At.Add(-2 * time.Hour)
	w.Write(105)
	r := verifyFake(t, &fakeLoki{entries: w.Entries}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "yes yes; a 1-99 unjudged 100-105"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

func TestRange(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(1005)
	at := func(n int) time.Time { return began.Add(time.Duration(n) * time.Second) }
	for name, c := range map[string]struct {
		config  Config
		entries []loki.Entry
		want    string
	}{
		"all":                        {Config{}, w.Entries, "yes yes; a 1-999 unjudged 1000-1005"},
		"from a time on":             {Config{From: at(555)}, w.Entries, "yes yes; a 550-999 unjudged 1000-1005"},
		"from before the beginning":  {Config{From: began.Add(-time.Hour)}, w.Entries, "yes yes; a 1-999 unjudged 1000-1005"},
		"from before its checkpoint": {Config{From: at(5)}, w.Entries, "yes yes; a 1-999 unjudged 1000-1005"},
		"up to a time":               {Config{To: at(555)}, w.Entries, "yes yes; a 1-559"},
		"with what is before missing": {Config{From: at(555)}, prooftest.Without(w.Entries, 1, 553),
			"yes yes; a 560-999 unjudged 555-559 1000-1005"},
		"with much of what is before missing": {Config{From: began.Add(-25 * time.Hour)}, prooftest.Without(w.Entries, 1, 553),
			"unknown yes; a 560-999 unjudged 554-559 1000-1005"},
		"from what was verified": {Config{Start: []string{w.Notes[50]}}, prooftest.Without(w.Entries, 1, 400), "yes yes; a 510-999 unjudged 1000-1005"},
		"from what was verified, and nothing is there": {Config{Start: []string{w.Notes[50]}}, nil,
			"no unknown; a 0-0 missing 1-509"},
	} {
		t.Run(name, func(t *testing.T) {
			c.config.Keys = []string{w.Public}
			r := verifyFake(t, &fakeLoki{entries: c.entries}, c.config)
			if got := r.String(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// A range that ends in the past is read to the next checkpoint and not to now.
func TestRangeIsNotReadBeyond(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(20_000)
	f := &fakeLoki{entries: w.Entries}
	r := verifyFake(t, f, Config{Keys: []string{w.Public}, From: began.Add(3 * time.Hour), To: began.Add(3*time.Hour + time.Minute)})
	if r.Complete != Yes || len(r.Logs[0].Unjudged) > 0 || r.Logs[0].First != 10_790 || f.read > 3000 {
		t.Errorf("%s, %d entries read", r.String(), f.read)
	}
}

func TestUpToAndOn(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(105)
	r := verifyFake(t, &fakeLoki{entries: w.Entries}, Config{Keys: []string{w.Public}})
	if want := began.Add(100 * time.Second); !r.UpTo.Equal(want) {
		t.Errorf("verified up to %s, want %s", r.UpTo, want)
	}
	next := r.Logs[0].Checkpoint
	if r := verifyFake(t, &fakeLoki{entries: w.Entries[:100]}, Config{Keys: []string{w.Public}}); !r.UpTo.Equal(now) {
		t.Errorf("verified up to %s, want %s: nothing but the last checkpoint's own event waits for one", r.UpTo, now)
	}
	w.Write(215)
	r = verifyFake(t, &fakeLoki{entries: w.Entries}, Config{Keys: []string{w.Public}, Start: []string{next}})
	if got, want := r.String(), "yes yes; a 100-209 unjudged 210-215"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// With something wrong it does not go on, so that it is not forgotten.
	r = verifyFake(t, &fakeLoki{entries: prooftest.Without(w.Entries, 142, 142)}, Config{Keys: []string{w.Public}, Start: []string{next}})
	if want := began.Add(140 * time.Second); !r.UpTo.Equal(want) {
		t.Errorf("verified up to %s, want %s", r.UpTo, want)
	}
}

func TestErasedEvents(t *testing.T) {
	prepare := func(t *testing.T, lie bool) (*prooftest.Log, []loki.Entry) {
		w := prooftest.New(t, "a", began).Write(45)
		var leaves []proof.RecordedLeaf
		for _, n := range []uint64{12, 13, 33} {
			e := w.Entries[n-1]
			h, _ := proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
			if lie && n == 33 {
				h[0]++
			}
			leaves = append(leaves, proof.RecordedLeaf{Number: n, Hash: h})
		}
		w.Add(adminsessions.Event{Type: adminsessions.Trail, Action: proof.ErasedAction, Attributes: proof.LeafAttributes("a", leaves)})
		w.Write(65)
		return w, prooftest.Without(prooftest.Without(w.Entries, 12, 13), 33, 33)
	}
	w, entries := prepare(t, false)
	r := verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "yes yes; a 1-59 unjudged 60-65 erased 12-12 by a/46 true erased 13-13 by a/46 true erased 33-33 by a/46 true"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// More is gone than the act says.
	r = verifyFake(t, &fakeLoki{entries: prooftest.Without(entries, 14, 14)}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "no unknown; a 1-59 missing 14-14 unjudged 60-65 erased 12-12 by a/46 false erased 13-13 by a/46 false erased 33-33 by a/46 true"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// The act lies.
	w, entries = prepare(t, true)
	r = verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "unknown no; a 1-59 altered 30-39 unjudged 60-65 erased 12-12 by a/46 true erased 13-13 by a/46 true erased 33-33 by a/46 false"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
	// The act is forged: somebody who can write to Loki has put it there.
	w = prooftest.New(t, "a", began).Write(65)
	e := w.Entries[32]
	h, _ := proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
	act := adminsessions.Event{Type: adminsessions.Trail, Action: proof.ErasedAction, Attributes: proof.LeafAttributes("a", []proof.RecordedLeaf{{Number: 33, Hash: h}})}
	forged := loki.Entry{Nanos: w.At.UnixNano() + 5, Labels: w.Labels(), Line: string(adminsessions.AppendSequence([]byte(act.Line()), 66, time.Time{}))}
	r = verifyFake(t, &fakeLoki{entries: append(prooftest.Without(w.Entries, 33, 33), forged)}, Config{Keys: []string{w.Public}})
	if got, want := r.String(), "unknown yes; a 1-59 unjudged 60-66 erased 33-33 by a/66 false"; got != want {
		t.Errorf("\n got %s\nwant %s", got, want)
	}
}

// A log that took the place of another one says how that ended.
func TestPredecessors(t *testing.T) {
	before := prooftest.New(t, "b", began).Write(55)
	last := before.Tree.Checkpoint(proof.OriginPrefix+"b", before.At)
	next := prooftest.New(t, "c", began)
	next.Signer, next.At = before.Signer, before.At.Add(time.Hour)
	next.After = &proof.Predecessor{Origin: last.Origin, Size: last.Size, Root: last.Root}
	next.Write(25)
	verify := func(entries []loki.Entry) string {
		return verifyFake(t, &fakeLoki{entries: append(entries, next.Entries...)}, Config{Keys: []string{before.Public}}).String()
	}
	for name, c := range map[string]struct {
		entries []loki.Entry
		want    string
	}{
		"there":     {before.Entries, "yes yes; b 1-55; c 1-19 unjudged 20-25"},
		"cut short": {prooftest.Without(before.Entries, 52, 55), "no unknown; b 1-55 missing 52-55; c 1-19 unjudged 20-25"},
		"cut much":  {prooftest.Without(before.Entries, 31, 55), "no unknown; b 1-55 missing 31-55; c 1-19 unjudged 20-25"},
		"gone":      {nil, "no unknown; b 1-55 missing 1-55; c 1-19 unjudged 20-25"},
		"set back":  {append(prooftest.Without(before.Entries, 52, 55), replaced(before, 52, 55)...), "yes no; b 1-55 altered 50-55; c 1-19 unjudged 20-25"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := verify(slices.Clone(c.entries)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// A log that its successor names may have expired, if that began soon after the time
// that was asked for; later it must be there.
func TestPredecessorThatMayHaveExpired(t *testing.T) {
	before := prooftest.New(t, "b", began).Write(55)
	last := before.Fork(49).Tree.Checkpoint(proof.OriginPrefix+"b", before.At)
	next := prooftest.New(t, "c", began.Add(time.Hour))
	next.Signer, next.After = before.Signer, &proof.Predecessor{Origin: last.Origin, Size: last.Size, Root: last.Root}
	next.Write(25)
	for from, want := range map[time.Time]string{
		began.Add(30 * time.Minute): "unknown unknown; b 0-0 unjudged 1-49; c 1-19 unjudged 20-25",
		began.Add(-48 * time.Hour):  "no unknown; b 1-49 missing 1-49; c 1-19 unjudged 20-25",
		{}:                          "no unknown; b 1-49 missing 1-49; c 1-19 unjudged 20-25",
	} {
		if got := verifyFake(t, &fakeLoki{entries: next.Entries}, Config{Keys: []string{before.Public}, From: from}).String(); got != want {
			t.Errorf("from %s:\n got %s\nwant %s", from, got, want)
		}
	}
}

// What a successor says of a log is asked of Loki once more, too, is reported once,
// and contradicts what the log itself has signed if it does.
func TestPredecessorAndItsOwnCheckpoints(t *testing.T) {
	before := prooftest.New(t, "b", began).Write(12)
	before.Tree.AppendGap(15, "spool_full")
	before.Write(55)
	next := func(size uint64, root proof.Hash) []loki.Entry {
		c := prooftest.New(t, "c", before.At.Add(time.Hour))
		c.Signer, c.After = before.Signer, &proof.Predecessor{Origin: proof.OriginPrefix + "b", Size: size, Root: root}
		return c.Write(25).Entries
	}
	rootAt := func(size uint64) proof.Hash {
		tree := proof.NewTree()
		for _, e := range before.Entries {
			n, _ := adminsessions.SequenceOf(e.Line)
			if n > size {
				break
			}
			if n > tree.Size()+1 {
				tree.AppendGap(n-1, "spool_full")
			}
			h, _ := proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
			tree.Append(h)
		}
		c := tree.Checkpoint("", time.Time{})
		return c.Root
	}
	forged := before.Entries[20]
	forged.Nanos++
	short := func(r trail.LogRead, e *loki.Entry) bool {
		n, _ := adminsessions.SequenceOf(e.Line)
		return !r.Backward && r.Containing == "" && r.ID == "b" && n == 52
	}
	for name, c := range map[string]struct {
		size uint64
		root proof.Hash
		hide func(trail.LogRead, *loki.Entry) bool
		want string
	}{
		"of the same events":       {49, rootAt(49), nil, "yes no; b 1-49 doubled 24-24 declared 13-15 unjudged 50-55; c 1-19 unjudged 20-25"},
		"in the middle":            {35, rootAt(35), nil, "yes no; b 1-49 doubled 24-24 declared 13-15 unjudged 50-55; c 1-19 unjudged 20-25"},
		"in the middle, otherwise": {35, rootAt(34), nil, "yes no; b 1-49 doubled 24-24 forks 35-35 declared 13-15 unjudged 50-55; c 1-19 unjudged 20-25"},
		"an answer came short":     {55, rootAt(55), short, "yes no; b 1-55 doubled 24-24 declared 13-15; c 1-19 unjudged 20-25"},
	} {
		t.Run(name, func(t *testing.T) {
			f := &fakeLoki{entries: append(append(slices.Clone(before.Entries), forged), next(c.size, c.root)...), hide: c.hide}
			if got := verifyFake(t, f, Config{Keys: []string{before.Public}}).String(); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

// A log that should name one before it, and does not; and one that names one that
// has gone on.
func TestBeginnings(t *testing.T) {
	before := prooftest.New(t, "b", began).Write(55)
	base := before.Fork(49)
	last := base.Tree.Checkpoint(proof.OriginPrefix+"b", base.At)
	for name, c := range map[string]struct {
		at    time.Time
		after *proof.Predecessor
		want  string
		notes int
	}{
		"a spool was removed":            {began.Add(time.Hour), nil, "unknown yes; b 1-49; c 1-19 unjudged 20-25", 1},
		"two at the same time":           {began.Add(20 * time.Second), nil, "yes yes; b 1-49 unjudged 50-55; c 1-19 unjudged 20-25", 0},
		"a spool was copied or set back": {began.Add(time.Hour), &proof.Predecessor{Origin: last.Origin, Size: 39, Root: rootOf(t, before, 39)}, "yes yes; b 1-49 unjudged 50-55; c 1-19 unjudged 20-25", 1},
	} {
		t.Run(name, func(t *testing.T) {
			next := prooftest.New(t, "c", c.at)
			next.Signer, next.After = before.Signer, c.after
			next.Write(25)
			r := verifyFake(t, &fakeLoki{entries: append(slices.Clone(before.Entries), next.Entries...)}, Config{Keys: []string{before.Public}})
			if got := strings.Replace(r.String(), "b 1-49 unjudged 50-55", "b 1-49", 1); got != strings.Replace(c.want, "b 1-49 unjudged 50-55", "b 1-49", 1) || len(r.Logs[1].Notes) != c.notes {
				t.Errorf("\n got %s, %q\nwant %s, %d notes", got, r.Logs[1].Notes, c.want, c.notes)
			}
		})
	}
}

func rootOf(t *testing.T, l *prooftest.Log, n uint64) proof.Hash {
	t.Helper()
	c := l.Fork(n).Tree.Checkpoint("", time.Time{})
	return c.Root
}

func replaced(w *prooftest.Log, from, to uint64) (entries []loki.Entry) {
	for _, e := range w.Entries[from-1 : to] {
		e.Line = strings.Replace(e.Line, "event ", "another ", 1)
		entries = append(entries, e)
	}
	return entries
}

func TestWhatIsNotKnown(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(105)
	r := verifyFake(t, &fakeLoki{entries: w.Entries}, Config{Keys: []string{w.Public}, Anchors: []proof.Archive{
		kept{name: "away", err: errAway}, kept{name: "foreign", notes: []string{"no checkpoint"}},
	}})
	if r.Complete != Unknown || r.Unaltered != Unknown || len(r.Problems) != 4 {
		t.Errorf("%s\n%s", r.String(), strings.Join(r.Problems, "\n"))
	}
	for _, keys := range [][]string{nil, {"x"}, {w.Public + "x"}} {
		if _, err := Run(t.Context(), Config{Keys: keys}); err == nil || !strings.Contains(err.Error(), "Keys") {
			t.Errorf("keys %q: %v", keys, err)
		}
	}
}

func TestReportIsReadable(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(105)
	entries := prooftest.Without(w.Entries, 42, 43)
	entries[prooftest.At(entries, 77)].Line = "type=\tseq=77"
	r := verifyFake(t, &fakeLoki{entries: entries}, Config{Keys: []string{w.Public}})
	text := r.Text()
	for _, want := range []string{
		"complete: no, unaltered: no, verified up to 2026-11-01T08:00:40Z",
		"log a (panel on host-1)",
		"MISSING events 42-43 (2), between 2026-11-01T08:00:41Z and 2026-11-01T08:00:44Z",
		"ALTERED events 70-79 (10)",
		"not judged events 100-105 (6): behind the last checkpoint",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("there is no %q in\n%s", want, text)
		}
	}
	b, err := json.Marshal(r)
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(b, &back); err != nil || back.String() != r.String() {
		t.Errorf("%s, %v", b, err)
	}
}

// More events than are held at a time make no finding out of nothing, and hide
// none: with a bound of 50 instead of a million.
func TestBounds(t *testing.T) {
	w := prooftest.New(t, "a", began).Write(35)
	w.Every = 500
	w.Write(505)
	w.Every = 10
	w.Write(605)
	judged := func(entries []loki.Entry, anchors ...*mark) *Log {
		keys, err := (&Config{Keys: []string{w.Public}}).keys()
		if err != nil {
			t.Fatal(err)
		}
		j, err := newJudge("a", keys, nil, anchors)
		if err != nil {
			t.Fatal(err)
		}
		j.maxPending = 50
		for i := range entries {
			j.read(&entries[i])
		}
		j.askAnchors()
		return j.finish()
	}
	l := judged(w.Entries)
	if l.Complete != Unknown || l.Unaltered != Unknown || len(l.Missing)+len(l.Altered) > 0 || l.Unjudged[0].From != 30 || l.Last != 599 {
		t.Errorf("%+v", l)
	}
	if l := judged(prooftest.Without(w.Entries, 12, 12)); l.Complete != No || l.Missing[0].From != 12 {
		t.Errorf("%+v", l)
	}
	// Each interval is altered, so each is held to be looked at again.
	changed := slices.Clone(w.Entries)
	for i := range changed {
		changed[i].Line = strings.Replace(changed[i].Line, "event ", "evint ", 1)
	}
	if l := judged(changed); l.Unaltered != No || len(l.Altered) == 0 {
		t.Errorf("%+v", l)
	}
}
