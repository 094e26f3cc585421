package trail

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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
//
// More logs than Loki puts into one answer are asked about in parts. An answer
// that Loki itself, or another answer, shows not to be whole is an error of kind
// [loki.Unavailable]. A log that Loki leaves out of every answer is not noticed.
func (s *Store) Numbers(ctx context.Context, w Window) ([]LogNumbers, error) {
	if !s.scope.All {
		return nil, nil
	}
	list, err := s.numbersOf(ctx, w, "")
	if err != nil {
		return nil, err
	}
	slices.SortFunc(list, func(a, b LogNumbers) int {
		return cmp.Or(cmp.Compare(a.Service, b.Service), cmp.Compare(a.Instance, b.Instance), cmp.Compare(a.Log, b.Log))
	})
	return list, nil
}

const (
	// idDigits are what the ids of logs are made of.
	idDigits = "0123456789abcdef"
	// maxPrefix is how many digits the logs of a part have in common at most: 256
	// parts, enough for 100,000 logs with Loki's default of 500 series.
	maxPrefix = 2
)

// numbersOf returns the numbers of the logs whose ids begin with prefix and meet
// matchers. If they are too many for one answer, it asks about each next digit, and
// about the ids that have none there, which no exporter has given.
func (s *Store) numbersOf(ctx context.Context, w Window, prefix string, matchers ...string) ([]LogNumbers, error) {
	list, err := s.consistentNumbers(ctx, w, s.selector(matchers...))
	if !errors.Is(err, loki.ErrTooManySeries) || len(prefix) == maxPrefix {
		return list, err
	}
	for _, digit := range idDigits {
		longer := prefix + string(digit)
		part, err := s.numbersOf(ctx, w, longer, labelLog+"=~"+quote(longer+".*"))
		if err != nil {
			return nil, err
		}
		list = append(list, part...)
	}
	rest, err := s.consistentNumbers(ctx, w, s.selector(append(matchers, labelLog+"!~"+quote(prefix+"["+idDigits+"].*"))...))
	return append(list, rest...), err
}

// consistentNumbers asks again, once, if answers are not whole: the first event of
// a new log may have arrived between two questions.
func (s *Store) consistentNumbers(ctx context.Context, w Window, selector string) ([]LogNumbers, error) {
	list, flaw, err := s.askNumbers(ctx, w, selector)
	if err == nil && flaw != "" {
		list, flaw, err = s.askNumbers(ctx, w, selector)
	}
	switch {
	case err != nil:
		return nil, err
	case flaw != "":
		return nil, &loki.Error{Kind: loki.Unavailable, Detail: "the answers about the numbers of the logs are not whole, twice: " + flaw}
	}
	return list, nil
}

// askNumbers asks the three questions, and says in flaw what shows that an answer
// is not whole. Each must name the same logs: one that lacks its first or last
// number, or its events, could look as if nothing were missing.
func (s *Store) askNumbers(ctx context.Context, w Window, selector string) (list []LogNumbers, flaw string, err error) {
	const by = labelService + ", " + labelInstance + ", " + labelLog
	numbered := selector + ` | pattern "<_>\t<_>\tseq=<seq> <_>" | seq!=""`
	length := w.Length().Milliseconds()
	unwrapped := func(f string) string {
		return fmt.Sprintf("%s_over_time(%s | unwrap seq [%dms]) by (%s)", f, numbered, length, by)
	}
	type log struct {
		LogNumbers
		answers int
	}
	logs := make(map[[3]string]*log)
	for _, question := range []struct {
		query string
		take  func(*log, float64)
	}{
		{unwrapped("min"), func(l *log, v float64) { l.First = uint64(v) }},
		{unwrapped("max"), func(l *log, v float64) { l.Last = uint64(v) }},
		{fmt.Sprintf("sum by (%s) (count_over_time(%s [%dms]))", by, numbered, length), func(l *log, v float64) { l.Events = int64(v) }},
	} {
		answer, err := s.client.InstantVector(ctx, question.query, w.To.Add(-1))
		if err != nil {
			return nil, "", err
		}
		if len(answer.Warnings) > 0 {
			flaw = "Loki warns: " + strings.Join(answer.Warnings, "; ")
		}
		for _, sample := range answer.Samples {
			key := [3]string{sample.Labels[labelService], sample.Labels[labelInstance], sample.Labels[labelLog]}
			if logs[key] == nil {
				logs[key] = &log{LogNumbers: LogNumbers{Service: key[0], Instance: key[1], Log: key[2]}}
			}
			logs[key].answers++
			question.take(logs[key], sample.Value)
		}
	}
	torn := 0
	for _, l := range logs {
		list = append(list, l.LogNumbers)
		if l.answers != 3 {
			torn++
		}
	}
	if torn > 0 && flaw == "" {
		flaw = fmt.Sprintf("of %d logs, %d are not in all three", len(logs), torn)
	}
	return list, flaw, nil
}

// Sharded returns how many streams of the trail Loki has split into shards in the
// window. An entry that is sent again can stand in another shard, twice for good.
// Who may not see the whole trail is told nothing.
func (s *Store) Sharded(ctx context.Context, w Window) (int, error) {
	if !s.scope.All {
		return 0, nil
	}
	streams, err := s.client.Streams(ctx, w.From, w.To, s.selector(loki.ShardLabel+`!=""`))
	return len(streams), err
}
