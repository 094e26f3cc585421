package adminsessions_test

import (
	"flag"
	"fmt"
	"strings"
	"testing"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/gendoc"
)

var update = flag.Bool("update", false, "write the tables of docs/events.md anew")

// The tables of docs/events.md are the table of fields.
func TestTheDocumentedFields(t *testing.T) {
	tables := map[string]string{"fields:people": fieldTable(adminsessions.People), "fields:machines": fieldTable(adminsessions.Machines)}
	names := gendoc.Check(t, "docs/events.md", *update, func(name string) string { return tables[name] })
	if len(names) != len(tables) {
		t.Errorf("docs/events.md has the tables %q, want %d", names, len(tables))
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
