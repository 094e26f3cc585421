package trail

import (
	"context"
	"slices"
)

const (
	// MaxInProgress is how many requests [Store.InProgress] returns.
	MaxInProgress = 100
	// maxStarted is how many records of started requests it looks at, of each of
	// its two kinds.
	maxStarted = 2000
)

// InProgress returns the requests that f chooses that have started in the window
// and have no end recorded: first those of administrators who are signed in,
// then others, each the newest first, at most [MaxInProgress]; more reports
// whether there are more. The process that served one may have died: then its
// end never comes.
func (s *Store) InProgress(ctx context.Context, f Filter, w Window) (events []Event, more bool, err error) {
	if len(f.Only.Statuses) > 0 {
		return nil, false, nil // what has not ended has no status
	}
	for _, kind := range []stage{startedSignedIn, startedAnonymous} {
		looked := 0
		for e, err := range s.Walk(ctx, Walk{Filter: f, Window: w, Batch: MaxInProgress + 1, stage: kind}) {
			if err != nil {
				return nil, false, err
			}
			if looked++; len(events) == MaxInProgress || looked > maxStarted {
				more = true
				break
			}
			events = append(events, e)
		}
	}
	return slices.Clip(events), more, nil
}
