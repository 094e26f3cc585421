package anchor

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"

	"github.com/adminsessions/adminsessions/proof"
)

// File appends checkpoints to a file and never does anything else to it. For the
// file to be worth more than the trail, somebody else must keep it from being
// rewritten: chattr +a on a machine whose root is not the panel's, a file server
// that only lets append, a pipe to another host.
type File struct{ path string }

var (
	_ proof.Anchor  = (*File)(nil)
	_ proof.Archive = (*File)(nil)
)

// NewFile makes an anchor of a file, which need not be there yet. Its folder must
// be.
func NewFile(path string) (*File, error) {
	if path == "" {
		return nil, errors.New("the anchor's file has no name")
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("the folder of the anchor's file: %w", err)
	} else if !info.IsDir() {
		return nil, fmt.Errorf("the folder of the anchor's file: %s is none", filepath.Dir(path))
	}
	if info, err := os.Lstat(path); err == nil && !info.Mode().IsRegular() {
		return nil, fmt.Errorf("the anchor's file %s is a %s; want a file", path, info.Mode().Type())
	}
	return &File{path}, nil
}

// Name is "file" and the path.
func (f *File) Name() string { return "file " + f.path }

// Anchor appends a checkpoint and syncs the file.
func (f *File) Anchor(_ context.Context, signed []byte) error {
	file, err := os.OpenFile(f.path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the anchor's file: %w", err)
	}
	// The empty line before it ends what may not have been written to its end.
	_, err = file.Write(append([]byte("\n"), signed...))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("appending a checkpoint to %s: %w", f.path, err)
	}
	return nil
}

// Checkpoints yields what the file has.
func (f *File) Checkpoints(context.Context) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		file, err := os.Open(f.path)
		if errors.Is(err, fs.ErrNotExist) {
			err = fmt.Errorf("there is no file %s", f.path)
		}
		if err != nil {
			yield(nil, err)
			return
		}
		defer file.Close()
		for note, err := range Notes(file) {
			if !yield(note, err) {
				return
			}
		}
	}
}
