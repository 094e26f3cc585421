//go:build unix

package childproc

import (
	"errors"
	"os/exec"
	"syscall"
)

// Signal sends a signal to a started command that was bound, and to every
// process of its group. That all of them are gone is no error.
func Signal(cmd *exec.Cmd, signal syscall.Signal) error {
	if err := syscall.Kill(-cmd.Process.Pid, signal); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}
