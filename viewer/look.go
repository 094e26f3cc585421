package viewer

import (
	"context"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"unicode"

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

// secretForms are texts that hold a secret: a name that says so with a value, and
// tokens that are known by how they begin.
var secretForms = regexp.MustCompile(`(?i)` +
	`(pass|pwd|secret|token|api.?key|auth|bearer|credential|session.?id|otp|pin.?code|cvv)[a-z_-]*"?\s*[=: ]\s*"?\S` +
	`|\beyJ[\w-]{8,}|\b(gh[pousr]|github_pat|glpat|sk|pk|rk|xox[abprs]|hf|npm|shpat|dop_v1|AIza|ya29)[_.-]?\w{10,}` +
	`|\b(AKIA|ASIA)[A-Z0-9]{12,}|-----BEGIN|://[^/\s:@]*:[^/\s@]+@`)

// looksSecret reports whether a text that is searched may be a secret that
// somebody looks for in the trail. In doubt it is: the search is recorded then
// without it. Ids in hexadecimal, as the trail itself is full of, are none.
func looksSecret(s string) bool {
	if secretForms.MatchString(s) {
		return true
	}
	for word := range strings.FieldsFuncSeq(s, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("_-+/=.", r)
	}) {
		if isCard(word) {
			return true
		}
		for part := range strings.FieldsFuncSeq(word, func(r rune) bool { return strings.ContainsRune("/.=", r) }) {
			if isRandom(part) {
				return true
			}
		}
	}
	return false
}

// isRandom reports whether a word of 16 characters or more mixes letters and
// digits as no name does.
func isRandom(word string) bool {
	var digits, upper, lower, other, changes int
	last := 0
	for _, r := range word {
		kind := 0
		switch {
		case unicode.IsDigit(r):
			digits++
			kind = 1
		case unicode.IsUpper(r):
			upper++
			kind = 2
		case unicode.IsLetter(r):
			lower++
			kind = 3
		default:
			other++
		}
		if kind != last {
			changes++
		}
		last = kind
	}
	switch n := digits + upper + lower; {
	case n < 16 || other > 3 && strings.Count(word, "-") == 4: // short, or a UUID
		return false
	case strings.Trim(word, "0123456789abcdef-") == "" && n <= 64:
		return false // an id
	default:
		return digits > 0 && upper+lower > 0 && changes >= n/4 || upper > 0 && lower > 0 && changes >= n/3
	}
}

// isCard reports whether a word is the number of a payment card.
func isCard(word string) bool {
	digits := strings.ReplaceAll(word, "-", "")
	if len(digits) < 13 || len(digits) > 19 || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	sum := 0
	for i := range len(digits) {
		d := int(digits[len(digits)-1-i] - '0')
		if i%2 == 1 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return sum%10 == 0
}
