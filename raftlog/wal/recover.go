package wal

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// recover finds the log's files and reads them, oldest segment first, through the same changes of state that wrote them.
func (l *Log) recover() error {
	// What a process that was killed had written may be in the kernel's memory alone: names as well as data. It is made
	// durable before anything is built on it, or a power cut could take back what the next segment's header relies on.
	if err := syncDir(l.fs, l.options.Dir); err != nil {
		return err
	}
	if err := l.findFiles(); err != nil {
		return err
	}
	list := l.segments.mu.list
	l.writer.nextBatch = 1
	for i, s := range list {
		var next *segment
		if i+1 < len(list) {
			next = list[i+1]
		}
		if err := l.chain(s, next, i == 0); err != nil {
			return err
		}
		if err := l.recoverSegment(s, next); err != nil {
			return err
		}
		l.writer.newest = s
	}
	// One more that was retired may have come back: its name was not yet synced away.
	if len(list) > 0 && list[0].serial > l.writer.oldestKept {
		return corrupt(list[0].path, 0, fmt.Errorf("it is the oldest segment; those from %d on should be there", l.writer.oldestKept))
	}
	return l.checkGroups()
}

// findFiles opens the segments, and takes in the spares.
func (l *Log) findFiles() error {
	names, err := l.fs.List(l.options.Dir)
	if err != nil {
		return fmt.Errorf("wal: listing %s: %w", l.options.Dir, err)
	}
	slices.Sort(names)
	for _, name := range names {
		path := l.fs.PathJoin(l.options.Dir, name)
		if serial, ok := parseSegmentName(name); ok {
			s, err := l.openSegment(path, serial)
			if err != nil {
				return err
			}
			l.segments.add(s)
			continue
		}
		if !strings.HasPrefix(name, sparePrefix) {
			continue
		}
		// A file that was being made, or one of another size, is of no use.
		n, ok := parseSpareName(name)
		info, err := l.fs.Stat(path)
		if err != nil {
			return fmt.Errorf("wal: %w", err)
		}
		if ok && info.Size() == l.options.SegmentBytes {
			l.spares.adopt(path, n)
			continue
		}
		if err := l.fs.Remove(path); err != nil {
			return fmt.Errorf("wal: removing %s: %w", path, err)
		}
	}
	return nil
}

// openSegment reads a segment's header. A file has its name since its header was synced, so a bad one is damage.
func (l *Log) openSegment(path string, serial uint64) (*segment, error) {
	file, err := l.fs.OpenReadWrite(path, writeCategory)
	if err != nil {
		return nil, fmt.Errorf("wal: opening %s: %w", path, err)
	}
	s := &segment{path: path, file: file, spans: map[*Group]*span{}}
	if err := l.readHeader(s, serial); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	s.crcSeed = s.seed()
	return s, nil
}

func (l *Log) readHeader(s *segment, serial uint64) error {
	info, err := s.file.Stat()
	if err != nil {
		return fmt.Errorf("wal: %s: %w", s.path, err)
	}
	w := window{file: s.file, size: info.Size()}
	block, err := w.at(0, blockBytes)
	if err == nil {
		s.segmentHeader, err = decodeSegmentHeader(block)
	}
	var unread *readError
	var version *versionError
	switch {
	case errors.As(err, &unread):
		return fmt.Errorf("wal: %s: %w", s.path, err)
	case errors.As(err, &version):
		return fmt.Errorf("%w: %s: %w", ErrForeign, s.path, err)
	case err != nil:
		return corrupt(s.path, 0, err)
	case s.node != l.options.Node:
		return fmt.Errorf("%w: %s is of node %x, this is %x", ErrForeign, s.path, s.node, l.options.Node)
	case s.serial != serial:
		return corrupt(s.path, 0, fmt.Errorf("segment %d, expected %d", s.serial, serial))
	case info.Size() < s.segmentBytes:
		return corrupt(s.path, 0, fmt.Errorf("%d bytes, expected %d", info.Size(), s.segmentBytes))
	}
	return nil
}

// chain checks that a segment continues the one that was read before it, and that the next one continues it.
func (l *Log) chain(s, next *segment, oldest bool) error {
	if oldest {
		l.writer.nextBatch = s.firstBatch
	}
	if s.firstBatch != l.writer.nextBatch {
		return corrupt(s.path, 0, fmt.Errorf("the first batch is %d, expected %d", s.firstBatch, l.writer.nextBatch))
	}
	if next == nil {
		return nil
	}
	if next.previous != s.serial {
		return corrupt(next.path, 0, fmt.Errorf("the previous segment is %d; the one found is %d: segments are missing", next.previous, s.serial))
	}
	if next.previousEnd < blockBytes || next.previousEnd > s.segmentBytes {
		return corrupt(next.path, 0, fmt.Errorf("the previous segment ends at %d of %d", next.previousEnd, s.segmentBytes))
	}
	return nil
}

// recoverSegment reads a segment's batches. All but the newest end where the next one says; anything invalid before that is
// damage. The newest is read whole, to find its end:
//
//   - invalid, and a batch with a higher number behind it: damage (R2).
//   - invalid, and none: the crash came before that batch was synced, so nobody was told of anything in it. It is cut off,
//     the whole of it, and overwritten before anything is written in its place (overwriteTorn), so that what is left of it
//     can't be mixed up with anything. A log of another SegmentBytes goes on in a new segment.
//   - invalid, and the batch before says that the log was closed: nothing was written behind that, or only the mark that
//     it was opened again, which is written again.
func (l *Log) recoverSegment(s, next *segment) error {
	w := walker{segment: s, whole: next == nil, window: window{file: s.file, size: s.segmentBytes}}
	limit := s.segmentBytes
	if next != nil {
		limit = next.previousEnd
	} else if err := s.file.Sync(); err != nil {
		return fmt.Errorf("wal: syncing %s: %w", s.path, err)
	}
	s.end = blockBytes
	closed := false
	for next == nil || s.end < limit {
		records, end, badAt, err := w.batch(s.end, l.writer.nextBatch, limit)
		if err != nil {
			return l.recoverEnd(&w, next == nil, closed, badAt, err)
		}
		for i := range records {
			if err := l.replay(&records[i], s, s.end == blockBytes && i == 0); err != nil {
				return corrupt(s.path, records[i].offset, err)
			}
		}
		closed = len(records) == 1 && records[0].kind == kindClosed
		s.end = end
		l.writer.nextBatch++
		if s.end == s.segmentBytes {
			break
		}
	}
	return nil
}

// recoverEnd decides what it means that there is no valid batch at a segment's end.
func (l *Log) recoverEnd(w *walker, newest, closed bool, badAt int64, why error) error {
	s := w.segment
	var unread *readError
	switch {
	case errors.As(why, &unread):
		return fmt.Errorf("wal: %s: %w", s.path, why)
	case !newest:
		return corrupt(s.path, badAt, why)
	case s.end == blockBytes: // the table, synced before the file had its name
		return corrupt(s.path, badAt, why)
	}
	later, there, err := w.laterBatch(s.end, l.writer.nextBatch+1)
	if err != nil {
		return fmt.Errorf("wal: %s: %w", s.path, err)
	}
	if there {
		return corrupt(s.path, badAt, fmt.Errorf("%w; a later batch is at %d", why, later))
	}
	if s.segmentBytes == l.options.SegmentBytes {
		l.writer.active, l.writer.reopened, l.writer.torn = s, closed, !closed
		l.writer.activeEnd.Store(s.end)
	}
	if closed {
		return nil
	}
	if !errors.Is(why, errNoBatch) {
		l.options.Logger.Info("a torn batch was cut off", "segment", s.path, "offset", s.end, "reason", why)
	}
	return nil
}

// replay lets a record take effect again.
func (l *Log) replay(r *record, s *segment, first bool) error {
	if first != (r.kind == kindTable) {
		return fmt.Errorf("record of %v; the first one of a segment, and no other, is a table", r.kind)
	}
	switch r.kind {
	case kindTable:
		t, err := decodeTable(r.data)
		if err != nil {
			return fmt.Errorf("group table: %w", err)
		}
		return l.replayTable(&t, s.serial == l.segments.mu.list[0].serial)
	case kindClosed, kindOpened:
		return nil
	case kindRetired:
		l.writer.oldestKept = max(l.writer.oldestKept, addOne(r.index))
		return nil
	default:
	}
	c := change{kind: r.kind, entryType: r.entryType, flags: r.flags, index: r.index, term: r.term, offset: uint32(r.offset), bytes: uint32(r.bytes())}
	if r.kind == kindStable {
		values, err := decodeStable(r.data)
		if err != nil {
			return fmt.Errorf("stable values: %w", err)
		}
		c.stable = values
	}
	c.group = l.groups.byID[r.group]
	switch {
	case c.group == nil && r.kind == kindStable && r.incarnation > l.groups.lastIncarnation:
		c.group = newGroup(l, r.group, r.incarnation)
	case c.group == nil || c.group.incarnation != r.incarnation:
		return fmt.Errorf("record of %v of group %d.%d, which is not there", r.kind, r.group, r.incarnation)
	}
	return l.apply(&c, s)
}

// replayTable takes the groups' states from the oldest segment's table, and compares those of all others with what the
// segments before came to.
func (l *Log) replayTable(t *table, oldest bool) error {
	l.writer.oldestKept = max(l.writer.oldestKept, t.oldest)
	if oldest {
		l.groups.lastIncarnation = t.lastIncarnation
		for i := range t.rows {
			row := &t.rows[i]
			g := newGroup(l, row.group, row.incarnation)
			g.mu.first, g.mu.last, g.mu.term, g.mu.stable, g.mu.firstLogged = row.first, row.last, row.term, row.stable, row.first
			l.groups.byID[row.group] = g
		}
		return nil
	}
	if len(t.rows) != len(l.groups.byID) || t.lastIncarnation != l.groups.lastIncarnation {
		return fmt.Errorf("the table has %d groups, and the last incarnation %d; the log has %d, and %d",
			len(t.rows), t.lastIncarnation, len(l.groups.byID), l.groups.lastIncarnation)
	}
	for i := range t.rows {
		row := &t.rows[i]
		g := l.groups.byID[row.group]
		if g == nil || g.incarnation != row.incarnation || g.mu.last != row.last || g.mu.term != row.term || !g.mu.stable.equal(row.stable) {
			return fmt.Errorf("the table's row of group %d.%d (last %d, term %d) is not what the log says", row.group, row.incarnation, row.last, row.term)
		}
		g.mu.letGo(row.first)
		g.mu.firstLogged = g.mu.first
	}
	return nil
}

// checkGroups makes sure that nothing is missing of what Raft believes to be there.
func (l *Log) checkGroups() error {
	for _, g := range l.groups.byID {
		if !g.mu.whole() {
			return fmt.Errorf("%w: %s: group %d should have entries %d to %d; some are missing", ErrCorrupt, l.options.Dir, g.id, g.mu.first, g.mu.last)
		}
		l.groups.tableBytes += tableGroupBytes + g.mu.stable.encodedBytes()
	}
	return nil
}
