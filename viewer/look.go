package viewer

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/adminsessions/adminsessions/internal/redact"
	"github.com/adminsessions/adminsessions/internal/trail"
	"github.com/adminsessions/adminsessions/internal/trail/query"
)

// look is what became of one request for the page: it is recorded when the
// request is over, whatever its answer.
type look struct{ note string }

type lookKey struct{}

// looked says what the request has shown to whom it came from. What is said last
// is recorded.
func (h *Handler) looked(r *http.Request, format string, args ...any) {
	if l, ok := r.Context().Value(lookKey{}).(*look); ok {
		l.note = fmt.Sprintf(format, args...)
	}
}

// recordLook calls next and then tells the application what was shown. A request
// that changes something is more than a look.
func (h *Handler) recordLook(w http.ResponseWriter, r *http.Request, next http.HandlerFunc) {
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		next(w, r)
		return
	}
	l := &look{note: "nothing shown"}
	defer func() { h.config.Accessed(r.Context(), trail.LookNote+l.note) }()
	next(w, r.WithContext(context.WithValue(r.Context(), lookKey{}, l)))
}

// describe says what the view shows, for the record of who looked at what.
func (v *view) describe() string {
	var parts []string
	add := func(format string, args ...any) { parts = append(parts, fmt.Sprintf(format, args...)) }
	if v.rng.isCustom() {
		from, to := "the beginning", "now"
		if !v.rng.from.IsZero() {
			from = formatInstant(v.rng.from)
		}
		if !v.rng.to.IsZero() {
			to = formatInstant(v.rng.to)
		}
		add("from %s to %s", from, to)
	} else {
		add("last %s", v.rng.quick)
	}
	if v.event != "" {
		add("request %q", v.event)
	}
	switch {
	case v.search == "":
	case looksSecret(v.search), slices.ContainsFunc(v.terms, func(t query.Term) bool { return looksSecret(t.Value) }):
		add("search for a text that looks secret")
	default:
		add("search %q", v.search)
	}
	for _, key := range query.Keys() {
		if values := v.paramValues(key); len(values) > 0 {
			add("%s", describeParam(key, values))
		}
	}
	if v.hideMe {
		add("own requests hidden")
	}
	if v.looks {
		add("with looks at the trail")
	}
	if v.sort != byTime {
		add("sorted by %s", v.sort)
	}
	if v.page > 1 {
		add("page %d", v.page)
	}
	return strings.Join(parts, ", ")
}

// describeParam says which values of a key are chosen.
func describeParam(key string, values []string) string {
	words := make([]string, len(values))
	for i, value := range values {
		switch {
		case key == "type":
			value = strings.ToUpper(value)
		case slices.Contains([]string{"method", "status", "ip", "outcome", "actor", "country"}, key):
		case looksSecret(value):
			value = "that looks secret"
		default:
			value = strconv.Quote(value)
		}
		words[i] = value
	}
	if key == "ip" {
		key = "IP address"
	}
	return key + " " + strings.Join(words, " or ")
}

// looksSecret reports whether a text that is searched may be a secret that
// somebody looks for in the trail: by the rules that keep secrets out of it.
func looksSecret(s string) bool { return new(redact.Redactor).Value(s) }
