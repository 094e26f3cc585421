package proof

import (
	"context"
	"iter"
)

// Anchor is a place that the panel's machine can't rewrite, to which a log's
// checkpoints are brought: nobody can deny later what stands there, not even
// somebody who has the key.
//
// It is given every checkpoint of a log, signed, in the order in which they were
// made, and no checkpoint before Loki has acknowledged all events that it is
// about: verify expects to find them. Anchors may take long and fail; recording
// does not wait for them. One goroutine calls an anchor, and calls it with the
// same checkpoint again after an error that it may get over; several checkpoints
// may be given up, the oldest first, if an anchor is away for long.
type Anchor interface {
	// Name tells anchors apart and holds no secret: "file /mnt/auditor/panel",
	// "witness example.com/w1". It is the value of a metric's label.
	Name() string
	// Anchor returns nil when the checkpoint is where it can't be rewritten.
	Anchor(ctx context.Context, signed []byte) error
}

// Archive gives back the checkpoints that an [Anchor] was given.
type Archive interface {
	// Name says for people where it is. It holds no secret.
	Name() string
	// Checkpoints yields signed checkpoints of any logs, in any order, until there
	// are no more or an error.
	Checkpoints(ctx context.Context) iter.Seq2[[]byte, error]
}
