package viewer

import (
	"net/http"
	"strings"
	"testing"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/lokitest"
)

// FuzzSearch records an event with any text in its sentence and in its
// attributes and finds it by that text, and by nothing that is not in it.
func FuzzSearch(f *testing.F) {
	for _, s := range []string{
		"anna", "Kowalska", "`", "a`b", `"`, `\`, `\"`, `\x`, `\Q\E`, `.*`, `(?i)`, `[a-z]`, `{}`, `{service_name=~".+"}`, `| json`, "|~", "a|b",
		`$__all`, `${x}`, "%", "%00", "+", "&amp;", "<script>", "'", "''", "--", "#", "# x", "/* */", "\n", "a\nb", "\t", "a\tb", "\x00", "a\x00b", "\x7f", "\xff", "a\xffb",
		"ąęłżźć", "Роман", "роман Ż", "ǅ", "ꭰ", "Ⱥ", "K Kelvin", "Łukasz", "xİy ab", "ŻÓŁĆ", "日本語", "🎉", "ß", "ſ", "K", "İ", "ı", "\u202e", "\u2028", "\ufeff", "e\u0301", strings.Repeat("x", 499), "1.2.3.4", "::1", "https://a.example/?q=1&b=%20",
	} {
		f.Add(s)
	}
	loki := lokitest.Start(f)
	p := newPanel(f, loki)
	n := 0
	f.Fuzz(func(t *testing.T, text string) {
		n++
		text = strings.TrimSpace(text)
		if len(text) > 500 {
			text = text[:500]
		}
		// A view ends at the last whole millisecond.
		at := time.Now().Add(-10 * time.Millisecond)
		stored := strings.ToValidUTF8(text, "\uFFFD")
		e := entry(new(event(at, n)))
		e.Line = "before " + stored + " after"
		e.Metadata[adminsessions.LokiName(adminsessions.KeyUserEmail)] = "x" + stored
		push(t, loki, lokitest.Stream{Labels: stream("fuzz").Labels, Entries: []lokitest.Entry{e}})

		id := event(at, n).RequestID
		for name, search := range map[string]string{"as it is": text, "in capitals": swapCase(text)} {
			page, status, err := p.api(t.Context(), "events", query("q", search, "range", "15m", "size", "200"))
			if err != nil || status != http.StatusOK {
				t.Fatalf("search for %q: status %d, %s, %v", search, status, page.Detail, err)
			}
			if counted(page.Events)[id] != 1 {
				t.Errorf("the event with %q is not found by the text %s", text, name)
			}
			if len(search) > 0 {
				for _, e := range page.Events {
					if !containsFold(e.Sentence, strings.ToValidUTF8(search, "\uFFFD")) {
						t.Errorf("search for %q finds %q", search, e.Sentence)
					}
				}
			}
		}
		if len(text) < 499 && utf8.ValidString(text) {
			page, status, err := p.api(t.Context(), "events", query("admin", "x"+text, "range", "15m", "size", "200"))
			if err != nil || status != http.StatusOK || counted(page.Events)[id] != 1 {
				t.Errorf("the event of admin %q is not found: status %d, %s, %v", "x"+text, status, page.Detail, err)
			}
		}
	})
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
