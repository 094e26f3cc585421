package viewer

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/adminsessions/adminsessions/internal/redact"
	"github.com/adminsessions/adminsessions/internal/trail"
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
	switch {
	case v.search == "":
	case looksSecret(v.search):
		add("search for a text that looks secret")
	default:
		add("search %q", v.search)
	}
	if v.user != "" {
		add("admin %q", v.user)
	}
	if v.addresses.IsValid() {
		add("IP address %s", v.addressText())
	}
	if v.session != "" {
		add("session %q", v.session)
	}
	addAny(add, "type", v.types)
	addAny(add, "method", v.methods)
	addAny(add, "status", v.statuses)
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

func addAny[S ~string](add func(string, ...any), name string, values []S) {
	if len(values) == 0 {
		return
	}
	words := make([]string, len(values))
	for i, v := range values {
		words[i] = string(v)
	}
	add("%s %s", name, strings.Join(words, " or "))
}

// looksSecret reports whether a text that is searched may be a secret that
// somebody looks for in the trail: by the rules that keep secrets out of it.
func looksSecret(s string) bool { return new(redact.Redactor).Value(s) }
