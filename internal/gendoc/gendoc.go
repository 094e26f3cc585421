// Package gendoc keeps the parts of documents that are made from code as the code
// has them. A part stands between <!-- name --> and <!-- end -->, on lines of their own.
package gendoc

import (
	"os"
	"regexp"
	"testing"
)

var parts = regexp.MustCompile(`(?s)<!-- ([a-z: ]+) -->\n(.*?)<!-- end -->`)

// Check holds the parts of a document against what generate returns for their names,
// whole lines. With write it writes them instead. It returns the names of all parts.
func Check(t testing.TB, file string, write bool, generate func(name string) string) (names []string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	want := parts.ReplaceAllStringFunc(string(text), func(part string) string {
		name := parts.FindStringSubmatch(part)[1]
		names = append(names, name)
		return "<!-- " + name + " -->\n" + generate(name) + "<!-- end -->"
	})
	switch {
	case len(names) == 0:
		t.Fatalf("%s has no part that is generated", file)
	case write:
		if err := os.WriteFile(file, []byte(want), 0o644); err != nil { //nolint:gosec // the test names it
			t.Fatal(err)
		}
	case want != string(text):
		t.Errorf("%s differs from what the code says; run this test with -update", file)
	}
	return names
}
