package raftlog

import (
	"errors"
	"fmt"
	"math"

	"github.com/hashicorp/raft"
)

// RetainNone is what a machine whose state says everything tells Retain: once an entry is covered by a checkpoint, it is
// not wanted any more.
const RetainNone = math.MaxUint64

// Retain says that entries before index are not wanted any more. They go from disk once a checkpoint covers them, some
// time later. Entries from index on stay and can be read, whatever checkpoints are taken. It only moves forward. It is
// not remembered over a restart: until it is called, everything stays.
func (g *Group) Retain(index uint64) { g.entries.retain(index) }

// Read returns an entry that was applied here and is retained: from memory when it is a recent one. The data must not be
// changed; they may be kept.
func (g *Group) Read(index uint64) (Entry, error) {
	var entry raft.Log
	err := g.entries.read(index, &entry)
	switch {
	case errors.Is(err, raft.ErrLogNotFound):
		usage := g.entries.usage()
		return Entry{}, fmt.Errorf("%w: entry %d; there are %d to %d", ErrNotRetained, index, usage.First, usage.Last)
	case err != nil:
		return Entry{}, fmt.Errorf("raftlog: reading entry %d: %w", index, err)
	case entry.Index != index: // R3
		err := fmt.Errorf("raftlog: assertion: entry %d says that it is entry %d", index, entry.Index)
		g.fail(err)
		return Entry{}, err
	case entry.Type != raft.LogCommand:
		return Entry{}, fmt.Errorf("%w: %w: entry %d is Raft's own", ErrNotRetained, ErrNoCommand, index)
	}
	return Entry{Index: entry.Index, Term: entry.Term, Data: entry.Data}, nil
}

// Usage says what a log holds.
type Usage struct {
	// Bytes that the log has on disk: for a group of a Node those of all its groups, whole segments; for a group with a log of
	// its own each entry's command and EntryOverhead, where the file may be larger: what was removed is used again, never
	// given back.
	Bytes int64
	// BytesMax is the most that there may be; then proposals are refused, but for small ones, which may use a part of the reserve
	// beyond it. It is less while the disk is full.
	BytesMax int64
	// GroupBytes is the group's part of Bytes.
	GroupBytes int64
	// First and Last are the indexes of the oldest and the newest entry of the group. 0 and 0: there is none.
	First, Last uint64
}

// Usage returns what the log holds now.
func (g *Group) Usage() Usage { return g.entries.usage() }

// EntryBytesMax is the largest command that Propose takes: EntryBytesMax, or less where the log's files are small.
func (g *Group) EntryBytesMax() int { return g.settings.entryBytesMax }
