package trail

import (
	"context"
	"iter"
	"time"
)

// Loki reads every attribute of every event that a query passes over, before it
// applies any filter: nine tenths of what a search costs. Therefore an
// application can store the line of each event once more, alone, at the same
// time in a stream beside (exporter.WithLines). Where that has been done a
// search asks for the lines first, and for events only where lines match. The
// lines say where nothing can be; what is found, and in which order, the events
// alone say.

const (
	// directSlice is how wide a slice is at most that is searched without the
	// lines: what is common fills a page from there with no detour.
	directSlice = 4 * time.Hour
	// spanCost is how many events Loki reads in the time it takes to answer for
	// a span of time without any: it reads a whole block, about a thousand, and
	// has as much to do besides.
	spanCost = 2000
	// maxLines is how many lines are looked at in a slice. Where more match
	// there are few gaps worth a query between them, and a query that Loki stops
	// at its limit holds up the next.
	maxLines = 1000
)

// searchesLines reports whether what f searches for can be searched for by the
// lines, where there are any.
func (s *Store) searchesLines(f Filter) bool {
	return f.Search != "" && !s.LinesSince.IsZero()
}

// byLines reports whether a slice can be searched by its lines. One in which they
// begin to be there is cut to the part that comes first in the walk's order.
func (s *Store) byLines(w *Walk, slice span) (span, bool) {
	if !s.searchesLines(w.Filter) || slice.length() <= int64(directSlice) || w.crowded {
		return slice, false
	}
	since := s.LinesSince.UnixNano()
	switch {
	case slice.from >= since:
		return slice, true
	case slice.to <= since:
		return slice, false
	case w.Forward:
		return span{slice.from, since}, false
	default:
		return span{since, slice.to}, true
	}
}

// narrowed reads of a slice only where lines match.
func (s *Store) narrowed(ctx context.Context, expr string, w *Walk, slice span) iter.Seq2[part, error] {
	return func(yield func(part, error) bool) {
		spans, budget, err := s.candidates(ctx, w, slice)
		if err != nil {
			yield(part{}, err)
			return
		}
		for len(spans) > 0 {
			next := spans[0]
			spans = spans[1:]
			if budget < 0 {
				// It has cost more already than reading everything would have.
				for _, later := range spans {
					next.from, next.to = min(next.from, later.from), max(next.to, later.to)
				}
				spans = nil
			}
			for p, err := range s.direct(ctx, expr, w, next) {
				if !yield(p, err) || err != nil {
					return
				}
				budget -= p.read
			}
		}
		yield(part{span: slice}, nil)
	}
}

// candidates returns the spans of a slice in which there can be events that the
// walk chooses, in its order, and how many events there are in the slice. Spans
// so near each other that reading what lies between is cheaper than another
// query are one. If too many lines match to know them all, the slice itself is
// the only span, and the walk asks for lines no more.
func (s *Store) candidates(ctx context.Context, w *Walk, slice span) (spans []span, size int64, err error) {
	lines, size, err := s.Client.queryRange(ctx, linesQL(s.Scope, w.Filter), slice, maxLines, !w.Forward)
	if err != nil {
		return nil, 0, err
	}
	if len(lines) == maxLines {
		w.crowded = true
		return []span{slice}, size, nil
	}
	w.sort(lines)
	reach := int64(float64(slice.length()) * spanCost / float64(max(size, 1)))
	for _, line := range lines {
		spans = grow(spans, line.Nanos, reach)
	}
	return spans, size, nil
}

// grow takes one more nanosecond into the last of the spans, or into a new one
// if it is further away than reach.
func grow(spans []span, nanos, reach int64) []span {
	if n := len(spans); n > 0 {
		last := &spans[n-1]
		if max(last.from-nanos, nanos-last.to+1) <= reach {
			last.from, last.to = min(last.from, nanos), max(last.to, nanos+1)
			return spans
		}
	}
	return append(spans, span{nanos, nanos + 1})
}
