package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// NodeState is how a node is, as the demo sees it.
type NodeState uint8

// The states. A node goes from starting to running, by a kill to killed, by
// being started again to restarting, and to running once more.
const (
	NodeStarting NodeState = iota
	NodeRunning
	NodeKilled
	NodeRestarting
	NodeStopped
)

func (s NodeState) String() string {
	names := [...]string{"starting", "running", "killed -9", "restarting", "stopped"}
	if int(s) >= len(names) {
		return fmt.Sprintf("state %d", uint8(s))
	}
	return names[s]
}

// node is one server of the run: a child process, killed and started again on
// the same data and the same port. The port is bound here and stays bound, so
// that nobody takes it while the process is away; each process is handed the
// listener as a file. For one goroutine at a time, but for state.
type node struct {
	name     string
	program  []string // what runs a node: the program and its first arguments
	logBytes int64
	dir      string
	listener *net.TCPListener
	child    *child // nil before the first start

	mu struct {
		sync.Mutex
		state NodeState
	}
}

func newNode(ctx context.Context, name string, program []string, dir string, logBytes int64) (*node, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("no port for node %s: %w", name, err)
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return nil, errors.Join(fmt.Errorf("node %s listens on a %T", name, listener), listener.Close())
	}
	return &node{name: name, program: program, logBytes: logBytes, dir: filepath.Join(dir, name), listener: tcp}, nil
}

func (n *node) address() string { return n.listener.Addr().String() }

func (n *node) state() NodeState {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.state
}

func (n *node) setState(s NodeState) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.state = s
}

// start starts a process and waits until it serves, for as long as ctx allows.
func (n *node) start(ctx context.Context) (err error) {
	if n.child == nil {
		n.setState(NodeStarting)
	} else {
		n.setState(NodeRestarting)
	}
	file, err := n.listener.File()
	if err != nil {
		return fmt.Errorf("listener of node %s: %w", n.name, err)
	}
	// The process has its own copy.
	defer func() { err = errors.Join(err, file.Close()) }()
	arguments := slices.Concat(n.program[1:], []string{
		"--node", n.name, "--data", n.dir, "--log-size", fmt.Sprintf("%dB", n.logBytes), "--listen-fd", "3", "--stop-at-eof",
	})
	process, err := startChild(n.program[0], arguments, file)
	if err != nil {
		return fmt.Errorf("node %s can't be started: %w", n.name, err)
	}
	n.child = process
	select {
	case <-n.child.ready:
		n.setState(NodeRunning)
		return nil
	case <-n.child.ended:
		n.setState(NodeStopped)
		return n.obituary()
	case <-ctx.Done():
		return fmt.Errorf("node %s has not come up: %w", n.name, context.Cause(ctx))
	}
}

// ended is closed when the present process has ended.
func (n *node) ended() <-chan struct{} { return n.child.ended }

// kill ends the process as a power cut would: SIGKILL, no goodbye.
func (n *node) kill() error {
	if err := n.child.kill(); err != nil {
		return fmt.Errorf("node %s can't be killed: %w", n.name, err)
	}
	n.setState(NodeKilled)
	return nil
}

// stopTimeout is how long a node may take over its goodbye.
const stopTimeout = 5 * time.Second

// stop ends the process in order, or by force if it takes too long, and gives
// the port back.
func (n *node) stop() error {
	var err error
	if n.child != nil {
		err = n.child.stop(stopTimeout)
	}
	n.setState(NodeStopped)
	return errors.Join(err, n.listener.Close())
}

// obituary says how a process ended that nobody ended.
func (n *node) obituary() error {
	said := n.child.lastWords()
	if said == "" {
		said = "it said nothing"
	}
	return fmt.Errorf("node %s ended by itself: %s\n%s", n.name, n.child.how(), said)
}

// readiness is what a node's standard output is for: a line of JSON says that it
// serves.
type readiness struct {
	line  []byte
	ready chan struct{}
	done  bool
}

// readyLineMax bounds what is kept while waiting for the line.
const readyLineMax = 64 << 10

func (r *readiness) Write(p []byte) (int, error) {
	if r.done {
		return len(p), nil
	}
	r.line = append(r.line, p...)
	for !r.done {
		line, rest, ok := bytes.Cut(r.line, []byte("\n"))
		if !ok {
			break
		}
		r.line = rest
		var said struct {
			Ready bool `json:"ready"`
		}
		if json.Unmarshal(line, &said) == nil && said.Ready { // other lines are for people
			r.done, r.line = true, nil
			close(r.ready)
		}
	}
	if len(r.line) > readyLineMax {
		return 0, errors.New("a line without an end")
	}
	return len(p), nil
}

// tail keeps the end of what is written to it.
type tail struct {
	mu struct {
		sync.Mutex
		kept []byte
	}
}

// tailBytesMax is how much of a process's last words is kept.
const tailBytesMax = 16 << 10

func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.kept = append(t.mu.kept, p...)
	if excess := len(t.mu.kept) - tailBytesMax; excess > 0 {
		t.mu.kept = append(t.mu.kept[:0], t.mu.kept[excess:]...)
	}
	return len(p), nil
}

// lines returns the last lines, at most so many.
func (t *tail) lines(limit int) string {
	t.mu.Lock()
	defer t.mu.Unlock()
	lines := strings.Split(strings.TrimSpace(string(t.mu.kept)), "\n")
	return strings.Join(lines[max(0, len(lines)-limit):], "\n")
}
