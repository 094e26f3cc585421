package operations

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	section = regexp.MustCompile(`(?m)^(#{2,4}) (.+)$`)
	block   = regexp.MustCompile("(?s)```sh\n(.*?)```")
)

// procedure does what stands below a heading of a document, block by block.
// Between two of them, and after the last one, the test looks at what came of it.
func (s *system) procedure(document, title string, checks ...func(out string)) {
	s.t.Helper()
	text, err := os.ReadFile(filepath.Join(root, "docs", document))
	if err != nil {
		s.t.Fatal(err)
	}
	blocks := block.FindAllSubmatch(below(s.t, text, title), -1)
	if len(blocks) != len(checks) {
		s.t.Fatalf("%s, %s: %d blocks of commands, and the test looks at %d", document, title, len(blocks), len(checks))
	}
	for i, b := range blocks {
		out, status := s.shell(string(b[1]))
		if status != 0 {
			s.t.Fatalf("%s, %s: exit status %d of\n%s\n%s", document, title, status, b[1], out)
		}
		if checks[i] != nil {
			checks[i](out)
		}
		if s.t.Failed() {
			s.t.FailNow()
		}
	}
}

// below is the text below a heading, up to the next one.
func below(t *testing.T, text []byte, title string) []byte {
	t.Helper()
	headings := section.FindAllSubmatchIndex(text, -1)
	for i, h := range headings {
		if string(text[h[4]:h[5]]) != title {
			continue
		}
		end := len(text)
		if i+1 < len(headings) {
			end = headings[i+1][0]
		}
		return text[h[1]:end]
	}
	t.Fatalf("there is no heading %q", title)
	return nil
}

// prints checks that commands have printed each of these texts.
func (s *system) prints(want ...string) func(string) {
	return func(out string) {
		s.t.Helper()
		for _, w := range want {
			if !strings.Contains(out, s.path(w)) {
				s.t.Errorf("%q is not in what was printed:\n%s", w, out)
			}
		}
	}
}
