package trail

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/adminsessions/adminsessions"
)

func TestForms(t *testing.T) {
	for text, want := range map[string][]form{
		"anna@example.com":    {{"anna@example.com", anywhereIn}},
		"Anna Kowalska":       {{"Anna Kowalska", anywhereIn}, {"Anna%20Kowalska", wordsOnly}},
		"status=404":          {{"status=404", anywhereIn}, {"status%3d404", wordsOnly}},
		"Status=404":          {{"Status=404", anywhereIn}, {"Status%3d404", wordsOnly}},
		"404 email=anna":      {{"404 email=anna", anywhereIn}, {"404%20email%3danna", wordsOnly}},
		`name="Anna`:          {{`name="Anna`, anywhereIn}, {`name=\"Anna`, anywhereIn}, {`name%3d%22Anna`, wordsOnly}},
		`"Q"`:                 {{`"Q"`, anywhereIn}, {`"Q\"`, anywhereIn}, {`\"Q"`, anywhereIn}, {`\"Q\"`, anywhereIn}, {`%22Q%22`, wordsOnly}},
		`a "b" z`:             {{`a \"b\" z`, anywhereIn}, {`a%20%22b%22%20z`, wordsOnly}},
		`C:\new`:              {{`C:\\new`, anywhereIn}, {`C:%5cnew`, wordsOnly}},
		"100%":                {{"100%25", wordsOnly}, {"100%", textsOnly}},
		"email=a=b":           {{"email=a%3db", anywhereIn}, {"email=a=b", anywhereIn}, {"email%3da%3db", wordsOnly}},
		`ska" note="cl`:       {{`ska" note="cl`, anywhereIn}, {`ska%22 note="cl`, anywhereIn}, {`ska\" note=\"cl`, anywhereIn}, {`ska%22%20note%3d%22cl`, wordsOnly}},
		"a\nb":                {{`a\nb`, anywhereIn}, {"a%0ab", wordsOnly}},
		`id=a b action=x`:     {{"id%3da%20b action=x", anywhereIn}, {"id=a b action=x", anywhereIn}, {"id=a%20b action=x", anywhereIn}, {"id=a%20b%20action%3dx", anywhereIn}, {"id%3da%20b%20action%3dx", wordsOnly}},
		`Łukasz "Q" Żółć x=y`: {{`Łukasz \"Q\" Żółć x=y`, anywhereIn}, {`Łukasz%20%22Q%22%20Żółć%20x%3dy`, wordsOnly}},
	} {
		if got := forms(text); !slices.Equal(got, want) {
			t.Errorf("forms(%q) = %v, want %v", text, got, want)
		}
	}
	if n := len(forms(strings.Repeat(`" = `, 120))); n > 20 {
		t.Errorf("%d forms of one text", n)
	}
}

// FuzzForms cuts any piece out of what people read of an event, and finds it in
// the line by its forms.
func FuzzForms(f *testing.F) {
	f.Add("Anna Kowalska", "anna@example.com", "deleted", uint16(0), uint16(30))
	f.Add(`a "quoted" \ word`, `x" email=evil ip="6.6.6.6`, "line\nfeed % = <> \x1b", uint16(60), uint16(90))
	f.Add(`"`, "-", `\`, uint16(40), uint16(60))
	f.Add("żółć 日本語", "=", "\x7f\xff", uint16(3), uint16(500))
	f.Fuzz(func(t *testing.T, name, id, note string, from, to uint16) {
		if id == "-" || len(id) > 80 || len(name) > 80 || len(note) > 300 {
			return
		}
		e := adminsessions.Event{Type: adminsessions.API, Method: "GET", StatusCode: 204, URL: "https://x/?a=b&c=%20",
			User: adminsessions.User{ID: id, Email: id, FullName: name}, Note: note}
		people, _, _ := strings.Cut(e.Line(), "\t")
		read := clean(readable(&e))
		start, end := min(int(from), len(read)), min(int(to), len(read))
		if start >= end || !utf8.RuneStart(read[start]) || end < len(read) && !utf8.RuneStart(read[end]) {
			return
		}
		piece := read[start:end]
		for _, form := range forms(piece) {
			if regexp.MustCompile("^(?:" + form.pattern() + ")$").MatchString(people) {
				return
			}
		}
		t.Errorf("%q is in %q but not found in %q by %v", piece, read, people, forms(piece))
	})
}

// readable is what people read of an event: keys, and values as they were.
func readable(e *adminsessions.Event) string {
	var b strings.Builder
	for f := range adminsessions.Fields() {
		if f.Part != adminsessions.People || f.Name == "" {
			continue
		}
		switch value := f.Get(e); {
		case f.Word:
			b.WriteString(" " + f.Name + "=" + cmp.Or(value, "-"))
		case value != "":
			b.WriteString(" " + f.Name + `="` + value + `"`)
		}
	}
	return b.String()[1:]
}

func TestHints(t *testing.T) {
	for text, want := range map[string]string{
		"anna@example.com": ` |~ "(?i)anna@example\\.com" | `,
		"Łukasz":           ` |~ "(?i)Łukasz" | `,
		"Роман":            ` |~ "(?i)ман" | `, // Р and р start with other bytes, О has a third case
		"İstanbul":         ` |~ "(?i)stanbul" | `,
		"Р":                ` | pattern `,
		"ſ":                ` | pattern `,
		"Anna Kowalska":    ` |~ "(?i)Kowalska" | `,
		"status=404":       ` |~ "(?i)404" | `,
		"status=40":        ` |~ "(?i)status%3d40" or "(?i)status=40" | `,
		"type=API method":  ` |~ "(?i)API" | `,
		`a "b" z`:          ` |~ "(?i)a \\\\\"b\\\\\" z" or "(?i)a%20%22b%22%20z" | `,
		"Łena Żółć":        ` |~ "(?i)Żółć" | `,
	} {
		if got := New(nil, Config{}).Within(Scope{All: true}).expression(Filter{Only: Conditions{Texts: []string{text}}}, anyStage).String(); !strings.HasPrefix(got, `{service_name=~".+"}`+want) {
			t.Errorf("%s: %s, want it to begin with %s", text, got, want)
		}
	}
}
