// Package prooftest writes logs with checkpoints, as the exporter does, for tests
// of what reads them.
package prooftest

import (
	"context"
	"crypto/rand"
	"fmt"
	"slices"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/proof"
)

// Log is a log in the making. Its methods fail the test.
type Log struct {
	t testing.TB

	ID     string
	Signer note.Signer
	Public string // the public key
	Tree   *proof.Tree
	After  *proof.Predecessor // for the first checkpoint

	// At is the time of the last event; Step is between two. Every so many events
	// one is the checkpoint of those before it.
	At    time.Time
	Step  time.Duration
	Every uint64
	// Event is what the other events say.
	Event func(number uint64) adminsessions.Event

	Entries []loki.Entry // that Loki is to have
	Notes   []string     // the checkpoints, signed

	began   time.Time
	labels  map[string]string
	scratch []byte
}

// New begins a log at a time, with a key of its own: an event a second, of which
// every tenth is a checkpoint.
func New(t testing.TB, id string, at time.Time) *Log {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "panel")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	salt := rand.Text()
	return &Log{t: t, ID: id, Signer: signer, Public: public, Tree: proof.NewTree(), At: at, began: at, Step: time.Second, Every: 10,
		labels: map[string]string{"audit_log_id": id, "service_name": "panel", "service_instance_id": "host-1"},
		Event: func(number uint64) adminsessions.Event {
			return adminsessions.Event{Type: adminsessions.Web, Method: "GET", StatusCode: 200, RequestID: rand.Text(), Note: fmt.Sprintf("event %d %s", number, salt)}
		}}
}

// Labels are those of the log's stream.
func (l *Log) Labels() map[string]string { return l.labels }

// Fork is another log of the same id with the same key, which has the events up to
// and including n.
func (l *Log) Fork(n uint64) *Log {
	l.t.Helper()
	f := New(l.t, l.ID, l.At)
	f.Signer, f.Public, f.Step, f.Every = l.Signer, l.Public, l.Step, l.Every
	for _, e := range l.Entries[:n] {
		if e.Line[:11] == "type=TRAIL " {
			f.Tree.Checkpoint("", time.Time{})
		}
		f.At = e.Time()
		f.store(e)
	}
	return f
}

// Write adds events up to and including number n.
func (l *Log) Write(n uint64) *Log {
	l.t.Helper()
	for number := l.Tree.Size() + 1; number <= n; number++ {
		if number%l.Every == 0 {
			l.Checkpoint()
		} else {
			l.Add(l.Event(number))
		}
	}
	return l
}

// Add adds an event.
func (l *Log) Add(e adminsessions.Event) {
	l.At = l.At.Add(l.Step)
	line := adminsessions.AppendSequence(e.AppendLine(make([]byte, 0, 600)), l.Tree.Size()+1, time.Time{})
	l.store(loki.Entry{Nanos: l.At.UnixNano(), Line: string(line), Labels: l.labels})
}

func (l *Log) store(e loki.Entry) {
	var h proof.Hash
	h, l.scratch = proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, l.scratch)
	l.Tree.Append(h)
	l.Entries = append(l.Entries, e)
}

// Checkpoint adds the event that carries a checkpoint of those before it.
func (l *Log) Checkpoint() {
	l.t.Helper()
	c := l.Tree.Checkpoint(proof.OriginPrefix+l.ID, l.At.Add(l.Step))
	c.After, l.After = l.After, nil
	signed, err := c.Sign(l.Signer)
	if err != nil {
		l.t.Fatal(err)
	}
	l.Notes = append(l.Notes, string(signed))
	l.Add(adminsessions.Event{Type: adminsessions.Trail, Action: proof.CheckpointAction, Outcome: adminsessions.OutcomeSuccess,
		Actor: adminsessions.Actor{Type: adminsessions.ActorSystem}, Checkpoint: string(signed)})
}

// Push brings entries to a Loki.
func Push(ctx context.Context, client *loki.Client, entries []loki.Entry) error {
	for batch := range slices.Chunk(entries, 4000) {
		streams := map[string]*loki.Stream{}
		for _, e := range batch {
			labels := proof.Labels(e.Labels)
			s := streams[labels]
			if s == nil {
				s = &loki.Stream{}
				s.Reset([]byte(labels))
				streams[labels] = s
			}
			s.Add(e.Nanos, []byte(e.Line), nil)
		}
		for _, s := range streams {
			if a := client.Push(ctx, s.Message(0, s.Len())); a.Verdict != loki.Acknowledged {
				return a.Err
			}
		}
	}
	return nil
}
