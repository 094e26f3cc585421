package delivery

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// table prints rows as Markdown, ready for docs/benchmarks.md.
func table(b *testing.B, title string, head []string, rows [][]string) {
	b.Helper()
	var t strings.Builder
	line := func(cells []string) { fmt.Fprintf(&t, "| %s |\n", strings.Join(cells, " | ")) }
	line(head)
	rule := make([]string, len(head))
	for i := range rule {
		rule[i] = "---:"
	}
	rule[0] = "---"
	line(rule)
	for _, r := range rows {
		line(r)
	}
	b.Logf("%s\n%s", title, t.String())
}

func median(v []float64) float64 {
	v = slices.Sorted(slices.Values(v))
	return v[len(v)/2]
}

func mib(bytes int64) string { return fmt.Sprintf("%.0f", float64(bytes)/(1<<20)) }
