package raftlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

const (
	nodeCheckpointBytesDefault = 256 << 20
	nodeCheckpointEveryDefault = 10 * time.Second
	nodeBytesMaxDefault        = 10 << 30
	nodeSegmentBytesDefault    = 128 << 20

	// nodeElectionTimeout: a follower notices that its leader is silent after one to three times as long: the library looks
	// at random moments, up to twice the timeout apart. So a leader that was cut off is replaced within 4 s.
	nodeElectionTimeoutDefault = 1200 * time.Millisecond
	// nodeLeaseTimeout: a leader without a majority steps down after that.
	nodeLeaseTimeoutDefault = time.Second

	// recordOverheadMax is what the log adds to a command.
	recordOverheadMax = 256
)

// NodeOptions configures a Node. Dir, Name and Connect are required.
type NodeOptions struct {
	// Dir is the node's own directory: its name and id, the log of all its groups, and, where State is nil, their checkpoints.
	// It is made when it is not there; the one above must be.
	Dir string
	// FS is where Dir is. Default: the operating system's.
	FS vfs.FS
	// Name is the node's name in every group, 1 to 128 bytes. It stands for this directory for as long as it lives: a node
	// that lost its directory comes back under another name, since it does not know any more what it has voted and promised.
	Name string
	// State keeps the checkpoints of the node's groups; it belongs to the caller. Default: a StateFiles in Dir, which is meant
	// for tests.
	State StateStore
	// Connect makes the node's transport, which asks the node what the hooks say. The node closes it.
	Connect func(Hooks) (Transport, error)

	// SegmentBytes is how large a file of the log is, a multiple of 4096 from 64 KiB. A command may have a quarter of it.
	// Default 128 MiB.
	SegmentBytes int64
	// BytesMax is how much disk the log may take, all groups together. Beyond it, less some segments in reserve, Propose
	// answers ErrFull. Default 10 GiB, or eight segments if that is more.
	BytesMax int64
	// CacheBytes is how much of the newest entries is kept in memory, all groups together. Default: the log's, 64 MiB.
	CacheBytes int64
	// ElectionTimeout is after how long without a word from its leader a follower may stand for election; it notices after
	// one to three times as long. Default 1.2 s.
	ElectionTimeout time.Duration
	// LeaseTimeout is after how long without a majority a leader steps down, at most ElectionTimeout. Default 1 s.
	LeaseTimeout time.Duration

	// Synced is called after each write and sync of the log, with the bytes and how long both took. It must not block. Default: nothing happens.
	Synced func(bytes int, took time.Duration)

	// Now tells the time. Default time.Now.
	Now func() time.Time
	// Logger gets what is worth reading. Default slog.Default().
	Logger *slog.Logger
	// Fatal is called, once, when the log or a checkpoint can't be written any more, or a sync has not come back for 10 s: from
	// then on nobody knows what is on disk, and only a new process that reads it again can (R4). It should end the
	// process; where it returns, no group leads or accepts anything again, and all wait for Close. It must not call the
	// node, nor block. Default: panic.
	Fatal func(error)
}

// EnsureDefaults fills in what was left out.
func (o *NodeOptions) EnsureDefaults() {
	if o.FS == nil {
		o.FS = vfs.Default
	}
	if o.SegmentBytes == 0 {
		o.SegmentBytes = nodeSegmentBytesDefault
	}
	if o.BytesMax == 0 {
		o.BytesMax = max(nodeBytesMaxDefault, 8*o.SegmentBytes)
	}
	if o.ElectionTimeout == 0 {
		o.ElectionTimeout = nodeElectionTimeoutDefault
	}
	if o.LeaseTimeout == 0 {
		o.LeaseTimeout = min(nodeLeaseTimeoutDefault, o.ElectionTimeout)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
}

// heartbeatEvery is when heartbeats go: at multiples of it.
func (o *NodeOptions) heartbeatEvery() time.Duration { return o.ElectionTimeout / heartbeatPart }

// Validate says which field can't be worked with, and why. It is meant to be called after EnsureDefaults. What concerns the
// log's files alone the log says.
func (o *NodeOptions) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("raftlog: Dir is required")
	case o.Name == "" || len(o.Name) > nameBytesMax:
		return fmt.Errorf("raftlog: Name has %d bytes; it must have 1 to %d", len(o.Name), nameBytesMax)
	case o.Connect == nil:
		return errors.New("raftlog: Connect is required")
	case o.BytesMax < 8*o.SegmentBytes:
		return fmt.Errorf("raftlog: BytesMax is %d; it must have room for eight segments of %d", o.BytesMax, o.SegmentBytes)
	case o.ElectionTimeout < electionTimeoutMin:
		return fmt.Errorf("raftlog: ElectionTimeout is %v; it must be at least %v", o.ElectionTimeout, electionTimeoutMin)
	case o.LeaseTimeout < electionTimeoutMin || o.LeaseTimeout > o.ElectionTimeout:
		return fmt.Errorf("raftlog: LeaseTimeout is %v; it must be from %v to ElectionTimeout, %v", o.LeaseTimeout, electionTimeoutMin, o.ElectionTimeout)
	}
	return nil
}

// Transport carries the messages of all of a node's groups to other nodes.
type Transport interface {
	// Group returns the part of the transport that carries one group's messages. What arrives for a group before waits a
	// little, or is refused.
	Group(group GroupNumber) GroupTransport
	// Fetch asks a peer for entries from..to of a group, and returns the first of them, at most about so many bytes. None: the
	// peer lacks the first.
	Fetch(ctx context.Context, peer raft.ServerAddress, group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error)
	// Close ends the transport and joins its goroutines.
	Close() error
}

// Hooks is what a transport asks its node. None of them blocks for long, but Fetch, which reads.
type Hooks struct {
	// Name is the node's, and Logger.
	Name   string
	Logger *slog.Logger
	// Withhold says that this node must not speak as a leader or candidate, since its disk does not answer: its heartbeats,
	// other messages without entries, and requests for votes are not sent.
	Withhold func() bool
	// PeerRefused says that the connection to a peer broke, and a new one was refused: its process is gone.
	PeerRefused func(peer raft.ServerAddress)
	// HeartbeatEvery has heartbeats of all groups go together, when the clock shows a multiple of it.
	HeartbeatEvery time.Duration
	// Fetch answers a peer's Fetch.
	Fetch func(group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error)
}

// GroupOptions configures a group of a node. ID, Name and Machine are required.
type GroupOptions struct {
	// ID stands for the group on all nodes, and is not used again for another.
	ID GroupNumber
	// Name is for people, 1 to 128 bytes: "p0".
	Name string
	// Machine is what the log's commands are applied to. It belongs to the group until Close has returned.
	Machine Machine
	// Members are who a new group begins with, the same on each of them. They are not looked at when the group is there. A
	// node that joins a group later is given none: it waits until a leader brings it the group's state.
	Members []Member
	// CheckpointBytes is after how many bytes of applied entries a checkpoint is taken. It bounds what is replayed after a
	// restart to about twice as much. Default 256 MiB.
	CheckpointBytes int64
	// CheckpointEvery is after how much time one is taken, when something was applied. Default 10 s.
	CheckpointEvery time.Duration
	// ReleaseWanted is called when the node's log is half full, and its oldest entries stay since the owner wants them (Group.Retain): it should look
	// whether it still does. It may be called often, by the log, until Close has returned, and must not block. Default: nothing happens.
	ReleaseWanted func()
}

// EnsureDefaults fills in what was left out.
func (o *GroupOptions) EnsureDefaults() {
	if o.CheckpointBytes == 0 {
		o.CheckpointBytes = nodeCheckpointBytesDefault
	}
	if o.CheckpointEvery == 0 {
		o.CheckpointEvery = nodeCheckpointEveryDefault
	}
}

// Validate says which field can't be worked with, and why. It is meant to be called after EnsureDefaults.
func (o *GroupOptions) Validate() error {
	switch {
	case o.ID == 0:
		return errors.New("raftlog: ID is 0; it must be positive")
	case o.Name == "" || len(o.Name) > nameBytesMax:
		return fmt.Errorf("raftlog: Name has %d bytes; it must have 1 to %d", len(o.Name), nameBytesMax)
	case o.Machine == nil:
		return errors.New("raftlog: Machine is required")
	case o.CheckpointBytes < 0:
		return fmt.Errorf("raftlog: CheckpointBytes is %d; it must be positive", o.CheckpointBytes)
	case o.CheckpointEvery < 0:
		return fmt.Errorf("raftlog: CheckpointEvery is %v; it must be positive", o.CheckpointEvery)
	}
	return checkMembers(o.Members)
}

// checkMembers refuses members that a group can't begin with.
func checkMembers(members []Member) error {
	names, addresses, voters := map[string]bool{}, map[string]bool{}, 0
	for _, m := range members {
		switch {
		case m.Node == "" || len(m.Node) > nameBytesMax:
			return fmt.Errorf("raftlog: Members has a Node of %d bytes; it must have 1 to %d", len(m.Node), nameBytesMax)
		case m.Address == "":
			return fmt.Errorf("raftlog: Members has %q without an Address", m.Node)
		case names[m.Node] || addresses[m.Address]:
			return fmt.Errorf("raftlog: Members has %q or its address %s twice", m.Node, m.Address)
		}
		names[m.Node], addresses[m.Address] = true, true
		if m.Voter {
			voters++
		}
	}
	if len(members) > 0 && voters == 0 {
		return errors.New("raftlog: Members has no voter")
	}
	return nil
}
