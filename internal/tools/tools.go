package tools

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// binDir holds the built programs, below the repository's root.
const binDir = ".tools/bin"

// A Tool is one pinned program.
type Tool struct {
	// Name of the program, and of its file.
	Name string
	// Env names the environment variable that points at another binary.
	Env string

	module  string // folder below tools/ with the go.mod that pins it
	pkg     string // the main package
	ldflags string // beyond stripping
}

// The pinned programs.
var (
	Loki = Tool{
		Name:    "loki",
		Env:     "LOKI_BIN",
		module:  "loki",
		pkg:     "github.com/grafana/loki/v3/cmd/loki",
		ldflags: "-X github.com/grafana/loki/v3/pkg/util/build.Version=" + LokiVersion,
	}
	Promtool = Tool{
		Name:   "promtool",
		Env:    "PROMTOOL_BIN",
		module: "prometheus",
		pkg:    "github.com/prometheus/prometheus/cmd/promtool",
	}
	Prometheus = Tool{
		Name:   "prometheus",
		Env:    "PROMETHEUS_BIN",
		module: "prometheus",
		pkg:    "github.com/prometheus/prometheus/cmd/prometheus",
	}
	GolangciLint = Tool{
		Name:   "golangci-lint",
		Env:    "GOLANGCI_LINT_BIN",
		module: "lint",
		pkg:    "github.com/golangci/golangci-lint/v2/cmd/golangci-lint",
	}
	Govulncheck = Tool{
		Name:   "govulncheck",
		Env:    "GOVULNCHECK_BIN",
		module: "lint",
		pkg:    "golang.org/x/vuln/cmd/govulncheck",
	}
	Benchstat = Tool{
		Name:   "benchstat",
		Env:    "BENCHSTAT_BIN",
		module: "lint",
		pkg:    "golang.org/x/perf/cmd/benchstat",
	}
)

// LokiVersion is the release of Loki that tools/loki pins.
const LokiVersion = "3.7.8"

// All returns every pinned program.
func All() []Tool {
	return []Tool{Loki, Promtool, Prometheus, GolangciLint, Govulncheck, Benchstat}
}

// Root returns the repository's root: the nearest folder at or above the
// working directory that holds tools/loki/go.mod.
func Root() (string, error) {
	wd, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the repository's root: %w", err)
	}
	for dir := wd; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "tools", "loki", "go.mod")); err == nil {
			return dir, nil
		}
		if dir == filepath.Dir(dir) {
			return "", fmt.Errorf("find the repository's root: no tools/loki/go.mod at or above %s", wd)
		}
	}
}

// Path is where Build puts the program.
func (t Tool) Path(root string) string {
	return filepath.Join(root, binDir, t.Name)
}

// ErrNotFound is what Find reports for a program that is not there yet.
var ErrNotFound = errors.New("not found")

// Find returns the path of a program to run: the one the variable t.Env
// names, else the one in .tools/bin, else one on PATH. The error wraps
// [ErrNotFound] if there is none; a variable that names no executable is
// another error, never passed over.
func (t Tool) Find(root string) (string, error) {
	if named := os.Getenv(t.Env); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("%s: %w", t.Env, err)
		}
		return path, nil
	}
	if path, err := exec.LookPath(t.Path(root)); err == nil {
		return path, nil
	}
	if path, err := exec.LookPath(t.Name); err == nil {
		return path, nil
	}
	return "", fmt.Errorf("%s: %w in %s or on PATH; run \"make tools\" or set %s",
		t.Name, ErrNotFound, filepath.Join(root, binDir), t.Env)
}

// stamp identifies everything a build depends on.
func (t Tool) stamp(root, goVersion string) (string, error) {
	sum := sha256.New()
	for _, name := range []string{"go.mod", "go.sum"} {
		data, err := os.ReadFile(filepath.Join(t.dir(root), name))
		if err != nil {
			return "", fmt.Errorf("read what %s is built from: %w", t.Name, err)
		}
		sum.Write(data)
	}
	fmt.Fprintln(sum, goVersion, t.pkg, t.ldflags)
	return hex.EncodeToString(sum.Sum(nil)), nil
}

// current reports whether the program in .tools/bin carries the stamp.
func (t Tool) current(root, stamp string) bool {
	if _, err := exec.LookPath(t.Path(root)); err != nil {
		return false
	}
	built, err := os.ReadFile(t.stampPath(root))
	return err == nil && strings.TrimSpace(string(built)) == stamp
}

func (t Tool) dir(root string) string { return filepath.Join(root, "tools", t.module) }

func (t Tool) stampPath(root string) string {
	return filepath.Join(root, binDir, "."+t.Name+".stamp")
}

// writeStamp is called after the program is in place, removeStamp before it
// is replaced: an interrupted build is never taken for a finished one.
func (t Tool) writeStamp(root, stamp string) error {
	return os.WriteFile(t.stampPath(root), []byte(stamp+"\n"), 0o644)
}

func (t Tool) removeStamp(root string) error {
	if err := os.Remove(t.stampPath(root)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
