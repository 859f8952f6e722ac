package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"
)

// stopWithin is how long a program that was interrupted may take to end before it is killed.
const stopWithin = 10 * time.Second

// process is one server. It ends when this process does, however that ends.
type process struct {
	command *exec.Cmd
	ended   chan struct{} // closed when it is reaped
}

// start starts a program whose output goes to a file in its directory.
func start(dir, program string, arguments ...string) (*process, error) {
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	p := &process{command: exec.Command(program, arguments...), ended: make(chan struct{})} //nolint:gosec,noctx // what the user named; it outlives contexts and is killed by pid
	p.command.Stdout, p.command.Stderr = log, log
	dieWithParent(p.command)
	started := make(chan error)
	go func() {
		// What dies with its parent dies with the thread that made it (PR_SET_PDEATHSIG in prctl(2)).
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		defer close(p.ended)
		err := p.command.Start()
		started <- err
		if err == nil {
			_ = p.command.Wait() // how a server ends that was told to is of no consequence
		}
		_ = log.Close() // nothing is written to it any more
	}()
	if err := <-started; err != nil {
		return nil, fmt.Errorf("starting %s: %w", program, err)
	}
	return p, nil
}

func (p *process) pid() int { return p.command.Process.Pid }

func (p *process) running() bool {
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// kill ends it at once (SIGKILL), and returns when it is reaped.
func (p *process) kill() {
	_ = p.command.Process.Kill() // it may have ended by itself
	<-p.ended
}

// interrupt asks a program to end in good order.
func interrupt(p *os.Process) error { return p.Signal(os.Interrupt) }
