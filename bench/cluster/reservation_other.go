//go:build !linux

package cluster

import (
	"context"
	"net"
)

// reservation remembers a port that was free. Only Linux is known to hold one that
// nobody listens on; here somebody else may take it while a node is away.
type reservation struct {
	address string
}

// reserve finds out whether the port of an address is free, or a free one if the
// port is 0.
func reserve(ctx context.Context, address string) (*reservation, error) {
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	return &reservation{address: listener.Addr().String()}, listener.Close()
}

func (*reservation) release() error { return nil }
