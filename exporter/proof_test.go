package exporter

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/grafana/loki/pkg/push"
	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/notary"
	"github.com/adminsessions/adminsessions/internal/spooled"
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
	return notary.Verifiers(keys)
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
				if c.Size >= seq && c.Origin == proof.OriginPrefix+spooled.LogID([]byte(labels)) {
					l.t.Errorf("event %d carries a checkpoint of %d", seq, c.Size)
				}
			}
			if spooled.LogID([]byte(labels)) == id {
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
		kept, err := os.ReadFile(filepath.Join(dir, checkpointsFile))
		if n := bytes.Count(kept, []byte("\n")); err != nil || n != len(l.only("checkpoint")) {
			t.Errorf("%d checkpoints beside the spool, %d in the trail: %v", n, len(l.only("checkpoint")), err)
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
		"anchors":                             {map[string]string{"KEY": private, "ANCHORS": filepath.Join(t.TempDir(), "kept") + ", https://auditor.example/notes,"}, nil, ""},
		"anchors beside a key of the options": {map[string]string{"ANCHORS": "https://auditor.example/notes"}, []Option{WithProof(Proof{Keys: []*proof.Key{k}})}, ""},
		"neither a file nor an address":       {map[string]string{"KEY": private, "ANCHORS": "kept"}, nil, "ADMINSESSIONS_PROOF_ANCHORS: an anchor is neither"},
		"an address in clear":                 {map[string]string{"KEY": private, "ANCHORS": "http://auditor.example"}, nil, "ADMINSESSIONS_PROOF_ANCHORS: "},
		"anchors without any key":             {map[string]string{"ANCHORS": "https://auditor.example/notes"}, nil, "there is no key"},
		"two of a name": {nil, []Option{WithProof(Proof{Keys: []*proof.Key{k}, Anchors: []proof.Anchor{&memoryAnchor{}, &memoryAnchor{}}})},
			`two are named "memory"`},
	} {
		t.Run(name, func(t *testing.T) {
			getenv := func(name string) string { return c.env[strings.TrimPrefix(name, "ADMINSESSIONS_PROOF_")] }
			cfg, err := newConfig(append([]Option{WithSpoolDir("x")}, c.opts...), getenv)
			if c.want == "" && (err != nil || len(cfg.proof.Keys) != 1 || c.env["ANCHORS"] != "" && len(cfg.proof.Anchors) == 0) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret")) {
				t.Errorf("%v; want %q", err, c.want)
			}
		})
	}
}
