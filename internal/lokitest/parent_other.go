//go:build !linux

package lokitest

import "os/exec"

// dieWithParent needs the Linux kernel; elsewhere a killed test leaves its
// Loki behind.
func dieWithParent(*exec.Cmd) {}
