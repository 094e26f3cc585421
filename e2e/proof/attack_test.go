package proof_test

import (
	"context"
	"crypto/rand"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	"github.com/adminsessions/adminsessions/internal/prooftest"
	"github.com/adminsessions/adminsessions/proof"
	"github.com/adminsessions/adminsessions/proof/verify"
)

// The attacks of the unit tests, as a real Loki gives what they leave.
func TestAttacks(t *testing.T) {
	server := lokitest.Start(t)
	client, err := loki.New(adminsessions.Loki{URL: server.URL()}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.CloseIdleConnections)
	for _, c := range prooftest.Attacks() {
		if strings.Contains(c.Name, "metadata") {
			continue // pushes here have none
		}
		t.Run(c.Name, func(t *testing.T) {
			l := prooftest.New(t, rand.Text(), time.Now().Add(-21*time.Hour).Truncate(time.Second)).Write(105)
			config := verify.Config{Keys: []string{l.Public}, Logs: []string{l.ID}}
			if c.Anchored {
				config.Anchors = []proof.Archive{kept(slices.Clone(l.Notes))}
			}
			must(t, prooftest.Push(t.Context(), client, c.Do(l)))
			r := check(t, server, config)
			if got, want := r.String(), strings.ReplaceAll(c.Want, "LOG", l.ID); got != want {
				t.Errorf("\n got %s\nwant %s", got, want)
			}
		})
	}
}

// kept is an anchor in memory.
type kept []string

func (kept) Name() string { return "elsewhere" }

func (k kept) Checkpoints(context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, n := range k {
			if !yield([]byte(n), nil) {
				return
			}
		}
	}
}
