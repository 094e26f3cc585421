//go:build unix

package credential

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A pipe is read as a file is, and one that nobody writes into keeps nobody waiting.
func TestPipes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "secret")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if line, err := Line(path); err == nil || !strings.Contains(err.Error(), "is empty") {
		t.Errorf("nobody writes: %q, %v", line, err)
	}
	w, err := os.OpenFile(path, os.O_RDWR, 0) // as a shell has it before the reader starts
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	r, err := os.Open(path) // keeps what is written until it is read
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := w.WriteString("hunter2\n"); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if line, err := Line(path); line != "hunter2" || err != nil {
		t.Errorf("somebody has written: %q, %v", line, err)
	}
}
