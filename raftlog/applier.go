package raftlog

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/pprof"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// errCatchingUp refuses a checkpoint while the library has not come back to where the machine is.
var errCatchingUp = errors.New("raftlog: no checkpoint while the library is behind the machine")

// errWithheld says why nothing is applied any more.
var errWithheld = errors.New("raftlog: the log failed before it had what was committed")

// applier shows a Machine to the library as its raft.BatchingFSM. The library calls it from one goroutine. When the library
// is built anew the applier stays, and the machine with it.
type applier struct {
	machine         Machine
	incremental     bool // the snapshot store is a StateStore's
	checkpointBytes int64
	due             chan<- struct{} // told when a checkpoint is due; holds one
	done            func(index uint64)
	durable         func(index uint64) error // waits until this node's disk has an entry
	// labels are what profiles show of the goroutine that applies.
	labels context.Context //nolint:containedctx // pprof keeps labels in one; nothing is cancelled by it

	applied  atomic.Uint64 // index of the last command applied or restored
	position atomic.Uint64 // of the last entry that the machine need not see again
	seen     uint64        // the last entry that the present library has shown
	bytes    int64         // of entries applied since the last checkpoint began
	// anything: entries were applied since the last checkpoint began.
	anything atomic.Bool
	// whole: the next checkpoint must have all of the state, since there is nothing that it could be added to.
	whole atomic.Bool
	// withheld: committed entries were not given to the machine, since the disk failed before it had them, or can't be read.
	withheld atomic.Bool
}

// begin prepares for a new library, and returns how far the machine is.
func (a *applier) begin() uint64 {
	a.seen = 0
	return a.position.Load()
}

// ApplyBatch implements raft.BatchingFSM.
func (a *applier) ApplyBatch(entries []*raft.Log) []any {
	pprof.SetGoroutineLabels(a.labels) // the library's goroutine; it is two words written
	results := make([]any, len(entries))
	if !a.mayApply(entries[len(entries)-1].Index) {
		return results
	}
	for i, entry := range entries {
		results[i] = a.apply(entry)
	}
	a.done(entries[len(entries)-1].Index)
	return results
}

// Apply implements raft.FSM.
func (a *applier) Apply(entry *raft.Log) any {
	if !a.mayApply(entry.Index) {
		return nil
	}
	result := a.apply(entry)
	a.done(entry.Index)
	return result
}

// mayApply waits until this node's disk has an entry that the library believes to be committed (ahead.go). Where it never will, nothing is
// applied any more, since what follows must not be without it.
func (a *applier) mayApply(index uint64) bool {
	if a.withheld.Load() {
		return false
	}
	if err := a.durable(index); err != nil {
		a.withheld.Store(true)
		return false
	}
	return true
}

// apply gives the machine a command. Changes of membership come here as well; they are the library's business.
func (a *applier) apply(entry *raft.Log) any {
	a.seen = entry.Index
	if entry.Index <= a.position.Load() {
		return nil // applied before the library was built anew; nobody waits for it
	}
	a.position.Store(entry.Index)
	a.anything.Store(true)
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

// Snapshot implements raft.FSM.
func (a *applier) Snapshot() (raft.FSMSnapshot, error) {
	a.bytes = 0 // also when there will be none: the next is tried after as many again
	if a.withheld.Load() {
		return nil, errWithheld
	}
	if a.seen < a.position.Load() {
		// The library would give the state the index of an entry that is older.
		return nil, errCatchingUp
	}
	whole := a.whole.Swap(false) || !a.incremental
	records, err := a.machine.Snapshot(whole)
	if err != nil {
		a.whole.Store(true)
		return nil, fmt.Errorf("raftlog: the machine gives no snapshot: %w", err)
	}
	a.anything.Store(false)
	return &taken{applier: a, records: records, whole: whole}, nil
}

// Restore implements raft.FSM.
func (a *applier) Restore(stream io.ReadCloser) error {
	from, err := sourceOf(stream)
	if err != nil {
		return err
	}
	records := readRecords(stream)
	if kept, ok := from.ReadCloser.(*stateStream); ok {
		records = kept.records() // as they are, without a stream in between
	}
	if err := a.machine.Restore(records); err != nil {
		return fmt.Errorf("raftlog: restoring a snapshot: %w", err)
	}
	a.applied.Store(from.meta.Index)
	a.position.Store(from.meta.Index)
	a.seen = from.meta.Index
	a.whole.Store(false)
	a.anything.Store(false)
	a.bytes = 0
	a.done(from.meta.Index)
	return nil
}

// taken implements raft.FSMSnapshot over what a Machine returned.
type taken struct {
	applier *applier
	records []Record
	whole   bool
	durable bool
}

// Persist hands the records to the state store, or writes them as a stream.
func (t *taken) Persist(sink raft.SnapshotSink) error {
	if direct, ok := sink.(*stateSink); ok {
		if err := direct.commit(t.records, t.whole); err != nil {
			return err
		}
		t.durable = true
		return nil
	}
	buffered := bufio.NewWriterSize(sink, 64<<10)
	if err := writeRecords(buffered, all(t.records)); err != nil {
		return fmt.Errorf("raftlog: writing a snapshot: %w", err)
	}
	if err := buffered.Flush(); err != nil {
		return fmt.Errorf("raftlog: writing a snapshot: %w", err)
	}
	if err := sink.Close(); err != nil {
		return err
	}
	t.durable = true
	return nil
}

// Release implements raft.FSMSnapshot. Changes that did not become durable are part of the next checkpoint: of all of the
// state, since the machine does not give them again.
func (t *taken) Release() {
	if !t.durable {
		t.applier.whole.Store(true)
	}
}

// tell leaves a word in a channel that holds one, unless one is there already.
func tell(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
