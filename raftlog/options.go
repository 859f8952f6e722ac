package raftlog

import (
	"errors"
	"fmt"
	"log/slog"
	"time"
)

const (
	// EntryBytesMax is the largest command: 16 MiB. Entries of 64 to 256 KiB carry the most bytes a second.
	EntryBytesMax = 16 << 20
	// EntryOverhead is what an entry is charged for besides its command: key, Raft's own fields, unused ends of pages.
	EntryOverhead = 256

	bytesMaxDefault        = 2 << 30
	checkpointBytesDefault = 64 << 20
	cacheBytesDefault      = 32 << 20
	electionTimeoutDefault = 100 * time.Millisecond
	electionTimeoutMin     = 5 * time.Millisecond
	// heartbeatPart is the part of ElectionTimeout at whose multiples all groups' heartbeats go together. The library wants to send one a tenth to a
	// fifth of ElectionTimeout after the one before was answered, so nearly all make the next.
	heartbeatPart = 4
	nameBytesMax  = 128
)

// Options configures a Group. Dir, Node, Name and Machine are required.
type Options struct {
	// Dir is the group's own directory. It is made, with its parents, when it is not there.
	Dir string
	// Node is this node's name in the group, 1 to 128 bytes, the same for as long as the directory lives.
	Node string
	// Name is the group's, 1 to 128 bytes: "p0", "meta".
	Name string
	// Machine is what the log's commands are applied to. It belongs to the group until Close has returned.
	Machine Machine

	// Transport carries the group's messages to its other members. It belongs to the group, which closes it. Default: one with
	// nobody at its other end. It must not use the memory of received entries again (transport.GroupTransport.ReuseBuffers):
	// this log keeps it.
	Transport GroupTransport
	// Members are who a new group begins with, the same on each of them; they are not looked at when the group is there.
	// Default: this node alone.
	Members []Member
	// Joins says that the group is there already, elsewhere, and this node a later member: it waits until a leader brings it
	// the group's state, after AddVoter or AddNonvoter.
	Joins bool

	// BytesMax is how much the log may hold, in bytes as Usage counts them; beyond it Propose answers ErrFull. Default
	// 2 GiB. Callers that must always get some commands through stop the others earlier.
	BytesMax int64
	// CheckpointBytes is after how many bytes of applied entries (commands and overhead) a checkpoint is taken. It bounds
	// what is replayed after a restart to about twice as much. Default 64 MiB. There is no timer beside it: a group that
	// nobody writes to has nothing new to say.
	CheckpointBytes int64
	// CacheBytes is how much of the newest entries is kept in memory for Read. Default 32 MiB.
	CacheBytes int64
	// ElectionTimeout is how long a node waits for a leader before it stands for election; the wait is between once and
	// twice as long. Default 100 ms, which fits a group of one voter: nobody else could answer; 1.2 s where there are others. At
	// least 5 ms.
	ElectionTimeout time.Duration

	// Logger gets what is worth reading. Default slog.Default().
	Logger *slog.Logger
	// Fatal is called, once, when the log can't be written or synced any more: from then on nobody knows what is on
	// disk, and only a new process that reads it again can (R4). It should end the process; where it returns, the group
	// neither leads nor accepts anything again, and waits for Close. It must not call the group, nor block. Default:
	// panic, which ends the process, since it is called on goroutines of the group's.
	Fatal func(error)

	// wrapDisk lets tests put faults between the group and its files. Default: the identity.
	wrapDisk func(disk) disk
}

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	if o.BytesMax == 0 {
		o.BytesMax = bytesMaxDefault
	}
	if o.CheckpointBytes == 0 {
		o.CheckpointBytes = checkpointBytesDefault
	}
	if o.CacheBytes == 0 {
		o.CacheBytes = cacheBytesDefault
	}
	if o.ElectionTimeout == 0 {
		o.ElectionTimeout = electionTimeoutDefault
		if len(o.Members) > 1 || o.Joins {
			o.ElectionTimeout = nodeElectionTimeoutDefault
		}
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	if o.Fatal == nil {
		o.Fatal = func(err error) { panic(err) }
	}
	if o.wrapDisk == nil {
		o.wrapDisk = func(d disk) disk { return d }
	}
}

// Validate says which field can't be worked with, and why. It is meant to be called after EnsureDefaults.
func (o *Options) Validate() error {
	switch {
	case o.Dir == "":
		return errors.New("raftlog: Dir is required")
	case o.Node == "" || len(o.Node) > nameBytesMax:
		return fmt.Errorf("raftlog: Node has %d bytes; it must have 1 to %d", len(o.Node), nameBytesMax)
	case o.Name == "" || len(o.Name) > nameBytesMax:
		return fmt.Errorf("raftlog: Name has %d bytes; it must have 1 to %d", len(o.Name), nameBytesMax)
	case o.Machine == nil:
		return errors.New("raftlog: Machine is required")
	case o.BytesMax < 0:
		return fmt.Errorf("raftlog: BytesMax is %d; it must be positive", o.BytesMax)
	case o.CheckpointBytes < 0:
		return fmt.Errorf("raftlog: CheckpointBytes is %d; it must be positive", o.CheckpointBytes)
	case o.CacheBytes < 0:
		return fmt.Errorf("raftlog: CacheBytes is %d; it must be positive", o.CacheBytes)
	case o.ElectionTimeout < electionTimeoutMin:
		return fmt.Errorf("raftlog: ElectionTimeout is %v; it must be at least %v", o.ElectionTimeout, electionTimeoutMin)
	case (len(o.Members) > 1 || o.Joins) && o.Transport == nil:
		return errors.New("raftlog: Transport is required where there are other members")
	}
	return checkMembers(o.Members)
}
