package verify

import (
	"context"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// marksOf yields the checkpoints of a log that stand in the trail, in the order of
// time or against it.
func (v *verification) marksOf(ctx context.Context, id string, w trail.Window, backward bool) func(yield func(*mark, error) bool) {
	return func(yield func(*mark, error) bool) {
		read := trail.LogRead{ID: id, Window: w, Backward: backward, Containing: " action=" + proof.CheckpointAction + " ", Batch: 10}
		for e, err := range v.source.ReadLog(ctx, read) {
			if err != nil {
				yield(nil, err)
				return
			}
			if m, err := checkpointIn(&e, id, v.keys); err == nil && !yield(m, nil) {
				return
			}
		}
	}
}

// firstMark is the oldest checkpoint of a log since a time, nil if there is none.
func (v *verification) firstMark(ctx context.Context, id string, since time.Time) (*mark, error) {
	if f := v.logs[id]; since.Before(f.Since) {
		since = f.Since
	}
	for m, err := range v.marksOf(ctx, id, trail.Window{From: since, To: v.now.Add(trail.Ahead)}, false) {
		return m, err
	}
	return nil, nil
}

// lastMark is the newest checkpoint of a log before a time, nil if there is none.
func (v *verification) lastMark(ctx context.Context, id string, before time.Time) (*mark, error) {
	for m, err := range v.marksOf(ctx, id, trail.Window{From: v.logs[id].Since, To: before}, true) {
		return m, err
	}
	return nil, nil
}

// bounds are where the verification of a log begins, and what is read for it.
func (v *verification) bounds(ctx context.Context, id string) (start *mark, w trail.Window, err error) {
	since := v.logs[id].Since
	w = trail.Window{From: since, To: v.until()}
	start = v.starts[id]
	switch {
	case start != nil:
	case v.From.After(since):
		if start, err = v.lastMark(ctx, id, v.From); err != nil {
			return nil, w, err
		}
		if start == nil {
			first, err := v.firstMark(ctx, id, v.From)
			if err != nil {
				return nil, w, err
			}
			if first == nil || first.Since > 0 {
				w.From = v.From
			}
		}
	}
	if start != nil {
		w.From = start.Time.Add(-margin)
		if !v.From.IsZero() && v.From.Before(w.From) {
			w.From = v.From
		}
	}
	if !v.To.IsZero() {
		next, err := v.firstMark(ctx, id, v.To)
		if err != nil {
			return nil, w, err
		}
		if next != nil {
			w.To = next.Time.Add(margin)
		}
	}
	return start, w, nil
}
