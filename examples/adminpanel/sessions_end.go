package main

import (
	"context"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/instrumentation"
	"github.com/adminsessions/adminsessions/viewer"
)

var _ viewer.Sessions = (*sessions)(nil)

// End ends a session that somebody has seen in the trail, or all of an
// administrator's, and puts that on the record of the request as an act.
func (s *sessions) End(ctx context.Context, which viewer.Ending) (int, error) {
	instrumentation.SetAction(ctx, "sessions.end")
	instrumentation.SetReason(ctx, which.Reason)
	instrumentation.SetResource(ctx, adminsessions.Resource{Type: "sessions", ID: which.SessionID, Name: which.Admin.FullName})

	s.mu.Lock()
	defer s.mu.Unlock()
	ended := 0
	for key, session := range s.active {
		if session.trailID == which.SessionID || which.SessionID == "" && session.account.ID == which.Admin.ID {
			delete(s.active, key)
			ended++
		}
	}
	return ended, nil
}

// scope is what an account may see of the trail: the owner all of it, and he may end
// sessions; support what is done for its tenant; others what they have done
// themselves, and nothing to take away. It goes by the role at the start: the
// background traffic changes those of team.go.
func (a *account) scope() viewer.Scope {
	switch {
	case a == nil:
		return viewer.Scope{}
	case a.Role == "Owner":
		return viewer.Scope{All: true, EndSessions: true}
	case a.Role == "Support":
		return viewer.Scope{Tenants: []string{a.Tenant}}
	default:
		return viewer.Scope{Own: a.user(), NoExport: true}
	}
}
