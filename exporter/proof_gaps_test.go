package exporter

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

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

// What comes out of quarantine later, under its own number, is on record with the
// hash of what it is now.
func TestDeliveredLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		k, dir := newKey(t), t.TempDir()
		const events = 400
		var gone atomic.Bool
		l := refuseSome(t, &gone, func(seq uint64) bool { return seq%100 == 5 })
		x := startOver(t, l, dir, WithProof(Proof{Keys: []*proof.Key{k}}))
		emit(t, x, events)
		time.Sleep(10 * time.Minute)
		gone.Store(true)
		renameToRetry(t, dir)
		time.Sleep(5 * time.Minute)
		shutdown(t, x)
		l.check(events, false)
		l.proved(x.spool.ID(), verifiers(t, k))
		late := map[uint64]proof.Hash{}
		for _, ev := range l.only("quarantined") {
			if ev.Outcome != adminsessions.OutcomeSuccess {
				continue
			}
			log, leaves, err := proof.RecordedLeaves(&ev)
			if err != nil || log != x.spool.ID() || attr(ev, "reason") != proof.LateReason {
				t.Fatalf("%+v: %v", ev, err)
			}
			for _, leaf := range leaves {
				late[leaf.Number] = leaf.Hash
			}
		}
		if len(late) != 4 {
			t.Errorf("%d events on record as late, want 4", len(late))
		}
		for labels, entries := range l.raw {
			for n, hash := range late {
				e := entries[n]
				if h, _ := proof.Leaf(labels, e.Timestamp.UnixNano(), e.Line, nil); h != hash {
					t.Errorf("event %d is on record as another one", n)
				}
			}
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
