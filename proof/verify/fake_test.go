package verify

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/prooftest"
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
	// expire deletes what is older.
	expire time.Duration
}

// from is what is left of a window of which the old part may have expired.
func (f *fakeLoki) from(w trail.Window) time.Time {
	if oldest := time.Now().Add(-f.expire); f.expire > 0 && oldest.After(w.From) {
		return oldest
	}
	return w.From
}

func (f *fakeLoki) Logs(_ context.Context, w trail.Window) ([]map[string]string, error) {
	var found []map[string]string
	seen := map[string]bool{}
	for _, e := range f.entries {
		if at := e.Time(); at.Before(f.from(w)) || !at.Before(w.To) {
			continue
		}
		if l := proof.Labels(e.Labels); !seen[l] && trail.LogID(e.Labels) != "" {
			seen[l] = true
			found = append(found, e.Labels)
		}
	}
	return found, nil
}

func (f *fakeLoki) Outside(context.Context, trail.Window) ([]map[string]string, error) {
	var found []map[string]string
	for _, e := range f.entries {
		if trail.LogID(e.Labels) == "" {
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
			if at := e.Time(); at.Before(f.from(r.Window)) || !at.Before(r.Window.To) || r.ID != "" && trail.LogID(e.Labels) != r.ID || !strings.Contains(e.Line, r.Containing) {
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

var errAway = errors.New("away")

// anchored is an anchor with a log's checkpoints.
func anchored(l *prooftest.Log) []proof.Archive {
	return []proof.Archive{kept{name: "elsewhere", notes: slices.Clone(l.Notes)}}
}
