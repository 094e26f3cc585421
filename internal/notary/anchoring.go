package notary

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adminsessions/adminsessions/internal/loglimit"
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
	anchor proof.Anchor
	log    *slog.Logger
	now    func() time.Time
	told   loglimit.Limit

	mu      sync.Mutex
	waiting [][]byte
	wake    chan struct{} // sent without waiting, never closed
	idle    chan struct{} // closed and replaced when nothing waits any more

	anchored, failures, dropped atomic.Uint64
	lastSuccess                 atomic.Int64 // ns, 0 before the first
}

func newAnchoring(a proof.Anchor, c *Config) *anchoring {
	return &anchoring{anchor: a, log: c.Logger, now: c.Now, wake: make(chan struct{}, 1), idle: make(chan struct{})}
}

func (a *anchoring) stats() AnchorStats {
	a.mu.Lock()
	defer a.mu.Unlock()
	return AnchorStats{
		Anchored: a.anchored.Load(), Failures: a.failures.Load(), Dropped: a.dropped.Load(),
		Waiting: int64(len(a.waiting)), LastSuccess: timeOf(a.lastSuccess.Load()),
	}
}

func (a *anchoring) add(signed []byte) {
	a.mu.Lock()
	if len(a.waiting) == maxUnanchored {
		// The first may be under way.
		a.waiting = append(a.waiting[:1], a.waiting[2:]...)
		a.dropped.Add(1)
	}
	a.waiting = append(a.waiting, signed)
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
			a.failures.Add(1)
			if n, ok := a.told.Allow(a.now(), loglimit.Reminder); ok {
				a.log.Warn("a checkpoint can't be anchored; it is tried again", "anchor", a.anchor.Name(), "error", err, "not_told", n)
			}
		}
		return false
	}
	a.anchored.Add(1)
	a.lastSuccess.Store(a.now().UnixNano())
	a.mu.Lock()
	defer a.mu.Unlock()
	a.waiting = a.waiting[1:]
	if len(a.waiting) == 0 {
		close(a.idle)
		a.idle = make(chan struct{})
	}
	return true
}
