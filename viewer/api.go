package viewer

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// apiEvent is an event as the JSON API gives it.
type apiEvent struct {
	Time   time.Time `json:"time"`
	Cursor string    `json:"cursor"`
	// Sentence is the event in one line.
	Sentence string `json:"sentence"`
	// Attributes are everything recorded, by names in Loki; Resource is the
	// application that recorded it.
	Attributes map[string]string `json:"attributes"`
	Resource   map[string]string `json:"resource"`
}

func apiEventOf(e *trail.Event) apiEvent {
	return apiEvent{Time: e.Time().UTC(), Cursor: e.Cursor().String(), Sentence: e.Line,
		Attributes: e.Metadata, Resource: e.Labels}
}

type apiWindow struct {
	From time.Time `json:"from"`
	To   time.Time `json:"to"`
}

// serveEvents is GET api/events: one page of events.
func (h *Handler) serveEvents(w http.ResponseWriter, r *http.Request) {
	v, err := parseView(r.URL.Query(), time.UTC)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	res, err := h.load(r.Context(), &v, h.me(r), func(float64) {})
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	answer := struct {
		Window     apiWindow  `json:"window"`
		Events     []apiEvent `json:"events"`
		InProgress []apiEvent `json:"in_progress,omitempty"`
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
		t := time.Unix(0, res.reached.Nanos).UTC()
		answer.Reached = &t
	}
	p := pageData{V: &v, Result: &res}
	if next := p.NextURL(); next != "" {
		answer.Next = next
	}
	h.config.Accessed(r.Context(), "read "+strconv.Itoa(len(res.events))+" events of the admin sessions by the API: "+v.describe())
	writeJSON(w, http.StatusOK, answer)
}

func apiEvents(events []trail.Event) []apiEvent {
	out := make([]apiEvent, len(events))
	for i := range events {
		out[i] = apiEventOf(&events[i])
	}
	return out
}

// serveCount is GET api/count: how many events there are on all pages.
func (h *Handler) serveCount(w http.ResponseWriter, r *http.Request) {
	v, err := parseView(r.URL.Query(), time.UTC)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	window := v.rng.window(v.now(h.config.Now))
	ctx, cancel := context.WithTimeout(r.Context(), h.config.QueryTimeout)
	defer cancel()
	n, err := h.count(ctx, &v, h.me(r), window)
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	h.config.Accessed(r.Context(), "counted the admin sessions by the API: "+v.describe())
	writeJSON(w, http.StatusOK, struct {
		Window apiWindow `json:"window"`
		Count  int64     `json:"count"`
	}{apiWindow{window.From.UTC(), window.To.UTC()}, n})
}

// serveOnline is GET api/online: who was active in the last hour.
func (h *Handler) serveOnline(w http.ResponseWriter, r *http.Request) {
	who, err := h.whoIsOnline(r.Context(), h.config.Now())
	if err != nil {
		h.writeError(w, r, err)
		return
	}
	type admin struct {
		ID       string    `json:"id,omitempty"`
		FullName string    `json:"full_name,omitempty"`
		Email    string    `json:"email,omitempty"`
		Address  string    `json:"client_address,omitempty"`
		LastSeen time.Time `json:"last_seen"`
	}
	admins := make([]admin, len(who))
	for i, p := range who {
		admins[i] = admin{p.User.ID, p.User.FullName, p.User.Email, p.Address, p.LastSeen.UTC()}
	}
	h.config.Accessed(r.Context(), "asked who is online by the API")
	writeJSON(w, http.StatusOK, struct {
		Online []admin `json:"online"`
	}{admins})
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
		if kind != string(trail.Canceled) {
			h.config.Logger.WarnContext(r.Context(), "answering for the admin sessions failed", "kind", kind, "error", err)
		}
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "10")
	}
	writeProblem(w, status, kind, detail)
}

// writeProblem answers with a problem by RFC 9457.
func writeProblem(w http.ResponseWriter, status int, kind, detail string) {
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

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	enc.Encode(v) //nolint:errcheck // the client is gone
}
