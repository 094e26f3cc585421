package trail

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// Count is a number of events. Loki can answer a count with less than there is,
// and say nothing: under load, or while one of its servers is away. It counts a
// push that was sent again, because its answer was lost, twice until the copies
// are merged. What it is known to have left out, or counted twice, is said here.
type Count struct {
	N int64
	// AtLeast says that there are more than N, AtMost that there may be fewer.
	AtLeast, AtMost bool
}

// counts remembers counts of past days.
type counts struct {
	busy chan struct{} // holds one token while somebody counts

	mu   sync.Mutex
	days map[dayKey]dayCount
	// inOne is until when counts are not asked for by log: Loki refused one that
	// was, and may have read a day for it.
	inOne time.Time
}

type dayKey struct {
	query string
	day   int64 // Unix days
}

type dayCount struct {
	byLog   map[string]int64
	read    int64 // how many entries Loki has read for it, 0 if it did not say
	warned  bool
	expires time.Time
}

const (
	day = 24 * time.Hour
	// dayTTL is how long the count of a past day is taken for true: a backlog of
	// events that arrives late may still change it.
	dayTTL = 10 * time.Minute
	// maxDays bounds the counts remembered; then all are forgotten.
	maxDays = 10_000
	// maxLogs is of how many logs the numbers are compared with a count.
	maxLogs = 8
)

// Count counts the requests that have ended and that f chooses in the window,
// whose ends must be whole milliseconds. To count Loki reads them all, so a long
// window is counted day by day, one question at a time, whoever asks: Loki has
// room left for the pages. The counts of past days are remembered, so a count
// that is broken off goes on from there.
func (s *Store) Count(ctx context.Context, f Filter, w Window) (Count, error) {
	select {
	case s.counts.busy <- struct{}{}:
		defer func() { <-s.counts.busy }()
	case <-ctx.Done():
		return Count{}, canceled(ctx)
	}
	query := s.expression(f, ended).metric()
	for attempt := 0; ; attempt++ {
		total, err := s.countDays(ctx, query, w)
		if err != nil {
			return Count{}, err
		}
		count := total.judge(s.numbers(ctx, w))
		if !count.AtLeast || attempt == 1 {
			return count, nil
		}
		s.counts.forget(query) // Loki may do better when it is asked again
	}
}

func (s *Store) countDays(ctx context.Context, query string, w Window) (dayCount, error) {
	total := dayCount{byLog: make(map[string]int64)}
	unsaid := false
	for from := w.From; from.Before(w.To); {
		to := from.UTC().Truncate(day).Add(day)
		if to.After(w.To) {
			to = w.To
		}
		d, err := s.countPart(ctx, query, Window{from, to})
		if err != nil {
			return dayCount{}, err
		}
		for log, n := range d.byLog {
			total.byLog[log] += n
		}
		total.read += d.read
		total.warned = total.warned || d.warned
		unsaid = unsaid || d.read == 0 && len(d.byLog) > 0
		from = to
	}
	if unsaid {
		total.read = 0 // not known
	}
	return total, nil
}

// countPart counts a part of a day.
func (s *Store) countPart(ctx context.Context, query string, w Window) (dayCount, error) {
	now := s.config.Now()
	whole := w.Length() == day && !w.To.After(now)
	key := dayKey{query, w.From.Unix() / int64(day/time.Second)}
	if whole {
		s.counts.mu.Lock()
		known, ok := s.counts.days[key]
		s.counts.mu.Unlock()
		if ok && now.Before(known.expires) {
			return known, nil
		}
	}
	answer, err := s.ask(ctx, query, w)
	if err != nil {
		return dayCount{}, err
	}
	d := dayCount{byLog: make(map[string]int64), read: answer.Read, warned: len(answer.Warnings) > 0, expires: now.Add(dayTTL)}
	for _, sample := range answer.Samples {
		d.byLog[sample.Labels[labelLog]] += int64(sample.Value)
	}
	if whole {
		s.counts.mu.Lock()
		defer s.counts.mu.Unlock()
		if len(s.counts.days) >= maxDays {
			clear(s.counts.days)
		}
		s.counts.days[key] = d
	}
	return d, nil
}

// ask counts by log, or, where the logs are more than Loki answers with, all in
// one: so many are not compared with their numbers anyway.
func (s *Store) ask(ctx context.Context, query string, w Window) (loki.Vector, error) {
	at := w.To.Add(-1) // a range of LogQL excludes its start and includes its end
	now := s.config.Now()
	s.counts.mu.Lock()
	inOne := now.Before(s.counts.inOne)
	s.counts.mu.Unlock()
	if !inOne {
		answer, err := s.client.InstantVector(ctx, countQL(query, w.Length()), at)
		if !errors.Is(err, loki.ErrTooManySeries) {
			return answer, err
		}
		s.counts.mu.Lock()
		s.counts.inOne = now.Add(dayTTL)
		s.counts.mu.Unlock()
	}
	return s.client.InstantVector(ctx, totalQL(query, w.Length()), at)
}

func (c *counts) forget(query string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key := range c.days {
		if key.query == query {
			delete(c.days, key)
		}
	}
}

// numbers returns how many events each log has in the window, by the numbers of
// its first and its last one there: the exporter numbers them without a gap.
// That takes two quick questions a log. It is nil if that is not known.
func (s *Store) numbers(ctx context.Context, w Window) map[string]int64 {
	logs, err := s.client.LabelValues(ctx, labelLog, s.selector(), w.From, w.To)
	if err != nil || len(logs) > maxLogs {
		return nil
	}
	numbers := make(map[string]int64)
	for _, log := range logs {
		q := loki.LogQuery{From: w.From.UnixNano(), To: w.To.UnixNano(), Limit: 1,
			Expr: s.selector(labelLog+"="+quote(log)) + ` |= "\tseq="`}
		var ends [2]uint64
		for i := range ends {
			q.Newest = i == 1
			entries, _, err := s.client.Logs(ctx, q)
			if err != nil {
				return nil
			}
			if len(entries) > 0 {
				e := newEvent(&entries[0])
				ends[i] = e.Sequence
			}
		}
		if ends[0] > 0 && ends[1] >= ends[0] {
			numbers[log] = int64(ends[1]-ends[0]) + 1
		}
	}
	return numbers
}

// judge makes a count of what was counted, beside how many events there are by
// their numbers, chosen or not.
func (d *dayCount) judge(numbers map[string]int64) Count {
	var count Count
	var numbered int64
	for log, n := range numbers {
		numbered += n
		count.AtMost = count.AtMost || d.byLog[log] > n
	}
	for _, n := range d.byLog {
		count.N += n
	}
	count.AtLeast = d.read > 0 && d.read < numbered
	if d.warned {
		count.AtLeast, count.AtMost = true, true
	}
	return count
}
