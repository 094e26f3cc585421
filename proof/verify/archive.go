package verify

import (
	"context"
	"iter"
	"maps"
	"slices"
)

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
