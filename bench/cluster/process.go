package cluster

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// process is one process of a node, from its start until it is reaped. It ends
// when this process does, however that ends (CL2).
type process struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	ready   chan struct{} // closed when it says that it serves
	ended   chan struct{} // closed when it is reaped
	left    chan struct{} // closed when its goroutine is about to end
	err     error         // how it ended; read it after ended
	// awaited: somebody waits in Start, and will tell how it ended. Under the
	// node's lock.
	awaited bool
	// logBegins is where in the log its own part begins.
	logBegins int64
}

// pipesMax bounds the wait for the ends of a process's pipes once it has ended.
const pipesMax = 2 * time.Second

// startProcess starts a program with files as its descriptors from 3 on, where enter
// leads its thread, if there is one. When it has ended reaped is called, and what that
// returns once ended is closed.
func startProcess(program, environment []string, enter func() error, files []*os.File, log *os.File, reaped func(*process) (then func())) (*process, error) {
	out := &readiness{ready: make(chan struct{})}
	p := &process{
		command: exec.Command(program[0], program[1:]...), //nolint:gosec,noctx // our own program; it outlives contexts and is stopped by name
		ready:   out.ready, ended: make(chan struct{}), left: make(chan struct{}),
	}
	p.command.Stdout, p.command.Stderr = out, log
	p.command.Env = environment
	p.command.ExtraFiles = files
	p.command.WaitDelay = pipesMax
	dieWithParent(p.command)
	var err error
	if p.stdin, err = p.command.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go p.run(enter, started, reaped)
	if err := <-started; err != nil {
		return nil, err
	}
	return p, nil
}

// run starts the process and waits for its end. A process that is to die with its
// parent dies with the thread that made it (PR_SET_PDEATHSIG in prctl(2)), so this
// goroutine keeps its thread until the process is reaped.
func (p *process) run(enter func() error, started chan<- error, reaped func(*process) (then func())) {
	runtime.LockOSThread()
	defer close(p.left)
	var err error
	if enter == nil {
		defer runtime.UnlockOSThread()
	} else {
		err = enter() // and the thread ends with this goroutine
	}
	if err == nil {
		err = p.command.Start()
	}
	started <- err
	if err != nil {
		return
	}
	p.err = p.command.Wait()
	then := reaped(p)
	close(p.ended)
	then()
}

// kill sends SIGKILL and waits until the process is reaped.
func (p *process) kill() error {
	if err := p.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-p.ended
	return nil
}

// stop ends the standard input, which asks the process to end, and kills it if it
// has not within a time. One that is paused doesn't hear, and is killed.
func (p *process) stop(within time.Duration) error {
	select {
	case <-p.ended:
		return nil
	default:
	}
	closeErr := p.stdin.Close()
	if errors.Is(closeErr, os.ErrClosed) {
		closeErr = nil // it was quicker
	}
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-p.ended:
		return closeErr
	case <-timer.C:
		return errors.Join(closeErr, p.kill())
	}
}

// how says how the process ended.
func (p *process) how() string {
	if p.err != nil {
		return p.err.Error()
	}
	return fmt.Sprintf("%v, without an error", p.command.ProcessState)
}
