// Package languages finds the language in which a browser is answered.
package languages

import (
	"net/http"

	"golang.org/x/text/language"
)

// maxHeaderBytes is how long an Accept-Language may be to be read: its parser is
// not given what no browser sends.
const maxHeaderBytes = 200

// Matcher chooses among some languages.
type Matcher struct{ matcher language.Matcher }

// NewMatcher returns one that chooses among languages by their codes, en or pl; the
// first is the default.
func NewMatcher(codes ...string) *Matcher {
	tags := make([]language.Tag, len(codes))
	for i, code := range codes {
		tags[i] = language.Make(code)
	}
	return &Matcher{language.NewMatcher(tags)}
}

// Of returns the place of the language that the request's browser asks for.
func (m *Matcher) Of(r *http.Request) int {
	accept := r.Header.Get("Accept-Language")
	if len(accept) > maxHeaderBytes {
		accept = ""
	}
	_, i := language.MatchStrings(m.matcher, accept)
	return i
}
