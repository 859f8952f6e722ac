package raftlog

import (
	"errors"
	"fmt"

	"github.com/hashicorp/raft"
)

var (
	// ErrNotLeader is returned when this node does not lead the group. Nothing was appended: the same command may be
	// proposed again, here or elsewhere.
	ErrNotLeader = errors.New("raftlog: not the leader")
	// ErrClosed is returned by a group that is closed or that has failed. Nothing was appended.
	ErrClosed = errors.New("raftlog: group is closed")
	// ErrTooLarge is returned for a command of more than EntryBytesMax. Nothing was appended.
	ErrTooLarge = errors.New("raftlog: command too large")
	// ErrFull is returned when the log holds BytesMax, or, for commands of at most 16 KiB, a part of the reserve besides (room.go). Nothing
	// was appended; there is room again when checkpoints and Retain have let go of old entries.
	ErrFull = errors.New("raftlog: log is full")
	// ErrOutcomeUnknown is returned when a command may have been appended and may be applied, now, later or never:
	// leadership was lost, the wait was given up, the log failed. It is wrapped with the cause. Who repeats such a
	// command must be able to tell a second copy from the first.
	ErrOutcomeUnknown = errors.New("raftlog: outcome unknown")
	// ErrNotRetained is returned by Read for an entry that is not there: removed, never written, or an entry of Raft's
	// own that carries no command.
	ErrNotRetained = errors.New("raftlog: entry is not retained")
	// ErrNoCommand is returned by Read, besides ErrNotRetained, for an entry of Raft's own that is there.
	ErrNoCommand = errors.New("raftlog: entry carries no command")
	// ErrForeign is returned by Open for a directory that belongs to another node or group, or that has lost a part of
	// what was written to it.
	ErrForeign = errors.New("raftlog: directory does not fit")
)

// outcome translates what the library says of a proposal into the two answers that a caller can act on: ErrNotLeader,
// proved not to be in the log, or ErrOutcomeUnknown.
func outcome(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, raft.ErrNotLeader), errors.Is(err, raft.ErrLeadershipTransferInProgress):
		// Both are answered before an entry gets its index (dispatchLogs in the library's raft.go).
		return ErrNotLeader
	default:
		return fmt.Errorf("%w: %w", ErrOutcomeUnknown, err)
	}
}
