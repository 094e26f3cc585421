package spool

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"time"
)

// FS is what the spool needs from a file system. Every call that can fail goes
// through it, so that a test can make each one fail.
type FS interface {
	// MakeDir makes the folder if there is none. It closes one that others can
	// read, and refuses one that others can change.
	MakeDir(name string) error
	// OpenFile opens a plain file with one name. Anything else that is found
	// under name (a link, a pipe, a device, a folder) is refused with
	// errNotPlain, wrapped, and left alone.
	OpenFile(name string, flag int, perm fs.FileMode) (File, error)
	ReadDir(name string) ([]fs.DirEntry, error)
	Rename(from, to string) error
	Remove(name string) error
	// SyncDir makes creations, renames and removals in a folder durable.
	SyncDir(name string) error
	// Free returns the bytes an unprivileged process may still write to the
	// file system that holds name.
	Free(name string) (int64, error)
	// Lock opens the file name, made if need be, and takes an exclusive lock
	// on it for this process, until it is closed. It returns errLockHeld,
	// wrapped, when another process has it.
	Lock(name string) (File, error)
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
	// Origin tells this file from a copy of it.
	Origin() (Origin, error)
	// SetModified sets, durably, when the file, named name, was last modified.
	SetModified(name string, at time.Time) error
	// Named tells whether name is this very file, and not another one or none.
	Named(name string) (bool, error)
}

// Origin is what a copy of a file does not share with it.
type Origin struct {
	// ID stands for the machine, and for the file as its file system knows it.
	// It stays when the file is renamed. 0 if it is not known.
	ID uint64
	// Modified is when the file was last written. Zero if it is not known.
	Modified time.Time
}

var (
	errLockHeld = errors.New("lock is held by another process")
	errNotPlain = errors.New("not a plain file with one name; if nobody needs it, remove it")
)

// OpenPlain opens a plain file as carefully as the spool opens its own, for those
// who keep another one beside them: what is a link, a pipe, a device or a folder, or
// has a second name, is refused. A new one gets mode 0600.
func OpenPlain(name string, flag int) (*os.File, error) { return openPlain(name, flag, 0o600) }

// ReadPlain reads a file that [OpenPlain] opens.
func ReadPlain(name string) ([]byte, error) {
	f, err := OpenPlain(name, os.O_RDONLY)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(f)
}

type osFS struct{}

type osFile struct {
	*os.File
	mem   []byte // the file's beginning, mapped by Reserve
	ready int64  // where what has been written, or prepared, ends
}

func (osFS) OpenFile(name string, flag int, perm fs.FileMode) (File, error) {
	f, err := openPlain(name, flag, perm)
	if err != nil {
		return nil, err
	}
	return &osFile{File: f}, nil
}

func (osFS) ReadDir(name string) ([]fs.DirEntry, error) { return os.ReadDir(name) }
func (osFS) Rename(from, to string) error               { return os.Rename(from, to) }
func (osFS) Remove(name string) error                   { return os.Remove(name) }

func (osFS) SyncDir(name string) error {
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// SetModified forces the time to the disk, too, which the Sync of a file need not.
func (f *osFile) SetModified(name string, at time.Time) error {
	return errors.Join(os.Chtimes(name, at, at), f.File.Sync())
}
