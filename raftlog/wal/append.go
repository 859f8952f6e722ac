package wal

import (
	"fmt"
	"math"
	"time"

	"github.com/hashicorp/raft"
)

// StoreLog implements raft.LogStore.
func (g *Group) StoreLog(entry *raft.Log) error { return g.StoreLogs([]*raft.Log{entry}) }

// StoreLogs implements raft.LogStore: when it returns without an error all entries are on disk (R1). When it fails, a first
// part of them may be, and the log is of no more use (R4). Entries must continue the last one, or what Restart said; what
// does not is a bug of the caller's, and fatal (R3). The entries may be used again when it returns.
func (g *Group) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	g.log.awaitRetirement()
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	last, err := g.beginStore(entries)
	if err != nil {
		return err
	}
	return g.log.await(last)
}

// beginStore puts entries into the open batch, and those after it where they don't fit, and returns the last one.
// g.writing is held.
func (g *Group) beginStore(entries []*raft.Log) (*batch, error) {
	if err := g.usable(); err != nil {
		return nil, err
	}
	if err := g.continues(entries); err != nil {
		return nil, g.log.fail(err)
	}
	return g.addEntries(entries, 0, false)
}

// usable returns why the group takes no changes.
func (g *Group) usable() error {
	g.mu.RLock()
	removed := g.mu.removed
	g.mu.RUnlock()
	if removed {
		return fmt.Errorf("%w: group %d", ErrRemoved, g.id)
	}
	return g.log.usable()
}

// continues refuses entries that would leave a gap, overwrite others, or turn terms back: no library in its right mind
// asks for that, and afterwards an entry could be read under another's index (R3).
func (g *Group) continues(entries []*raft.Log) error {
	g.mu.RLock()
	last, term, first, newest := g.mu.last, g.mu.term, g.mu.first, g.mu.index.newest()
	if e := g.mu.ahead.through(maxIndex); e != nil {
		last, term = e.entry.Index, e.entry.Term
	}
	if last == 0 && g.mu.restart != 0 {
		last, term = g.mu.restart, g.mu.restartTerm
	}
	g.mu.RUnlock()
	for _, entry := range entries {
		switch {
		case entry.Index == 0, last != 0 && entry.Index != last+1:
			return fmt.Errorf("wal: assertion: group %d: entry %d does not continue the last one, %d", g.id, entry.Index, last)
		case entry.Term < term:
			return fmt.Errorf("wal: assertion: group %d: entry %d has term %d, before the last one's, %d", g.id, entry.Index, entry.Term, term)
		case last == 0 && (entry.Index < first || entry.Index <= newest):
			return fmt.Errorf("wal: assertion: group %d: entry %d is not behind %d, which was let go of", g.id, entry.Index, max(first, newest+1)-1)
		}
		if err := g.fits(entry); err != nil {
			return err
		}
		last, term = entry.Index, entry.Term
	}
	return nil
}

func (g *Group) fits(entry *raft.Log) error {
	bytes := uint64(recordHeaderBytes) + uint64(len(entry.Data)) + uint64(len(entry.Extensions))
	if most := uint64(g.log.options.recordBytesMax()); bytes > most {
		return fmt.Errorf("%w: group %d: entry %d needs %d bytes; a quarter of a segment is %d", ErrTooLarge, g.id, entry.Index, bytes, most)
	}
	return nil
}

// addEntries copies entries into batches, and notes those that are stored ahead. Checksums are taken before the lock.
func (g *Group) addEntries(entries []*raft.Log, flags uint8, ahead bool) (*batch, error) {
	headers := make([]recordHeader, len(entries))
	for i, entry := range entries {
		headers[i] = recordHeader{
			kind: kindEntry, entryType: uint8(entry.Type), flags: flags, group: g.id, incarnation: g.incarnation,
			dataLength: uint32(len(entry.Data)), dataSum: g.sumOf(entry),
			extLength: uint32(len(entry.Extensions)), extSum: checksum(entry.Extensions),
			index: entry.Index, term: entry.Term, appendedNanos: nanos(entry.AppendedAt),
		}
	}
	l := g.log
	l.mu.Lock()
	defer l.mu.Unlock()
	var last *batch
	for i, entry := range entries {
		b, err := l.roomLocked(headers[i].bytes())
		if err != nil {
			return nil, err
		}
		c := change{group: g, kind: kindEntry, entryType: uint8(entry.Type), flags: flags, index: entry.Index, term: entry.Term}
		b.add(&l.arenas, c, &headers[i], entry.Data, entry.Extensions)
		if ahead {
			g.noteAhead(entry, b)
		}
		last = b
	}
	return last, nil
}

// add puts one record without extensions into the open batch.
func (g *Group) add(h recordHeader, data []byte, stable stableValues) (*batch, error) {
	h.group, h.incarnation = g.id, g.incarnation
	h.dataLength, h.dataSum = uint32(len(data)), checksum(data)
	l := g.log
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := l.roomLocked(h.bytes())
	if err != nil {
		return nil, err
	}
	b.add(&l.arenas, change{group: g, kind: h.kind, flags: h.flags, index: h.index, term: h.term, stable: stable}, &h, data, nil)
	return b, nil
}

// apply lets a record take effect that is on disk in a segment: when it was written, and when it is read again.
func (l *Log) apply(c *change, s *segment) error {
	g := c.group
	switch c.kind {
	case kindStable:
		l.register(g, c.stable)
		return nil
	case kindRemove:
		l.unregister(g)
		return nil
	case kindRetired:
		return nil
	default:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch c.kind {
	case kindEntry:
		at := location{term: c.term, segment: s.number(), offset: c.offset, bytes: c.bytes, kind: c.entryType}
		l.segments.note(s, g, c.index)
		if c.flags&flagMoved != 0 {
			return g.mu.place(c.index, at)
		}
		g.mu.restart, g.mu.restartTerm = 0, 0
		if err := g.mu.append(c.index, at); err != nil {
			return err
		}
		g.mu.ahead.synced(c.index)
		g.firstAhead.Store(g.mu.ahead.first())
		return nil
	case kindTruncate:
		return g.mu.truncate(c.index, c.term, c.flags&flagEmpties != 0)
	case kindFirst:
		g.mu.letGo(c.index)
		g.mu.firstLogged = max(g.mu.firstLogged, c.index)
		return nil
	default:
		return fmt.Errorf("a record of %v of a group", c.kind)
	}
}

// nanos is how a time is written: nanoseconds since 1970, 0 for none. Times that don't fit are not known.
func nanos(t time.Time) int64 {
	if t.IsZero() || t.Year() < 1678 || t.Year() > 2261 {
		return 0
	}
	return t.UnixNano()
}

func timeOf(nanos int64) time.Time {
	if nanos == 0 {
		return time.Time{}
	}
	return time.Unix(0, nanos)
}

// Adopt stores entries that were fetched from a peer and that this node took a snapshot in place of: from before what the
// library knows of. They are read as all others. Those that are there already are passed over; they must be in ascending
// order. When it returns without an error all are on disk.
func (g *Group) Adopt(entries []*raft.Log) error {
	g.log.awaitRetirement()
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	g.mu.RLock()
	below := g.mu.first
	var missing []*raft.Log
	for _, entry := range entries {
		if _, there := g.mu.index.find(entry.Index); !there {
			missing = append(missing, entry)
		}
	}
	g.mu.RUnlock()
	before := uint64(0)
	for _, entry := range missing {
		if entry.Index <= before || entry.Index >= below {
			return fmt.Errorf("wal: group %d: entry %d can't be adopted behind %d: those before %d can, in ascending order", g.id, entry.Index, before, below)
		}
		if err := g.fits(entry); err != nil {
			return err
		}
		before = entry.Index
	}
	if len(missing) == 0 {
		return nil
	}
	last, err := g.addEntries(missing, flagMoved, false)
	if err != nil {
		return err
	}
	return g.log.await(last)
}

// Remove ends the group: its entries and stable values are gone when it returns. A group made later with the same number is
// another one.
func (g *Group) Remove() error {
	if err := g.begin(); err != nil {
		return err
	}
	defer g.writing.Unlock()
	if err := g.usable(); err != nil {
		return err
	}
	b, err := g.add(recordHeader{kind: kindRemove}, nil, nil)
	if err != nil {
		return err
	}
	if err := g.log.await(b); err != nil {
		return err
	}
	g.log.tellRetirable()
	return nil
}

// register gives a group its stable values, and the log a group that it doesn't know yet.
func (l *Log) register(g *Group, stable stableValues) {
	l.groups.Lock()
	if l.groups.byID[g.id] == nil {
		l.groups.byID[g.id] = g
		l.groups.lastIncarnation = max(l.groups.lastIncarnation, g.incarnation)
	}
	l.groups.Unlock()
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.stable = stable
	// The term or a vote has changed: from now on the node may lead.
	g.lending.Store(true)
}

func (l *Log) unregister(g *Group) {
	g.mu.Lock()
	g.mu.removed = true
	bytes := tableGroupBytes + g.mu.stable.encodedBytes()
	g.mu.state = state{}
	g.mu.Unlock()
	g.applied.Store(math.MaxUint64)
	l.groups.Lock()
	defer l.groups.Unlock()
	delete(l.groups.byID, g.id)
	l.groups.tableBytes -= bytes
}
