package verify

import (
	"cmp"
	"context"
	"iter"
	"maps"
	"slices"
)

// maxKept bounds the checkpoints of a log that are taken from other places.
const maxKept = 8192

// keep adds one. Of very many every second one is left out: what the later ones
// are about holds all that the earlier ones are about.
func keep(list []*mark, m *mark) []*mark {
	list = append(list, m)
	if len(list) < maxKept {
		return list
	}
	slices.SortStableFunc(list, func(a, b *mark) int { return cmp.Compare(a.Size, b.Size) })
	kept := list[:0]
	for i, m := range list {
		if i%2 == 1 || i == len(list)-1 {
			kept = append(kept, m)
		}
	}
	clear(list[len(kept):])
	return kept
}

// archive gives back what earlier verifications have proved.
func (s *state) archive() earlier {
	var e earlier
	for _, id := range slices.Sorted(maps.Keys(s.Logs)) {
		e = append(e, s.Logs[id].Checkpoint)
	}
	return e
}

// earlier is an archive of the checkpoints that were proved last.
type earlier []string

func (earlier) Name() string { return "earlier verification" }

func (e earlier) Checkpoints(context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for _, c := range e {
			if !yield([]byte(c), nil) {
				return
			}
		}
	}
}
