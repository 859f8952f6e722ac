package raftlog

import (
	"errors"

	"github.com/hashicorp/raft"
)

// errLogFull refuses entries of a leader whose log has more room than this node's. It tries again until there is room.
var errLogFull = errors.New("raftlog: no room for a leader's entries")

// relay hands the library what comes from other nodes, in the order in which it came; installs wait beside it.
func (g *Group) relay() {
	for {
		select {
		case rpc := <-g.transport.Consumer():
			if !g.pass(rpc) {
				return
			}
		case o := <-g.orders:
			g.carryOut(o)
		case <-g.stopping:
			return
		}
	}
}

// pass hands the library one message; it is false when the group closes.
func (g *Group) pass(rpc raft.RPC) bool {
	switch request := rpc.Command.(type) {
	case *raft.InstallSnapshotRequest:
		g.helpers.Go(func() { labelled(g, "install", func() { g.install(rpc) }) })
		return true
	case *raft.AppendEntriesRequest:
		if len(request.Entries) > 0 {
			if err := g.roomToFollow(); err != nil {
				rpc.Respond(nil, err)
				return true
			}
		}
		rpc.Command = g.amend(request)
	}
	select {
	case g.link.rpcs <- rpc:
		return true
	case <-g.stopping:
		rpc.Respond(nil, ErrClosed)
		return false
	}
}
