package exporter

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/proof"
)

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
		if s.Failures == 0 || s.Waiting != 256 || s.Dropped == 0 || !s.LastSuccess.IsZero() {
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
