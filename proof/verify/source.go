package verify

import (
	"context"
	"iter"
	"maps"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// source is where logs are read; *trail.Store is one.
type source interface {
	// Logs returns the labels of the streams of all logs within a window.
	Logs(ctx context.Context, w trail.Window) ([]map[string]string, error)
	// Outside returns the labels of the streams within a window that belong to no
	// log.
	Outside(ctx context.Context, w trail.Window) ([]map[string]string, error)
	// ReadLog returns the entries of one log.
	ReadLog(ctx context.Context, r trail.LogRead) iter.Seq2[loki.Entry, error]
}

// labelCache writes the labels of streams as leaves have them. Entries of one
// stream come after each other.
type labelCache struct {
	labels map[string]string
	is     string
}

func (c *labelCache) text(labels map[string]string) string {
	if c.labels == nil || !maps.Equal(c.labels, labels) {
		c.labels, c.is = labels, proof.Labels(labels)
	}
	return c.is
}

const (
	// horizon is how far back logs are looked for.
	horizon = 14 * 30 * 24 * time.Hour
	// margin is how far entries may stand from where they belong in time.
	margin = 15 * time.Minute
)
