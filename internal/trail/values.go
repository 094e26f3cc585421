package trail

import (
	"cmp"
	"context"
	"fmt"
	"slices"
)

// MaxValues is how many values [Store.Values] returns of each kind.
const MaxValues = 100

// Values are what the trail holds of some fields, the most frequent first.
type Values struct {
	Users   []string // e-mail addresses, or ids where there is none
	Actions []string
	Types   []string // of objects
	Tenants []string
}

// Values returns what events in the window hold, in four questions to Loki. What
// it could not answer, such as a field with more values than it counts, is left
// out; the error is there if it answered nothing.
func (s *Store) Values(ctx context.Context, w Window) (Values, error) {
	var v Values
	var first error
	answered := false
	for _, q := range []struct {
		to    *[]string
		words []string
		text  string
	}{
		{&v.Users, []string{"email", "id"}, ""},
		{&v.Actions, []string{"action"}, ""},
		{&v.Types, nil, "object"},
		{&v.Tenants, nil, "tenant"},
	} {
		var err error
		if *q.to, err = s.values(ctx, w, q.words, q.text); err != nil {
			first = cmp.Or(first, err)
			continue
		}
		answered = true
	}
	if answered {
		first = nil
	}
	return v, first
}

// values are the values of some words, of which the first that is known counts,
// or of a text.
func (s *Store) values(ctx context.Context, w Window, words []string, text string) ([]string, error) {
	samples, err := s.client.Instant(ctx, s.valuesQL(w, words, text), w.To.Add(-1))
	if err != nil {
		return nil, err
	}
	counts := make(map[string]float64)
	for _, sample := range samples {
		value := sample.Labels[text]
		for _, word := range words {
			value = cmp.Or(value, decodeWord(sample.Labels[captured+word]))
		}
		if value != "" {
			counts[value] += sample.Value
		}
	}
	values := make([]string, 0, len(counts))
	for value := range counts {
		values = append(values, value)
	}
	slices.SortFunc(values, func(a, b string) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a, b))
	})
	return values, nil
}

func (s *Store) valuesQL(w Window, words []string, text string) string {
	e := s.expression(Filter{Looks: true}, anyStage)
	by := text
	if text != "" {
		e.contains(" " + text + `="`)
		e.where(e.text(text) + `!=""`)
	}
	var known []string
	for _, word := range words {
		known = append(known, e.word(word)+`!="-"`)
		by += ", " + e.word(word)
	}
	if len(known) > 0 {
		e.where(known...)
		by = by[2:]
	}
	// Loki fails a question if a label of its answer holds U+FFFD. No line of an
	// event does.
	e.lines.WriteString(` != "\uFFFD"`)
	return fmt.Sprintf("topk(%d, sum by (%s) (count_over_time(%s [%dms])))", MaxValues, by, e.metric(), w.Length().Milliseconds())
}
