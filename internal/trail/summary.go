package trail

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/adminsessions/adminsessions"
)

// Presence is an administrator who was active not long ago.
type Presence struct {
	User     adminsessions.User
	Address  string // the newest
	LastSeen time.Time
}

// Online returns who was active in the window, the most recent first.
func (s *Store) Online(ctx context.Context, w Window) ([]Presence, error) {
	samples, err := s.Client.query(ctx, lastSeenQL(logQL(s.Scope, Filter{}), w.Length()), w.To.Add(-1))
	if err != nil {
		return nil, err
	}
	newest := make(map[string]Presence)
	for _, sample := range samples {
		p := Presence{
			User: adminsessions.User{
				ID:       sample.Metric[adminsessions.LokiName(adminsessions.KeyUserID)],
				Email:    sample.Metric[adminsessions.LokiName(adminsessions.KeyUserEmail)],
				FullName: sample.Metric[adminsessions.LokiName(adminsessions.KeyUserFullName)],
			},
			Address:  sample.Metric[adminsessions.LokiName(adminsessions.KeyClientAddress)],
			LastSeen: time.UnixMilli(int64(sample.Value)),
		}
		if p.User.IsZero() {
			continue // somebody who was not signed in
		}
		who := cmp.Or(p.User.ID, p.User.Email, p.User.FullName)
		if p.LastSeen.After(newest[who].LastSeen) {
			newest[who] = p
		}
	}
	online := make([]Presence, 0, len(newest))
	for _, p := range newest {
		online = append(online, p)
	}
	slices.SortFunc(online, func(a, b Presence) int {
		return cmp.Or(b.LastSeen.Compare(a.LastSeen), cmp.Compare(a.User.Email, b.User.Email), cmp.Compare(a.User.ID, b.User.ID))
	})
	return online, nil
}

// MaxInProgress is how many started requests [Store.InProgress] looks at.
const MaxInProgress = 100

// InProgress returns the requests that f chooses, that have started in the
// window and have no end recorded, the newest first; of more than
// [MaxInProgress] started ones only the newest are looked at. The process that
// served one may have died: then its end never comes.
func (s *Store) InProgress(ctx context.Context, f Filter, w Window) ([]Event, error) {
	if len(f.StatusClasses) > 0 {
		return nil, nil // what has not ended has no status
	}
	f.Stage = adminsessions.Started
	var started []Event
	var ids []string
	for e, err := range s.Walk(ctx, Walk{Filter: f, Window: w, Batch: MaxInProgress + 1}) {
		if err != nil {
			return nil, err
		}
		if id := e.Get(adminsessions.KeyRequestID); id != "" {
			started, ids = append(started, e), append(ids, id)
		}
		if len(started) == MaxInProgress {
			break
		}
	}
	if len(started) == 0 {
		return nil, nil
	}
	// The end of a request has its arrival's time like its start has, or, where
	// the exporter had to move it, a later one.
	since := time.Unix(0, started[len(started)-1].Nanos).Add(-time.Minute)
	ended := make(map[string]bool)
	for e, err := range s.Walk(ctx, Walk{
		Filter: Filter{RequestIDs: ids},
		Window: Window{From: since, To: w.To.Add(time.Minute)},
		Batch:  MaxInProgress + 1,
	}) {
		if err != nil {
			return nil, err
		}
		ended[e.Get(adminsessions.KeyRequestID)] = true
	}
	return slices.DeleteFunc(started, func(e Event) bool {
		return ended[e.Get(adminsessions.KeyRequestID)]
	}), nil
}
