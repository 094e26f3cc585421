package exporter

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/proof"
)

const (
	// checkpointsFile has the last checkpoints, signed, each a JSON string on a
	// line of its own. When it is full it becomes checkpointsOld.
	checkpointsFile = "checkpoints.ndjson"
	checkpointsOld  = "checkpoints.old.ndjson"
	maxCheckpoints  = 1 << 20 // bytes of each

	minNotaryPause = time.Second
	maxNotaryPause = time.Minute
)

// notary signs checkpoints and brings them where they belong: into the trail,
// beside the spool, and to the anchors. It has a goroutine of its own, because keys
// may be far away.
type notary struct {
	signers  []note.Signer
	trail    *trail
	metrics  *metrics
	dir      string
	log      *slog.Logger
	now      func() time.Time
	step     func(string)
	anchors  []*anchoring
	told     logLimit
	fileTold logLimit

	// A checkpoint's text comes from the shipper on todo, and goes back on done
	// before there is another one. Neither is ever closed.
	todo chan string
	done chan string

	mu   sync.Mutex
	busy int           // texts given to todo and not in the trail yet
	idle chan struct{} // closed and replaced when busy becomes 0
}

func newNotary(c *config, m *metrics, tr *trail) *notary {
	n := &notary{
		trail: tr, metrics: m, dir: c.spoolDir, log: c.logger, now: c.now, step: c.step,
		todo: make(chan string, 1), done: make(chan string, 1), idle: make(chan struct{}),
	}
	for _, k := range c.proof.Keys {
		n.signers = append(n.signers, k)
	}
	for i, a := range c.proof.Anchors {
		n.anchors = append(n.anchors, newAnchoring(a, c, m.anchors[i]))
	}
	return n
}

// certify has a checkpoint signed. Called by the shipper, one at a time.
func (n *notary) certify(text string) {
	n.mu.Lock()
	n.busy++
	n.mu.Unlock()
	n.todo <- text
}

// wait returns when no checkpoint is on its way into the trail, or ctx is done.
func (n *notary) wait(ctx context.Context) error {
	n.mu.Lock()
	busy, idle := n.busy, n.idle
	n.mu.Unlock()
	if busy == 0 {
		return nil
	}
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (n *notary) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case text := <-n.todo:
			if !n.signAndRecord(ctx, text) {
				return
			}
			n.done <- text
			n.mu.Lock()
			if n.busy--; n.busy == 0 {
				close(n.idle)
				n.idle = make(chan struct{})
			}
			n.mu.Unlock()
		}
	}
}

// signAndRecord signs a checkpoint and brings it into the trail, however often that has to
// be tried. It returns false if ctx is done before.
func (n *notary) signAndRecord(ctx context.Context, text string) bool {
	var signed []byte
	ok := n.again(ctx, func() (err error) {
		signed, err = note.Sign(&note.Note{Text: text}, n.signers...)
		if err != nil {
			n.metrics.checkpointFailures.Add(1)
			if k, tell := n.told.allow(n.now(), reminderInterval); tell {
				n.log.Error("a checkpoint can't be signed; events are recorded and delivered, and not proved until it can", "error", err, "not_told", k)
			}
		}
		return err
	})
	if !ok {
		return false
	}
	n.step("signed")
	size := sizeOf(text)
	if err := n.keep(signed); err != nil {
		if k, tell := n.fileTold.allow(n.now(), reminderInterval); tell {
			n.log.Error("a checkpoint can't be written beside the spool", "error", err, "not_told", k)
		}
	}
	n.step("kept")
	// Like every event of the trail's own it waits while the spool refuses events.
	if !n.again(ctx, func() error { return n.trail.checkpoint(size, signed) }) {
		return false
	}
	n.step("in the trail")
	n.metrics.checkpoints.Add(1)
	n.metrics.checkpointSize.Store(size)
	n.metrics.checkpointAt.Store(n.now().UnixNano())
	n.anchor(signed)
	return true
}

// anchor gives a signed checkpoint to the anchors.
func (n *notary) anchor(signed []byte) {
	for _, a := range n.anchors {
		a.add(signed)
	}
}

// again tries until it succeeds. It returns false if ctx is done before.
func (n *notary) again(ctx context.Context, try func() error) bool {
	for pause := minNotaryPause; ; pause = min(2*pause, maxNotaryPause) {
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

// checkpoint writes the event that carries a checkpoint.
func (t *trail) checkpoint(size uint64, signed []byte) error {
	if t.refusing() {
		return errRefusing
	}
	h := happening{
		action: trailCheckpoint, outcome: adminsessions.OutcomeSuccess, count: 1, since: t.now(), checkpoint: string(signed),
		note:  func(*happening) string { return "checkpoint of " + ofEvents(size) },
		attrs: []attribute.KeyValue{attribute.Int64("size", int64(size))},
	}
	if err := t.record(t.event(&h)); err != nil {
		return err
	}
	t.metrics.trail.add(h.action)
	return nil
}

var errRefusing = errors.New("the spool refuses events")

func sizeOf(text string) (size uint64) {
	_, _ = fmt.Sscanf(text, "%s\n%d\n", new(string), &size)
	return size
}

// keep writes a signed checkpoint beside the spool.
func (n *notary) keep(signed []byte) error {
	path := filepath.Join(n.dir, checkpointsFile)
	f, err := openRegular(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY)
	if err != nil {
		return err
	}
	line, err := json.Marshal(string(signed))
	var size int64
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if info, serr := f.Stat(); serr == nil {
		size = info.Size()
	}
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil && size > maxCheckpoints {
		err = os.Rename(path, filepath.Join(n.dir, checkpointsOld))
	}
	return err
}

// kept returns the last checkpoints that stand beside the spool, signed, oldest
// first. Lines that are none, such as one cut off by the process's death, are
// passed over.
func kept(dir string, most int) (list [][]byte) {
	for _, name := range []string{checkpointsOld, checkpointsFile} {
		text, err := readRegular(filepath.Join(dir, name))
		if err != nil {
			if !errors.Is(err, fs.ErrNotExist) {
				return list
			}
			continue
		}
		for line := range lines(text) {
			var s string
			if json.Unmarshal(line, &s) == nil {
				list = append(list, []byte(s))
			}
		}
	}
	return list[max(0, len(list)-most):]
}

// lastKept is the last checkpoint beside the spool that one of the keys has signed.
func lastKept(dir string, keys note.Verifiers) *proof.Checkpoint {
	list := kept(dir, 64)
	for i := len(list) - 1; i >= 0; i-- {
		if c, err := proof.Open(list[i], keys); err == nil {
			return c
		}
	}
	return nil
}
