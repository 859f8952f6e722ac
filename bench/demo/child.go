package demo

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"time"
)

// child is one process of a node, from its start until it is reaped. It ends
// when this process does, however that ends: its standard input ends then, and
// on Linux it is killed as well.
type child struct {
	command *exec.Cmd
	stdin   io.WriteCloser
	stderr  *tail
	ready   chan struct{} // closed when it says that it serves
	ended   chan struct{} // closed when it is reaped
	err     error         // how it ended; read it after ended
}

// childPipesMax bounds the wait for the ends of a process's pipes once it has
// ended.
const childPipesMax = 2 * time.Second

// startChild starts a program with a file as its descriptor 3.
func startChild(program string, arguments []string, file *os.File) (*child, error) {
	out := &readiness{ready: make(chan struct{})}
	c := &child{command: exec.Command(program, arguments...), stderr: &tail{}, ready: out.ready, ended: make(chan struct{})} //nolint:gosec,noctx // our own program; it outlives contexts and is stopped by name
	c.command.Stdout, c.command.Stderr = out, c.stderr
	c.command.ExtraFiles = []*os.File{file}
	c.command.WaitDelay = childPipesMax
	dieWithParent(c.command)
	var err error
	if c.stdin, err = c.command.StdinPipe(); err != nil {
		return nil, err
	}
	started := make(chan error)
	go c.run(started)
	if err := <-started; err != nil {
		return nil, err
	}
	return c, nil
}

// run starts the process and waits for its end. A process that is to die with
// its parent dies with the thread that made it (PR_SET_PDEATHSIG in prctl(2)), so
// this goroutine keeps its thread until the process is reaped.
func (c *child) run(started chan<- error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err := c.command.Start()
	started <- err
	if err != nil {
		return
	}
	c.err = c.command.Wait()
	close(c.ended)
}

// kill sends SIGKILL and waits until the process is reaped.
func (c *child) kill() error {
	if err := c.command.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return err
	}
	<-c.ended
	return nil
}

// stop ends the standard input, which asks the process to end, and kills it if
// it has not within a time.
func (c *child) stop(within time.Duration) error {
	select {
	case <-c.ended:
		return nil
	default:
	}
	closeErr := c.stdin.Close()
	timer := time.NewTimer(within)
	defer timer.Stop()
	select {
	case <-c.ended:
		if errors.Is(closeErr, os.ErrClosed) {
			closeErr = nil // it was quicker
		}
		return closeErr
	case <-timer.C:
		return errors.Join(closeErr, c.kill())
	}
}

// how says how the process ended.
func (c *child) how() string {
	if c.err != nil {
		return c.err.Error()
	}
	return fmt.Sprintf("%v, without an error", c.command.ProcessState)
}

func (c *child) lastWords() string { return c.stderr.lines(10) }
