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
	t.Setenv(Loki.Env, "")

	if _, err := Loki.Find(root); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), "make tools") {
		t.Errorf("without any: %v; want ErrNotFound and what to do", err)
	}
	onPath := program(t, filepath.Join(elsewhere, "loki"))
	if got, err := Loki.Find(root); got != onPath || err != nil {
		t.Errorf("with one on PATH: %s, %v", got, err)
	}
	built := program(t, Loki.Path(root))
	if got, err := Loki.Find(root); got != built || err != nil {
		t.Errorf("with one built: %s, %v", got, err)
	}
	named := program(t, filepath.Join(elsewhere, "other-loki"))
	t.Setenv(Loki.Env, named)
	if got, err := Loki.Find(root); got != named || err != nil {
		t.Errorf("with one named: %s, %v", got, err)
	}
	t.Setenv(Loki.Env, filepath.Join(elsewhere, "missing"))
	if got, err := Loki.Find(root); err == nil || errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), Loki.Env) {
		t.Errorf("with a wrong name: %s, %v; want an error that names %s, not another Loki", got, err, Loki.Env)
	}
}

// A program is current only if it was built to its end from what is there now.
func TestCurrent(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"go.mod", "go.sum"} {
		if err := os.MkdirAll(Loki.dir(root), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(Loki.dir(root), name), []byte("v1"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	stamp := func(goVersion string) string {
		t.Helper()
		s, err := Loki.stamp(root, goVersion)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	first := stamp("go1.26.8")
	if Loki.current(root, first) {
		t.Error("current before it was built")
	}
	program(t, Loki.Path(root))
	if Loki.current(root, first) {
		t.Error("current without a stamp: a build may have been interrupted")
	}
	if err := Loki.writeStamp(root, first); err != nil {
		t.Fatal(err)
	}
	if !Loki.current(root, first) {
		t.Error("not current after it was built")
	}
	if Loki.current(root, stamp("go1.27.0")) {
		t.Error("current for another Go")
	}
	if err := os.WriteFile(filepath.Join(Loki.dir(root), "go.mod"), []byte("v2"), 0o644); err != nil {
		t.Fatal(err)
	}
	if Loki.current(root, stamp("go1.26.8")) {
		t.Error("current for another version")
	}
}

func TestProgressCountsWhatGoSays(t *testing.T) {
	var out strings.Builder
	p := &progress{tool: Loki, out: &out}
	report := func(want string) {
		t.Helper()
		out.Reset()
		p.report(0)
		if !strings.Contains(out.String(), want) {
			t.Errorf("said %q, want %q in it", out.String(), want)
		}
	}
	p.count("go: downloading github.com/grafana/dskit v0.0.0")
	report("fetching modules, 1 so far")
	p.compiling(2156)
	p.count("internal/abi")
	p.count("github.com/grafana/dskit/ring")
	p.count("# github.com/broken")
	p.count("./x.go:3:1: syntax error")
	report("compiled 2 of up to 2156 packages")
	if want := "# github.com/broken|./x.go:3:1: syntax error"; strings.Join(p.tail, "|") != want {
		t.Errorf("kept for an error: %q, want %q", p.tail, want)
	}
	p.count(Loki.pkg)
	report("linking")
}

// The version that is shown must be the one that is pinned.
func TestLokiVersionIsThePinnedOne(t *testing.T) {
	root, err := Root()
	if err != nil {
		t.Fatal(err)
	}
	mod, err := os.ReadFile(filepath.Join(root, "tools", "loki", "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(mod), "github.com/grafana/loki/v3 v"+LokiVersion) {
		t.Errorf("tools/loki/go.mod does not pin Loki %s", LokiVersion)
	}
}
