package childproc

import (
	"os/exec"
	"syscall"
)

// Bind prepares a command, before it is started, to run in a process group of
// its own (a Ctrl-C in the terminal is not for it) and to get the signal
// onDeath when its parent dies, however it dies.
//
// The kernel means the thread that started the process: a program that ends
// goroutines locked to their threads must start its children elsewhere.
func Bind(cmd *exec.Cmd, onDeath syscall.Signal) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: onDeath}
}
