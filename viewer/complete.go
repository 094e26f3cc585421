package viewer

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

const (
	// completeWithin is how far back the trail is looked at for what may be meant.
	completeWithin = 7 * 24 * time.Hour
	// completeTTL is how long an answer is good at least.
	completeTTL = 2 * time.Minute
	// completeTimeout is how long Loki has for an answer.
	completeTimeout = 10 * time.Second
)

// serveComplete is GET api/complete: the keys of the search grammar, in their
// order, each with values: all that there can be, or those that the trail has held
// lately.
func (h *Handler) serveComplete(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		h.writeError(w, r, &viewError{field: "?", message: "error.unknown_parameter", err: errors.New("api/complete has no parameters")})
		return
	}
	if h.onlyHead(w, r, "application/json") {
		return
	}
	values, err := h.values.get(r.Context(), "", func(ctx context.Context) (trail.Values, error) {
		now := h.config.Now().Truncate(time.Millisecond)
		return h.store(ctx).Values(ctx, trail.Window{From: now.Add(-completeWithin), To: now.Add(trail.Ahead)})
	})
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	lists := map[string][]string{"admin": values.Users, "action": values.Actions, "object": values.Types, "tenant": values.Tenants,
		"outcome": query.Outcomes, "actor": query.Actors, "type": query.Types, "method": query.Methods, "status": classes}
	if !scopeOf(r.Context()).All {
		lists["type"] = query.Types[:len(query.Types)-1] // the trail's own are not for all
	}
	type key struct {
		Key    string   `json:"key"`
		Values []string `json:"values"`
	}
	keys := make([]key, 0, len(query.Keys()))
	for _, name := range query.Keys() {
		keys = append(keys, key{name, append([]string{}, lists[name]...)})
	}
	h.looked(r, "what to search for, by the API")
	writeJSON(w, struct {
		Keys []key `json:"keys"`
	}{keys})
}
