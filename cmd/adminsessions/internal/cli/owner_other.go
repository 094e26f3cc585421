//go:build !unix

package cli

import (
	"io/fs"
	"os"
)

// sameOwner does not know the owners of this system.
func sameOwner(*os.File, fs.FileInfo) error { return nil }
