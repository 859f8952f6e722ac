package cluster

import (
	"errors"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// dieWithParent has the system kill the process when this one ends. A terminal's
// Ctrl-C is for this process alone: its children are stopped in order.
func dieWithParent(command *exec.Cmd) {
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL, Setpgid: true}
}

// pause returns when the last of the process's threads has stopped: until then the
// others go on. It looks without reaping (WNOWAIT), which is run's.
func (p *process) pause() error {
	if err := p.command.Process.Signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for {
		err := unix.Waitid(unix.P_PID, p.command.Process.Pid, nil, unix.WSTOPPED|unix.WEXITED|unix.WNOWAIT, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.ECHILD):
			return os.ErrProcessDone
		default:
			return os.NewSyscallError("waitid", err)
		}
	}
}

func (p *process) resume() error { return p.command.Process.Signal(syscall.SIGCONT) }
