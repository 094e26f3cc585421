package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
)

// FS is what the spool needs from a file system. Every call that can fail goes
// through it, so that a test can make each one fail.
type FS interface {
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	MkdirAll(name string, perm fs.FileMode) error
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes creations, renames and removals in a folder durable.
	SyncDir(name string) error
	// Free returns the bytes an unprivileged process may still write to the
	// file system that holds name.
	Free(name string) (int64, error)
	// Lock takes an exclusive lock for this process on the file name, made
	// if need be, until the closer is closed. It returns errLockHeld,
	// wrapped, when another process has it.
	Lock(name string) (io.Closer, error)
}

// File is an open file. WriteAt, ReadAt and Sync may run at the same time.
type File interface {
	io.ReaderAt
	io.WriterAt
	io.Closer
	Truncate(size int64) error
	// Reserve makes the file size bytes long, zeros behind what is written,
	// and sets their disk space apart, so that writing there can't fail for
	// want of it. If direct is set, WriteAt there is a copy and no system
	// call, and makes p's first four bytes visible last. If it fails, with
	// errors.ErrUnsupported or otherwise, the file is as before, or longer.
	Reserve(size int64) (direct bool, err error)
	// Sync makes the file's data, and its size, durable.
	Sync() error
}

var errLockHeld = errors.New("lock is held by another process")

type osFS struct{}

type osFile struct {
	*os.File
	mem []byte // the file's beginning, mapped by Reserve
}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := os.OpenFile(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

func (osFS) ReadDir(name string) ([]fs.DirEntry, error)   { return os.ReadDir(name) }
func (osFS) MkdirAll(name string, perm fs.FileMode) error { return os.MkdirAll(name, perm) }
func (osFS) Rename(from, to string) error                 { return os.Rename(from, to) }
func (osFS) Remove(name string) error                     { return os.Remove(name) }

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
