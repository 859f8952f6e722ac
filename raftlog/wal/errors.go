package wal

import "errors"

var (
	// ErrCorrupt marks damage that no crash explains: what was synced reads differently now, or is gone. The log is not
	// opened, or stops (R2): the node has to be rebuilt from its peers.
	ErrCorrupt = errors.New("wal: corrupt")
	// ErrForeign is returned by Open for a directory that holds another node's log, or one of a format that this build does
	// not know.
	ErrForeign = errors.New("wal: not this node's log")
	// ErrClosed is returned once the log is closed. Nothing was written.
	ErrClosed = errors.New("wal: closed")
	// ErrRemoved is returned by a group that was removed.
	ErrRemoved = errors.New("wal: group is removed")
	// ErrFull fails the log when an append needs a segment and there is none: the disk is full, or BytesMax reached, and the
	// reserve is used up.
	ErrFull = errors.New("wal: no segment left")
	// ErrTooLarge is returned for an entry, or for stable values, above the limits that Options names. Nothing was written.
	ErrTooLarge = errors.New("wal: too large")
	// ErrGone is returned by Restart when the log lacks entries between the checkpoint and its own first entry.
	ErrGone = errors.New("wal: entries are gone")
)

// errNotFound is what raft.StableStore answers for a missing key. The library compares its text.
var errNotFound = errors.New("not found")
