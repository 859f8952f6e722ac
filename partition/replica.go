package partition

import (
	"fmt"
	"iter"
	"sync"

	"github.com/freshet-mq/freshet/raftlog"
)

// replica is the machine as raftlog drives it, and as the leader's half looks into it. The log applies entries on one goroutine; everybody
// else only reads, under the lock.
type replica struct {
	mu struct {
		sync.RWMutex
		machine *Machine
		// failed is why nothing is applied any more: an entry made no sense, or the leader's state is another (ErrDiffers).
		failed error
	}
	number   uint32
	clock    Clock
	observer Observer
	fatal    func(error)
	// copies of events that the log isn't kept for.
	copies *copies
	// told is called with what an entry has done, whoever proposed it; with nil when a snapshot has taken the state's place. topology says
	// whether streams, subscriptions or members came, went or changed. It must not block.
	told func(fx *Effects, topology bool)
}

var _ raftlog.Machine = (*replica)(nil)

func newReplica(o *Options, told func(*Effects, bool)) *replica {
	r := &replica{number: o.Number, clock: o.Clock, observer: o.Observer, fatal: o.Fatal, copies: newCopies(o.Keeper), told: told}
	r.mu.machine = NewMachine()
	return r
}

// Apply applies an entry. Its result is the *Effects, which only whoever proposed it carries out.
func (r *replica) Apply(e raftlog.Entry) any {
	r.mu.Lock()
	defer r.mu.Unlock()
	began := r.clock.Now()
	before := r.mu.machine.topology
	if r.mu.failed != nil {
		return r.mu.failed
	}
	fx, err := r.mu.machine.Apply(Index(e.Index), Term(e.Term), e.Data)
	if err != nil {
		r.mu.failed = fmt.Errorf("partition %d: %w", r.number, err)
		r.fatal(r.mu.failed)
		return r.mu.failed
	}
	r.observer.Took(StageApply, r.clock.Now().Sub(began))
	r.observer.Applied(Trace{Partition: r.number, Index: fx.Index, Term: Term(e.Term), Effects: r.mu.machine.effectsHash})
	r.copies.note(fx)
	r.told(fx, r.mu.machine.topology != before || len(fx.Gone.Cursors) > 0)
	return fx
}

// Snapshot encodes what changed, or all. It holds the apply goroutine for as long as that takes. There is none of a state that isn't right: what is
// on disk is from before, and comes to the same end when the entries behind it are applied again.
func (r *replica) Snapshot(whole bool) ([]raftlog.Record, error) {
	r.mu.Lock() // what it returns isn't a change any more
	defer r.mu.Unlock()
	if r.mu.failed != nil {
		return nil, r.mu.failed
	}
	return r.copies.checkpoint(r.mu.machine.Checkpoint(whole), whole)
}

// Restore replaces the state by a snapshot's; without a record it is that of a new partition.
func (r *replica) Restore(records iter.Seq2[raftlog.Record, error]) error {
	var copied []copyKey
	m, err := RestoreRecords(withoutCopies(records, &copied))
	if err != nil {
		return fmt.Errorf("restoring the partition: %w", err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.machine = m
	r.copies.restore(m, copied)
	r.told(nil, true)
	return nil
}

// look calls f with the machine, which f must only read.
func (r *replica) look(f func(*Machine)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	f(r.mu.machine)
}
