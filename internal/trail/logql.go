package trail

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/text"
)

// Names of the labels that an index label of ours is.
const (
	labelService     = "service_name"
	labelEnvironment = "deployment_environment_name"
	labelLog         = "audit_log_id"
)

// captured is what the names of captured words begin with: no index label and no
// structured metadata has such a name, which would take its place.
const captured = "p_"

// words are the keys of the words that begin every line, in their order.
var words = func() (names []string) {
	for f := range adminsessions.Fields() {
		if f.Word && f.Part == adminsessions.People {
			names = append(names, f.Name)
		}
	}
	return names
}()

// expression is a LogQL log query under construction: a selector, line filters,
// then what is captured of the line and compared. Every value enters it through
// [quote].
type expression struct {
	lines   strings.Builder // selector and line filters
	labels  []string        // stages after the words have been captured
	words   map[string]bool // words to capture
	dropped []string        // further labels that were captured
}

// selector chooses the streams of the trail. Loki wants at least one matcher that
// does not match the empty value.
func (s *Store) selector() string {
	var b strings.Builder
	b.WriteString("{" + labelService)
	if len(s.config.Services) == 0 {
		b.WriteString(`=~".+"`)
	} else {
		b.WriteString("=~" + quote(alternatives(s.config.Services)))
	}
	if len(s.config.Environments) > 0 {
		b.WriteString(", " + labelEnvironment + "=~" + quote(alternatives(s.config.Environments)))
	}
	b.WriteString("}")
	return b.String()
}

// expression chooses the events that f chooses.
func (s *Store) expression(f Filter, stage stage) *expression {
	e := &expression{words: make(map[string]bool)}
	e.lines.WriteString(s.selector())
	e.stage(stage)
	oneOf(e, "type", f.Types)
	oneOf(e, "method", f.Methods)
	e.statuses(f.Statuses)
	if f.Session != "" {
		// A TAB stands nowhere but between the parts of a line: this is exact.
		e.contains("\tsession=" + encodeWord(f.Session) + " request=")
	}
	if f.User != "" {
		e.where(e.word("email") + "=~" + quote(foldedWord(f.User)) + " or " + e.word("id") + "=" + quote(encodeWord(f.User)))
	}
	e.addresses(f)
	if f.Hide.Email != "" {
		e.where(e.word("email") + "!~" + quote(foldedWord(f.Hide.Email)))
	}
	if f.Hide.ID != "" {
		e.where(e.word("id") + "!=" + quote(encodeWord(f.Hide.ID)))
	}
	e.search(f.Search)
	if !f.Looks {
		e.withoutLooks(s.paths())
	}
	e.scope(&s.scope)
	return e
}

// stage chooses by the stage, and keeps out lines that do not begin like an
// event's: those have no status.
func (e *expression) stage(s stage) {
	status := e.word("status")
	switch s {
	case anyStage:
		e.where(status + `!=""`)
	case ended:
		e.where(status + `!=""`)
		e.where(status + `!="started"`)
	case startedSignedIn:
		e.started()
		e.where(e.word("email") + `!="-" or ` + e.word("id") + `!="-"`)
	case startedAnonymous:
		e.started()
		e.where(e.word("email") + `="-"`)
		e.where(e.word("id") + `="-"`)
	}
}

func (e *expression) started() {
	e.contains(" status=started ")
	e.where(e.word("status") + `="started"`)
}

// oneOf wants a word to be one of some values.
func oneOf[S ~string](e *expression, word string, values []S) {
	if len(values) == 0 {
		return
	}
	conditions := make([]string, len(values))
	for i, v := range values {
		conditions[i] = e.word(word) + "=" + quote(encodeWord(string(v)))
	}
	if len(values) == 1 {
		e.contains(word + "=" + encodeWord(string(values[0])) + " ")
	}
	e.where(strings.Join(conditions, " or "))
}

func (e *expression) statuses(statuses []string) {
	if len(statuses) == 0 {
		return
	}
	if len(statuses) == 1 {
		e.contains(" status=" + strings.TrimRight(statuses[0], "x"))
	}
	conditions := make([]string, len(statuses))
	for i, s := range statuses {
		conditions[i] = e.word("status") + "=" + quote(s)
		if strings.HasSuffix(s, "x") {
			conditions[i] = e.word("status") + "=~" + quote(strings.ReplaceAll(s, "x", "."))
		}
	}
	e.where(strings.Join(conditions, " or "))
}

// addresses wants an address within a network.
func (e *expression) addresses(f Filter) {
	switch p := f.Addresses; {
	case !p.IsValid():
	case p.IsSingleIP() && !p.Addr().IsLinkLocalUnicast(): // those may have a zone
		word := encodeWord(p.Addr().String())
		e.contains(" ip=" + word + " ")
		e.where(e.word("ip") + "=" + quote(word))
	default:
		// Loki looks for an address only where five bytes follow: "::1" is too
		// short for it without some blanks. They go into another label: Loki
		// compares one while it captures it.
		const padded = captured + "padded"
		e.labels = append(e.labels, "label_format "+padded+"="+quote("{{."+e.word("ip")+"}}     "))
		e.where(padded + " = ip(" + quote(p.Masked().String()) + ")")
		e.dropped = append(e.dropped, padded)
	}
}

// withoutLooks leaves out looks at the trail: requests that change nothing (GET,
// HEAD), at a path of the page's, whose note begins as the page itself writes it.
// All three must hold, so that nobody hides an act by one of them: what is at the
// page's path only the page answers, and the method decides what a request may
// do.
func (e *expression) withoutLooks(paths []string) {
	condition := e.word("method") + `!~"GET|HEAD"`
	pattern := `<_> note="<` + captured + `note>`
	e.dropped = append(e.dropped, captured+"note")
	if len(paths) > 0 {
		pattern = `<_> url="<_>://<_>/<` + captured + `path>"` + pattern
		below := make([]string, len(paths))
		for i, p := range paths {
			below[i] = regexp.QuoteMeta(clean(p)) + "(?s:.*)"
			if !strings.HasSuffix(p, "/") {
				below[i] = regexp.QuoteMeta(clean(p)) + `(?:\?(?s:.*))?`
			}
		}
		condition += " or " + captured + "path!~" + quote("(?:"+strings.Join(below, "|")+")$")
		e.dropped = append(e.dropped, captured+"path")
	}
	// (?s:.*) and not .*: that Loki would take for "contains".
	condition += " or " + captured + "note!~" + quote(regexp.QuoteMeta(LookNote)+"(?s:.*)")
	e.labels = append(e.labels, "pattern "+quote(pattern))
	e.where(condition)
}

// contains wants lines with a text. It is a hint before a comparison of words:
// the text may stand elsewhere in a line.
func (e *expression) contains(literal string) { e.lines.WriteString(" |= " + quote(literal)) }

// where adds a condition on labels.
func (e *expression) where(condition string) { e.labels = append(e.labels, condition) }

// word captures a word and returns its label.
func (e *expression) word(name string) string {
	e.words[name] = true
	return captured + name
}

// foldedWord is a regular expression for a word that is a value, whatever the
// case.
func foldedWord(value string) string {
	pattern := "(?i)" + regexp.QuoteMeta(encodeWord(value))
	if !isASCII(value) {
		pattern += "$" // keeps Loki from comparing byte by byte
	}
	return pattern
}

// String is the log query. What was captured is dropped at the end: answers are
// smaller without, and Loki fails one with a label that holds U+FFFD, which
// foreign lines may.
func (e *expression) String() string {
	query := e.metric()
	if names := append(e.capturedNames(), e.dropped...); len(names) > 0 {
		query += " | drop " + strings.Join(names, ", ")
	}
	return query
}

// metric is the query for use in a metric query.
func (e *expression) metric() string {
	var b strings.Builder
	b.WriteString(e.lines.String())
	if len(e.words) > 0 {
		b.WriteString(" | pattern " + quote(e.pattern()))
	}
	for _, stage := range e.labels {
		b.WriteString(" | " + stage)
	}
	return b.String()
}

// pattern captures the words that are compared.
func (e *expression) pattern() string {
	var b strings.Builder
	left := len(e.words)
	for i, name := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(name + "=")
		if !e.words[name] {
			b.WriteString("<_>")
			continue
		}
		b.WriteString("<" + captured + name + ">")
		if left--; left == 0 {
			break
		}
	}
	return b.String() + " <_>"
}

func (e *expression) capturedNames() (names []string) {
	for _, name := range words {
		if e.words[name] {
			names = append(names, captured+name)
		}
	}
	return names
}

// alternatives is a regular expression that matches each value literally. Loki
// anchors the expressions of matchers.
func alternatives(values []string) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(clean(v))
	}
	return strings.Join(quoted, "|")
}

// quote makes a LogQL string of any text. LogQL's double-quoted strings are
// Go's, and Go's quoting leaves no character that could end the string.
func quote(s string) string { return strconv.Quote(clean(s)) }

// clean replaces what is not UTF-8, as lines do: Loki refuses a query with some.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return text.Replacement
		}
		return r
	}, s)
}

// encodeWord is a value as a word of a line, and encodeText as it stands in the
// quotes of a text. Both are taken from a line, so that only package
// adminsessions knows how. Of a long value they are a beginning.
func encodeWord(value string) string {
	line := (&adminsessions.Event{User: adminsessions.User{ID: value}}).Line()
	_, line, _ = strings.Cut(line, " id=")
	if end := strings.IndexAny(line, " \t"); end >= 0 {
		line = line[:end]
	}
	return line
}

func encodeText(value string) string {
	if value == "" {
		return ""
	}
	line := (&adminsessions.Event{Note: value}).Line()
	people, _, _ := strings.Cut(line, "\t")
	_, note, _ := strings.Cut(people, ` note="`)
	return strings.TrimSuffix(note, `"`)
}

// countQL counts the events of a query by log.
func countQL(query string, window time.Duration) string {
	return fmt.Sprintf("sum by (%s) (count_over_time(%s [%dms]))", labelLog, query, window.Milliseconds())
}

// onlineQL is when each user was last seen, in Unix milliseconds, by name, e-mail
// address, id and IP address.
func (s *Store) onlineQL(window time.Duration) string {
	e := s.expression(Filter{Looks: true}, anyStage)
	email, ip, id := e.word("email"), e.word("ip"), e.word("id")
	e.where(email + `!="-" or ` + id + `!="-"`)
	e.labels = append(e.labels, "logfmt name", "label_format seen="+quote("{{ __timestamp__ | unixEpochMillis }}"), "unwrap seen")
	return fmt.Sprintf("max_over_time(%s [%dms]) by (%s, %s, %s, name)", e.metric(), window.Milliseconds(), email, ip, id)
}

// decodeWord is the way back from encodeWord; "" is not known.
func decodeWord(word string) string {
	const some = " id=x"
	line := (&adminsessions.Event{User: adminsessions.User{ID: "x"}}).Line()
	e, err := adminsessions.ParseLine(strings.Replace(line, some, " id="+word, 1))
	if err != nil {
		return word
	}
	return e.User.ID
}
