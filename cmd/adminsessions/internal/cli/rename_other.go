//go:build !linux

package cli

import (
	"io/fs"
	"os"
)

// renameNew renames a file to a name that is free. Here that takes two steps.
func renameNew(from, to string) error {
	if _, err := os.Lstat(to); err == nil {
		return &os.LinkError{Op: "rename", Old: from, New: to, Err: fs.ErrExist}
	}
	return os.Rename(from, to)
}
