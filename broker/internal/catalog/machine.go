package catalog

import (
	"errors"
	"fmt"
	"sync/atomic"

	"github.com/freshet-mq/freshet/raftlog"
)

// Machine is the catalog as a replicated state machine: raftlog applies entries to it from one goroutine, anybody reads
// its View.
type Machine struct {
	view atomic.Pointer[View]
}

var _ raftlog.Machine = (*Machine)(nil)

// NewMachine returns an empty catalog.
func NewMachine() *Machine {
	m := &Machine{}
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
	next, result := m.View().apply(entry.Index, command)
	m.swap(next)
	return result
}

// Snapshot implements raftlog.Machine.
func (m *Machine) Snapshot() ([]byte, error) { return m.View().encode() }

// Restore implements raftlog.Machine. After an error the catalog is what it was.
func (m *Machine) Restore(state []byte) error {
	view, err := decodeView(state)
	if err != nil {
		return err
	}
	m.swap(view)
	return nil
}

// swap shows readers the next view, and then tells those who wait on the last.
func (m *Machine) swap(next *View) {
	if last := m.view.Swap(next); last != next {
		close(last.superseded)
	}
}
