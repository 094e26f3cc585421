//go:build unix

package spool

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestFolderThatOthersCanChange: such a folder is refused, with what to do.
func TestFolderThatOthersCanChange(t *testing.T) {
	for _, c := range []struct {
		mode os.FileMode
		want string // in the error; empty if the folder is taken, and closed
	}{
		{0o700, ""}, {0o750, ""}, {0o755, ""}, {0o711, ""},
		{0o777, "chmod 700"}, {0o770, "chmod 700"}, {0o775, "chmod 700"}, {0o707, "chmod 700"},
		{0o722, "chmod 700"}, {0o702, "chmod 700"}, {0o720, "chmod 700"},
		{os.ModeSticky | 0o777, "chmod 700"}, {os.ModeSetgid | 0o777, "chmod 700"}, {os.ModeSetuid | 0o770, "chmod 700"},
		{os.ModeSetgid | 0o770, ""}, // as Kubernetes does, for the pod's own group
	} {
		dir := filepath.Join(t.TempDir(), "spool")
		if err := errors.Join(os.Mkdir(dir, 0o700), os.Chown(dir, -1, os.Getegid()), os.Chmod(dir, c.mode)); err != nil {
			t.Fatal(err)
		}
		l, err := Open(Options{Dir: dir})
		if err == nil {
			if err := l.Close(); err != nil {
				t.Error(err)
			}
		}
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), dir) {
				t.Errorf("mode %v: %v", c.mode, err)
			}
			if names, _ := os.ReadDir(dir); len(names) > 0 {
				t.Errorf("mode %v: the folder is refused and %s was made in it", c.mode, names[0].Name())
			}
		} else if at, serr := os.Stat(dir); err != nil || serr != nil || at.Mode().Perm() != 0o700 {
			t.Errorf("mode %v: %v, and then it is %v", c.mode, err, at.Mode())
		}
	}
}

func TestFolderOfAnotherUser(t *testing.T) {
	dir := "/"
	if os.Geteuid() == 0 {
		dir = t.TempDir()
		if err := os.Chown(dir, 12345, -1); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := Open(Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("a folder of another user: %v", err)
	}
}

// TestLinksAndPipesInTheFolder puts what is no plain file under each name that
// the spool uses. It is refused, and what a link leads to is as before.
func TestLinksAndPipesInTheFolder(t *testing.T) {
	precious := []byte("another file's content")
	segment := segmentName(1)
	for _, name := range []string{lockName, cursorName, segment} {
		for _, kind := range []string{"symlink", "dangling symlink", "hard link", "pipe", "folder", "socket"} {
			t.Run(name+" is a "+kind, func(t *testing.T) {
				dir, outside := filepath.Join(t.TempDir(), "spool"), filepath.Join(t.TempDir(), "precious")
				l := open(t, Options{Dir: dir})
				mustAppend(t, l, "event")
				if err := l.Close(); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(outside, precious, 0o600); err != nil {
					t.Fatal(err)
				}
				at := filepath.Join(dir, name)
				if err := os.Remove(at); err != nil {
					t.Fatal(err)
				}
				if err := place(kind, outside, at); err != nil {
					t.Fatal(err)
				}
				_, err := Open(Options{Dir: dir})
				if err == nil || !strings.Contains(err.Error(), name) || !strings.Contains(err.Error(), "plain file") {
					t.Errorf("open: %v", err)
				}
				got, err := os.ReadFile(outside)
				if err != nil || !bytes.Equal(got, precious) {
					t.Errorf("the other file has %q, %v", got, err)
				}
				if _, err := os.Lstat(outside + " not there"); err == nil {
					t.Error("a file was made outside of the folder")
				}
			})
		}
	}
}

func place(kind, outside, at string) error {
	switch kind {
	case "symlink":
		return os.Symlink(outside, at)
	case "dangling symlink":
		return os.Symlink(outside+" not there", at)
	case "hard link":
		return os.Link(outside, at)
	case "pipe":
		return syscall.Mkfifo(at, 0o600)
	case "folder":
		return os.Mkdir(at, 0o700)
	case "socket":
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		if err != nil {
			return err
		}
		defer func() { _ = syscall.Close(fd) }()
		dir, err := os.Getwd()
		if err != nil {
			return err
		}
		// A socket's name is limited to some hundred bytes.
		if err := os.Chdir(filepath.Dir(at)); err != nil {
			return err
		}
		return errors.Join(syscall.Bind(fd, &syscall.SockaddrUnix{Name: filepath.Base(at)}), os.Chdir(dir))
	}
	return fmt.Errorf("no kind %q", kind)
}

// TestLeftoverCursorIsNotWrittenThrough: a new cursor is made beside the old one,
// under a name where something may lie.
func TestLeftoverCursorIsNotWrittenThrough(t *testing.T) {
	for _, kind := range []string{"symlink", "dangling symlink", "hard link", "pipe"} {
		dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "precious")
		if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := place(kind, outside, filepath.Join(dir, cursorName+".tmp")); err != nil {
			t.Fatal(err)
		}
		open(t, Options{Dir: dir})
		if got, err := os.ReadFile(outside); err != nil || string(got) != "precious" {
			t.Errorf("%s: the other file has %q, %v", kind, got, err)
		}
		if at, err := os.Lstat(filepath.Join(dir, cursorName)); err != nil || !plain(at) {
			t.Errorf("%s: the cursor is %v, %v", kind, at, err)
		}
	}
}

// TestOpenPlain: files of others beside the spool's own are opened as carefully.
func TestOpenPlain(t *testing.T) {
	const create = os.O_CREATE | os.O_APPEND | os.O_WRONLY
	for _, kind := range []string{"symlink", "dangling symlink", "hard link", "pipe", "folder", "socket"} {
		name, outside := filepath.Join(t.TempDir(), "notes"), filepath.Join(t.TempDir(), "precious")
		if err := os.WriteFile(outside, []byte("precious"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := place(kind, outside, name); err != nil {
			t.Fatal(err)
		}
		for _, flag := range []int{create, os.O_RDONLY, os.O_RDWR} {
			if f, err := OpenPlain(name, flag); err == nil {
				_ = f.Close()
				t.Errorf("%s: it was opened", kind)
			}
		}
		if got, err := os.ReadFile(outside); err != nil || string(got) != "precious" {
			t.Errorf("%s: the other file has %q, %v", kind, got, err)
		}
	}
	name := filepath.Join(t.TempDir(), "notes")
	for range 2 {
		f, err := OpenPlain(name, create)
		if err != nil {
			t.Fatal(err)
		}
		if at, err := f.Stat(); err != nil || at.Mode().Perm() != 0o600 {
			t.Errorf("a new file: %v %v", at.Mode(), err)
		}
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestLockTimeout: the second of two processes takes the folder as soon as the
// first has left it.
func TestLockTimeout(t *testing.T) {
	dir := t.TempDir()
	first := open(t, Options{Dir: dir})
	mustAppend(t, first, "event")
	start := time.Now()
	_, err := Open(Options{Dir: dir, LockTimeout: 50 * time.Millisecond})
	var locked *LockedError
	if took := time.Since(start); !errors.As(err, &locked) || locked.Waited == 0 || took < 50*time.Millisecond {
		t.Errorf("after %v: %v", took, err)
	}
	if want := fmt.Sprintf("process %d on ", os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("the error does not say %q: %v", want, err)
	}

	type result struct {
		l   *Log
		err error
	}
	waiting, second := make(chan struct{}), make(chan result)
	go func() {
		l, err := Open(Options{Dir: dir, LockTimeout: time.Minute, FS: tellingFS{osFS{}, waiting}})
		second <- result{l, err}
	}()
	<-waiting
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	r := <-second
	if r.err != nil {
		t.Fatal(r.err)
	}
	if got := next(t, r.l.Reader()); got != "1 event" {
		t.Errorf("the second process reads %q", got)
	}
	if err := r.l.Close(); err != nil {
		t.Error(err)
	}
}

// tellingFS tells, once, that it was asked in vain for a lock.
type tellingFS struct {
	FS
	asked chan struct{}
}

func (f tellingFS) Lock(name string) (File, error) {
	lock, err := f.FS.Lock(name)
	if errors.Is(err, errLockHeld) {
		select {
		case <-f.asked:
		default:
			close(f.asked)
		}
	}
	return lock, err
}
