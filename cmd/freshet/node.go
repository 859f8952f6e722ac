package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"github.com/freshet-mq/freshet/broker"
)

// nodeCommand is a node as a child of demo: like serve, but it listens on what
// its parent hands over, so that no port is ever chosen twice, and it ends when
// its parent has ended.
type nodeCommand struct {
	Node      string `default:"n1" help:"Name of this node." placeholder:"NAME"`
	Data      string `help:"Directory that holds the log and the state." placeholder:"DIR" required:""`
	Cluster   string `default:"demo" help:"Name of the cluster." placeholder:"NAME"`
	ListenFD  uint   `default:"3" help:"Descriptor of the listener for clients." name:"listen-fd" placeholder:"FD"`
	LogSize   size   `default:"2GiB" help:"Bytes that the log may hold." placeholder:"SIZE"`
	Log       string `default:"warn" enum:"debug,info,warn,error" help:"Least level of what is logged." placeholder:"LEVEL"`
	StopAtEOF bool   `help:"Stop when standard input ends." name:"stop-at-eof"`
}

// Help tells more.
func (*nodeCommand) Help() string {
	return `
A node as a child process. The parent binds a port, hands the listener over as a descriptor, and
reads one line from standard output when the node serves: {"ready":true,"node":"n1","api":"..."}.

  freshet node --data /tmp/n1 --listen-fd 3 --stop-at-eof
`
}

func (*nodeCommand) uses() everyday { return 0 }

// readyAnswer is the line that a parent waits for.
type readyAnswer struct {
	Ready bool   `json:"ready"`
	Node  string `json:"node"`
	API   string `json:"api"`
}

func (n *nodeCommand) run(ctx context.Context, call *invocation) error {
	listener, err := inheritedListener(n.ListenFD)
	if err != nil {
		return err
	}
	if n.StopAtEOF {
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		defer cancel()
		// It isn't joined: a read of standard input can't be interrupted, and
		// the process ends with this command.
		go func() {
			_, _ = io.Copy(io.Discard, call.stdin) // whatever ends it, the parent is gone
			cancel()
		}()
	}
	options := broker.Options{
		Node: n.Node, Cluster: n.Cluster, Dir: n.Data, Listener: listener, LogBytesMax: int64(n.LogSize),
		Logger: newLogger(call, n.Log, "auto"),
	}
	return runNode(ctx, options, func(*broker.Node) {
		line, err := jsonLine(readyAnswer{Ready: true, Node: n.Node, API: listener.Addr().String()})
		if err != nil {
			call.out.fail(err)
			return
		}
		call.out.write(line)
	})
}

// inheritedListener is a listener that the parent process left open for us.
func inheritedListener(descriptor uint) (net.Listener, error) {
	file := os.NewFile(uintptr(descriptor), fmt.Sprintf("descriptor %d", descriptor))
	if file == nil {
		return nil, usageFailure(fmt.Sprintf("--listen-fd %d is no descriptor", descriptor))
	}
	listener, err := net.FileListener(file)
	// FileListener works on a copy.
	if closeErr := file.Close(); err == nil && closeErr != nil {
		err = errors.Join(closeErr, listener.Close())
	}
	if err != nil {
		return nil, usageFailure(fmt.Sprintf("--listen-fd %d is no listener: %s", descriptor, reasonOf(err)))
	}
	return listener, nil
}
