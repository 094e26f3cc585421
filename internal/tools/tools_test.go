package tools

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// program makes an executable file.
func program(t *testing.T, path string) string {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFindPrefersTheNamedThenTheBuiltThenPath(t *testing.T) {
	root, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("PATH", elsewhere)
	t.Setenv("LOKI_BIN", "")

	if _, err := Find(root, "loki"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("without any: %v; want ErrNotFound and what to do", err)
	}
	onPath := program(t, filepath.Join(elsewhere, "loki"))
	if got, err := Find(root, "loki"); got != onPath || err != nil {
		t.Errorf("with one on PATH: %s, %v", got, err)
	}
	built := program(t, Built(root, "loki"))
	if got, err := Find(root, "loki"); got != built || err != nil {
		t.Errorf("with one built: %s, %v", got, err)
	}
	named := program(t, filepath.Join(elsewhere, "other-loki"))
	t.Setenv("LOKI_BIN", named)
	if got, err := Find(root, "loki"); got != named || err != nil {
		t.Errorf("with one named: %s, %v", got, err)
	}
	t.Setenv("LOKI_BIN", filepath.Join(elsewhere, "missing"))
	if got, err := Find(root, "loki"); err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "LOKI_BIN") {
		t.Errorf("with a wrong name: %s, %v; want an error that names LOKI_BIN, not another Loki", got, err)
	}
}
