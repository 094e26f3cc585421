package operations

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions/e2e/internal/eventually"
)

var (
	section = regexp.MustCompile(`(?m)^(#{2,4}) (.+)$`)
	block   = regexp.MustCompile("(?s)```sh\n(.*?)```")
)

// changes finds commands that do more than look.
var changes = regexp.MustCompile(`(?m)systemctl|>|^\s*(mv|cp|rm|tar|install) | key | -o `)

// procedure does what is below a heading of a document, block by block. Between
// two of them, and after the last one, the test looks at what came of it. Commands
// that only look are repeated until they show what they should, as an operator
// would do it.
func (s *system) procedure(document, title string, checks ...func(out string) error) {
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
		do := func() error {
			out, status := s.shell(string(b[1]))
			if status != 0 {
				return fmt.Errorf("exit status %d of\n%s\n%s", status, b[1], out)
			}
			if checks[i] != nil {
				return checks[i](out)
			}
			return nil
		}
		if !changes.Match(b[1]) {
			eventually.NoError(s.t, 2*time.Minute, document+", "+title, do)
		} else if err := do(); err != nil {
			s.t.Fatalf("%s, %s: %v", document, title, err)
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
func (s *system) prints(want ...string) func(string) error {
	return func(out string) error {
		for _, w := range want {
			if !strings.Contains(out, s.path(w)) {
				return fmt.Errorf("%q is not in what was printed:\n%s", w, out)
			}
		}
		return nil
	}
}
