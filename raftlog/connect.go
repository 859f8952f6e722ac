package raftlog

import (
	"context"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// Connect returns a NodeOptions.Connect over raftlog/transport. LocalID, Withhold, PeerRefused, HeartbeatEvery and Fetch of the options are the
// node's to say, whatever they are; Logger is its too, unless it is given.
func Connect(options transport.Options) func(Hooks) (Transport, error) {
	return func(hooks Hooks) (Transport, error) {
		options.LocalID = raft.ServerID(hooks.Name)
		options.Withhold = hooks.Withhold
		options.PeerRefused = hooks.PeerRefused
		options.HeartbeatEvery = hooks.HeartbeatEvery
		options.Fetch = func(group transport.GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
			return hooks.Fetch(GroupNumber(group), from, to, bytesMax)
		}
		if options.Logger == nil {
			options.Logger = hooks.Logger
		}
		t, err := transport.New(options)
		if err != nil {
			return nil, err
		}
		return &connected{t}, nil
	}
}

// connected is a transport.Transport with this package's types.
type connected struct{ transport *transport.Transport }

// Group implements Transport.
func (c *connected) Group(group GroupNumber) GroupTransport {
	return c.transport.Group(transport.GroupNumber(group))
}

// Fetch implements Transport.
func (c *connected) Fetch(ctx context.Context, peer raft.ServerAddress, group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
	return c.transport.Fetch(ctx, peer, transport.GroupNumber(group), from, to, bytesMax)
}

// Close implements Transport.
func (c *connected) Close() error { return c.transport.Close() }
