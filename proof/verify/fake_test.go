package verify

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/proof"
)

// began is when the logs of these tests begin, and now when they are verified.
var (
	began = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	now   = began.Add(24 * time.Hour)
)

// fakeLoki has entries and gives them as the real one does.
type fakeLoki struct {
	entries []loki.Entry
	// hide leaves an entry out of an answer, as a Loki that is overloaded does.
	hide func(r trail.LogRead, e *loki.Entry) bool
	read int
}

func (f *fakeLoki) Logs(_ context.Context, w trail.Window) ([]map[string]string, error) {
	var found []map[string]string
	seen := map[string]bool{}
	for _, e := range f.entries {
		if at := e.Time(); at.Before(w.From) || !at.Before(w.To) {
			continue
		}
		if l := proof.Labels(e.Labels); !seen[l] {
			seen[l] = true
			found = append(found, e.Labels)
		}
	}
	return found, nil
}

func (f *fakeLoki) ReadLog(_ context.Context, r trail.LogRead) iter.Seq2[loki.Entry, error] {
	sorted := slices.Clone(f.entries)
	slices.SortStableFunc(sorted, func(a, b loki.Entry) int {
		if r.Backward {
			a, b = b, a
		}
		return cmp.Compare(a.Nanos, b.Nanos)
	})
	return func(yield func(loki.Entry, error) bool) {
		for _, e := range sorted {
			if at := e.Time(); at.Before(r.Window.From) || !at.Before(r.Window.To) || trail.LogID(e.Labels) != r.ID || !strings.Contains(e.Line, r.Containing) {
				continue
			}
			if f.hide != nil && f.hide(r, &e) {
				continue
			}
			if f.read++; !yield(e, nil) {
				return
			}
		}
	}
}

// kept is an anchor.
type kept struct {
	name  string
	notes []string
	err   error
}

func (k kept) Name() string { return k.name }

func (k kept) Checkpoints(context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, n := range k.notes {
			if !yield([]byte(n), nil) {
				return
			}
		}
		if k.err != nil {
			yield(nil, k.err)
		}
	}
}

// writer writes a log as the exporter does: an event a second, and a checkpoint
// instead of every tenth, which is the last event of its own.
type writer struct {
	t      testing.TB
	id     string
	signer note.Signer
	public string
	tree   *proof.Tree
	at     time.Time
	salt   string
	after  *proof.Predecessor

	entries []loki.Entry
	notes   []string
}

func newWriter(t testing.TB, id string) *writer {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, "panel")
	if err != nil {
		t.Fatal(err)
	}
	signer, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return &writer{t: t, id: id, signer: signer, public: public, tree: proof.NewTree(), at: began, salt: rand.Text()}
}

func (w *writer) labels() map[string]string {
	return map[string]string{"audit_log_id": w.id, "service_name": "panel", "service_instance_id": "host-1"}
}

// write adds events up to and including number n.
func (w *writer) write(n uint64) *writer {
	w.t.Helper()
	for number := w.tree.Size() + 1; number <= n; number++ {
		if number%10 == 0 {
			w.checkpoint()
		} else {
			w.event(adminsessions.Event{Type: adminsessions.Web, Method: "GET", StatusCode: 200, RequestID: rand.Text(), Note: fmt.Sprintf("event %d %s", number, w.salt)})
		}
	}
	return w
}

func (w *writer) event(e adminsessions.Event) {
	number := w.tree.Size() + 1
	w.at = w.at.Add(time.Second)
	line := string(adminsessions.AppendSequence([]byte(e.Line()), number, time.Time{}))
	w.entries = append(w.entries, loki.Entry{Nanos: w.at.UnixNano(), Line: line, Labels: w.labels()})
	h, _ := proof.Leaf(proof.Labels(w.labels()), w.at.UnixNano(), line, nil)
	w.tree.Append(h)
}

func (w *writer) checkpoint() {
	w.t.Helper()
	c := w.tree.Checkpoint(proof.OriginPrefix+w.id, w.at.Add(time.Second))
	c.After, w.after = w.after, nil
	signed, err := c.Sign(w.signer)
	if err != nil {
		w.t.Fatal(err)
	}
	w.notes = append(w.notes, string(signed))
	w.event(adminsessions.Event{Type: adminsessions.Trail, Action: checkpointAction, Checkpoint: string(signed)})
}

// at is the index of the entry with a number.
func at(entries []loki.Entry, number uint64) int {
	return slices.IndexFunc(entries, func(e loki.Entry) bool {
		n, _ := adminsessions.SequenceOf(e.Line)
		return n == number
	})
}

func without(entries []loki.Entry, from, to uint64) []loki.Entry {
	return slices.DeleteFunc(slices.Clone(entries), func(e loki.Entry) bool {
		n, ok := adminsessions.SequenceOf(e.Line)
		return ok && n >= from && n <= to
	})
}

// verifyFake verifies what a fake Loki has.
func verifyFake(t testing.TB, f *fakeLoki, c Config) *Report {
	t.Helper()
	c.Now = func() time.Time { return now }
	keys, err := c.keys()
	if err != nil {
		t.Fatal(err)
	}
	r, err := run(t.Context(), f, &c, keys)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// short is a report as the tables of these tests have it.
func short(r *Report) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", r.Complete, r.Unaltered)
	for _, l := range r.Logs {
		fmt.Fprintf(&b, "; %s %d-%d", l.ID, l.First, l.Last)
		list := func(name string, spans []Span) {
			for i, s := range spans {
				if i == 0 {
					b.WriteString(" " + name)
				}
				fmt.Fprintf(&b, " %d-%d", s.From, s.To)
			}
		}
		list("missing", l.Missing)
		list("altered", l.Altered)
		list("doubled", l.Doubled)
		list("forks", l.Forks)
		list("declared", l.Declared)
		list("unjudged", l.Unjudged)
		for _, e := range l.Erased {
			fmt.Fprintf(&b, " erased %d-%d by %s %v", e.From, e.To, e.By, e.Proved)
		}
		if n := len(l.Foreign); n > 0 {
			fmt.Fprintf(&b, " foreign %d", n)
		}
	}
	return b.String()
}

var errAway = errors.New("away")

// replay adds an entry of another writer.
func (w *writer) replay(e loki.Entry) {
	if isCheckpoint(e.Line) {
		w.tree.Checkpoint("", time.Time{})
	}
	w.at = e.Time()
	w.entries = append(w.entries, e)
	h, _ := proof.Leaf(proof.Labels(e.Labels), e.Nanos, e.Line, nil)
	w.tree.Append(h)
}
