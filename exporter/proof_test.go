package exporter

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"
	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

func newKey(t testing.TB) *proof.Key {
	t.Helper()
	_, k, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func verifiers(t testing.TB, keys ...*proof.Key) note.Verifiers {
	t.Helper()
	p := Proof{Keys: keys}
	return p.verifiers()
}

// proved checks that what a log has in Loki is what its checkpoints have signed: it
// makes the tree anew from the entries, and the gaps that are declared. It returns
// the checkpoints.
func (l *fakeLoki) proved(id string, keys note.Verifiers) (list []*proof.Checkpoint) {
	l.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	leaves, highest := map[uint64]proof.Hash{}, uint64(0)
	for labels, entries := range l.raw {
		for seq, e := range entries {
			ev := parse(l.t, e)
			if ev.Checkpoint != "" {
				c, err := proof.Open([]byte(ev.Checkpoint), keys)
				if err != nil {
					l.t.Errorf("event %d: %v", seq, err)
					continue
				}
				if c.Origin == proof.OriginPrefix+id {
					list = append(list, c)
				}
				if c.Size >= seq && c.Origin == proof.OriginPrefix+logIDOf([]byte(labels)) {
					l.t.Errorf("event %d carries a checkpoint of %d", seq, c.Size)
				}
			}
			if logIDOf([]byte(labels)) == id {
				leaves[seq], _ = proof.Leaf(labels, e.Timestamp.UnixNano(), e.Line, nil)
				highest = max(highest, seq)
			}
		}
	}
	slices.SortFunc(list, func(a, b *proof.Checkpoint) int { return int(a.Size) - int(b.Size) })
	gaps := map[uint64]string{}
	for _, c := range list {
		for _, g := range c.Gaps {
			for n := g.From; n <= g.To; n++ {
				gaps[n] = g.Reason
			}
		}
	}
	tree, at := proof.NewTree(), 0
	for at < len(list) {
		if c := list[at]; tree.Size() == c.Size {
			if got := tree.Checkpoint("", time.Time{}); got.Root != c.Root {
				l.t.Errorf("the checkpoint of %d events has another root than they have", c.Size)
			}
			at++
			continue
		}
		n := tree.Size() + 1
		leaf, ok := leaves[n]
		switch reason := gaps[n]; {
		case reason != "":
			tree.AppendGap(n, reason)
		case ok:
			tree.Append(leaf)
		default:
			l.t.Fatalf("event %d is neither in the trail nor declared to be missing", n)
		}
	}
	return list
}

func gapsOf(list []*proof.Checkpoint) string {
	var b strings.Builder
	for _, c := range list {
		for _, g := range c.Gaps {
			fmt.Fprintf(&b, "%d-%d %s ", g.From, g.To, g.Reason)
		}
	}
	return strings.TrimSpace(b.String())
}

// Every event is in the tree of some checkpoint, and the last one of all but itself.
func TestCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		l := &fakeLoki{t: t}
		for run := range 3 {
			x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}, Events: 100}))
			for range 10 {
				emit(t, x, 50)
				time.Sleep(10 * time.Second)
			}
			time.Sleep(time.Hour) // nothing happens
			if run == 1 {
				kill(t, x)
				continue
			}
			shutdown(t, x)
			s := x.Stats()
			list := l.proved(x.spool.ID(), verifiers(t, k))
			last := list[len(list)-1]
			if last.Size != s.SpoolSequence-1 || s.Proof.Size != last.Size || !s.Proof.On || s.BacklogEvents != 0 {
				t.Errorf("the last checkpoint is of %d events, of %d; %+v", last.Size, s.SpoolSequence, s.Proof)
			}
			for i, c := range list[1:] {
				if !c.Follows(list[i]) {
					t.Errorf("the checkpoint of %d does not follow that of %d", c.Size, list[i].Size)
				}
			}
			if n := len(list); n > 12*(run+1) {
				t.Errorf("%d checkpoints in run %d; an idle log has none", n, run)
			}
			if gaps := gapsOf(list); gaps != "" {
				t.Errorf("gaps %s", gaps)
			}
		}
		l.check(1500, true)
		if kept := kept(dir, 1000); len(kept) != len(l.only("checkpoint")) {
			t.Errorf("%d checkpoints beside the spool, %d in the trail", len(kept), len(l.only("checkpoint")))
		}
	})
}

func TestWithoutAKeyThereAreNoCheckpoints(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		l := &fakeLoki{t: t}
		log, text := logOf()
		x := startOver(t, l, dir, WithLogger(log))
		emit(t, x, 10)
		time.Sleep(time.Hour)
		shutdown(t, x)
		if len(l.only("checkpoint")) != 0 || x.Stats().Proof.On || strings.Count(text(), "does not prove itself") != 1 {
			t.Errorf("%v\n%s", actions(l.trail()), text())
		}
		gonefile(t, dir, treeFile)

		// A key that comes later says what it can't say.
		k := newKey(t)
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		shutdown(t, x)
		if gaps := gapsOf(l.proved(x.spool.ID(), verifiers(t, k))); gaps != "1-12 unproven" {
			t.Errorf("gaps %q", gaps)
		}
	})
}

// The process dies between any two steps: the tree and the trail agree.
func TestProofSurvivesTheProcess(t *testing.T) {
	for _, step := range []string{"added", "saved", "acknowledged", "checkpoint saved", "signed", "kept", "in the trail"} {
		for _, nth := range []int{1, 2, 3, 5} {
			t.Run(fmt.Sprint(step, nth), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) { dieAt(t, step, nth) })
			})
		}
	}
}

func dieAt(t *testing.T, step string, nth int) {
	k, dir := newKey(t), t.TempDir()
	l := &fakeLoki{t: t}
	clock := func() time.Time { return time.Now() }
	l.clock = func() time.Time { return time.Now().Add(-20 * time.Minute) } // some entries get other times
	l.answer = func(r received) loki.Answer {
		err := refusal(r, "entry for stream '%s' has timestamp too new: %s", func(e push.Entry) bool {
			return e.Timestamp.After(l.clock().Add(10 * time.Minute))
		})
		if err != nil {
			return loki.Classify(400, err.Error())
		}
		return taken
	}
	var died atomic.Bool
	deaths := 0
	var reached atomic.Int32
	with := func(c *config) {
		c.now = clock
		c.step = func(name string) {
			if name == step && int(reached.Add(1)) == nth {
				died.Store(true)
				runtime.Goexit()
			}
		}
	}
	total := 0
	for range 4 {
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}, Events: 20}), with)
		for range 5 {
			emit(t, x, 15)
			total += 15
			time.Sleep(20 * time.Second)
			if died.Swap(false) {
				deaths++
				break
			}
		}
		kill(t, x)
	}
	if deaths == 0 {
		t.Skipf("the step was reached %d times only", reached.Load())
	}
	x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
	time.Sleep(time.Minute)
	shutdown(t, x)
	l.check(total, false)
	list := l.proved(x.spool.ID(), verifiers(t, k))
	if gaps := gapsOf(list); gaps != "" {
		t.Errorf("gaps %s", gaps)
	}
	// Behind the last one there is nothing but checkpoints.
	all := l.only("checkpoint")
	for n := list[len(list)-1].Size + 1; n <= x.Stats().SpoolSequence; n++ {
		if !slices.ContainsFunc(all, func(ev adminsessions.Event) bool { return ev.Sequence == n }) {
			t.Errorf("the last checkpoint is of %d events, of %d; %d is not a checkpoint's", list[len(list)-1].Size, x.Stats().SpoolSequence, n)
		}
	}
}

// What was given a number and is not in the trail is declared, with its reason.
func TestGapsAreDeclared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		var isAway atomic.Bool
		l := &fakeLoki{t: t}
		l.answer = func(r received) loki.Answer {
			if isAway.Load() {
				return away()
			}
			if slices.Contains(r.seqs, 5) {
				return loki.Classify(400, "no")
			}
			return taken
		}
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}), WithSpoolLimit(minSpoolLimit))
		emit(t, x, 10)
		time.Sleep(2 * time.Minute)
		isAway.Store(true)
		lost := 0
		for range 4000 {
			ev := testEvent
			ev.Time = time.Now()
			if x.RecordEvent(t.Context(), &ev, adminsessions.Spooled) != nil {
				lost++
			}
		}
		time.Sleep(time.Minute)
		kill(t, x)
		isAway.Store(false)
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}), WithSpoolLimit(minSpoolLimit))
		time.Sleep(time.Minute)
		emit(t, x, 1)
		shutdown(t, x)
		list := l.proved(x.spool.ID(), verifiers(t, k))
		quarantined, full := 0, 0
		for _, c := range list {
			for _, g := range c.Gaps {
				switch g.Reason {
				case "quarantined":
					quarantined += int(g.To - g.From + 1)
				case "spool_full":
					full += int(g.To - g.From + 1)
				default:
					t.Errorf("gap %+v", g)
				}
			}
		}
		if quarantined != 1 || full < lost || full > lost+2 || lost == 0 { // the trail's own, too
			t.Errorf("declared %d quarantined, %d lost of %d: %s", quarantined, full, lost, gapsOf(list))
		}
	})
}

// More gaps than a checkpoint can hold.
func TestManyGaps(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		l := &fakeLoki{t: t}
		x := startOver(t, l, t.TempDir(), WithProof(Proof{Keys: []*proof.Key{k}}))
		time.Sleep(time.Minute)
		large := strings.Repeat("x", 2<<20)
		for range 500 {
			emit(t, x, 1)
			if _, err := x.spool.Append(t.Context(), time.Now(), []byte(large)); err == nil {
				t.Fatal("a record of 2 MiB is taken")
			}
		}
		time.Sleep(10 * time.Minute)
		shutdown(t, x)
		list := l.proved(x.spool.ID(), verifiers(t, k))
		declared := uint64(0)
		for _, c := range list {
			if len(c.Gaps) > proof.MaxGaps {
				t.Errorf("a checkpoint with %d gaps", len(c.Gaps))
			}
			for _, g := range c.Gaps {
				declared += g.To - g.From + 1
			}
		}
		if declared < 500 {
			t.Errorf("%d gaps declared, want 500 at least: %s", declared, gapsOf(list))
		}
		if len(list) > 20 {
			t.Errorf("%d checkpoints", len(list))
		}
	})
}

// A key that can't be had for a while, and an anchor that is away, hold up nothing.
func TestAKeyThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		var isAway atomic.Bool
		isAway.Store(true)
		k.Signer = &failingSigner{k.Signer, &isAway}
		a := &memoryAnchor{away: &isAway}
		l := &fakeLoki{t: t}
		log, text := logOf()
		x := startOver(t, l, dir, WithLogger(log), WithProof(Proof{Keys: []*proof.Key{k}, Events: 10, Anchors: []proof.Anchor{a}}))
		for range 60 {
			emit(t, x, 20)
			time.Sleep(time.Minute)
		}
		l.check(1200, true)
		s := x.Stats()
		if s.Proof.Failures == 0 || s.Proof.Checkpoints != 0 || s.BacklogEvents != 0 {
			t.Errorf("%+v", s.Proof)
		}
		if n := strings.Count(text(), "can't be signed"); n < 1 || n > 13 {
			t.Errorf("told %d times in an hour", n)
		}
		isAway.Store(false)
		time.Sleep(10 * time.Minute)
		shutdown(t, x)
		list := l.proved(x.spool.ID(), verifiers(t, k))
		if last := list[len(list)-1]; last.Size != x.Stats().SpoolSequence-1 {
			t.Errorf("the last checkpoint is of %d events of %d", last.Size, x.Stats().SpoolSequence)
		}
		if s := x.Stats().Proof; s.Anchors["memory"].Anchored == 0 || s.Anchors["memory"].Waiting != 0 || s.Anchors["memory"].LastSuccess.IsZero() {
			t.Errorf("%+v", s.Anchors)
		}
		if got := a.last(); got != int(list[len(list)-1].Size) {
			t.Errorf("anchored up to %d", got)
		}
	})
}

func TestAnAnchorThatIsAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		var isAway atomic.Bool
		isAway.Store(true)
		a := &memoryAnchor{away: &isAway}
		l := &fakeLoki{t: t}
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}, Anchors: []proof.Anchor{a}}))
		for range 400 {
			emit(t, x, 1)
			time.Sleep(time.Minute)
		}
		s := x.Stats().Proof.Anchors["memory"]
		if s.Failures == 0 || s.Waiting != maxUnanchored || s.Dropped == 0 || !s.LastSuccess.IsZero() {
			t.Errorf("%+v", s)
		}
		began := time.Now()
		shutdown(t, x)
		if d := time.Since(began); d > 2*sealTimeout {
			t.Errorf("shutdown took %v", d)
		}
		// The next process brings what this one could not.
		isAway.Store(false)
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}, Anchors: []proof.Anchor{a}}))
		time.Sleep(time.Minute)
		list := l.proved(x.spool.ID(), verifiers(t, k))
		if got := a.last(); got != int(list[len(list)-1].Size) {
			t.Errorf("anchored up to %d, want %d", got, list[len(list)-1].Size)
		}
		shutdown(t, x)
	})
}

type failingSigner struct {
	note.Signer
	away *atomic.Bool
}

func (s *failingSigner) Sign(msg []byte) ([]byte, error) {
	if s.away.Load() {
		return nil, errors.New("the key is away")
	}
	return s.Signer.Sign(msg)
}

type memoryAnchor struct {
	away *atomic.Bool
	mu   sync.Mutex
	list [][]byte
}

func (a *memoryAnchor) Name() string { return "memory" }

func (a *memoryAnchor) Anchor(_ context.Context, signed []byte) error {
	if a.away.Load() {
		return errors.New("the anchor is away")
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.list = append(a.list, signed)
	return nil
}

// last is the size of the checkpoint that it was given last.
func (a *memoryAnchor) last() int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.list) == 0 {
		return 0
	}
	n, _ := strconv.Atoi(strings.Split(string(a.list[len(a.list)-1]), "\n")[1])
	return n
}

// A copy of a spool goes on under an identity of its own: the tree of the original
// is continued with what is left of it, and named by the copy's first checkpoint.
func TestProofOfACopy(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k := newKey(t)
		dir, other := filepath.Join(t.TempDir(), "spool"), filepath.Join(t.TempDir(), "spool")
		var isAway atomic.Bool
		l := &fakeLoki{t: t, answer: func(received) loki.Answer {
			if isAway.Load() {
				return away()
			}
			return taken
		}}
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, 10)
		time.Sleep(time.Minute)
		isAway.Store(true)
		emit(t, x, 10)
		id := x.spool.ID()
		shutdown(t, x)
		if err := os.CopyFS(other, os.DirFS(dir)); err != nil {
			t.Fatal(err)
		}
		isAway.Store(false)
		y := startOver(t, l, other, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, y, 5)
		time.Sleep(time.Minute)
		shutdown(t, y)
		if y.Stats().Proof.LogsLost[lostCopied] != 1 {
			t.Errorf("logs lost: %v", y.Stats().Proof.LogsLost)
		}
		list := l.proved(y.spool.ID(), verifiers(t, k))
		l.proved(id, verifiers(t, k))
		_, since := y.spool.Predecessor()
		after := list[0].After
		if gapsOf(list) != fmt.Sprintf("1-%d predecessor", since-1) || after == nil || after.Origin != proof.OriginPrefix+id || after.Size != since-1 {
			t.Errorf("gaps %s, after %+v; want up to %d", gapsOf(list), after, since-1)
		}
		x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		shutdown(t, x)
		if gaps := gapsOf(l.proved(id, verifiers(t, k))); gaps != "" {
			t.Errorf("gaps %s in the original", gaps)
		}
	})
}

// A spool whose files were removed, but for the tree; and one whose tree was.
func TestProofOfWhatWasRemoved(t *testing.T) {
	for name, c := range map[string]struct {
		keep string
		lost string
		gaps string
	}{
		"all but the tree": {treeFile, lostVanished, ""},
		"the tree":         {"", "", "14-14 unproven"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				k, dir := newKey(t), t.TempDir()
				l := &fakeLoki{t: t}
				x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 10)
				time.Sleep(time.Minute)
				shutdown(t, x)
				id := x.spool.ID()
				before := l.proved(id, verifiers(t, k))
				files, err := os.ReadDir(dir)
				if err != nil {
					t.Fatal(err)
				}
				for _, f := range files {
					if keep := c.keep == f.Name(); c.keep != "" && !keep || c.keep == "" && f.Name() == treeFile {
						if err := os.Remove(filepath.Join(dir, f.Name())); err != nil {
							t.Fatal(err)
						}
					}
				}
				x = startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
				emit(t, x, 10)
				time.Sleep(time.Minute)
				shutdown(t, x)
				list := l.proved(x.spool.ID(), verifiers(t, k))
				if c.lost != "" {
					after := list[0].After
					if after == nil || after.Origin != proof.OriginPrefix+id || after.Size != before[len(before)-1].Size {
						t.Errorf("after %+v", after)
					}
					lost := l.only("spool_lost")
					if len(lost) != 1 || attr(lost[0], "reason") != c.lost || attr(lost[0], "predecessor") != id {
						t.Errorf("%+v", lost)
					}
				}
				if gaps := gapsOf(list); gaps != c.gaps {
					t.Errorf("gaps %q, want %q", gaps, c.gaps)
				}
			})
		})
	}
}

func TestProofConfiguration(t *testing.T) {
	private, k, err := proof.NewKey("panel")
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "key")
	if err := os.WriteFile(file, []byte(private), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		env  map[string]string
		opts []Option
		want string // in the error; "" if it is right, with one key
	}{
		"file":      {map[string]string{"KEY_FILE": file}, nil, ""},
		"text":      {map[string]string{"KEY": private}, nil, ""},
		"command":   {map[string]string{"COMMAND": "cat -", "PUBLIC_KEY": k.Public()}, nil, ""},
		"option":    {map[string]string{"KEY_FILE": "/no/such"}, []Option{WithProof(Proof{Keys: []*proof.Key{k}})}, ""},
		"two":       {map[string]string{"KEY_FILE": file, "KEY": private}, nil, "ADMINSESSIONS_PROOF_KEY_FILE and ADMINSESSIONS_PROOF_KEY are set"},
		"no file":   {map[string]string{"KEY_FILE": "/no/such"}, nil, "ADMINSESSIONS_PROOF_KEY_FILE: "},
		"no key":    {map[string]string{"KEY": "secret"}, nil, "ADMINSESSIONS_PROOF_KEY: line 1 is no private key"},
		"no public": {map[string]string{"COMMAND": "cat -"}, nil, "want name+hash+key"},
		"interval":  {nil, []Option{WithProof(Proof{Keys: []*proof.Key{k}, Interval: time.Millisecond})}, "WithProof: Interval: 1ms; want 1s to 24h0m0s"},
		"events":    {nil, []Option{WithProof(Proof{Keys: []*proof.Key{k}, Events: -1})}, "WithProof: Events"},
		"anchor without a key": {nil, []Option{WithProof(Proof{Anchors: []proof.Anchor{&memoryAnchor{}}})},
			"WithProof: Anchors: there is no key"},
		"two of a name": {nil, []Option{WithProof(Proof{Keys: []*proof.Key{k}, Anchors: []proof.Anchor{&memoryAnchor{}, &memoryAnchor{}}})},
			`two are named "memory"`},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(name string) string { return c.env[strings.TrimPrefix(name, "ADMINSESSIONS_PROOF_")] }
			cfg, err := newConfig(append([]Option{WithSpoolDir("x")}, c.opts...), getenv)
			if c.want == "" && (err != nil || len(cfg.proof.Keys) != 1) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}
