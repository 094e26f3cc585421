package gendoc

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// told keeps what a test would have failed with.
type told struct {
	testing.TB
	errors []string
}

func (t *told) Helper() {}
func (t *told) Errorf(format string, a ...any) {
	t.errors = append(t.errors, fmt.Sprintf(format, a...))
}

func TestCheck(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.md")
	const text = "before\n<!-- one -->\nold\n<!-- end -->\nbetween <!-- two: b -->\n<!-- end -->\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	generate := func(name string) string { return "new " + name + " $1\n" }
	said := &told{TB: t}
	if names := Check(said, file, false, generate); len(said.errors) != 1 || !slices.Equal(names, []string{"one", "two: b"}) {
		t.Errorf("parts %q, errors %q", names, said.errors)
	}
	Check(t, file, true, generate)
	const want = "before\n<!-- one -->\nnew one $1\n<!-- end -->\nbetween <!-- two: b -->\nnew two: b $1\n<!-- end -->\n"
	if got, err := os.ReadFile(file); err != nil || string(got) != want {
		t.Errorf("%q, %v", got, err)
	}
	Check(t, file, false, generate)
}
