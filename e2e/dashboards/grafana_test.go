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

var reference = regexp.MustCompile(`\$\{(\w+(?:\.\w+)?)(?::(\w+))?\}`)

// interpolate fills in the variables of a query once, as Grafana does: a value
// that looks like a reference is not followed.
func interpolate(t testing.TB, expr string, vars variables) string {
	t.Helper()
	return reference.ReplaceAllStringFunc(expr, func(ref string) string {
		m := reference.FindStringSubmatch(ref)
		val, known := vars[m[1]]
		if !known {
			t.Fatalf("query refers to %s, which is no variable of its dashboard:\n%s", ref, expr)
		}
		if val.isAll() {
			return val.all
		}
		return format(t, m[2], val.text)
	})
}

// format is Grafana's formatting of a variable's value in a Loki query
// (@grafana/scenes, formatRegistry).
func format(t testing.TB, format string, values []string) string {
	t.Helper()
	switch format {
	case "", "raw":
		if len(values) != 1 {
			// The Loki data source would escape such a value in a way of its own.
			t.Fatalf("a variable with several values needs a format")
		}
		return values[0]
	case "regex":
		escaped := make([]string, len(values))
		for i, v := range values {
			escaped[i] = escapeRegex(v)
		}
		if len(escaped) == 1 {
			return escaped[0]
		}
		return "(" + strings.Join(escaped, "|") + ")"
	case "pipe":
		return strings.Join(values, "|")
	case "json":
		if len(values) == 1 {
			return values[0]
		}
		return `["` + strings.Join(values, `","`) + `"]`
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
		"self": one("${one}"), "__user.email": one("a+b@example.com"),
	}
	for expr, want := range map[string]string{
		"`${one:regex}`":          "`a\\.b\\/c`",
		"`${two:regex}`":          "`(a\\.b|c)`",
		"`${two:pipe}`":           "`a.b|c`",
		"`${two:json}`":           "`[\"a.b\",\"c\"]`",
		"`${all:regex}${all}`":    "`.+.+`",
		"`${empty:regex}`":        "``",
		"${self}":                 "${one}",
		"${__user.email:regex}":   `a\+b@example\.com`,
		"${one:percentencode}":    "a.b%2Fc",
		"[$__range] {{ .email }}": "[$__range] {{ .email }}",
	} {
		if got := interpolate(t, expr, vars); got != want {
			t.Errorf("interpolate(%s) = %s, want %s", expr, got, want)
		}
	}
}
