package wal

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"
)

// Group is one Raft group's part of the log: what the library calls LogStore and StableStore, and what its owner reads
// from. Changes of one group are made one after the other; those of different groups share batches.
type Group struct {
	log         *Log
	id          GroupID
	incarnation uint32

	// writing is held while a change of the group is on its way to the disk, so that mu.state is all there is, but for what is
	// stored ahead: only that doesn't wait for its sync, and all else waits for it (begin).
	writing turn

	retained    atomic.Uint64 // entries from here on are wanted
	covered     atomic.Uint64 // entries up to here are in a durable checkpoint
	applied     atomic.Uint64 // entries up to here are applied
	pin         atomic.Uint64 // the last entry in the oldest segment: retained and covered beyond it are news
	headersOnly atomic.Bool
	// lending says that an entry read may be looked at for longer than until it is applied: by replicators, while the node
	// leads or may. followed says in which term it can't.
	lending atomic.Bool
	kept    kept
	sums    sums
	// firstAhead is mu.ahead's first, 0 when there is none.
	firstAhead atomic.Uint64

	mu struct {
		sync.RWMutex
		state
		ahead   ahead
		removed bool
		// voteTerm is half a vote: raft writes the term and the candidate one after the other, and is not to find one
		// without the other after a crash. It is kept until the other half comes.
		voteTerm []byte
		// restart is the entry that the next one has to follow, where the library knows of none; 0 when there is no such.
		restart, restartTerm uint64
		firstLogged          uint64 // first, as the log has it on disk
	}
}

var (
	_ raft.LogStore          = (*Group)(nil)
	_ raft.MonotonicLogStore = (*Group)(nil)
	_ raft.StableStore       = (*Group)(nil)
)

func newGroup(l *Log, id GroupID, incarnation uint32) *Group {
	g := &Group{log: l, id: id, incarnation: incarnation, writing: newTurn()}
	g.lending.Store(true)
	return g
}

// ID returns the group's number.
func (g *Group) ID() GroupID { return g.id }

// Retain says that the owner wants entries from index on. It only moves forward, and is not remembered: after Open
// everything stays until it is called. What is retained but not covered, or still the library's, stays as well.
func (g *Group) Retain(index uint64) { g.advance(&g.retained, index) }

// Covered says that a durable checkpoint has everything up to index. It only moves forward, and is not remembered.
func (g *Group) Covered(index uint64) { g.advance(&g.covered, index) }

// advance moves a mark forward, and has the oldest segment looked at when that may matter.
func (g *Group) advance(mark *atomic.Uint64, to uint64) {
	for {
		was := mark.Load()
		if to <= was {
			return
		}
		if mark.CompareAndSwap(was, to) {
			if mark == &g.covered || was <= g.pin.Load() {
				g.log.tellRetirable()
			}
			return
		}
	}
}

// Applied says that everything up to index was applied: nobody looks any more at what GetLog returned of it. Until it is
// called, batches are never used again.
func (g *Group) Applied(index uint64) {
	for {
		was := g.applied.Load()
		if index <= was || g.applied.CompareAndSwap(was, index) {
			return
		}
	}
}

// Following says that another node leads the group in a term. Until this node's own term changes, entries that GetLog returns
// are looked at by whoever applies them and nobody else, and their memory may be used again once they are Applied. It is
// an optimization: where it isn't called, batches are left to the garbage collector. It is cheap to repeat.
func (g *Group) Following(term uint64) {
	if !g.lending.Load() {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	// The library raises its term here before it stands for election, so it can't be leading when this one is current.
	if value := g.mu.stable[keyCurrentTerm]; len(value) == 8 && binary.BigEndian.Uint64(value) == term {
		g.lending.Store(false)
		g.kept.clear()
	}
}

// HeadersOnly makes GetLog return entries without their data, but for configurations: what the library needs while it
// starts, when it looks at every entry behind the last snapshot.
func (g *Group) HeadersOnly(on bool) { g.headersOnly.Store(on) }

// FirstIndex implements raft.LogStore: the first entry that the library has not let go of, 0 when there is none.
func (g *Group) FirstIndex() (uint64, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	if g.mu.last == 0 {
		return 0, nil
	}
	return g.mu.first, nil
}

// LastIndex implements raft.LogStore.
func (g *Group) LastIndex() (uint64, error) {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.mu.last, nil
}

// IsMonotonic implements raft.MonotonicLogStore: there are no gaps in what the library knows of.
func (g *Group) IsMonotonic() bool { return true }

// GroupUsage says what a group has in the log.
type GroupUsage struct {
	// Bytes of its entries that are physically there, with what a record has besides its data.
	Bytes int64
	// Oldest entry that is physically there, First and Last of those that the library knows of. 0: there is none.
	Oldest, First, Last uint64
}

// Usage returns what the group has in the log now.
func (g *Group) Usage() GroupUsage {
	g.mu.RLock()
	defer g.mu.RUnlock()
	u := GroupUsage{Bytes: g.mu.index.bytes, Oldest: g.mu.index.oldest(), Last: g.mu.last}
	if u.Last != 0 {
		u.First = g.mu.first
	}
	return u
}

// row is the group's in the table of a segment that is begun now.
func (g *Group) row() tableRow {
	g.mu.Lock()
	defer g.mu.Unlock()
	// The table is synced before anything follows it, or the log fails.
	g.mu.firstLogged = g.mu.first
	return tableRow{group: g.id, incarnation: g.incarnation, first: g.mu.first, last: g.mu.last, term: g.mu.term, stable: g.mu.stable}
}

// floor is the entry before which nothing is wanted: by the owner, for a replay after a crash, by the library.
func (g *Group) floor() uint64 {
	g.mu.RLock()
	first := g.mu.first
	g.mu.RUnlock()
	return min(g.retained.Load(), addOne(g.covered.Load()), first)
}

// addOne adds 1 where that doesn't overflow.
func addOne(n uint64) uint64 { return max(n, n+1) }
