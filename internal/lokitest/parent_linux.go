package lokitest

import (
	"os/exec"
	"syscall"
)

// dieWithParent makes the kernel end the process when the test binary is
// killed, so that a crashed test leaves no Loki behind.
func dieWithParent(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
}
