package notary

import (
	"context"
	"fmt"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions/internal/loglimit"
)

const (
	minSignPause = time.Second
	maxSignPause = time.Minute
)

// sign gives a checkpoint to the signer, one at a time.
func (n *Notary) sign(text string) {
	n.mu.Lock()
	n.busy = true
	n.mu.Unlock()
	n.todo <- text
}

// Wait returns when no checkpoint is on its way into the trail, or ctx is done.
func (n *Notary) Wait(ctx context.Context) error {
	n.mu.Lock()
	busy, idle := n.busy, n.idle
	n.mu.Unlock()
	if !busy {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *Notary) runSigner(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-n.todo:
			if !n.signAndRecord(ctx, text) {
				return
			}
			n.mu.Lock()
			n.done <- text // it has room, and who takes it waits for mu
			n.busy = false
			close(n.idle)
			n.idle = make(chan struct{})
			n.mu.Unlock()
			n.wake()
		}
	}
}

// signAndRecord signs a checkpoint and brings it where it belongs, however often
// that has to be tried. It returns false if ctx is done before.
func (n *Notary) signAndRecord(ctx context.Context, text string) bool {
	signers := make([]note.Signer, len(n.cfg.Keys))
	for i, k := range n.cfg.Keys {
		signers[i] = k
	}
	var signed []byte
	ok := again(ctx, func() (err error) {
		signed, err = note.Sign(&note.Note{Text: text}, signers...)
		if err != nil {
			n.failures.Add(1)
			if k, tell := n.signTold.Allow(n.cfg.Now(), loglimit.Reminder); tell {
				n.cfg.Logger.Error("a checkpoint can't be signed; events are recorded and delivered, and not proved until it can", "error", err, "not_told", k)
			}
		}
		return err
	})
	if !ok {
		return false
	}
	n.cfg.Step("signed")
	if err := n.kept.add(signed); err != nil {
		if k, tell := n.keepTold.Allow(n.cfg.Now(), loglimit.Reminder); tell {
			n.cfg.Logger.Error("a checkpoint can't be written beside the spool", "error", err, "not_told", k)
		}
	}
	n.cfg.Step("kept")
	// Like every event of the trail's own it waits while the spool refuses events.
	size := sizeOf(text)
	if !again(ctx, func() error { return n.cfg.Record(size, signed) }) {
		return false
	}
	n.cfg.Step("in the trail")
	n.checkpoints.Add(1)
	n.size.Store(size)
	n.lastAt.Store(n.cfg.Now().UnixNano())
	n.anchor(signed)
	return true
}

// again tries until it succeeds. It returns false if ctx is done before.
func again(ctx context.Context, try func() error) bool {
	for pause := minSignPause; ; pause = min(2*pause, maxSignPause) {
		if try() == nil {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-time.After(pause):
		}
	}
}

func sizeOf(text string) (size uint64) {
	_, _ = fmt.Sscanf(text, "%s\n%d\n", new(string), &size)
	return size
}
