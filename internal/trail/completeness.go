package trail

import (
	"cmp"
	"context"
	"fmt"
	"slices"

	"github.com/adminsessions/adminsessions/internal/loki"
)

// LogNumbers are the numbers of one log's events in a window.
type LogNumbers struct {
	Service, Instance, Log string

	First, Last uint64 // the lowest and the highest number
	Events      int64  // how many entries have one
}

// Missing is how many numbers between the first and the last one are not there;
// negative if there are more entries than numbers, because some were counted
// twice.
func (n *LogNumbers) Missing() int64 { return int64(n.Last-n.First) + 1 - n.Events }

// Numbers returns the numbers of every log that has events in the window, whose
// ends must be whole milliseconds. All events of a log have one, those of the
// trail's own, too. Who may not see all of them is told nothing.
func (s *Store) Numbers(ctx context.Context, w Window) ([]LogNumbers, error) {
	if !s.scope.All {
		return nil, nil
	}
	const by = labelService + ", " + labelInstance + ", " + labelLog
	numbered := s.selector() + ` | pattern "<_>\t<_>\tseq=<seq> <_>" | seq!=""`
	length := w.Length().Milliseconds()
	unwrapped := func(f string) string {
		return fmt.Sprintf("%s_over_time(%s | unwrap seq [%dms]) by (%s)", f, numbered, length, by)
	}
	logs := make(map[[3]string]*LogNumbers)
	for _, question := range []struct {
		query string
		take  func(*LogNumbers, float64)
	}{
		{unwrapped("min"), func(n *LogNumbers, v float64) { n.First = uint64(v) }},
		{unwrapped("max"), func(n *LogNumbers, v float64) { n.Last = uint64(v) }},
		{fmt.Sprintf("sum by (%s) (count_over_time(%s [%dms]))", by, numbered, length), func(n *LogNumbers, v float64) { n.Events = int64(v) }},
	} {
		samples, err := s.client.Instant(ctx, question.query, w.To.Add(-1))
		if err != nil {
			return nil, err
		}
		for _, sample := range samples {
			key := [3]string{sample.Labels[labelService], sample.Labels[labelInstance], sample.Labels[labelLog]}
			if logs[key] == nil {
				logs[key] = &LogNumbers{Service: key[0], Instance: key[1], Log: key[2]}
			}
			question.take(logs[key], sample.Value)
		}
	}
	var list []LogNumbers
	for _, n := range logs {
		list = append(list, *n)
	}
	slices.SortFunc(list, func(a, b LogNumbers) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Log, b.Log))
	})
	return list, nil
}

// Sharded returns how many streams of the trail Loki has split into shards in the
// window. An entry that is sent again can stand in another shard, twice for good.
// Who may not see the whole trail is told nothing.
func (s *Store) Sharded(ctx context.Context, w Window) (int, error) {
	if !s.scope.All {
		return 0, nil
	}
	selector := s.selector()
	streams, err := s.client.Streams(ctx, w.From, w.To, selector[:len(selector)-1]+`, `+loki.ShardLabel+`!=""}`)
	return len(streams), err
}
