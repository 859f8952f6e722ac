package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Node is one of a cluster's: a place with ports and data, and now and then a
// process. Safe for concurrent use.
type Node struct {
	name    string
	dir     string   // the cluster's
	program []string // and arguments, all of them
	options *Options
	place   *Place
	ports   ports

	mu struct {
		sync.Mutex
		state   State
		process *process // the last one; nil before the first
		starts  int
		closed  bool
	}
}

// StateError is an order that a node can't follow as it is: to kill one that isn't
// running, or to start one that is.
type StateError struct {
	Node  string
	State State
	// Wanted says what was to be done: "kill", "start", "pause", "resume".
	Wanted string
}

func (e *StateError) Error() string {
	return fmt.Sprintf("node %s is %s: there is nothing to %s", e.Node, e.State, e.Wanted)
}

func newNode(ctx context.Context, o *Options, index int) (*Node, error) {
	n := &Node{name: fmt.Sprintf("n%d", index+1), dir: o.Dir, options: o, place: &o.Places[index]}
	var err error
	if n.ports, err = takePorts(ctx, n.name, index, o); err != nil {
		return nil, err
	}
	n.program = slices.Concat(o.Program, []string{"serve", "--config", n.Configuration(), "--inherit", n.ports.inheritance()})
	return n, nil
}

// Name is n1, n2 and so on.
func (n *Node) Name() string { return n.name }

// API is where clients reach the node.
func (n *Node) API() string { return n.ports.api.address }

// Peer is where other nodes reach it; empty in a cluster of one.
func (n *Node) Peer() string {
	if n.ports.peer == nil {
		return ""
	}
	return n.ports.peer.address
}

// Admin is where health, metrics and profiles are.
func (n *Node) Admin() string { return n.ports.admin.address }

// Data is the node's data directory.
func (n *Node) Data() string { return filepath.Join(n.dir, n.name) }

// Configuration is the file that the node is run with.
func (n *Node) Configuration() string { return filepath.Join(n.dir, n.name+".yaml") }

// Log is the file that the node's processes write their logs to.
func (n *Node) Log() string { return filepath.Join(n.dir, n.name+".log") }

// State is how the node's process is.
func (n *Node) State() State {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noticeLocked()
	return n.mu.state
}

// PID is the process's id; 0 where there is none.
func (n *Node) PID() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.state.alive() {
		return 0
	}
	return n.mu.process.command.Process.Pid
}

// Starts is how many processes the node has had.
func (n *Node) Starts() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.starts
}

// Start starts a process, on the data and ports that the last one had, and waits
// until it serves, for as long as ctx allows. A process that isn't ready by then
// goes on.
func (n *Node) Start(ctx context.Context) error {
	p, err := n.launch(ctx)
	if err != nil {
		return err
	}
	select {
	case <-p.ready:
		n.mu.Lock()
		defer n.mu.Unlock()
		if n.mu.process == p && n.mu.state == Starting {
			n.mu.state = Running
		}
		p.awaited = false
		return nil
	case <-p.ended:
		return n.obituary(p)
	case <-ctx.Done():
		n.mu.Lock()
		defer n.mu.Unlock()
		p.awaited = false
		return fmt.Errorf("node %s has not come up: %w", n.name, context.Cause(ctx))
	}
}

// launch starts a process that may not serve yet.
func (n *Node) launch(ctx context.Context) (_ *process, err error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.state.alive() {
		return nil, &StateError{Node: n.name, State: n.mu.state, Wanted: "start"}
	}
	if n.mu.closed {
		return nil, fmt.Errorf("node %s can't be started: the cluster is closed", n.name)
	}
	var files []*os.File
	err = n.place.do(func() (err error) {
		files, err = n.ports.listen(ctx)
		return err
	})
	if err != nil {
		return nil, err
	}
	// The process has its own copies.
	defer func() { err = errors.Join(err, closeAll(files)) }()
	log, err := os.OpenFile(n.Log(), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, fmt.Errorf("log of node %s: %w", n.name, err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	position, err := log.Seek(0, 2)
	if err != nil {
		return nil, fmt.Errorf("log of node %s: %w", n.name, err)
	}
	p, err := startProcess(n.program, n.environment(), n.place.Enter, files, log, n.reaped)
	if err != nil {
		return nil, fmt.Errorf("node %s can't be started: %w", n.name, err)
	}
	p.logBegins, p.awaited = position, true
	n.mu.process, n.mu.state = p, Starting
	n.mu.starts++
	return p, nil
}

// environment is this process's without what would speak for a configuration (CL4).
func (n *Node) environment() []string {
	inherited := slices.DeleteFunc(os.Environ(), func(variable string) bool { return strings.HasPrefix(variable, "FRESHET_") })
	return append(inherited, n.options.Environment...)
}

// reaped is told that a process has ended, and returns what is to be said of that
// (CL3).
func (n *Node) reaped(p *process) (then func()) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.process != p || !n.mu.state.alive() {
		return func() {} // it was ended
	}
	n.mu.state = Ended
	if p.awaited {
		return func() {} // Start says it
	}
	return func() { n.options.Died(n, n.obituary(p)) }
}

// leave takes a process that is there out of service: what ends it comes after.
func (n *Node) leave(wanted string, to State) (*process, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if !n.mu.state.alive() {
		return nil, &StateError{Node: n.name, State: n.mu.state, Wanted: wanted}
	}
	n.mu.state = to
	return n.mu.process, nil
}

// Kill ends the process as a power cut would, with SIGKILL and no goodbye, and waits
// until it is gone.
func (n *Node) Kill() error {
	p, err := n.leave("kill", Killed)
	if err != nil {
		return err
	}
	if err := p.kill(); err != nil {
		return fmt.Errorf("node %s can't be killed: %w", n.name, err)
	}
	return nil
}

// stopTimeout is how long a node may take over its goodbye.
const stopTimeout = 5 * time.Second

// Empty kills the process if there is one, removes all that is in the data directory, and starts the next: a machine whose
// disk was lost. It doesn't wait until that serves: in a cluster of several it waits to be let in.
func (n *Node) Empty(ctx context.Context) error {
	if err := n.Kill(); err != nil {
		if _, gone := errors.AsType[*StateError](err); !gone {
			return err
		}
	}
	if err := os.RemoveAll(n.Data()); err != nil {
		return fmt.Errorf("data directory of node %s: %w", n.name, err)
	}
	p, err := n.launch(ctx)
	if err != nil {
		return err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	p.awaited = false
	return nil
}

// noticeLocked takes note that a process which nobody waits for serves.
func (n *Node) noticeLocked() {
	if n.mu.state != Starting {
		return
	}
	select {
	case <-n.mu.process.ready:
		n.mu.state = Running
	default:
	}
}

// Stop asks the process to end in order, and kills it if it takes too long.
func (n *Node) Stop() error {
	p, err := n.leave("stop", Stopped)
	if err != nil {
		return err
	}
	if err := p.stop(stopTimeout); err != nil {
		return fmt.Errorf("node %s can't be stopped: %w", n.name, err)
	}
	return nil
}

// Pause holds the process where it is (SIGSTOP): its connections stand, and nobody
// answers, as when a machine swaps or a virtual one is moved.
func (n *Node) Pause() error { return n.freeze("pause", Running, Paused, (*process).pause) }

// Resume lets a paused process go on.
func (n *Node) Resume() error { return n.freeze("resume", Paused, Running, (*process).resume) }

func (n *Node) freeze(wanted string, from, to State, signal func(*process) error) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.noticeLocked()
	if n.mu.state != from {
		return &StateError{Node: n.name, State: n.mu.state, Wanted: wanted}
	}
	if err := signal(n.mu.process); err != nil {
		return fmt.Errorf("can't %s node %s: %w", wanted, n.name, err)
	}
	n.mu.state = to
	return nil
}

// close ends the process if there is one, waits for the last one's goroutine, and
// gives the ports back.
func (n *Node) close() error {
	n.mu.Lock()
	n.mu.closed = true
	n.mu.Unlock()
	err := n.Stop()
	if _, ok := errors.AsType[*StateError](err); ok {
		err = nil // it has ended already
	}
	n.mu.Lock()
	last := n.mu.process
	n.mu.Unlock()
	if last != nil {
		<-last.left
	}
	return errors.Join(err, n.ports.release())
}

// obituaryLines is how many of a log's last lines are shown.
const obituaryLines = 10

// obituary says how a process ended that nobody ended.
func (n *Node) obituary(p *process) error {
	said, err := lastLines(n.Log(), p.logBegins, obituaryLines)
	switch {
	case err != nil:
		said = "its log can't be read: " + err.Error()
	case said == "":
		said = "it said nothing"
	}
	return fmt.Errorf("node %s ended by itself: %s\n%s", n.name, p.how(), said)
}
