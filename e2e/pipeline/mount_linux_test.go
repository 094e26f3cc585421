package pipeline

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// mountTmpfs mounts a file system of size bytes on dir until the test ends.
func mountTmpfs(t *testing.T, dir string, size int) error {
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", size)); err != nil {
		return os.NewSyscallError("mount", err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Errorf("unmount %s: %v", dir, err)
		}
	})
	return nil
}
