// Package tools finds the programs the project pins and its Makefile builds:
// Loki, Prometheus, promtool.
package tools

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// ErrNotFound is what [Find] reports for a program that is not there yet.
var ErrNotFound = errors.New("not found")

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

// Built is where make puts a program.
func Built(root, name string) string { return filepath.Join(root, ".tools", "bin", name) }

// Find returns the path of a program: the one that a variable such as LOKI_BIN
// names, else the one make built, else one on PATH. A variable that names no
// executable is an error, never passed over; [ErrNotFound] means that there is
// none anywhere.
func Find(root, name string) (string, error) {
	variable := strings.ToUpper(name) + "_BIN"
	if named := os.Getenv(variable); named != "" {
		path, err := exec.LookPath(named)
		if err != nil {
			return "", fmt.Errorf("%s: %w", variable, err)
		}
		return path, nil
	}
	for _, candidate := range []string{Built(root, name), name} {
		if path, err := exec.LookPath(candidate); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s: %w in %s or on PATH; run \"make tools\" or set %s", name, ErrNotFound, filepath.Dir(Built(root, name)), variable)
}
