package release

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adminsessions/adminsessions"
	"github.com/adminsessions/adminsessions/internal/tools"
)

const (
	path    = "github.com/adminsessions/adminsessions"
	version = "v" + adminsessions.Version
)

// published is a release that only these tests see.
type published struct {
	clone string   // the repository, with its tags
	env   []string // of a machine elsewhere: the go command takes the release for GitHub's
}

var folder string // of all tests, removed by TestMain

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if folder, err = os.MkdirTemp("", "release"); err != nil {
			panic(err)
		}
		defer os.RemoveAll(folder)
		return m.Run()
	}())
}

// publish makes the release, once for all tests.
func publish(t *testing.T) published {
	t.Helper()
	p, err := once()
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var once = sync.OnceValues(func() (p published, err error) {
	root, err := tools.Root()
	if err != nil {
		return p, err
	}
	p.clone = filepath.Join(folder, "clone")
	steps := steps{err: &err}

	// As the working tree is, with what is not committed yet. Nothing is written into
	// the repository.
	commit := steps.run(root, nil, "git", "-c", "user.name=test", "-c", "user.email=test@example.com", "stash", "create")
	if commit == "" {
		commit = "HEAD"
	}
	steps.run(root, nil, "git", "init", "-q", p.clone)
	for _, setting := range []string{"receive.shallowUpdate=true", "user.name=test", "user.email=test@example.com", "commit.gpgSign=false", "tag.gpgSign=false"} {
		name, value, _ := strings.Cut(setting, "=")
		steps.run(p.clone, nil, "git", "config", name, value)
	}
	steps.run(root, nil, "git", "push", "-q", "--no-verify", p.clone, commit+":refs/heads/release")
	steps.run(p.clone, nil, "git", "checkout", "-q", "release")
	changes := filepath.Join(p.clone, "CHANGELOG.md")
	if text, rerr := os.ReadFile(changes); err == nil && rerr == nil {
		heading := "## " + adminsessions.Version + " – " + time.Now().Format(time.DateOnly)
		rerr = os.WriteFile(changes, []byte(strings.Replace(string(text), "## Unreleased", heading, 1)), 0o600)
		steps.run(p.clone, rerr, "git", "commit", "-q", "--allow-empty", "-a", "-m", "Prepare a release")
	}
	steps.run(p.clone, nil, "tools/release/tag", version)

	env := strings.Fields(steps.run(root, nil, "go", "env", "GOMODCACHE", "GOPROXY"))
	if err != nil {
		return p, err
	}
	p.env = append(os.Environ(), "GOWORK=off", "GOFLAGS=-modcacherw -trimpath", "GOPRIVATE="+path,
		"GOPROXY=file://"+env[0]+"/cache/download,"+env[1], "GOMODCACHE="+filepath.Join(folder, "modules"),
		"GIT_CONFIG_COUNT=1", "GIT_CONFIG_KEY_0=url.file://"+p.clone+".insteadOf", "GIT_CONFIG_VALUE_0=https://"+path)
	return p, nil
})

// steps runs one command after the other, up to the first that fails.
type steps struct{ err *error }

func (s steps) run(dir string, before error, command ...string) string {
	if *s.err == nil {
		*s.err = before
	}
	if *s.err != nil {
		return ""
	}
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir = dir
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		*s.err = &failure{command: strings.Join(command, " "), said: said.String(), err: err}
	}
	return strings.TrimSpace(string(out))
}

type failure struct {
	command, said string
	err           error
}

func (f *failure) Error() string { return f.command + ": " + f.err.Error() + "\n" + f.said }
func (f *failure) Unwrap() error { return f.err }

// elsewhere runs a command in a folder outside the repository.
func (p published) elsewhere(t *testing.T, dir string, command ...string) string {
	t.Helper()
	cmd := exec.Command(command[0], command[1:]...)
	cmd.Dir, cmd.Env = dir, p.env
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s: %v\n%s%s", strings.Join(command, " "), err, out, said.String())
	}
	return strings.TrimSpace(string(out))
}

// modules are the modules that have a tag, as import paths.
func (p published) modules(t *testing.T) []string {
	t.Helper()
	var paths []string
	for tag := range strings.FieldsSeq(p.elsewhere(t, p.clone, "git", "tag")) {
		module, ok := strings.CutSuffix("/"+tag, "/"+version)
		if !ok {
			t.Fatalf("a tag %s", tag)
		}
		paths = append(paths, path+module)
	}
	return paths
}

// declared are the modules that the repository's go.mod files declare.
func (p published) declared(t *testing.T) []string {
	t.Helper()
	var paths []string
	for file := range strings.FieldsSeq(p.elsewhere(t, p.clone, "git", "ls-files", "go.mod", "*/go.mod")) {
		text, err := os.ReadFile(filepath.Join(p.clone, file))
		if err != nil {
			t.Fatal(err)
		}
		m := regexp.MustCompile(`(?m)^module (\S+)$`).FindSubmatch(text)
		if m == nil {
			t.Fatalf("%s declares no module", file)
		}
		paths = append(paths, string(m[1]))
	}
	return paths
}
