package trail

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// A request that goes on is recorded twice: when that is seen, and when it ends.
// Of one that has ended the first record is of no interest; one that has not
// ended is shown by it. The two have the request's id, the time at which it
// arrived and the log in common: an id alone could have been used twice.

// ends remembers which requests are known to have ended.
type ends struct {
	mu    sync.Mutex
	known map[endKey]bool
}

// maxEnds bounds what is remembered; then all is forgotten.
const maxEnds = 50_000

// endKey is what the two records of a request have in common, besides the time,
// which may have been written with less precision.
type endKey struct {
	stream, request string
	start           int64 // of the first record's arrival, Unix nanoseconds
}

// sameArrival is how far apart the two records may say the request arrived: a
// line tells when its entry was moved by a millisecond or more.
const sameArrival = 2 * time.Millisecond

func (e *Event) endKey() endKey {
	return endKey{streamOf(e.Labels), e.RequestID, e.Time.UnixNano()}
}

// isEndOf reports whether e is the end of the request whose start has the key.
func (e *Event) isEndOf(k endKey) bool {
	return !e.Unreadable && !e.isStarted() && e.RequestID == k.request &&
		e.Time.Sub(time.Unix(0, k.start)).Abs() < sameArrival && streamOf(e.Labels) == k.stream
}

// streamOf names a stream.
func streamOf(labels map[string]string) string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(labels)) {
		b.WriteString(name + "\x00" + labels[name] + "\x00")
	}
	return b.String()
}

// withoutEnded leaves out the first records of requests that have ended.
func (s *Store) withoutEnded(ctx context.Context, events []Event) ([]Event, error) {
	open := make(map[endKey]bool)
	for i := range events {
		if e := &events[i]; e.isStarted() && e.RequestID != "" {
			open[e.endKey()] = true
		}
	}
	if len(open) == 0 {
		return events, nil
	}
	s.ends.mu.Lock()
	maps.DeleteFunc(open, func(k endKey, _ bool) bool { return s.ends.known[k] })
	s.ends.mu.Unlock()
	// The end is often among the events themselves.
	closed := matched(open, events)
	for ids := range slices.Chunk(slices.Collect(maps.Keys(open)), endsAtATime) {
		found, err := s.findEnds(ctx, ids)
		if err != nil {
			return nil, err
		}
		closed = append(closed, found...)
	}
	s.ends.mu.Lock()
	defer s.ends.mu.Unlock()
	if len(s.ends.known)+len(closed) > maxEnds {
		clear(s.ends.known)
	}
	for _, k := range closed {
		s.ends.known[k] = true
		delete(open, k)
	}
	isOpen := func(e *Event) bool { return e.RequestID == "" || open[e.endKey()] }
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.isStarted() && !isOpen(&e) }), nil
}

// matched takes the keys whose end is among the events out of open: for each end
// the one that started next to it.
func matched(open map[endKey]bool, events []Event) (closed []endKey) {
	byID := make(map[string][]endKey)
	for k := range open {
		byID[k.request] = append(byID[k.request], k)
	}
	for _, e := range events {
		nearest, found := endKey{}, false
		distance := func(k endKey) int64 { return max(k.start-e.Time.UnixNano(), e.Time.UnixNano()-k.start) }
		for _, k := range byID[e.RequestID] {
			if open[k] && e.isEndOf(k) && (!found || distance(k) < distance(nearest)) {
				nearest, found = k, true
			}
		}
		if found {
			closed = append(closed, nearest)
			delete(open, nearest)
		}
	}
	return closed
}

const (
	// endsAtATime is how many requests one query looks for.
	endsAtATime = 64
	// endsAnswer is how many entries such a query asks for.
	endsAnswer = 500
)

// endsWithin are the spans of time after the last start in which ends are looked
// for, one after the other: most requests that go on do so for minutes, and Loki
// has to read all that lies between.
var endsWithin = []time.Duration{time.Hour, 12 * time.Hour, 7 * 24 * time.Hour}

// findEnds returns those of the requests that have ended.
func (s *Store) findEnds(ctx context.Context, starts []endKey) (closed []endKey, err error) {
	open := make(map[endKey]bool)
	first, last := starts[0].start, starts[0].start
	for _, k := range starts {
		open[k] = true
		first, last = min(first, k.start), max(last, k.start)
	}
	query := s.endsQuery(starts)
	now := s.config.Now().Add(Ahead).UnixNano()
	from := first - int64(sameArrival)
	for i := 0; i <= len(endsWithin) && len(open) > 0 && from < now; i++ {
		to := now
		if i < len(endsWithin) {
			to = min(now, last+int64(endsWithin[i]))
		}
		for len(open) > 0 && from < to {
			entries, _, err := s.client.Logs(ctx, loki.LogQuery{Expr: query, From: from, To: to, Limit: endsAnswer})
			if err != nil {
				return nil, err
			}
			events := make([]Event, len(entries))
			for j := range entries {
				events[j] = newEvent(&entries[j])
			}
			closed = append(closed, matched(open, events)...)
			if len(entries) < endsAnswer {
				break
			}
			from = max(from, entries[len(entries)-1].Nanos) + 1
		}
		from = max(from, to)
	}
	return closed, nil
}

// endsQuery asks for the ends of requests.
func (s *Store) endsQuery(starts []endKey) string {
	e := newExpression(s.selector())
	e.stage(ended)
	var ids []string
	for _, k := range starts {
		ids = append(ids, e.request()+"="+quote(encodeWord(k.request)))
	}
	slices.Sort(ids)
	ids = slices.Compact(ids)
	if len(ids) == 1 {
		e.contains(" request=" + encodeWord(starts[0].request) + " ")
	}
	e.where(ids...)
	return e.String()
}
