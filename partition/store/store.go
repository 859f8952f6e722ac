package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/raftlog"
)

// Store keeps the checkpoints of a node's groups. Its methods may be called from any goroutine.
type Store struct {
	db      *pebble.DB
	options Options

	// syncing is held while a batch becomes durable and is counted.
	syncing sync.Mutex
	witness *witness
	// broken: a write has failed, and the process is about to end.
	broken atomic.Bool

	mu struct {
		sync.Mutex
		groups map[raftlog.GroupNumber]*group
	}
}

var _ raftlog.StateStore = (*Store)(nil)

// group is what a store remembers of one. Whoever writes to the group holds mu meanwhile; readers don't wait for that.
type group struct {
	mu sync.Mutex
	// latest is what meta has on disk, nil without a checkpoint.
	latest atomic.Pointer[checkpoint]
	// last is the highest generation that was begun.
	last uint64
}

// Open opens the store in a directory, or makes a new one. What a crash left of checkpoints that never came to be goes.
func Open(o Options) (_ *Store, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if err := makeDir(o.FS, o.Dir); err != nil {
		return nil, fmt.Errorf("store: making %s: %w", o.Dir, err)
	}
	s := &Store{}
	fatal := o.Fatal
	o.Fatal = func(err error) { // which Pebble tells, too
		s.broken.Store(true)
		fatal(err)
	}
	db, err := pebble.Open(o.FS.PathJoin(o.Dir, pebbleDir), o.pebbleOptions())
	if err != nil {
		return nil, fmt.Errorf("store: opening %s: %w", o.Dir, err)
	}
	s.db, s.options = db, o
	s.mu.groups = map[raftlog.GroupNumber]*group{}
	if s.witness, err = openWitness(o.FS, o.Dir); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	err = s.claim()
	if err == nil {
		err = s.load()
	}
	if err == nil {
		err = s.sweep()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// makeDir makes a directory and those above it, and makes their names durable: also when it is there, since a process that was killed may have
// made it a moment ago.
func makeDir(files vfs.FS, dir string) error {
	parent := files.PathDir(dir)
	if parent == dir {
		return nil
	}
	if _, err := files.Stat(parent); errors.Is(err, fs.ErrNotExist) {
		if err := makeDir(files, parent); err != nil {
			return err
		}
	}
	if err := files.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	return syncDir(files, parent)
}

// pebbleDir is where Pebble's files are, below Dir.
const pebbleDir = "pebble"

// claim writes the format's version into a new store, and refuses one of another version, or that has less than it had.
func (s *Store) claim() error {
	v, found, err := s.get(formatKey)
	if err != nil {
		return fmt.Errorf("store: reading the format of %s: %w", s.options.Dir, err)
	}
	has := uint64(0)
	if found {
		if has, err = decodeFormat(v); err != nil {
			return fmt.Errorf("%s: %w", s.options.Dir, err)
		}
	}
	if has < s.witness.batches {
		return fmt.Errorf("%w: %s has %d commits, and had %d: Pebble's log is damaged, or files of an older time were put in place",
			ErrCorrupt, s.options.Dir, has, s.witness.batches)
	}
	s.witness.batches = has // a crash may have come between a sync and the witness
	if found {
		return nil
	}
	batch := s.db.NewBatch()
	return errors.Join(s.sync(batch), batch.Close())
}

// sync makes a batch durable, and counts it. Whatever fails here is fatal (R4): nobody knows then what is on disk.
func (s *Store) sync(batch *pebble.Batch) error {
	s.syncing.Lock()
	defer s.syncing.Unlock()
	next := s.witness.batches + 1
	if err := batch.Set(formatKey, encodeFormat(next), nil); err != nil {
		s.options.Fatal(err)
		return err
	}
	if err := s.commit(batch, pebble.Sync); err != nil {
		return err
	}
	err := s.witness.saw(next)
	if err != nil {
		s.options.Fatal(err)
	}
	return err
}

// load reads what every group's checkpoint stands for.
func (s *Store) load() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{letterMeta}, UpperBound: []byte{letterMeta + 1}})
	if err != nil {
		return fmt.Errorf("store: listing groups: %w", err)
	}
	for it.First(); it.Valid(); it.Next() {
		number, v := it.Key(), it.Value()
		if len(number) != 1+4 {
			return errors.Join(fmt.Errorf("%w: a group's key of %d bytes", ErrCorrupt, len(number)), it.Close())
		}
		c, err := decodeCheckpoint(v)
		if err != nil {
			return errors.Join(fmt.Errorf("group %x: %w", number[1:], err), it.Close())
		}
		g := &group{last: c.generation}
		g.latest.Store(&c)
		s.mu.groups[raftlog.GroupNumber(binary.BigEndian.Uint32(number[1:]))] = g
	}
	return errors.Join(it.Error(), it.Close())
}

// sweep removes records that no checkpoint has: a crash came while it was being built, or behind the swap and before the old one's end was
// compacted away. It looks at one record of each generation.
func (s *Store) sweep() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{letterRecord}, UpperBound: []byte{letterRecord + 1}})
	if err != nil {
		return fmt.Errorf("store: looking for what a crash left: %w", err)
	}
	batch := s.db.NewBatch()
	for it.First(); it.Valid(); {
		number, generation, err := generationOf(it.Key())
		if err != nil {
			return errors.Join(err, it.Close(), batch.Close())
		}
		from, to := generationSpan(number, generation)
		g := s.mu.groups[number]
		if g == nil || generation != g.latest.Load().generation {
			if err := batch.DeleteRange(from, to, nil); err != nil {
				return errors.Join(err, it.Close(), batch.Close())
			}
		}
		it.SeekGE(to)
	}
	err = errors.Join(it.Error(), it.Close())
	if err == nil && !batch.Empty() {
		err = s.sync(batch)
	}
	return errors.Join(err, batch.Close())
}

// group finds what is remembered of a group. It is there from the first call on.
func (s *Store) group(number raftlog.GroupNumber) *group {
	s.mu.Lock()
	defer s.mu.Unlock()
	g := s.mu.groups[number]
	if g == nil {
		g = &group{}
		s.mu.groups[number] = g
	}
	return g
}

// Latest implements raftlog.StateStore.
func (s *Store) Latest(number raftlog.GroupNumber) (raftlog.CheckpointMeta, bool, error) {
	latest := s.group(number).latest.Load()
	if latest == nil {
		return raftlog.CheckpointMeta{}, false, nil
	}
	meta := latest.meta
	meta.Membership = slices.Clone(meta.Membership)
	return meta, true, nil
}

// Groups implements raftlog.StateStore.
func (s *Store) Groups() ([]raftlog.GroupNumber, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var numbers []raftlog.GroupNumber
	for number, g := range s.mu.groups {
		if g.latest.Load() != nil {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

// Remove implements raftlog.StateStore.
func (s *Store) Remove(number raftlog.GroupNumber) error {
	g := s.group(number)
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.latest.Load() == nil {
		return nil
	}
	batch := s.db.NewBatch()
	from, to := groupSpan(number)
	err := errors.Join(batch.Delete(metaKey(number), nil), batch.DeleteRange(from, to, nil))
	if err == nil {
		err = s.sync(batch)
	}
	if err = errors.Join(err, batch.Close()); err != nil {
		return fmt.Errorf("store: removing group %d: %w", number, err)
	}
	g.latest.Store(nil)
	return nil
}

// Bytes returns how much of the disk the store takes, in bytes.
func (s *Store) Bytes() uint64 { return s.db.Metrics().DiskSpaceUsage() }

// Close closes the store. Nobody may be using it any more, readers included.
func (s *Store) Close() error {
	if err := errors.Join(s.db.Close(), s.witness.file.Close()); err != nil {
		return fmt.Errorf("store: closing %s: %w", s.options.Dir, err)
	}
	return nil
}
