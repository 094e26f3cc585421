package viewer

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/adminsessions/adminsessions/internal/loki"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/export"
)

type apiWindow struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// serveEvents is GET api/events: one page of events.
func (h *Handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	v, err := h.viewOf(r, time.UTC)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	if h.onlyHead(w, r, "application/json") {
		return
	}
	res, err := h.load(r.Context(), &v, h.me(r), func(float64) {})
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	answer := struct {
		Window apiWindow      `json:"window"`
		Events []export.Event `json:"events"`
		// InProgress are requests without an end from before this page's.
		InProgress []export.Event `json:"in_progress,omitempty"`
		// Next is the query of the next page, empty on the last.
		Next string `json:"next,omitempty"`
		// SortedNewest is how many events were sorted, if not all of them.
		SortedNewest int `json:"sorted_newest,omitempty"`
		// Reached is how far a search came before its time was over; Next
		// goes on from there.
		Reached *time.Time `json:"reached,omitempty"`
	}{
		Window: apiWindow{res.window.From.UTC(), res.window.To.UTC()},
		Events: apiEvents(res.events), InProgress: apiEvents(res.inProgress), SortedNewest: res.cut,
	}
	if !res.reached.IsZero() {
		t := res.reached.Time().UTC()
		answer.Reached = &t
	}
	p := pageData{V: &v, Result: &res}
	answer.Next = p.NextURL()
	h.looked(r, "read %d requests by the API: %s", len(res.events), v.describe())
	writeJSON(w, answer)
}

func apiEvents(events []trail.Event) []export.Event {
	out := make([]export.Event, len(events))
	for i := range events {
		out[i] = export.EventOf(&events[i])
	}
	return out
}

// serveCount is GET api/count: how many requests that have ended there are on all
// pages.
func (h *Handler) serveCount(w http.ResponseWriter, r *http.Request) {
	v, err := h.viewOf(r, time.UTC)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	if h.onlyHead(w, r, "application/json") {
		return
	}
	window := v.window(v.now(h.config.Now))
	ctx, cancel := context.WithTimeout(r.Context(), h.config.QueryTimeout)
	defer cancel()
	n, err := h.count(ctx, &v, h.me(r), window)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	h.looked(r, "counted by the API: %s", v.describe())
	writeJSON(w, struct {
		Window apiWindow `json:"window"`
		Count  int64     `json:"count"`
		// AtLeast says that there are more, AtMost that some may have been
		// counted twice.
		AtLeast bool `json:"at_least,omitempty"`
		AtMost  bool `json:"at_most,omitempty"`
	}{apiWindow{window.From.UTC(), window.To.UTC()}, n.N, n.AtLeast, n.AtMost})
}

// serveOnline is GET api/online: who was active in the last hour.
func (h *Handler) serveOnline(w http.ResponseWriter, r *http.Request) {
	if r.URL.RawQuery != "" {
		h.writeError(w, r, &viewError{field: "?", message: "error.unknown_parameter", err: errors.New("api/online has no parameters")})
		return
	}
	if h.onlyHead(w, r, "application/json") {
		return
	}
	who, err := h.whoIsOnline(r.Context(), h.config.Now())
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	h.looked(r, "who is online, by the API")
	writeJSON(w, struct {
		Online []export.Presence `json:"online"`
	}{export.Presences(who)})
}

// writeError answers with the kind of an error and what would help, in English;
// what Loki said goes to the log alone.
func (h *Handler) writeError(w http.ResponseWriter, r *http.Request, err error) {
	kind, status := classify(err)
	detail := h.locales.all[0].T("error." + kind)
	if kind == "bad_request" {
		detail = err.Error() // about the URL, nothing else
	} else {
		h.health.note(h.config.Now(), err)
		if kind != string(loki.Canceled) {
			h.config.Logger.WarnContext(r.Context(), "answering for the admin sessions failed", "kind", kind, "error", err)
		}
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	h.writeProblem(w, r, status, kind, detail)
}

// writeProblem answers with a problem by RFC 9457, and records that nothing was
// shown.
func (h *Handler) writeProblem(w http.ResponseWriter, r *http.Request, status int, kind, detail string) {
	h.looked(r, "refused: %s", kind)
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(struct { //nolint:errcheck // the client is gone
		Type   string `json:"type"`
		Title  string `json:"title"`
		Status int    `json:"status"`
		Detail string `json:"detail"`
		Kind   string `json:"kind"`
	}{"about:blank", http.StatusText(status), status, detail, kind})
}

func writeJSON(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) //nolint:errcheck // the client is gone
}
