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
func (g *Group) Retain(index uint64) { g.store.retain(index) }

// Read returns an entry that was applied here and is retained: from memory when it is a recent one. The data must not be
// changed; they may be kept.
func (g *Group) Read(index uint64) (Entry, error) {
	var entry raft.Log
	err := g.store.GetLog(index, &entry)
	switch {
	case errors.Is(err, raft.ErrLogNotFound):
		_, first, last := g.store.usage()
		return Entry{}, fmt.Errorf("%w: entry %d; there are %d to %d", ErrNotRetained, index, first, last)
	case err != nil:
		return Entry{}, fmt.Errorf("raftlog: reading entry %d: %w", index, err)
	case entry.Index != index: // R3
		return Entry{}, g.store.fail(fmt.Errorf("raftlog: assertion: entry %d says that it is entry %d", index, entry.Index))
	case entry.Type != raft.LogCommand:
		return Entry{}, fmt.Errorf("%w: entry %d is Raft's own", ErrNotRetained, index)
	}
	return Entry{Index: entry.Index, Term: entry.Term, Data: entry.Data}, nil
}

// Usage says what a log holds.
type Usage struct {
	// Bytes of the entries that are on disk: each one's command and EntryOverhead. After a restart it may differ by some
	// bytes an entry. The file may be larger: what was removed is used again, never given back.
	Bytes int64
	// BytesMax is the most that there may be.
	BytesMax int64
	// First and Last are the indexes of the oldest and the newest entry. 0 and 0: there is none.
	First, Last uint64
}

// Usage returns what the log holds now.
func (g *Group) Usage() Usage {
	bytes, first, last := g.store.usage()
	return Usage{Bytes: bytes, BytesMax: g.options.BytesMax, First: first, Last: last}
}

// Status is what a group tells about itself.
type Status struct {
	// Leader is the name of the node that leads, as far as this one knows; empty when it knows of none.
	Leader string
	// Term is Raft's.
	Term uint64
	// Applied is the index of the last command that the machine has applied, or restored.
	Applied uint64
}

// Status returns the group's state now. It is for people: by the time that it is read, it may be different.
func (g *Group) Status() Status {
	library := g.raft.Load()
	_, leader := library.LeaderWithID()
	return Status{Leader: string(leader), Term: library.CurrentTerm(), Applied: g.applier.applied.Load()}
}
