package catalog

import (
	"bytes"
	"errors"
	"fmt"
	"iter"
	"sync/atomic"

	"github.com/freshet-mq/freshet/raftlog"
)

// Machine is the catalog as a replicated state machine: raftlog applies entries to it from one goroutine, anybody reads
// its View.
type Machine struct {
	view atomic.Pointer[View]
	// requests is for who applies entries alone.
	requests *memory
}

var _ raftlog.Machine = (*Machine)(nil)

// NewMachine returns an empty catalog.
func NewMachine() *Machine {
	m := &Machine{requests: newMemory()}
	m.view.Store(emptyView())
	return m
}

// View returns the catalog as of the last entry that changed it.
func (m *Machine) View() *View { return m.view.Load() }

// Apply implements raftlog.Machine; it returns a Result. An entry that is no command is refused like any other; one of a
// newer release panics: a replica that left it out would differ from the others from then on, and nobody would know.
func (m *Machine) Apply(entry raftlog.Entry) any {
	command, err := decode(entry.Data)
	switch {
	case errors.Is(err, ErrVersion):
		panic(fmt.Sprintf("catalog: entry %d: %v: start the release that wrote it", entry.Index, err))
	case err != nil:
		return Result{Err: err}
	}
	return m.carryOut(entry.Index, command)
}

// carryOut does what a command says, but a request only once (M6).
func (m *Machine) carryOut(index uint64, command Command) Result {
	requested, ok := command.(Requested)
	if !ok {
		next, result := m.View().apply(index, command)
		m.swap(next)
		return result
	}
	// What a proposer of another release may not have refused, and needs no memory.
	if refused := requested.check(); refused != nil {
		return Result{Err: refused}
	}
	if before := m.requests.known[requested.Number]; before != nil {
		return before.answer(requested, m.View())
	}
	if !m.requests.room(requested.AtMs) {
		return Result{Err: memoryFull()}
	}
	next, result := m.View().apply(index, requested.Command)
	m.requests.add(requested.cameTo(index, result))
	m.swap(next)
	return result
}

// stateKey is the key of the one record that a snapshot has.
const stateKey = "catalog"

// Snapshot implements raftlog.Machine. The catalog is small and written whole.
func (m *Machine) Snapshot(bool) ([]raftlog.Record, error) {
	state, err := encode(m.View(), m.requests)
	if err != nil {
		return nil, err
	}
	return []raftlog.Record{{Key: []byte(stateKey), Value: state}}, nil
}

// Restore implements raftlog.Machine. After an error the catalog is what it was.
func (m *Machine) Restore(records iter.Seq2[raftlog.Record, error]) error {
	view, requests := emptyView(), newMemory()
	for record, err := range records {
		if err != nil {
			return err
		}
		if string(record.Key) != stateKey {
			return fmt.Errorf("%w: found a record %q, expected %q alone", ErrCorrupt, record.Key, stateKey)
		}
		// The log's bytes are valid until the next step.
		if view, requests, err = decodeState(bytes.Clone(record.Value)); err != nil {
			return err
		}
	}
	m.requests = requests
	m.swap(view)
	return nil
}

// swap shows readers the next view, and then tells those who wait on the last.
func (m *Machine) swap(next *View) {
	if last := m.view.Swap(next); last != next {
		close(last.superseded)
	}
}
