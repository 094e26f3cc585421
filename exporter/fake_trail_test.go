package exporter

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/grafana/loki/pkg/push"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/spooled"
)

// trailNumbers are the numbers of the trail's own events, by log.
var trailNumbers struct {
	sync.Mutex
	of map[string]map[uint64]bool
}

// withoutTrail returns the entries that are not the trail's own, with the numbers
// that they would have if there were none of these.
func withoutTrail(t testing.TB, labels string, entries []push.Entry) (others []push.Entry) {
	trailNumbers.Lock()
	defer trailNumbers.Unlock()
	id := spooled.LogID([]byte(labels))
	if trailNumbers.of == nil {
		trailNumbers.of = map[string]map[uint64]bool{}
	}
	if trailNumbers.of[id] == nil {
		trailNumbers.of[id] = map[uint64]bool{}
	}
	for _, e := range entries {
		if isTrail(e.Line) {
			trailNumbers.of[id][sequenceOf(t, e)] = true
		}
	}
	for _, e := range entries {
		if isTrail(e.Line) {
			continue
		}
		_, e.Line = renumbered(id, sequenceOf(t, e), e.Line)
		others = append(others, e)
	}
	return others
}

// renumbered returns the number that an event would have if there were none of the
// trail's own, and its line with that. trailNumbers is held.
func renumbered(id string, seq uint64, line string) (uint64, string) {
	n := seq
	for own := range trailNumbers.of[id] {
		if own < seq {
			n--
		}
	}
	at := strings.LastIndex(line, "\tseq=") + len("\tseq=")
	return n, line[:at] + strconv.FormatUint(n, 10) + strings.TrimPrefix(line[at:], strconv.FormatUint(seq, 10))
}

func isTrail(line string) bool { return strings.HasPrefix(line, "type=TRAIL ") }

// sequenceOf reads an entry's number only.
func sequenceOf(t testing.TB, e push.Entry) uint64 {
	n, ok := adminsessions.SequenceOf(e.Line)
	if !ok {
		t.Errorf("line %q has no number", e.Line)
	}
	return n
}

// keep keeps the entries as they came.
func (l *fakeLoki) keep(labels string, entries []push.Entry) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.raw == nil {
		l.raw = map[string]map[uint64]push.Entry{}
	}
	if l.raw[labels] == nil {
		l.raw[labels] = map[uint64]push.Entry{}
	}
	for _, e := range entries {
		seq := sequenceOf(l.t, e)
		if old, ok := l.raw[labels][seq]; ok && (old.Line != e.Line || !old.Timestamp.Equal(e.Timestamp)) {
			l.t.Errorf("event %d comes again with other bytes:\n%v\n%v", seq, old, e)
		}
		l.raw[labels][seq] = e
	}
}

// Logs answers what the exporter asks: the newest entries of an action, in one log
// or in all.
func (l *fakeLoki) Logs(_ context.Context, q loki.LogQuery) (entries []loki.Entry, read int64, err error) {
	if l.history != nil {
		return l.history.Logs(nil, q) //nolint:staticcheck // it needs none
	}
	if l.unreadable.Load() {
		return nil, 0, errors.New("loki does not answer queries")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	_, action, _ := strings.Cut(q.Expr, `"action=`)
	action, _, _ = strings.Cut(action, `"`)
	for labels, stored := range l.raw {
		id := spooled.LogID([]byte(labels))
		if strings.Contains(q.Expr, spooled.LogIDLabel) && !strings.Contains(q.Expr, id) {
			continue
		}
		for _, e := range stored {
			if at := e.Timestamp.UnixNano(); strings.Contains(e.Line, "action="+action) && at >= q.From && at < q.To {
				entries = append(entries, loki.Entry{Nanos: at, Line: e.Line, Labels: map[string]string{spooled.LogIDLabel: id}})
			}
		}
	}
	slices.SortFunc(entries, func(a, b loki.Entry) int { return cmp.Compare(b.Nanos, a.Nanos) })
	return entries[:min(len(entries), q.Limit)], 0, nil
}

// trail are the trail's own events that were stored, in the order of their
// numbers.
func (l *fakeLoki) trail() (events []adminsessions.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, entries := range l.raw {
		for _, e := range entries {
			if ev := parse(l.t, e); ev.Type == adminsessions.Trail {
				events = append(events, ev)
			}
		}
	}
	slices.SortFunc(events, func(a, b adminsessions.Event) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return events
}

// owns is how many events the trail has written about itself.
func owns(s Stats) (n uint64) {
	for _, count := range s.Trail {
		n += count
	}
	return n
}
