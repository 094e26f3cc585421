package viewer

import (
	"context"
	"errors"
	"net/http"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// What is typed into the search box can be short for something that only the
// trail knows: client:7731 for an object of a type that it holds, and the id of a
// request for that request.

const (
	// lookupTimeout is how long the trail is asked for what was typed.
	lookupTimeout = 5 * time.Second
	// maxLookups is how many keys of one search may be types of objects: each is
	// looked for under several names.
	maxLookups = 4
	// requestWait is how long a search waits for it: words that are no id should
	// not take longer to find. The next page that asks has the answer.
	requestWait = time.Second
	// requestWithin is how far back it is looked for.
	requestWithin = "30d"
)

// viewOf reads the view that a request asks for.
func (h *Handler) viewOf(r *http.Request, zone *time.Location) (view, error) {
	v, err := parseView(r.URL.RawQuery, zone)
	if bad, ok := errors.AsType[*query.Error](err); !ok || bad.Fault != query.UnknownKey || r.Method == http.MethodHead {
		return v, err
	}
	terms, readErr := query.Read(v.search)
	if readErr != nil || len(terms.Unknown()) > maxLookups {
		return v, err
	}
	ctx, cancel := context.WithTimeout(r.Context(), lookupTimeout)
	defer cancel()
	var written query.Query
	for _, t := range terms {
		types, lookErr := h.typesNamed(ctx, &v, t)
		if lookErr != nil {
			return v, lookErr
		}
		for _, name := range types {
			written = append(written, query.Term{Not: t.Not, Key: "object", Value: name + "/" + t.Value})
		}
		if len(types) == 0 {
			written = append(written, t)
		}
	}
	q := r.URL.Query()
	q.Set("q", written.String())
	if again, err := parseView(q.Encode(), zone); err == nil {
		return again, nil
	}
	return v, err
}

// typesNamed are the types of objects that a term's key names, in the range of the
// view: client names client and clients.
func (h *Handler) typesNamed(ctx context.Context, v *view, t query.Term) (types []string, err error) {
	if len(query.Query{t}.Unknown()) == 0 {
		return nil, nil
	}
	candidates := []string{t.Key, t.Key + "s", strings.TrimSuffix(t.Key, "y") + "ies", t.Key + "es", singular(t.Key)}
	slices.Sort(candidates)
	for _, name := range slices.Compact(candidates) {
		found, err := h.holds(ctx, v, "type "+name, trail.Conditions{Resources: []adminsessions.Resource{{Type: name}}},
			func(e *trail.Event) bool { return e.Resource.Type == name })
		if err != nil {
			return nil, err
		}
		if found {
			types = append(types, name)
		}
	}
	return types, nil
}

// holds reports whether there is an event in the range of the view that meets the
// conditions, which match repeats.
func (h *Handler) holds(ctx context.Context, v *view, name string, only trail.Conditions, match func(*trail.Event) bool) (bool, error) {
	where := url.Values{"event": {v.event}}
	v.rng.set(where)
	return h.found.get(ctx, name+" "+where.Encode(), func(ctx context.Context) (bool, error) {
		walk := trail.Walk{Filter: trail.Filter{Only: only, Looks: true}, Window: v.window(h.config.Now()), Batch: 2, Both: true}
		for e, err := range h.store(ctx).Walk(ctx, walk) {
			if err != nil || match(&e) {
				return err == nil, err
			}
		}
		return false, nil
	})
}

// requestForm is what ids of requests look like: those of package instrumentation,
// UUIDs, and most others that are in use.
var requestForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:+~-]{7,127}$`)

// mayBeRequest is what the view searches for if that may be the id of a request by
// its form, and nothing else; "" if not.
func (v *view) mayBeRequest() string {
	id := v.search
	if v.event != "" || len(v.params) > 0 || v.page > 1 || !requestForm.MatchString(id) || !strings.ContainsAny(id, "0123456789") ||
		len(v.terms) != 1 || v.terms[0] != (query.Term{Value: id}) {
		return ""
	}
	if _, err := netip.ParseAddr(id); err == nil {
		return ""
	}
	return id
}

// requestNamed is the id of a request if the view searches for one that exists, as
// far as that can be found out quickly; "" if not. What is no id goes on to be
// searched for as text, so an error is none here.
func (h *Handler) requestNamed(ctx context.Context, v *view) string {
	id := v.mayBeRequest()
	if id == "" {
		return ""
	}
	ctx, cancel := context.WithTimeout(ctx, requestWait)
	defer cancel()
	at := newView()
	at.event, at.rng = id, timeRange{quick: requestWithin}
	found, err := h.holds(ctx, &at, "request", trail.Conditions{Requests: []string{id}},
		func(e *trail.Event) bool { return e.RequestID == id || e.Cause == id })
	if err != nil || !found {
		return ""
	}
	return id
}
