package trail

import (
	"fmt"
	"regexp"
	"slices"
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
	labelInstance    = "service_instance_id"
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
	selector string
	hints    string          // the one line filter that is a regular expression, or ""
	lines    strings.Builder // line filters
	labels   []string        // stages after the words have been captured
	words    map[string]bool // words to capture
	captures map[string]bool // stages of labels that capture something else
	dropped  []string        // what they capture
}

func newExpression(selector string) *expression {
	return &expression{selector: selector, words: make(map[string]bool), captures: make(map[string]bool)}
}

// selector chooses the streams of the trail that also meet matchers, which are
// LogQL, their values quoted. Loki wants at least one matcher that does not match
// the empty value.
func (s *Store) selector(matchers ...string) string {
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
	for _, m := range matchers {
		b.WriteString(", " + m)
	}
	b.WriteString("}")
	return b.String()
}

// expression chooses the events that f chooses. What costs Loki least comes first.
func (s *Store) expression(f Filter, stage stage) *expression {
	e := newExpression(s.selector())
	e.stage(stage)
	if !slices.Contains(f.Only.Types, adminsessions.Trail) {
		e.where(e.word("type") + "!=" + quote(string(adminsessions.Trail)))
	}
	e.only(&f.Only)
	e.not(&f.Not)
	if f.Hide.Email != "" {
		e.where(e.word("email") + "!~" + quote(foldedWord(f.Hide.Email)))
	}
	if f.Hide.ID != "" {
		e.where(e.word("id") + "!=" + quote(encodeWord(f.Hide.ID)))
	}
	if !f.Looks {
		e.withoutLooks(s.paths())
	}
	e.onlyTexts(&f.Only)
	e.notTexts(&f.Not)
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

// contains wants lines with one of some texts. It is a hint before a comparison
// of words: the text may stand elsewhere in a line.
func (e *expression) contains(literals ...string) {
	quoted := make([]string, len(literals))
	for i, l := range literals {
		quoted[i] = quote(l)
	}
	e.lines.WriteString(" |= " + strings.Join(quoted, " or "))
}

// where adds a condition on labels, or several of which one must hold.
func (e *expression) where(conditions ...string) {
	e.labels = append(e.labels, strings.Join(conditions, " or "))
}

// all adds conditions that must all hold.
func (e *expression) all(conditions []string) { e.labels = append(e.labels, conditions...) }

// word captures a word and returns its label.
func (e *expression) word(name string) string {
	e.words[name] = true
	return captured + name
}

// capture adds a stage that captures labels, once.
func (e *expression) capture(stage string, labels ...string) {
	if e.captures[stage] {
		return
	}
	e.captures[stage] = true
	e.labels = append(e.labels, stage)
	e.dropped = append(e.dropped, labels...)
}

// people captures the part of the line for people.
func (e *expression) people() string {
	const label = captured + "people"
	e.capture("pattern "+quote("<"+label+">\t<_>"), label)
	return label
}

// session and request capture the words that begin the part for machines.
func (e *expression) session() string {
	const label = captured + "session"
	e.capture("pattern "+quote("<_>\tsession=<"+label+"> <_>"), label)
	return label
}

func (e *expression) request() string {
	const label = captured + "request"
	e.capture("pattern "+quote("<_>\tsession=<_> request=<"+label+"> <_>"), label)
	return label
}

// text captures a text, under its own name and in a stage of its own: what has
// another name, or stands second in a stage, Loki leaves empty in metric queries,
// silently.
func (e *expression) text(name string) string {
	e.capture("logfmt "+name, name)
	return name
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
	b.WriteString(e.selector + e.hints + e.lines.String())
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

// countQL counts the events of a query by log, totalQL all in one.
func countQL(query string, window time.Duration) string {
	return fmt.Sprintf("sum by (%s) (count_over_time(%s [%dms]))", labelLog, query, window.Milliseconds())
}

func totalQL(query string, window time.Duration) string {
	return fmt.Sprintf("sum (count_over_time(%s [%dms]))", query, window.Milliseconds())
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
