package wal

import (
	"errors"
	"math"

	"github.com/hashicorp/raft"
)

// errGivenUp is returned to who doesn't wait for the disk any more.
var errGivenUp = errors.New("wal: given up waiting for a sync")

// maxIndex is behind every entry.
const maxIndex = math.MaxUint64

// ahead is what StoreAhead has put into batches that are not synced yet: the library's, and nobody else's.
//
//	         state.last                            what StoreAhead was given last
//	─────────────┤ first                              │
//	  on disk    ├── in the batch that is written ──┬─┤ in the open one
//
// All else that changes the group waits for it (begin), so it holds nothing but entries that follow each other, and those the
// state. Two batches bound its bytes: one is written, the next one fills, and who finds it full waits.
//
// The group's lock guards it.
type ahead struct {
	entries []aheadEntry
	from    int // of entries, those that are ahead
}

type aheadEntry struct {
	entry raft.Log
	batch *batch
}

func (a *ahead) list() []aheadEntry { return a.entries[a.from:] }

// add notes an entry whose record was put into a batch.
func (a *ahead) add(entry *raft.Log, b *batch) {
	if a.from > len(a.entries)/2 {
		left := copy(a.entries, a.list())
		clear(a.entries[left:])
		a.entries, a.from = a.entries[:left], 0
	}
	a.entries = append(a.entries, aheadEntry{*entry, b})
}

// synced takes an entry out that is on disk.
func (a *ahead) synced(index uint64) {
	if list := a.list(); len(list) > 0 && list[0].entry.Index == index {
		list[0] = aheadEntry{}
		a.from++
	}
}

// first is the first entry's index, 0 when there is none.
func (a *ahead) first() uint64 {
	if list := a.list(); len(list) > 0 {
		return list[0].entry.Index
	}
	return 0
}

// through returns the last of the entries up to an index, or nil.
func (a *ahead) through(index uint64) *aheadEntry {
	list := a.list()
	if len(list) == 0 || index < list[0].entry.Index {
		return nil
	}
	return &list[min(index-list[0].entry.Index, uint64(len(list)-1))]
}

// StoreAhead is StoreLogs that does not wait for the disk: when it returns without an error the entries will be on disk before
// anything that the group is asked for later, and GetLog finds them. Nothing else counts them yet: neither Read nor Usage nor
// LastIndex do. Who promises anything for them, or says that they are committed, asks first how far the disk is (Synced,
// AwaitSynced). Their data must not be changed any more. Nobody hears of a sync that fails but Options.Fatal, and who waits.
func (g *Group) StoreAhead(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	g.log.awaitRetirement()
	g.writing.Lock()
	defer g.writing.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	if err := g.continues(entries); err != nil {
		return g.log.fail(err)
	}
	_, err := g.addEntries(entries, 0, true)
	return err
}

// Synced takes an index back to the last entry before those that were stored ahead and are not on disk yet. An index that does
// not lie among these it returns as it is.
func (g *Group) Synced(index uint64) uint64 {
	if first := g.firstAhead.Load(); first != 0 && index >= first {
		return first - 1
	}
	return index
}

// AwaitSynced returns when no entry up to index is ahead of the disk, or says why that won't be, or that it was given up.
func (g *Group) AwaitSynced(index uint64, giveUp <-chan struct{}) error {
	if g.Synced(index) == index {
		return nil
	}
	g.mu.RLock()
	last := g.mu.ahead.through(index)
	var b *batch
	if last != nil {
		b = last.batch
	}
	g.mu.RUnlock()
	if b == nil {
		return nil
	}
	if g.log.options.manual {
		g.log.drive(b)
	}
	select {
	case <-b.done:
		return b.err
	case <-giveUp:
		return errGivenUp
	}
}

// begin takes the group's turn to change, and waits until nothing is ahead: then mu.state is all there is.
func (g *Group) begin() error {
	g.writing.Lock()
	if err := g.AwaitSynced(maxIndex, nil); err != nil {
		g.writing.Unlock()
		return err
	}
	return nil
}

// noteAhead lets the library read an entry whose record was put into a batch just now. l.mu is held, so that the batch is still open.
func (g *Group) noteAhead(entry *raft.Log, b *batch) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.ahead.add(entry, b)
	g.firstAhead.Store(g.mu.ahead.first())
}

// readAhead reads an entry that is ahead, if it is.
func (g *Group) readAhead(index uint64, entry *raft.Log) bool {
	if g.Synced(index) == index {
		return false
	}
	g.mu.RLock()
	defer g.mu.RUnlock()
	found := g.mu.ahead.through(index)
	if found == nil || found.entry.Index != index {
		return false
	}
	*entry = found.entry
	return true
}
