package release

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// A program requires one module, and gets what that needs along with it.
func TestEveryModuleCanBeRequired(t *testing.T) {
	p := publish(t)
	for _, c := range []struct{ module, program string }{
		{"", "examples/quickstart/main.go"},
		{"/instrumentation/gin", "e2e/release/testdata/gin/main.go"},
		{"/instrumentation/echo", "e2e/release/testdata/echo/main.go"},
		{"/instrumentation/cobra", "e2e/release/testdata/cobra/main.go"},
		{"/policy", "e2e/release/testdata/policy/main.go"},
		{"/proof/s3", "e2e/release/testdata/s3/main.go"},
	} {
		t.Run(c.program, func(t *testing.T) {
			dir := t.TempDir()
			program, err := os.ReadFile(filepath.Join("../..", c.program))
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "main.go"), program, 0o600); err != nil {
				t.Fatal(err)
			}
			p.elsewhere(t, dir, "go", "mod", "init", "example.com/panel")
			p.elsewhere(t, dir, "go", "get", path+c.module+"@"+version)
			p.elsewhere(t, dir, "go", "mod", "tidy")
			p.elsewhere(t, dir, "go", "build", "-o", filepath.Join(dir, "panel"), ".")
			for line := range strings.Lines(p.elsewhere(t, dir, "go", "list", "-m", "all")) {
				if strings.HasPrefix(line, path) && !strings.HasSuffix(strings.TrimSpace(line), " "+version) {
					t.Errorf("it is built with %s", line)
				}
			}
			linked(t, p.elsewhere(t, dir, "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "."))
		})
	}
}

// linked says whether a program links what it must not: Loki and Grafana are
// programs of their own, under a licence (AGPL) that would become the program's.
// Loki's wire types and a client of it are modules of their own, under the Apache
// License.
func linked(t *testing.T, modules string) {
	t.Helper()
	free := []string{"github.com/grafana/loki-client-go", "github.com/grafana/loki/pkg/push"}
	paths := slices.Compact(slices.Sorted(strings.FieldsSeq(modules)))
	if !slices.Contains(paths, path) {
		t.Fatalf("these are not the modules of a program: %q", paths)
	}
	for _, module := range paths {
		if strings.HasPrefix(module, "github.com/grafana/") && !slices.Contains(free, module) {
			t.Errorf("%s is linked", module)
		}
	}
}

// The program installs itself from anywhere, and says what it is.
func TestTheProgramCanBeInstalled(t *testing.T) {
	p := publish(t)
	dir := t.TempDir()
	p.env = append(p.env, "GOBIN="+dir)
	p.elsewhere(t, dir, "go", "install", path+"/cmd/adminsessions@"+version)
	said := p.elsewhere(t, dir, "./adminsessions", "--version")
	if want := regexp.MustCompile(`^adminsessions ` + regexp.QuoteMeta(version[1:]) + ` \(h1:\S{43}=\) go`); !want.MatchString(said) {
		t.Errorf("it says %q", said)
	}
	linked(t, strings.Join(regexp.MustCompile(`(?m)^\t(?:mod|dep)\t(\S+)`).FindAllString(p.elsewhere(t, dir, "go", "version", "-m", "adminsessions"), -1), "\n"))
}

// Whoever builds the program from the tag, without a workspace, gets what go install
// gives: the go.sum of the release names the modules as they are.
func TestTheTagBuildsAlone(t *testing.T) {
	p := publish(t)
	dir := filepath.Join(t.TempDir(), "checkout")
	p.elsewhere(t, p.clone, "git", "clone", "-q", "--branch", version, p.clone, dir)
	p.env = append(p.env, "GOFLAGS=-mod=readonly -trimpath -buildvcs=true")
	for _, module := range p.modules(t) {
		if module != path { // which the tag leaves as it was
			p.elsewhere(t, filepath.Join(dir, strings.TrimPrefix(module, path)), "go", "build", "./...")
		}
	}
	program := filepath.Join(dir, "cmd", "adminsessions")
	p.elsewhere(t, program, "go", "build", ".")
	said := p.elsewhere(t, program, "./adminsessions", "--version")
	commit := p.elsewhere(t, dir, "git", "rev-parse", "HEAD")
	if !strings.HasPrefix(said, "adminsessions "+version[1:]+" ("+commit[:12]+") go") {
		t.Errorf("of commit %s it says %q", commit, said)
	}
}

// A module that is added is published, or is the repository's own.
func TestNoModuleIsForgotten(t *testing.T) {
	p := publish(t)
	tagged := p.modules(t)
	if len(tagged) < 7 {
		t.Errorf("tagged are only %q", tagged)
	}
	own := regexp.MustCompile(`^` + regexp.QuoteMeta(path) + `/(bench|dashboards|deploy|e2e|examples|tools)/?`)
	for _, module := range p.declared(t) {
		if is, want := slices.Contains(tagged, module), !own.MatchString(module); is != want {
			t.Errorf("%s: tagged is %t; want %t", module, is, want)
		}
	}
}
