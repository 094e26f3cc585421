package viewer

import (
	"context"
	"net/http"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
)

// Scope says what of the trail somebody may see and do. The zero Scope is
// nothing: it is answered with 403. What All, Tenants and Own allow is joined by
// "or".
//
// A scope holds for everything that is answered: rows, totals, exports, who is
// online, requests in progress, what is remembered while Loki is away. Of events
// outside it nothing can be learned, not even how many there are; so events that
// are shown to somebody who may not see all lack their number in the log.
type Scope struct {
	// All is the whole trail, and what happens to the trail itself.
	All bool
	// Tenants are tenants whose events may be seen (adminsessions.Actor.TenantID),
	// compared exactly; at most 200. Events that name no tenant are in none.
	Tenants []string
	// Own is an administrator whose events may be seen: those with the same ID or,
	// if the event or Own has none, with the same Email, compared exactly.
	Own adminsessions.User

	// NoExport refuses to export events, and to list them by the JSON API.
	NoExport bool
	// EndSessions allows ending the sessions that may be seen, where Config.Sessions
	// can.
	EndSessions bool
}

// trail is the part of the trail.
func (s *Scope) trail() trail.Scope {
	return trail.Scope{All: s.All, Tenants: s.Tenants, Own: s.Own}
}

type scopeKey struct{}

// withScope asks the application what the request may see, and returns the
// request with that in its context. It reports whether it may see anything.
func (h *Handler) withScope(r *http.Request) (*http.Request, bool) {
	scope := h.config.Authorize(r)
	part := scope.trail()
	if part.IsZero() {
		return r, false
	}
	if err := part.Check(); err != nil {
		h.config.Logger.ErrorContext(r.Context(), "Authorize returned a scope that can't be kept to; nothing is shown", "error", err)
		return r, false
	}
	return r.WithContext(context.WithValue(r.Context(), scopeKey{}, scope)), true
}

// scopeOf is what the request whose context it is may see; nothing where nobody
// has been asked.
func scopeOf(ctx context.Context) Scope {
	scope, _ := ctx.Value(scopeKey{}).(Scope)
	return scope
}

// scoped is the key of an answer to the request whose context it is: what is
// remembered for one scope is no answer within another.
func scoped(ctx context.Context, key string) string {
	scope := scopeOf(ctx)
	part := scope.trail()
	return part.Key() + "\x00" + key
}

// store is the part of the trail that the request whose context it is may see,
// and exportStore the same over connections for exports. There is no other way
// to the trail.
func (h *Handler) store(ctx context.Context) *trail.Store {
	scope := scopeOf(ctx)
	return h.trail.Within(scope.trail())
}

func (h *Handler) exportStore(ctx context.Context) *trail.Store {
	scope := scopeOf(ctx)
	return h.exportTrail.Within(scope.trail())
}

// mayExport refuses those who may look and take nothing away.
func (h *Handler) mayExport(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if scopeOf(r.Context()).NoExport {
			h.writeProblem(w, r, http.StatusForbidden, "no_export", "you may look at the trail here, and not export it")
			return
		}
		next(w, r)
	}
}
