package raftlog

import (
	"bufio"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// applier shows a Machine to the library as its raft.BatchingFSM. The library calls it from one goroutine.
type applier struct {
	machine         Machine
	checkpointBytes int64
	due             chan<- struct{} // told when a checkpoint is due; holds one

	applied atomic.Uint64 // index of the last command applied or restored
	bytes   int64         // of entries applied since the last checkpoint began
}

// ApplyBatch implements raft.BatchingFSM.
func (a *applier) ApplyBatch(entries []*raft.Log) []any {
	results := make([]any, len(entries))
	for i, entry := range entries {
		results[i] = a.Apply(entry)
	}
	return results
}

// Apply implements raft.FSM. Changes of membership come here as well; they are the library's business.
func (a *applier) Apply(entry *raft.Log) any {
	a.bytes += entrySize(entry)
	if a.bytes >= a.checkpointBytes {
		tell(a.due)
	}
	if entry.Type != raft.LogCommand {
		return nil
	}
	result := a.machine.Apply(Entry{Index: entry.Index, Term: entry.Term, Data: entry.Data})
	a.applied.Store(entry.Index)
	return Applied{Index: entry.Index, Term: entry.Term, Result: result}
}

// Snapshot implements raft.FSM. The library's snapshot files hold a whole state each.
func (a *applier) Snapshot() (raft.FSMSnapshot, error) {
	a.bytes = 0
	records, err := a.machine.Snapshot(true)
	if err != nil {
		return nil, fmt.Errorf("raftlog: the machine gives no snapshot: %w", err)
	}
	return encodedState(records), nil
}

// Restore implements raft.FSM.
func (a *applier) Restore(source io.ReadCloser) error {
	if err := a.machine.Restore(readRecords(source)); err != nil {
		return fmt.Errorf("raftlog: restoring a snapshot: %w", err)
	}
	return nil
}

// encodedState implements raft.FSMSnapshot over what a Machine returned.
type encodedState []Record

// Persist writes the state; the sink syncs it.
func (s encodedState) Persist(sink raft.SnapshotSink) error {
	buffered := bufio.NewWriterSize(sink, 64<<10)
	if err := writeRecords(buffered, all(s)); err != nil {
		return fmt.Errorf("raftlog: writing a snapshot: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("raftlog: writing a snapshot: %w", err)
	}
	return sink.Close()
}

// Release implements raft.FSMSnapshot: there is nothing to give back.
func (s encodedState) Release() {}

// tell leaves a word in a channel that holds one, unless one is there already.
func tell(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
