package trail

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/adminsessions/adminsessions"
)

// expression is a LogQL log query under construction. Every value enters it
// through [quote]; names come only from the vocabulary.
type expression struct{ b strings.Builder }

// logQL is the query for the events that f chooses within the scope s.
func logQL(s Scope, f Filter) string {
	var e expression
	e.selector(s, adminsessions.KeyServiceName, adminsessions.LokiName(adminsessions.KeyLinesOf)+`=""`)
	e.search(f.Search)
	stage := f.Stage
	if stage == "" {
		stage = adminsessions.Complete
	}
	e.equal(adminsessions.KeyRequestStage, string(stage))
	oneOf(&e, adminsessions.KeyInterface, f.Interfaces)
	oneOf(&e, adminsessions.KeyMethod, f.Methods)
	oneOf(&e, adminsessions.KeyRequestID, f.RequestIDs)
	if len(f.StatusClasses) > 0 {
		e.filter(adminsessions.KeyStatusCode, "=~", statusPattern(f.StatusClasses))
	}
	if f.User != "" {
		e.filter(adminsessions.KeyUserEmail, "=", f.User)
		e.b.WriteString(" or " + adminsessions.LokiName(adminsessions.KeyUserID) + "=" + quote(f.User))
	}
	if f.Address != "" {
		e.equal(adminsessions.KeyClientAddress, f.Address)
	}
	if f.Session != "" {
		e.equal(adminsessions.KeySessionID, f.Session)
	}
	if f.Hide.Email != "" {
		e.filter(adminsessions.KeyUserEmail, "!=", f.Hide.Email)
	}
	if f.Hide.ID != "" {
		e.filter(adminsessions.KeyUserID, "!=", f.Hide.ID)
	}
	return e.b.String()
}

// selector writes the selector of the streams within the scope s that have the
// service's name under a key, and match one thing more. Loki wants at least one
// matcher that does not match the empty value.
func (e *expression) selector(s Scope, serviceKey, more string) {
	e.b.WriteString("{" + adminsessions.LokiName(serviceKey))
	if len(s.Services) == 0 {
		e.b.WriteString(`=~".+"`)
	} else {
		e.b.WriteString("=~" + quote(alternatives(s.Services)))
	}
	if len(s.Environments) > 0 {
		e.b.WriteString(", " + adminsessions.LokiName(adminsessions.KeyDeploymentEnvironment) +
			"=~" + quote(alternatives(s.Environments)))
	}
	e.b.WriteString(", " + more + "}")
}

// search wants lines that contain text, whatever the case.
func (e *expression) search(text string) {
	if text == "" {
		return
	}
	for _, pattern := range searchPatterns(clean(text)) {
		e.matches(pattern)
	}
}

// matches wants lines that match a regular expression.
func (e *expression) matches(pattern string) { e.b.WriteString(" |~ " + quote(pattern)) }

func (e *expression) filter(key, operator, value string) {
	e.b.WriteString(" | " + adminsessions.LokiName(key) + operator + quote(value))
}

func (e *expression) equal(key, value string) { e.filter(key, "=", value) }

func oneOf[S ~string](e *expression, key string, values []S) {
	switch len(values) {
	case 0:
	case 1:
		e.equal(key, string(values[0]))
	default:
		e.filter(key, "=~", alternatives(values))
	}
}

// alternatives is a regular expression that matches each value literally. Loki
// anchors the expressions of label filters and matchers.
func alternatives[S ~string](values []S) string {
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = regexp.QuoteMeta(clean(string(v)))
	}
	return strings.Join(quoted, "|")
}

// statusPattern is a regular expression that matches the status codes of each
// class.
func statusPattern(classes []int) string {
	patterns := make([]string, len(classes))
	for i, c := range classes {
		patterns[i] = strconv.Itoa(c) + ".."
	}
	return strings.Join(patterns, "|")
}

// quote makes a LogQL string of any text. LogQL's double-quoted strings are
// Go's, and Go's quoting leaves no character that could end the string.
func quote(s string) string { return strconv.Quote(clean(s)) }

// clean replaces what is not UTF-8: Loki holds none and refuses a query with
// some.
func clean(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

// keepQL leaves events only the attributes with these keys, or all if there are
// none.
func keepQL(keys []string) string {
	if len(keys) == 0 {
		return ""
	}
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = adminsessions.LokiName(k)
	}
	return " | keep " + strings.Join(names, ", ")
}

// countQL counts the events of expr in a window of the given length.
func countQL(expr string, window time.Duration) string {
	return fmt.Sprintf("sum(count_over_time(%s [%dms]))", expr, window.Milliseconds())
}

// lastSeenQL is the newest event of each user, in Unix milliseconds, by name,
// e-mail address, id and IP address.
func lastSeenQL(expr string, window time.Duration) string {
	by := strings.Join([]string{
		adminsessions.LokiName(adminsessions.KeyUserID),
		adminsessions.LokiName(adminsessions.KeyUserEmail),
		adminsessions.LokiName(adminsessions.KeyUserFullName),
		adminsessions.LokiName(adminsessions.KeyClientAddress),
	}, ", ")
	return fmt.Sprintf("max_over_time(%s | label_format last_seen=%s | unwrap last_seen [%dms]) by (%s)",
		expr, quote("{{ __timestamp__ | unixEpochMillis }}"), window.Milliseconds(), by)
}
