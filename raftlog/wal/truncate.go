package wal

import "fmt"

// DeleteRange implements raft.LogStore. The library removes entries in two ways, and both are told apart by where the
// range ends: before the last entry it is a prefix that a checkpoint covers, which only moves a mark; at the last entry
// it is a suffix that another leader overruled, or everything after a snapshot was installed, which is gone for good when
// DeleteRange returns. What the library has let go of before stays readable until nobody wants it.
func (g *Group) DeleteRange(from, to uint64) error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	g.mu.Lock()
	first, last := g.mu.first, g.mu.last
	switch {
	case last == 0 || from > to || from > last || to < first:
		g.mu.Unlock()
		return nil
	case to >= last:
		g.mu.Unlock()
		b, err := g.beginTruncate(from)
		if err != nil {
			return err
		}
		return g.log.await(b)
	case from > first:
		g.mu.Unlock()
		return g.log.fail(fmt.Errorf("wal: assertion: group %d: removing entries %d to %d of %d to %d would leave a gap", g.id, from, to, first, last))
	}
	g.mu.letGo(to + 1)
	g.mu.Unlock()
	if first <= g.pin.Load() {
		g.log.tellRetirable()
	}
	return nil
}

// beginTruncate puts a record that removes the entries from an index on into the open batch. g.writing is held.
func (g *Group) beginTruncate(from uint64) (*batch, error) {
	g.mu.RLock()
	h := recordHeader{kind: kindTruncate, index: from}
	if from <= g.mu.first {
		h.index, h.flags = g.mu.first, flagEmpties
	} else if before, there := g.mu.index.find(from - 1); there {
		h.term = before.term
	}
	g.mu.RUnlock()
	return g.add(h, nil, nil)
}

// Restart says that a checkpoint stands for all entries up to index, the last of which had the term: what is appended next
// is index+1. It is called after a snapshot was installed, and whenever the group is started.
//
// Where the log has that entry, and continues it, nothing changes. Where it does not, because the snapshot came from a leader
// that knew other entries, or more of them, what the library knew of is removed as by DeleteRange, since nobody knows what
// of it was ever committed; what it had let go of stays readable. The checkpoint is what remembers index: it isn't written.
func (g *Group) Restart(index, term uint64) error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	g.mu.RLock()
	first, last := g.mu.first, g.mu.last
	at, there := g.mu.index.find(index)
	g.mu.RUnlock()
	switch agrees := there && at.term == term || !there && index+1 == first; {
	case last != 0 && index <= last && agrees:
		return nil
	case addOne(index) < first:
		return fmt.Errorf("%w: group %d: the library let go of the entries before %d, the checkpoint ends with %d", ErrGone, g.id, first, index)
	case last != 0:
		b, err := g.beginTruncate(first)
		if err != nil {
			return err
		}
		if err := g.log.await(b); err != nil {
			return err
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.restart, g.mu.restartTerm = index, term
	g.mu.letGo(addOne(index))
	return nil
}
