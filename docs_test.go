package adminsessions_test

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
)

var update = flag.Bool("update", false, "write the tables of docs/events.md anew")

// The tables of docs/events.md are the table of fields.
func TestTheDocumentedFields(t *testing.T) {
	const file = "docs/events.md"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got := string(text)
	want := got
	for part, name := range map[adminsessions.Part]string{adminsessions.People: "people", adminsessions.Machines: "machines"} {
		section := regexp.MustCompile(`(?s)<!-- fields:` + name + ` -->\n.*?<!-- end -->`)
		if !section.MatchString(want) {
			t.Fatalf("%s has no section fields:%s", file, name)
		}
		want = section.ReplaceAllLiteralString(want, "<!-- fields:"+name+" -->\n"+fieldTable(part)+"<!-- end -->")
	}
	if *update {
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("%s differs from the table of fields; run go test . -update", file)
	}
}

func fieldTable(part adminsessions.Part) string {
	var b strings.Builder
	b.WriteString("| key | attribute | form | bytes | |\n| --- | --- | --- | --- | --- |\n")
	code := func(s string) string {
		if s == "" {
			return "–"
		}
		return "`" + s + "`"
	}
	for f := range adminsessions.Fields() {
		if f.Part != part {
			continue
		}
		form := "text"
		switch {
		case f.Name == "":
			form = "not in the line"
		case f.Word:
			form = "word"
		case f.Bare():
			form = "bare"
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %d | %s |\n", code(f.Name), code(f.Key), form, f.Limit, f.About)
	}
	return b.String()
}
