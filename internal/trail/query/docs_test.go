package query

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestDocumented compares the keys with their table in docs/viewer.md.
func TestDocumented(t *testing.T) {
	b, err := os.ReadFile("../../../docs/viewer.md")
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(b), "| key | value |")
	table, _, _ = strings.Cut(table, "\n\n")
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([a-z]+)` \\| (.*) \\|$").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
		for key, values := range map[string][]string{"outcome": Outcomes, "method": Methods, "type": Types, "actor": Actors} {
			if row[1] != key {
				continue
			}
			for _, v := range values {
				if !strings.Contains(row[2], "`"+v+"`") {
					t.Errorf("docs/viewer.md does not say that %s can be %s", key, v)
				}
			}
		}
	}
	if !slices.Equal(documented, Keys()) {
		t.Errorf("docs/viewer.md has the keys\n%q, want\n%q", documented, Keys())
	}
}
