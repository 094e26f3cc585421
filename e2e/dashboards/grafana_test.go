package dashboards_test

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A value is what a dashboard variable holds.
type value struct {
	text []string
	// all is the raw text that stands for All (a variable's "allValue"), which
	// Grafana inserts unescaped whatever the format.
	all string
}

func one(text string) value       { return value{text: []string{text}} }
func some(text ...string) value   { return value{text: text} }
func everything(raw string) value { return value{all: raw} }
func (v value) isAll() bool       { return v.all != "" }
func (v value) contains(s string) bool {
	return slices.Contains(v.text, s)
}

// variables are a dashboard's variables and Grafana's own, such as
// __user.email.
type variables map[string]value

func (v variables) with(name string, val value) variables {
	changed := make(variables, len(v)+1)
	maps.Copy(changed, v)
	changed[name] = val
	return changed
}

// reference is the pattern of @grafana/scenes, VARIABLE_REGEX.
var reference = regexp.MustCompile(`\$(\w+)|\[\[(\w+?)(?::(\w+))?\]\]|\$\{(\w+(?:\.[^:}]+)?)(?::([^}]+))?\}`)

// macros are what Grafana's server fills in, after the variables.
var macros = regexp.MustCompile(`^__(?:range|auto|interval)`)

// ofTemplates are variables of Go's templates, and no dashboard's: Grafana leaves
// them alone.
var ofTemplates = regexp.MustCompile(`^\$[kvf]$`)

// filledIn is a query as Grafana 12.3 sends it: with the variables filled in,
// and, where its refId does not forbid to cut it into days, filled in a second
// time, so that a value that looks like a reference is followed.
func (q query) filledIn(t testing.TB, vars variables) string {
	t.Helper()
	expr := interpolate(t, q.expr, vars)
	if strings.Contains(q.refID, "do-not-chunk") {
		return expr
	}
	return reference.ReplaceAllStringFunc(expr, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		name := m[1] + m[2] + m[4]
		val, known := vars[name]
		if !known || macros.MatchString(name) {
			return ref
		}
		if val.isAll() {
			return val.all
		}
		return strings.Join(val.text, "|")
	})
}

// interpolate fills in the variables of a query once.
func interpolate(t testing.TB, expr string, vars variables) string {
	t.Helper()
	return reference.ReplaceAllStringFunc(expr, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		name, as := m[1]+m[2]+m[4], m[3]+m[5]
		if macros.MatchString(name) || ofTemplates.MatchString(ref) {
			return ref
		}
		val, known := vars[name]
		if !known {
			t.Fatalf("query refers to %s, which is no variable of its dashboard:\n%s", ref, expr)
		}
		if val.isAll() {
			return val.all
		}
		return format(t, as, val.text)
	})
}

// ranged fills in what Grafana's server does, in the values of variables, too.
func ranged(expr string, window, step string) string {
	return strings.NewReplacer("$__range", window, "$__auto", step, "$__interval", step).Replace(expr)
}

// format is Grafana's formatting of a variable's value in a Loki query
// (@grafana/scenes, formatRegistry).
func format(t testing.TB, format string, values []string) string {
	t.Helper()
	switch format {
	case "regex":
		escaped := make([]string, len(values))
		for i, v := range values {
			escaped[i] = escapeRegex(v)
		}
		if len(escaped) == 1 {
			return escaped[0]
		}
		return "(" + strings.Join(escaped, "|") + ")"
	case "percentencode":
		return percentEncode(strings.Join(values, ","))
	}
	t.Fatalf("format %q is not used by any dashboard; add it here as Grafana has it", format)
	return ""
}

var regexSpecial = regexp.MustCompile(`[\\^$*+?.()|[\]{}/]`)

// escapeRegex is @grafana/data's escapeRegex.
func escapeRegex(s string) string { return regexSpecial.ReplaceAllString(s, `\$0`) }

// percentEncode is encodeURIComponent with !'()* encoded as well.
func percentEncode(s string) string {
	return strings.ReplaceAll(url.QueryEscape(s), "+", "%20")
}

func TestFormats(t *testing.T) {
	vars := variables{
		"one": one(`a.b/c`), "two": some("a.b", "c"), "all": everything(".+"), "empty": one(""),
		"self": one("${one}"), "dollar": one("$one"), "__user.email": one("a+b@example.com"),
	}
	for expr, want := range map[string]string{
		"`${one:regex}`":          "`a\\.b\\/c`",
		"`${two:regex}`":          "`(a\\.b|c)`",
		"`${all:regex}`":          "`.+`",
		"`${empty:regex}`":        "``",
		"${self:regex}":           `\$\{one\}`,
		"${dollar:regex}":         `\$one`,
		"${__user.email:regex}":   `a\+b@example\.com`,
		"${one:percentencode}":    "a.b%2Fc",
		"[$__range] {{ .email }}": "[$__range] {{ .email }}",
	} {
		if got := interpolate(t, expr, vars); got != want {
			t.Errorf("interpolate(%s) = %s, want %s", expr, got, want)
		}
	}
	// As seen in Grafana 12.3.0: $name in a value is replaced by the raw value of
	// that variable, unless the refId keeps the query whole.
	if got := (query{refID: "A", expr: "`(?:${dollar:regex})`"}).filledIn(t, vars); got != "`(?:\\a.b/c)`" {
		t.Errorf("expanded twice: %s", got)
	}
	if got := (query{refID: "A-do-not-chunk", expr: "`(?:${dollar:regex})`"}).filledIn(t, vars); got != "`(?:\\$one)`" {
		t.Errorf("expanded once: %s", got)
	}
}
