package wal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/pprof"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// GroupID is the number of a Raft group on this node.
type GroupID uint32

// Log is the log of all Raft groups of a node. Its methods, and those of its groups, may be called from any goroutine.
type Log struct {
	options  Options
	fs       vfs.FS
	lock     io.Closer
	segments segments
	cache    cache
	arenas   arenas
	spares   spares
	writer   writer
	counters counters

	groups struct {
		sync.RWMutex
		byID            map[GroupID]*Group
		lastIncarnation uint32
		tableBytes      int // what a group table has at most, with what is being written
	}
	// making is held while a group is made.
	making turn

	mu struct {
		sync.Mutex
		open     *batch
		lastUsed int // bytes in the batch before
		failed   error
		closing  bool
		work     sync.Cond // there is an open batch, or nothing more will come
		room     sync.Cond // there is none any more
	}

	weighing  sync.Mutex // guards the gauges of segments' spans
	round     round
	retirable chan struct{} // something may be retired; holds one
	passed    passes
	stop      chan struct{}  // closed when the goroutines beside the writer should end
	writing   sync.WaitGroup // the writer, which needs the others until it ends
	running   sync.WaitGroup // the others
}

// Open opens the log in o.Dir, and makes it when there is none. Damage that no crash explains is ErrCorrupt, with file,
// offset, what was expected and what was found.
func Open(o Options) (*Log, error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := o.FS.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("wal: making %s: %w", o.Dir, err)
	}
	if err := syncDir(o.FS, o.FS.PathDir(o.Dir)); err != nil {
		return nil, err
	}
	lock, err := o.FS.Lock(o.FS.PathJoin(o.Dir, lockName))
	if err != nil {
		return nil, fmt.Errorf("wal: %s is used by another process: %w", o.Dir, err)
	}
	l := &Log{options: o, fs: o.FS, lock: lock, retirable: make(chan struct{}, 1), making: newTurn(), stop: make(chan struct{})}
	l.mu.work.L, l.mu.room.L = &l.mu, &l.mu
	l.passed.mu.changed.L = &l.passed.mu
	l.groups.byID = map[GroupID]*Group{}
	l.arenas.poison, l.arenas.most = o.poison, o.arenaBytesMax()
	l.cache.bytesMax, l.cache.arenas = o.CacheBytes, &l.arenas
	l.spares.init(l)
	if err := l.recover(); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	if err := l.spares.ensureReserve(); err != nil {
		return nil, errors.Join(err, l.closeFiles())
	}
	if !o.manual {
		l.start(&l.writing, "writer", l.runWriter)
		l.start(&l.running, "allocator", l.spares.run)
		l.start(&l.running, "retirement", l.runRetirement)
	}
	return l, nil
}

// start runs a goroutine that Close joins.
func (l *Log) start(group *sync.WaitGroup, name string, run func()) {
	group.Go(func() {
		pprof.Do(context.Background(), pprof.Labels("role", "log-"+name, "stage", "sync"), func(context.Context) { run() }) //nolint:forbidigo // labels need one; nothing waits for it
	})
}

// Close writes what was asked for so far, marks the log as closed, so that the next Open goes on in the same segment, and
// joins the goroutines. Calls that come later fail with ErrClosed.
func (l *Log) Close() error {
	l.mu.Lock()
	if l.mu.closing {
		l.mu.Unlock()
		return ErrClosed
	}
	l.mu.closing = true
	failed := l.mu.failed
	l.mu.work.Broadcast()
	l.mu.room.Broadcast()
	l.mu.Unlock()
	var err error
	if l.options.manual {
		for l.step() {
		}
		err = l.writeClosed()
	}
	l.writing.Wait()
	close(l.stop)
	l.running.Wait()
	if failed == nil {
		err = errors.Join(err, l.writer.closeErr)
	}
	return errors.Join(err, l.closeFiles())
}

func (l *Log) closeFiles() error {
	var errs []error
	l.segments.mu.RLock()
	list := slices.Clone(l.segments.mu.list)
	l.segments.mu.RUnlock()
	for _, s := range list {
		errs = append(errs, s.closeFile())
	}
	errs = append(errs, l.spares.closeFiles(), l.lock.Close())
	return errors.Join(errs...)
}

// usableLocked returns why nothing can be written.
func (l *Log) usableLocked() error {
	switch {
	case l.mu.failed != nil:
		return l.mu.failed
	case l.mu.closing:
		return ErrClosed
	}
	return nil
}

// failure returns what the log failed with.
func (l *Log) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.failed
}

func (l *Log) usable() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.usableLocked()
}

// fail makes every change from now on fail with err, and tells Options.Fatal, once (R4). It returns err. No lock may be held.
func (l *Log) fail(err error) error {
	l.mu.Lock()
	first := l.mu.failed == nil
	if first {
		l.mu.failed = err
		if b := l.mu.open; b != nil {
			b.err = err
			close(b.done)
			l.mu.open = nil
		}
		l.mu.work.Broadcast()
		l.mu.room.Broadcast()
	}
	l.mu.Unlock()
	if first {
		l.spares.wake()
		l.options.Logger.Error("the log failed; nothing is written any more", "error", err)
		l.options.Fatal(err)
	}
	return err
}

// corrupt is damage in a segment.
func corrupt(path string, offset int64, what error) error {
	return fmt.Errorf("%w: %s at offset %d: %w", ErrCorrupt, path, offset, what)
}

// Groups lists the groups that the log has, in ascending order.
func (l *Log) Groups() []GroupID {
	l.groups.RLock()
	defer l.groups.RUnlock()
	return slices.Sorted(maps.Keys(l.groups.byID))
}

// Group returns a group, and makes it when it is not there: then it is on disk when Group returns.
func (l *Log) Group(id GroupID) (*Group, error) {
	l.making.Lock()
	defer l.making.Unlock()
	l.groups.RLock()
	g, incarnation := l.groups.byID[id], l.groups.lastIncarnation+1
	l.groups.RUnlock()
	if g != nil {
		return g, l.usable()
	}
	g = newGroup(l, id, incarnation)
	if err := l.reserveTable(tableGroupBytes + stableValues(nil).encodedBytes()); err != nil {
		return nil, err
	}
	g.writing.Lock()
	defer g.writing.Unlock()
	if err := g.writeStable(stableValues{}); err != nil {
		return nil, err
	}
	return g, nil
}

// reserveTable keeps the group table within its bound.
func (l *Log) reserveTable(more int) error {
	l.groups.Lock()
	defer l.groups.Unlock()
	if most := l.options.tableBytesMax(); l.groups.tableBytes+more > most {
		return fmt.Errorf("%w: the stable values of %d groups would need %d bytes; a quarter of a segment is %d",
			ErrTooLarge, len(l.groups.byID), l.groups.tableBytes+more, most)
	}
	l.groups.tableBytes += more
	return nil
}

// table is what a segment that is begun now has as its first record.
func (l *Log) table() table {
	l.groups.RLock()
	defer l.groups.RUnlock()
	t := table{lastIncarnation: l.groups.lastIncarnation}
	for _, id := range slices.Sorted(maps.Keys(l.groups.byID)) {
		t.rows = append(t.rows, l.groups.byID[id].row())
	}
	return t
}

// SyncOverdue returns for how long the present write and sync has been going on; 0 when there is none.
func (l *Log) SyncOverdue() time.Duration {
	since := l.writer.syncing.Load()
	if since == nil {
		return 0
	}
	return max(0, l.options.Now().Sub(*since))
}

// Stats counts what the log has done since it was opened.
type Stats struct {
	// Batches that were written and synced, Records in them, and their bytes on disk, unused ends of blocks included.
	Batches, Records, BytesWritten uint64
	// Segments begun, segments allocated anew (and not used again), and segments retired.
	SegmentsBegun, SegmentsAllocated, SegmentsRetired uint64
	// BytesMoved is how many bytes of entries were appended anew so that a segment could go.
	BytesMoved uint64
	// Rounds is how often all that is wanted was appended anew, since the log was nearly full of what is not.
	Rounds uint64
	// CacheHits and CacheMisses count reads of entries.
	CacheHits, CacheMisses uint64
}

type counters struct {
	batches, records, bytesWritten                    atomic.Uint64
	segmentsBegun, segmentsAllocated, segmentsRetired atomic.Uint64
	bytesMoved, rounds, cacheHits, cacheMisses        atomic.Uint64
	bytesOwned                                        atomic.Uint64 // written for others than retirement
}

// Stats returns the counters now.
func (l *Log) Stats() Stats {
	c := &l.counters
	return Stats{
		Batches: c.batches.Load(), Records: c.records.Load(), BytesWritten: c.bytesWritten.Load(),
		SegmentsBegun: c.segmentsBegun.Load(), SegmentsAllocated: c.segmentsAllocated.Load(), SegmentsRetired: c.segmentsRetired.Load(),
		BytesMoved: c.bytesMoved.Load(), Rounds: c.rounds.Load(), CacheHits: c.cacheHits.Load(), CacheMisses: c.cacheMisses.Load(),
	}
}
