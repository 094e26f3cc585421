package anchor

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

// Loki pushes checkpoints into another Loki, or to another tenant. The panel's
// credentials for it must not be able to delete there.
type Loki struct {
	client  *loki.Client
	archive time.Duration
}

var (
	_ proof.Anchor  = (*Loki)(nil)
	_ proof.Archive = (*Loki)(nil)
)

// lokiLabels are those of the stream of checkpoints. It is none of a log.
const lokiLabels = `{service_name="adminsessions-checkpoints"}`

// NewLoki makes an anchor of a Loki. Unlike the trail's own, its description is
// not completed from the environment.
func NewLoki(c adminsessions.Loki) (*Loki, error) {
	if c.URL == "" {
		return nil, fmt.Errorf("the anchor's Loki: URL is missing")
	}
	client, err := loki.New(c, nil)
	if err != nil {
		return nil, fmt.Errorf("the anchor's Loki: %w", err)
	}
	return &Loki{client, 366 * 24 * time.Hour}, nil
}

// Name is "loki" and its address.
func (l *Loki) Name() string { return "loki " + l.client.URL() }

// Anchor pushes a checkpoint as one line: the signed note as a JSON string.
func (l *Loki) Anchor(ctx context.Context, signed []byte) error {
	var s loki.Stream
	s.Reset([]byte(lokiLabels))
	s.Add(time.Now().UnixNano(), strconv.AppendQuoteToASCII([]byte("checkpoint="), string(signed)), nil)
	if a := l.client.Push(ctx, s.Message(0, 1)); a.Verdict != loki.Acknowledged {
		return fmt.Errorf("pushing a checkpoint: %w", a.Err)
	}
	return nil
}

// Checkpoints yields those of a year.
func (l *Loki) Checkpoints(ctx context.Context) iter.Seq2[[]byte, error] {
	const window = 7 * 24 * time.Hour
	return func(yield func([]byte, error) bool) {
		now := time.Now().Add(time.Hour)
		for from := now.Add(-l.archive); from.Before(now); from = from.Add(window) {
			to := from.Add(window)
			if to.After(now) {
				to = now
			}
			entries, err := l.client.AllLogs(ctx, lokiLabels, from.UnixNano(), to.UnixNano())
			if err != nil {
				yield(nil, err)
				return
			}
			for _, e := range entries {
				if note, ok := noteIn(e.Line); ok && !yield([]byte(note), nil) {
					return
				}
			}
		}
	}
}

func noteIn(line string) (string, bool) {
	const key = "checkpoint="
	if len(line) < len(key) || line[:len(key)] != key {
		return "", false
	}
	note, err := strconv.Unquote(line[len(key):])
	return note, err == nil
}
