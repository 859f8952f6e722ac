package wal

import (
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// writer is the state of the goroutine that writes and syncs, one batch at a time:
//
//	callers ── add ──▶ open batch ── take ──▶ seal, write, sync ──▶ change the groups' states ──▶ callers return
//	                   (the next one fills meanwhile)
//
// Only it, and Open before it starts, touch these fields, but for syncing.
type writer struct {
	active    *segment // nil when the newest segment can't be continued, until something is written
	newest    *segment // the last one of the list, which a new segment continues
	nextBatch uint64
	reopened  bool // the active segment ends with kindClosed, which is to be followed by kindOpened
	torn      bool // what is behind the active segment's end may be the rest of a batch, and is to be overwritten first
	advised   int64
	closeErr  error
	// oldestKept is the oldest segment that has to be there, as far as what was read says.
	oldestKept uint64

	activeEnd atomic.Int64              // the active segment's end, for Usage; 0 when there is no active segment
	syncing   atomic.Pointer[time.Time] // since when a write and sync is under way
}

// runWriter writes batches until the log is closed or failed.
func (l *Log) runWriter() {
	for more := true; more; {
		more = l.awaitWork() && l.step()
	}
	l.writer.closeErr = l.writeClosed()
}

// awaitWork waits for an open batch. It returns false when none will come any more.
func (l *Log) awaitWork() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.mu.open == nil && !l.mu.closing && l.mu.failed == nil {
		l.mu.work.Wait()
	}
	return l.mu.open != nil
}

// step takes the open batch and commits it. It returns false when there is none, or the log has failed.
func (l *Log) step() bool {
	l.mu.Lock()
	b := l.mu.open
	l.mu.open = nil
	if b != nil {
		l.mu.lastUsed = min(b.used, l.options.batchBytes())
		l.arenas.took(b)
	}
	failed := l.mu.failed != nil
	l.mu.room.Broadcast()
	l.mu.Unlock()
	if b == nil || failed {
		return false
	}
	if err := l.commit(b); err != nil {
		b.err = l.fail(err)
		close(b.done)
		return false
	}
	close(b.done)
	return true
}

// commit makes a batch durable, lets it take effect, and hands it to the cache.
func (l *Log) commit(b *batch) error {
	w := &l.writer
	began := l.options.Now()
	w.syncing.Store(&began)
	defer w.syncing.Store(nil)
	need := alignBlock(int64(b.used))
	if w.reopened {
		need += blockBytes
	}
	if w.active == nil || w.active.end+need > w.active.segmentBytes {
		if err := l.roll(); err != nil {
			return err
		}
	}
	if err := l.continueSegment(); err != nil {
		return err
	}
	if err := l.write(b); err != nil {
		return err
	}
	if l.options.Synced != nil {
		l.options.Synced(int(alignBlock(int64(b.used))), l.options.Now().Sub(began))
	}
	for i := range b.changes {
		c := &b.changes[i]
		c.offset += b.offset
		if err := l.apply(c, w.active); err != nil {
			return fmt.Errorf("wal: assertion: group %d: %w", c.group.id, err)
		}
	}
	if b.note() {
		l.cache.add(b)
	}
	return nil
}

// continueSegment makes the segment that was found when the log was opened fit to be written to again, once.
func (l *Log) continueSegment() error {
	w := &l.writer
	if w.torn {
		if err := l.overwriteTorn(w.active); err != nil {
			return fmt.Errorf("wal: overwriting what a crash left behind %d of %s: %w", w.active.end, w.active.path, err)
		}
		w.torn = false
	}
	if w.reopened {
		if err := l.writeMark(kindOpened); err != nil {
			return err
		}
		w.reopened = false
	}
	return nil
}

// overwriteTorn writes zeros over whatever a batch may have left that was never synced, and syncs them: as far as the longest batch
// reaches. The batch that comes there next has the same number, and must not be mixed up with it. A crash meanwhile leaves a
// torn batch, or, should only zeros have been missing of it, a whole one: either is what the crash before could have left, and nothing
// was built on it yet.
func (l *Log) overwriteTorn(s *segment) error {
	stop := min(s.segmentBytes, s.end+alignBlock(int64(max(l.options.recordBytesMax(), l.options.batchBytes())))+2*blockBytes)
	zeros := make([]byte, min(zeroChunkBytes, stop-s.end))
	for at := s.end; at < stop; at += int64(len(zeros)) {
		if _, err := s.file.WriteAt(zeros[:min(int64(len(zeros)), stop-at)], at); err != nil {
			return err
		}
	}
	return s.file.Sync()
}

// write seals the batch, writes it behind the last one, and syncs. There must be room.
func (l *Log) write(b *batch) error {
	w := &l.writer
	s := w.active
	blocks := b.seal(s, s.end, w.nextBatch)
	if err := writeSynced(s.file, blocks, s.end); err != nil {
		return fmt.Errorf("wal: writing %d bytes at %d of %s: %w", len(blocks), s.end, s.path, err)
	}
	s.end += int64(len(blocks))
	w.activeEnd.Store(s.end)
	w.nextBatch++
	l.counters.batches.Add(1)
	l.counters.records.Add(uint64(len(b.changes)))
	l.counters.bytesWritten.Add(uint64(len(blocks)))
	l.counters.bytesOwned.Add(b.owned(len(blocks)))
	l.forgetPages()
	return nil
}

// writeSynced is what every promise of the log waits for.
func writeSynced(file vfs.File, blocks []byte, at int64) error {
	if _, err := file.WriteAt(blocks, at); err != nil {
		return err
	}
	if err := file.SyncData(); err != nil {
		return fmt.Errorf("syncing: %w", err)
	}
	return nil
}

// forgetPages tells the kernel that what was written is not read from the page cache: the newest batches are in ours, and
// hot pages are better used for the next ones.
func (l *Log) forgetPages() {
	w := &l.writer
	if w.active.end-w.advised < adviseBytes || w.active.file.Fd() == vfs.InvalidFd {
		return
	}
	adviseUnneeded(w.active.file.Fd(), w.advised, w.active.end-w.advised)
	w.advised = w.active.end
}

// writeMark writes a batch with one record that says something of the whole log. Its bytes depend on nothing but its place,
// so that a second attempt after a crash can't be mixed up with the first.
func (l *Log) writeMark(k kind) error {
	return l.write(alone(change{kind: k}, &recordHeader{kind: k}, nil))
}

// writeClosed marks the end of a log that is closed in good order. When there is no room, the next Open begins a new
// segment, as it would have to anyway.
func (l *Log) writeClosed() error {
	w := &l.writer
	if possible := l.failure() == nil && w.active != nil && !w.reopened && !w.torn && w.active.end+blockBytes <= w.active.segmentBytes; !possible {
		return nil
	}
	if err := l.writeMark(kindClosed); err != nil {
		return l.fail(err)
	}
	return nil
}

// roll begins a new segment, which says where the one before it ends.
func (l *Log) roll() error {
	w := &l.writer
	spare, err := l.spares.take()
	if err != nil {
		return err
	}
	h := segmentHeader{
		node: l.options.Node, segmentBytes: l.options.SegmentBytes, serial: 1, nonce: l.options.nonce(), firstBatch: w.nextBatch,
	}
	if w.newest != nil {
		h.serial, h.previous, h.previousEnd = w.newest.serial+1, w.newest.serial, w.newest.end
	}
	s := &segment{segmentHeader: h, crcSeed: h.seed(), file: spare.file, spans: map[*Group]*span{}}
	s.path = l.fs.PathJoin(l.options.Dir, segmentName(h.serial))
	if err := l.activate(s, spare.path); err != nil {
		return errors.Join(err, s.closeFile())
	}
	w.active, w.newest, w.reopened, w.torn, w.advised = s, s, false, false, 0
	w.nextBatch++
	w.activeEnd.Store(s.end)
	l.segments.add(s)
	l.counters.segmentsBegun.Add(1)
	l.spares.wake()
	l.tellRetirable()
	return nil
}

// activate makes a spare file the segment s. Header and table are synced before the file gets its name, and the name is
// synced before anything follows: a file with that name is a segment, with all that was ever reported in it.
func (l *Log) activate(s *segment, sparePath string) error {
	t := l.table()
	t.oldest = l.segments.oldest(s.serial)
	data := t.encode()
	h := recordHeader{kind: kindTable, dataLength: uint32(len(data)), dataSum: checksum(data)}
	b := alone(change{kind: kindTable}, &h, data)
	batchBlocks := b.seal(s, blockBytes, s.firstBatch)
	blocks := make([]byte, blockBytes+len(batchBlocks))
	s.segmentHeader.encode(blocks)
	copy(blocks[blockBytes:], batchBlocks)
	if _, err := s.file.WriteAt(blocks, 0); err != nil {
		return fmt.Errorf("wal: writing the header of %s: %w", s.path, err)
	}
	if err := s.file.Sync(); err != nil {
		return fmt.Errorf("wal: syncing the header of %s: %w", s.path, err)
	}
	if err := l.fs.Rename(sparePath, s.path); err != nil {
		return fmt.Errorf("wal: naming %s: %w", s.path, err)
	}
	if err := syncDir(l.fs, l.options.Dir); err != nil {
		return err
	}
	s.end = int64(len(blocks))
	l.counters.bytesWritten.Add(uint64(len(blocks)))
	return nil
}

// room returns the open batch once it has room for a record of so many bytes. l.mu is held, and given up while it waits.
func (l *Log) roomLocked(bytes int) (*batch, error) {
	for {
		if err := l.usableLocked(); err != nil {
			return nil, err
		}
		b := l.mu.open
		if b == nil {
			b = &batch{used: batchHeaderBytes, done: make(chan struct{})}
			l.arenas.place(b, max(l.mu.lastUsed, batchHeaderBytes)) // batches are alike
			l.mu.open = b
			l.mu.work.Signal()
			return b, nil
		}
		if b.used+bytes <= l.options.batchBytes() {
			return b, nil
		}
		l.waitLocked()
	}
}

// waitLocked waits until the open batch was taken. l.mu is given up meanwhile.
func (l *Log) waitLocked() {
	if !l.options.manual {
		l.mu.room.Wait()
		return
	}
	l.mu.Unlock()
	defer l.mu.Lock()
	l.step()
}

// await returns when the batch is synced, and with it all before it, or says why not.
func (l *Log) await(b *batch) error {
	if l.options.manual {
		l.drive(b)
	}
	<-b.done
	return b.err
}

// drive does the writer's work where there is no such goroutine.
func (l *Log) drive(b *batch) {
	for {
		select {
		case <-b.done:
			return
		default:
			l.step()
		}
	}
}
