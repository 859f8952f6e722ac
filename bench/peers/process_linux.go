package main

import (
	"os/exec"
	"syscall"
)

// dieWithParent has the system kill the process when this one ends. A terminal's Ctrl-C is for this process alone.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}
