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
	samples, err := s.client.Instant(ctx, s.onlineQL(w.Length()), w.To.Add(-1))
	if err != nil {
		return nil, err
	}
	newest := make(map[string]Presence)
	for _, sample := range samples {
		p := Presence{
			User: adminsessions.User{
				ID:       decodeWord(sample.Labels[captured+"id"]),
				Email:    decodeWord(sample.Labels[captured+"email"]),
				FullName: sample.Labels["name"],
			},
			Address:  decodeWord(sample.Labels[captured+"ip"]),
			LastSeen: time.UnixMilli(int64(sample.Value)),
		}
		if !s.scope.allowsUser(p.User) {
			continue
		}
		if who := cmp.Or(p.User.ID, p.User.Email); who != "" && p.LastSeen.After(newest[who].LastSeen) {
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
