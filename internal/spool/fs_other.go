//go:build !linux

package spool

import (
	"errors"
	"syscall"
)

// Reserve is not supported; records are written with a system call each.
func (f *osFile) Reserve(int64) (bool, error) { return false, errors.ErrUnsupported }

// Origin knows the file's number, where the system has one.
func (f *osFile) Origin() (Origin, error) {
	at, err := f.Stat()
	if err != nil {
		return Origin{}, err
	}
	o := Origin{Modified: at.ModTime()}
	if number := fileNumber(at); number != 0 {
		o.ID = originID(nil, number)
	}
	return o, nil
}

// Free is not supported.
func (osFS) Free(string) (int64, error) { return 0, errors.ErrUnsupported }

// mediumErrors say that what is on the disk can't be had.
var mediumErrors = []error{errNotPlain, syscall.EIO, syscall.ENXIO}
