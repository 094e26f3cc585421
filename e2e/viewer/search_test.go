package viewer

import (
	"cmp"
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
	grammar "github.com/adminsessions/adminsessions/internal/trail/query"
)

// FuzzSearch records an event with any text in it and finds it by that text, and
// by nothing that is not in it.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{
		"anna", "Kowalska", "`", "a`b", `"`, `\`, `\"`, `\x`, `\Q\E`, `.*`, `(?i)`, `[a-z]`, `{}`, `{service_name=~".+"}`, `| json`, "|~", "a|b",
		`$__all`, `${x}`, "%", "%00", "+", "&amp;", "<script>", "'", "''", "--", "#", "# x", "/* */", "\n", "a\nb", "\t", "a\tb", "\x00", "a\x00b", "\x7f", "\xff", "a\xffb",
		"ąęłżźć", "Роман", "роман Ż", "ǅ", "ꭰ", "Ⱥ", "K Kelvin", "Łukasz", "xİy ab", "ŻÓŁĆ", "日本語", "🎉", "ß", "ſ", "K", "İ", "ı", "\u202e", "\u2028", "\ufeff", "e\u0301", strings.Repeat("x", 499), "1.2.3.4", "::1", "https://a.example/?q=1&b=%20",
		"a=b", "=", "status=404", `name="Anna"`, `"quoted" word`, `ends with \`, `\\\"`, `C:\new\table\u0041`, `x" email=evil@example.com ip="6.6.6.6`, "a  b", "-", "%2d", `"` + "\t", `<_>`, `{{.x}}`, "□", "\ufffd",
	} {
		f.Add(s)
	}
	loki := lokitest.Start(f)
	p := newPanel(f, loki)
	n := 0
	f.Fuzz(func(t *testing.T, text string) {
		text = strings.TrimSpace(text)
		if len(text) > 500 {
			text = text[:500]
		}
		at := time.Now()
		n++
		inText := event(at, n, func(e *adminsessions.Event) { e.Note = "before " + text + " after" })
		n++
		inWord := event(at, n, func(e *adminsessions.Event) { e.User = adminsessions.User{ID: "x" + text} })
		push(t, loki, stream("fuzz", inText, inWord))

		for name, search := range map[string]string{"as it is": text, "in capitals": swapCase(text)} {
			page, status, err := p.api(t.Context(), "events", query("q", asText(search), "range", "15m", "size", "200"))
			if err != nil || status != http.StatusOK {
				t.Fatalf("search for %q: status %d, %s, %v", search, status, page.Detail, err)
			}
			found := counted(page.Events)
			if found[inText.RequestID] != 1 {
				t.Errorf("the event with %q in its note is not found by the text %s", text, name)
			}
			if found[inWord.RequestID] != 1 && len(text) < 250 {
				t.Errorf("the event with %q in its id is not found by the text %s", text, name)
			}
			for _, e := range page.Events {
				if search != "" && !containsFold(people(e), clean(search)) {
					t.Errorf("search for %q finds %q", search, e.Line)
				}
			}
		}
		if len(text) < 250 {
			page, status, err := p.api(t.Context(), "events", query("admin", "x"+text, "range", "15m", "size", "200"))
			if err != nil || status != http.StatusOK || counted(page.Events)[inWord.RequestID] != 1 {
				t.Errorf("the event of admin %q is not found: status %d, %s, %v", "x"+text, status, page.Detail, err)
			}
		}
	})
}

// asText is a search for a text, whatever it means in the grammar.
func asText(s string) string {
	if s == "" {
		return ""
	}
	return grammar.Term{Value: s}.String()
}

// people is what people read of an event: keys, and values as they were.
func people(e apiEvent) string {
	line, err := adminsessions.ParseLine(e.Line)
	if err != nil {
		return e.Line
	}
	var b strings.Builder
	for f := range adminsessions.Fields() {
		if f.Part != adminsessions.People || f.Name == "" {
			continue
		}
		switch value := f.Get(&line); {
		case f.Word:
			b.WriteString(" " + f.Name + "=" + cmp.Or(value, "-"))
		case value != "":
			b.WriteString(" " + f.Name + `="` + value + `"`)
		}
	}
	return b.String()[1:]
}

// clean is a text as it is recorded.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError {
			return '□'
		}
		return r
	}, s)
}

// swapCase changes the case of letters that have two by Unicode's simple
// folding.
func swapCase(s string) string {
	return strings.Map(func(r rune) rune {
		lower, upper := unicode.ToLower(r), unicode.ToUpper(r)
		switch {
		case !strings.EqualFold(string(lower), string(upper)), r > unicode.MaxASCII && utf8.RuneLen(lower) != utf8.RuneLen(upper):
			return r
		case r == lower:
			return upper
		}
		return lower
	}, s)
}

func containsFold(s, part string) bool {
	for i := range s {
		for j := i; j <= len(s); j++ {
			if strings.EqualFold(s[i:j], part) {
				return true
			}
			if j-i > 2*len(part)+8 {
				break
			}
		}
	}
	return part == ""
}
