package main

import (
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/broker"
	"github.com/freshet-mq/freshet/partition"
)

// TestNodeThatCantGoOn: a node that fails while it serves ends, with the reason and an exit code.
func TestNodeThatCantGoOn(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	options := broker.Options{Node: "n1", Dir: filepath.Join(t.TempDir(), "node"), Partitions: 1, Listener: listener}
	err = runNode(t.Context(), options, func(*broker.Node) {
		if err := listener.Close(); err != nil { // nobody can connect any more
			t.Error(err)
		}
	})
	ended, ok := errors.AsType[*failure](err)
	if !ok || ended.exit() != exitFailed || !strings.HasPrefix(ended.text(), "freshet: the node can't go on (FR6009)\n  serving 127.0.0.1:") {
		t.Errorf("it ends with %v", err)
	}
}

// TestNodeThatDiffers: one whose replica isn't in its leader's state has a code of its own.
func TestNodeThatDiffers(t *testing.T) {
	ended := endedBy(fmt.Errorf("partition 3: %w: after entry 1024 its effects are 1 and its content 2, the leader's 1 and 3", partition.ErrDiffers))
	want := `freshet: the node stops, since its state is not what its leader's was (FR6010)
  partition 3: partition: the replica differs from its leader: after entry 1024 its effects are 1 and its content 2, the leader's 1 and 3
  try: docs/run/three-nodes.md has what to do next: a node that differs
`
	if ended.text() != want || ended.exit() != exitFailed {
		t.Errorf("it ends with %v:\n%s", ended.exit(), ended.text())
	}
}
