package trail

import (
	"cmp"
	"context"
	"fmt"
	"time"
)

// Pairs returns which administrators, by e-mail address or else by id, came from
// which addresses in the window.
func (s *Store) Pairs(ctx context.Context, w Window) (map[[2]string]bool, error) {
	e := s.expression(Filter{Looks: true}, ended)
	email, ip, id := e.word("email"), e.word("ip"), e.word("id")
	e.where(email + `!="-" or ` + id + `!="-"`)
	pairs := make(map[[2]string]bool)
	// Day by day: Loki answers with a bounded number of series.
	for from := w.From; from.Before(w.To); from = from.Add(day) {
		part := Window{from, from.Add(day)}
		if part.To.After(w.To) {
			part.To = w.To
		}
		samples, err := s.client.Instant(ctx, fmt.Sprintf("sum by (%s, %s, %s) (count_over_time(%s [%dms]))", email, id, ip, e.metric(), part.Length().Milliseconds()), part.To.Add(-time.Nanosecond))
		if err != nil {
			return nil, err
		}
		for _, sample := range samples {
			who := cmp.Or(decodeWord(sample.Labels[email]), decodeWord(sample.Labels[id]))
			pairs[[2]string{who, decodeWord(sample.Labels[ip])}] = true
		}
	}
	return pairs, nil
}
