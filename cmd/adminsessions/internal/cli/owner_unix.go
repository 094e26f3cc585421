//go:build unix

package cli

import (
	"io/fs"
	"os"
	"syscall"
)

// sameOwner gives a file the owner of another, so that who has the spool can write
// it, too, after root has worked there.
func sameOwner(f *os.File, as fs.FileInfo) error {
	at, err := f.Stat()
	if err != nil {
		return err
	}
	is, ok1 := at.Sys().(*syscall.Stat_t)
	want, ok2 := as.Sys().(*syscall.Stat_t)
	if !ok1 || !ok2 || is.Uid == want.Uid && is.Gid == want.Gid {
		return nil
	}
	return f.Chown(int(want.Uid), int(want.Gid))
}
