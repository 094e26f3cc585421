//go:build unix

package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

func (osFS) MakeDir(name string) error {
	if err := os.MkdirAll(name, 0o700); err != nil {
		return err
	}
	var st unix.Stat_t
	if err := unix.Stat(name, &st); err != nil {
		return &fs.PathError{Op: "stat", Path: name, Err: err}
	}
	if uid := os.Geteuid(); int(st.Uid) != uid {
		return fmt.Errorf("it belongs to user %d and this process runs as user %d, so another can change what is recorded; "+
			"name a new folder, or give it this one with chown", st.Uid, uid)
	}
	switch perm := st.Mode & 0o777; {
	case perm&0o022 != 0 && !givenToOwnGroup(uint32(st.Mode), int(st.Gid)):
		return fmt.Errorf("its mode is %#o, so others can change what is recorded; "+
			"name a new folder, such as one below, or look what is in it and chmod 700 it", perm)
	case perm&0o077 != 0: // others could look, and have changed nothing
		return os.Chmod(name, 0o700) //nolint:gosec // a folder
	}
	return nil
}

// givenToOwnGroup tells a folder as Kubernetes makes it of every one in a volume
// when it is mounted: open to the pod's own group (fsGroup), with the set-group-ID
// bit. Nobody but the pod is in that group.
func givenToOwnGroup(mode uint32, gid int) bool {
	groups, err := os.Getgroups()
	return err == nil && mode&unix.S_ISGID != 0 && mode&unix.S_IWOTH == 0 &&
		(gid == os.Getegid() || slices.Contains(groups, gid))
}

// openPlain opens a plain file with one name and refuses whatever else is there:
// writing through a link would change a file elsewhere, and opening a pipe would
// wait for its other end.
func openPlain(name string, flag int, perm fs.FileMode) (*os.File, error) {
	f, err := os.OpenFile(name, flag|unix.O_NOFOLLOW|unix.O_NONBLOCK, perm)
	if errors.Is(err, unix.ELOOP) || errors.Is(err, unix.EISDIR) || errors.Is(err, unix.ENXIO) {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotPlain}
	}
	if err != nil {
		return nil, err
	}
	at, err := f.Stat()
	if err == nil && !plain(at) {
		err = &fs.PathError{Op: "open", Path: name, Err: errNotPlain}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

// plain tells a file that can be used: one that is no link, pipe, device or
// folder, and has no second name under which others may know it.
func plain(at fs.FileInfo) bool {
	st, ok := at.Sys().(*syscall.Stat_t)
	return at.Mode().IsRegular() && (!ok || st.Nlink <= 1)
}

func (f *osFile) Named(name string) (bool, error) {
	var at unix.Stat_t
	err := unix.Lstat(name, &at)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP) {
		return false, nil
	}
	if err != nil {
		return false, &fs.PathError{Op: "lstat", Path: name, Err: err}
	}
	// Stat and not the descriptor itself: a reader that is done with the file may
	// close it meanwhile. Then there is no name to keep any more.
	info, err := f.Stat()
	if errors.Is(err, fs.ErrClosed) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	is, ok := info.Sys().(*syscall.Stat_t)
	return ok && uint64(at.Dev) == uint64(is.Dev) && at.Ino == is.Ino, nil //nolint:unconvert // Dev is narrower elsewhere
}

func (osFS) Lock(name string) (File, error) {
	f, err := openPlain(name, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); err != nil {
		_ = f.Close()
		if errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errLockHeld
		}
		return nil, &fs.PathError{Op: "flock", Path: name, Err: err}
	}
	return &osFile{File: f}, nil
}
