package transport

import (
	"context"
	"fmt"
	"net"

	"github.com/hashicorp/raft"
)

// NodeID is a node's name, as Raft's configurations have it.
type NodeID = raft.ServerID

// Address is where a node is reached, likewise.
type Address = raft.ServerAddress

// Streams makes connections to other nodes and takes theirs. Its methods may be called from any goroutine.
type Streams interface {
	// Dial connects to a node. When nothing listens there, though the machine answers, the error is syscall.ECONNREFUSED
	// (errors.Is).
	Dial(ctx context.Context, address string) (net.Conn, error)
	// Listener takes connections. Accept returns before anything of them was read; Close makes it fail.
	net.Listener
}

// Identifier is what Streams may implement that know who is at the other end.
type Identifier interface {
	// Identify fails when whoever has connected may not call himself so. It is called after bytes were received.
	Identify(conn net.Conn, id NodeID, address Address) error
}

// tcpStreams is Streams over TCP, in the clear.
type tcpStreams struct {
	net.Listener
	dialer net.Dialer
}

// ListenTCP returns Streams over TCP, which listen on an address, "127.0.0.1:0" for any port. They are not encrypted, and
// whoever reaches the address is believed: for a network of the nodes' own, and for tests.
func ListenTCP(ctx context.Context, address string) (Streams, error) {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("transport: listening on %s: %w", address, err)
	}
	return OverTCP(listener), nil
}

// OverTCP returns Streams over TCP on a listener that is there already, which they close. Otherwise they are ListenTCP's.
func OverTCP(listener net.Listener) Streams { return &tcpStreams{Listener: listener} }

// Dial implements Streams.
func (s *tcpStreams) Dial(ctx context.Context, address string) (net.Conn, error) {
	return s.dialer.DialContext(ctx, "tcp", address)
}
