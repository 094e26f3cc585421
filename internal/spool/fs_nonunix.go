//go:build !unix

package spool

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// MakeDir does not know the owners and modes of this system.
func (osFS) MakeDir(name string) error { return os.MkdirAll(name, 0o700) }

func openPlain(name string, flag int, perm fs.FileMode) (*os.File, error) {
	if at, err := os.Lstat(name); err == nil && !at.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: name, Err: errNotPlain}
	}
	return os.OpenFile(name, flag, perm)
}

func plain(at fs.FileInfo) bool { return at.Mode().IsRegular() }

func (f *osFile) Named(name string) (bool, error) {
	at, err := os.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	is, err := f.Stat()
	return err == nil && os.SameFile(is, at), err
}

// Lock is not supported, and a spool without it could be written by two
// processes; so there is none.
func (osFS) Lock(string) (File, error) {
	return nil, fmt.Errorf("the spool needs flock, which this system does not have: %w", errors.ErrUnsupported)
}
