//go:build unix && !linux

package demo

import (
	"os/exec"
	"syscall"
)

// dieWithParent leaves it to the end of standard input to tell the process that
// this one has ended. A terminal's Ctrl-C is for this process alone: the child is
// stopped in order.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}
