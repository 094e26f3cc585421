//go:build !linux

package spool

import (
	"errors"
	"syscall"
)

// Reserve is not supported; records are written with a system call each.
func (f *osFile) Reserve(int64) (bool, error) { return false, errors.ErrUnsupported }

// Origin knows only when the file was modified.
func (f *osFile) Origin() (Origin, error) {
	at, err := f.Stat()
	if err != nil {
		return Origin{}, err
	}
	return Origin{Modified: at.ModTime()}, nil
}

// Free is not supported.
func (osFS) Free(string) (int64, error) { return 0, errors.ErrUnsupported }

// mediumErrors say that what is on the disk can't be had.
var mediumErrors = []error{errNotPlain, syscall.EIO, syscall.ENXIO}
