//go:build unix && !linux

package cluster

import (
	"os/exec"
	"syscall"
)

// dieWithParent leaves it to the end of standard input to tell the process that
// this one has ended. A terminal's Ctrl-C is for this process alone: its children
// are stopped in order.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
}

func (p *process) pause() error { return p.command.Process.Signal(syscall.SIGSTOP) }

func (p *process) resume() error { return p.command.Process.Signal(syscall.SIGCONT) }
