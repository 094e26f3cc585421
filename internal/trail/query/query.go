// Package query reads the search grammar that the page, its API and the command
// line have in common:
//
//	admin:anna action:delete object:client/7731 ip:10.0.0.0/8 -status:404 "free text"
//
// A query is a row of terms, separated by blanks. An event must meet all of them.
//
//   - key:value chooses events by one field; [Keys] are the keys there are. Several
//     terms of one key are joined by "or".
//   - -key:value leaves out the events that key:value chooses.
//   - "text" chooses events whose part for people contains the text, whatever the
//     case, and -"text" leaves them out.
//   - Everything else is text as well. Words that stand beside each other are one
//     text, with the blanks between them: foo bar finds "foo bar", and not a foo
//     here and a bar there, which is "foo" "bar".
//
// A value with blanks stands in quotes: admin:"Anna Kowalska". Between quotes \"
// is a quote and \\ a backslash. A quote within a word is nothing special:
// name="Anna is text.
//
// A word with a colon is text, and no term, if it can't be meant as one: a URL
// (https://panel.example), an address (2001:db8::1), a time (12:30), or one that
// ends with the colon. Any other key that does not exist is an error, as is a
// quote that is not closed: a query never means something else than it says.
package query

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/adminsessions/adminsessions/internal/trail"
)

// Query is a query's terms in their order.
type Query []Term

// Term is one condition. Without a Key its value is text.
type Term struct {
	Not   bool
	Key   string
	Value string
}

// MaxTerms is how many terms a query can have.
const MaxTerms = 32

// Parse reads a query as a filter. Its errors are of the type *[Error].
func Parse(s string) (trail.Filter, error) {
	q, err := Read(s)
	if err != nil {
		return trail.Filter{}, err
	}
	return q.Filter()
}

// Read reads the terms of a query. Whether their keys and values exist
// [Query.Filter] says.
func Read(s string) (Query, error) {
	r := reader{rest: s}
	for {
		r.rest = strings.TrimLeftFunc(r.rest, unicode.IsSpace)
		if r.rest == "" {
			return r.query, nil
		}
		if err := r.term(); err != nil {
			return nil, err
		}
		if len(r.query) > MaxTerms {
			return nil, &Error{Fault: TooLong}
		}
	}
}

// reader reads a query from its beginning to its end.
type reader struct {
	rest  string
	query Query
}

// term reads the next term, with which rest begins.
func (r *reader) term() error {
	term := Term{}
	rest := r.rest
	if after, ok := strings.CutPrefix(rest, "-"); ok {
		term.Not, rest = true, after
	}
	if !strings.HasPrefix(rest, `"`) {
		key, value, ok := cutKey(rest)
		if !ok {
			r.text()
			return nil
		}
		term.Key, rest = key, value
	}
	switch {
	case strings.HasPrefix(rest, `"`):
		var ok bool
		if term.Value, rest, ok = cutQuoted(rest); !ok || rest != "" && !startsBlank(rest) {
			return &Error{Fault: BadQuote, Term: r.rest}
		}
	default:
		n := strings.IndexFunc(rest, unicode.IsSpace)
		if n < 0 {
			n = len(rest)
		}
		term.Value, rest = rest[:n], rest[n:]
	}
	if strings.TrimSpace(term.Value) == "" {
		return &Error{Fault: NoValue, Term: r.rest[:len(r.rest)-len(rest)]}
	}
	r.query, r.rest = append(r.query, term), rest
	return nil
}

// text reads words up to the next term, or to the end.
func (r *reader) text() {
	end := 0
	for n := 0; n < len(r.rest); {
		word := strings.IndexFunc(r.rest[n:], unicode.IsSpace)
		if word < 0 {
			word = len(r.rest) - n
		}
		end = n + word
		n = len(r.rest) - len(strings.TrimLeftFunc(r.rest[end:], unicode.IsSpace))
		if startsTerm(r.rest[n:]) {
			break
		}
	}
	r.query = append(r.query, Term{Value: r.rest[:end]})
	r.rest = r.rest[end:]
}

// startsTerm reports whether s begins with a term that is more than words.
func startsTerm(s string) bool {
	s = strings.TrimPrefix(s, "-")
	_, _, ok := cutKey(s)
	return ok || strings.HasPrefix(s, `"`)
}

var keyForm = regexp.MustCompile(`^[A-Za-z][A-Za-z_]+:`)

// cutKey parts a term into its key, in small letters, and the rest. It is not ok
// where s begins with a word that can't be meant as a term.
func cutKey(s string) (key, rest string, ok bool) {
	key = keyForm.FindString(s)
	if key == "" {
		return "", "", false
	}
	rest = s[len(key):]
	key = strings.ToLower(key[:len(key)-1])
	if !isKey(key) {
		word, _, _ := strings.Cut(s, " ")
		_, err := netip.ParseAddr(word)
		if err == nil || rest == "" || startsBlank(rest) || strings.HasPrefix(rest, "//") {
			return "", "", false
		}
	}
	return key, rest, true
}

func startsBlank(s string) bool { return strings.IndexFunc(s, unicode.IsSpace) == 0 }

// cutQuoted parts what begins with a text in quotes into that text and the rest.
func cutQuoted(s string) (text, rest string, ok bool) {
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), s[i+1:], true
		case s[i] == '\\' && i+1 < len(s) && (s[i+1] == '"' || s[i+1] == '\\'):
			i++
		}
		b.WriteByte(s[i])
	}
	return "", "", false
}

// String writes the query so that Read reads it as it is.
func (q Query) String() string {
	var b strings.Builder
	afterText := false
	for i, t := range q {
		if i > 0 {
			b.WriteByte(' ')
		}
		plain := t.isPlain() && (t.Key != "" || !afterText)
		afterText = t.Key == "" && plain
		b.WriteString(t.write(plain))
	}
	return b.String()
}

// String writes the term as a query of its own.
func (t Term) String() string { return t.write(t.isPlain()) }

func (t Term) write(plain bool) string {
	s := ""
	if t.Not {
		s = "-"
	}
	if t.Key != "" {
		s += t.Key + ":"
	}
	if plain {
		return s + t.Value
	}
	return s + `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(t.Value) + `"`
}

// isPlain reports whether the term can be written without quotes.
func (t Term) isPlain() bool {
	read, err := Read(t.write(true))
	return err == nil && slices.Equal(read, Query{t})
}
