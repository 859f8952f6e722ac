package raftlog

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Alone connects a node that has no peers: its groups have one member each, itself, at the address of its name.
func Alone(hooks Hooks) (Transport, error) { return alone{hooks.Name}, nil }

type alone struct{ name string }

// Group implements Transport: a line with nobody at its other end.
func (a alone) Group(GroupNumber) GroupTransport {
	_, transport := raft.NewInmemTransport(raft.ServerAddress(a.name))
	return transport
}

// Fetch implements Transport.
func (a alone) Fetch(_ context.Context, peer raft.ServerAddress, group GroupNumber, _, _ uint64, _ int) ([]*raft.Log, error) {
	return nil, fmt.Errorf("raftlog: %s is alone: it can't ask %s for entries of group %d", a.name, peer, group)
}

// Close implements Transport: the lines belong to their groups.
func (a alone) Close() error { return nil }
