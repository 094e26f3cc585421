// Package credential reads what must stay secret, keys, passwords and tokens, from a
// file, the environment or a command. None of its errors repeats one.
//
// Files are read each time they are needed, so one that is replaced takes effect
// without a restart where its reader says so. A file that every user can change is
// refused: whoever can change a key chooses it. Who may read it is the operator's
// affair, for Kubernetes and Compose hand secrets out readable.
package credential

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"iter"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	// maxBytes is more than any key takes.
	maxBytes = 64 << 10
	// patience is how long a command, or whoever writes into a pipe, may take.
	patience    = 30 * time.Second
	othersWrite = fs.FileMode(0o002)
)

// File reads a file of up to 64 KiB. It does not wait for somebody to open the other
// end of a named pipe: without one, the file is empty.
func File(path string) (string, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", err
	}
	if mode := info.Mode(); runtime.GOOS != "windows" && mode.IsRegular() && mode&othersWrite != 0 {
		return "", fmt.Errorf("%s can be changed by every user (mode %04o); want chmod o-w", path, mode.Perm())
	}
	_ = f.SetReadDeadline(time.Now().Add(patience)) // of a pipe; files have none
	b, err := io.ReadAll(io.LimitReader(f, maxBytes+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxBytes {
		return "", fmt.Errorf("%s has more than %d bytes", path, maxBytes)
	}
	return string(b), nil
}

// Line reads a file that holds one line, such as a password or a token, without the
// line's end that editors put behind it.
func Line(path string) (string, error) {
	text, err := File(path)
	if err != nil {
		return "", err
	}
	text = strings.TrimRight(text, "\r\n")
	if text == "" {
		return "", fmt.Errorf("%s is empty", path)
	}
	if strings.ContainsAny(text, "\r\n\x00") {
		return "", fmt.Errorf("%s has more than one line", path)
	}
	return text, nil
}

// Lines yields the lines of a text that holds several, each with its number from 1.
// Empty lines and those that begin with a # are passed over.
func Lines(text string) iter.Seq2[int, string] {
	return func(yield func(int, string) bool) {
		number := 0
		for line := range strings.Lines(text) {
			number++
			line = strings.TrimSpace(line)
			if line != "" && !strings.HasPrefix(line, "#") && !yield(number, line) {
				return
			}
		}
	}
}

// OneOf returns the one of the variables that is set, and its value; "" if none is.
// Several are an error, for nobody could tell which of them counts.
func OneOf(getenv func(string) string, variables ...string) (name, value string, err error) {
	for _, n := range variables {
		v := strings.TrimSpace(getenv(n))
		switch {
		case v == "":
		case name != "":
			return "", "", fmt.Errorf("%s and %s are set; want one of them", name, n)
		default:
			name, value = n, v
		}
	}
	return name, value, nil
}

// Command returns what a command, its words separated by spaces, writes to its
// standard output within 30 s, 64 KiB at most.
func Command(words string) (string, error) {
	command := strings.Fields(words)
	if len(command) == 0 {
		return "", errors.New("the command is empty")
	}
	out, err := Output(patience, nil, command...)
	return string(out), err
}

// Output returns what a command makes of an input within some time, 64 KiB at most.
func Output(limit time.Duration, input []byte, command ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, command[0], command[1:]...) //nolint:gosec // the operator's
	cmd.Stdin = bytes.NewReader(input)
	cmd.WaitDelay = time.Second
	out, said := bounded{full: cancel}, bounded{full: cancel}
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	switch {
	case out.over || said.over:
		return nil, fmt.Errorf("%s writes more than %d bytes", command[0], maxBytes)
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		return nil, fmt.Errorf("%s has not ended after %v", command[0], limit)
	case err != nil && len(said.b) > 0:
		err = fmt.Errorf("%w: %.200q", err, bytes.TrimSpace(said.b))
	}
	return out.b, err
}

// bounded keeps up to 64 KiB that are written to it, and calls full at more.
type bounded struct {
	b    []byte
	over bool
	full func()
}

func (w *bounded) Write(p []byte) (int, error) {
	if len(w.b)+len(p) > maxBytes {
		w.over = true
		w.full()
		return 0, io.ErrShortWrite
	}
	w.b = append(w.b, p...)
	return len(p), nil
}
