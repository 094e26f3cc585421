//go:build unix && !linux

package childproc

import (
	"os/exec"
	"syscall"
)

// Bind prepares a command, before it is started, to run in a process group of
// its own (a Ctrl-C in the terminal is not for it). Only Linux can end it when
// its parent is killed.
func Bind(cmd *exec.Cmd, _ syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
