package exporter

import (
	"bytes"
	"context"
	"iter"
	"log/slog"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/proof"
)

const (
	// maxUnanchored is how many checkpoints wait for an anchor that is away. The
	// newest say what the oldest do.
	maxUnanchored = 256
	// anchorTimeout is how long an anchor may take for one checkpoint.
	anchorTimeout  = 30 * time.Second
	minAnchorPause = time.Second
	maxAnchorPause = 5 * time.Minute
	// anchorAgain is how many of the last checkpoints are brought to the anchors
	// once more by a new process: the one before may have died first.
	anchorAgain = 16
)

// anchoring brings checkpoints to one anchor, in a goroutine of its own.
type anchoring struct {
	anchor  proof.Anchor
	metrics *anchorMetrics
	log     *slog.Logger
	now     func() time.Time
	told    logLimit

	mu      sync.Mutex
	waiting [][]byte
	wake    chan struct{} // sent without waiting, never closed
	idle    chan struct{} // closed and replaced when nothing waits any more
}

func newAnchoring(a proof.Anchor, c *config, m *anchorMetrics) *anchoring {
	return &anchoring{anchor: a, metrics: m, log: c.logger, now: c.now, wake: make(chan struct{}, 1), idle: make(chan struct{})}
}

func (a *anchoring) add(signed []byte) {
	a.mu.Lock()
	if len(a.waiting) == maxUnanchored {
		// The first may be under way.
		a.waiting = append(a.waiting[:1], a.waiting[2:]...)
		a.metrics.dropped.Add(1)
	}
	a.waiting = append(a.waiting, signed)
	a.metrics.waiting.Store(int64(len(a.waiting)))
	a.mu.Unlock()
	select {
	case a.wake <- struct{}{}:
	default:
	}
}

// wait returns when nothing waits for the anchor, or ctx is done.
func (a *anchoring) wait(ctx context.Context) {
	a.mu.Lock()
	n, idle := len(a.waiting), a.idle
	a.mu.Unlock()
	if n == 0 {
		return
	}
	select {
	case <-idle:
	case <-ctx.Done():
	}
}

func (a *anchoring) run(ctx context.Context) {
	pause := minAnchorPause
	for {
		var again <-chan time.Time
		switch signed := a.first(); {
		case signed == nil:
		case a.bring(ctx, signed):
			pause = minAnchorPause
			continue
		default:
			again = time.After(pause)
			pause = min(2*pause, maxAnchorPause)
		}
		select {
		case <-ctx.Done():
			return
		case <-again:
		case <-a.more(again == nil):
		}
	}
}

// more receives when there is something new, unless the pause after a failure goes
// on.
func (a *anchoring) more(wanted bool) <-chan struct{} {
	if wanted {
		return a.wake
	}
	return nil
}

func (a *anchoring) first() []byte {
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.waiting) == 0 {
		return nil
	}
	return a.waiting[0]
}

func (a *anchoring) bring(ctx context.Context, signed []byte) bool {
	limited, cancel := context.WithTimeout(ctx, anchorTimeout)
	defer cancel()
	err := a.anchor.Anchor(limited, signed)
	if err != nil {
		if ctx.Err() == nil {
			a.metrics.failures.Add(1)
			if n, ok := a.told.allow(a.now(), reminderInterval); ok {
				a.log.Warn("a checkpoint can't be anchored; it is tried again", "anchor", a.anchor.Name(), "error", err, "not_told", n)
			}
		}
		return false
	}
	a.metrics.anchored.Add(1)
	a.metrics.lastSuccess.Store(a.now().UnixNano())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = a.waiting[1:]
	a.metrics.waiting.Store(int64(len(a.waiting)))
	if len(a.waiting) == 0 {
		close(a.idle)
		a.idle = make(chan struct{})
	}
	return true
}

// lines yields the lines of a text, without their ends.
func lines(text []byte) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for line := range bytes.Lines(text) {
			if !yield(bytes.TrimRight(line, "\r\n")) {
				return
			}
		}
	}
}
