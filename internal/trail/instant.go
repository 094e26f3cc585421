package trail

import (
	"context"
	"fmt"
	"slices"

	"github.com/adminsessions/adminsessions/internal/loki"
)

const (
	// instantParts is into how many parts the entries of a nanosecond are divided
	// that are too many for one answer.
	instantParts = 16
	// maxInstant is how many of them are read: a walk holds them all.
	maxInstant = 4 * MaxBatch
)

// instant returns the entries of one nanosecond. Loki can't page through them:
// more than one answer holds are asked for in parts, of lines that have different
// numbers of certain characters. (It takes Loki a time that grows with the square
// of their number, so parts are faster, too.) Where that is not enough, an entry
// that says so stands for the rest.
func (s *Store) instant(ctx context.Context, e *expression, nanos int64) ([]loki.Entry, error) {
	q := loki.LogQuery{Expr: e.String(), From: nanos, To: nanos + 1, Limit: MaxBatch, Newest: true}
	all, _, err := s.client.Logs(ctx, q)
	if err != nil || len(all) < MaxBatch {
		return all, err
	}
	all = nil
	whole := true
	for part := range instantParts {
		q.Expr = e.part(part)
		entries, _, err := s.client.Logs(ctx, q)
		if err != nil {
			return nil, err
		}
		all = append(all, entries...)
		if whole = whole && len(entries) < MaxBatch; len(all) >= maxInstant {
			whole = false
			break
		}
	}
	if !whole {
		all = append(all, loki.Entry{Nanos: nanos, Line: fmt.Sprintf(
			"more than %d entries at one nanosecond, which is more than Loki gives: the rest is not shown", len(all)-1)})
	}
	return all, nil
}

// part is the query for one part of the lines.
func (e *expression) part(n int) string {
	p := *e
	const name = captured + "part"
	p.labels = append(slices.Clip(p.labels),
		"label_format "+name+"="+quote(fmt.Sprintf(`{{ mod (count "[13579bdf]" __line__) %d }}`, instantParts)),
		name+"="+quote(fmt.Sprint(n)))
	p.dropped = append(slices.Clip(p.dropped), name)
	return p.String()
}
