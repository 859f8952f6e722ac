package raftlog

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/hashicorp/raft"
)

// disk is what a store writes to: a raftboltdb.BoltStore, or one with faults in tests.
type disk interface {
	raft.LogStore
	raft.StableStore
	io.Closer
}

// store is the group's log. To the library it is raft.LogStore, raft.MonotonicLogStore and raft.StableStore; to the
// group it is the message store, which keeps entries that the library has done with.
//
//	        covered              first                         last
//	           │                   │                             │
//	── gone ──┤ held: read by Read │ the library's own view      │
//	          └──────────────────────────────────────────────────┘
//	          ▲
//	          held moves up to min(retained, covered+1, first), in steps, off the hot path
//
// When the library removes a prefix, only first moves: GetLog keeps serving what is there. When it removes a suffix, to
// get rid of entries that another leader's replace, these are gone when DeleteRange returns.
//
// A failed write or sync fails the store for good (R4): nobody knows what is in the file then.
type store struct {
	disk     disk
	onFail   func(error) // called once, by the goroutine whose write failed
	bytesMax int64
	// reclaimBytes is how many bytes must be free to go before reclaiming is worth a sync.
	reclaimBytes int64
	reclaimable  chan struct{} // told when they are; holds one
	stopping     chan struct{}
	reclaiming   sync.WaitGroup

	// removing is held while a range of entries is removed from disk. Lock order: removing, then mu.
	removing sync.Mutex
	mu       struct {
		sync.RWMutex
		failed error

		held, first, last uint64   // all 0 when there are no entries
		term              uint64   // of the last entry
		sizes             []uint32 // command bytes of entries held..last
		bytes             int64    // their sum, with overhead
		retained          uint64   // entries from here on are wanted
		covered           uint64   // entries up to here are in every checkpoint that is kept
		free              uint64   // entries before this one may go ...
		freeBytes         int64    // ... which are so many bytes

		cache cache
	}
}

var (
	_ raft.LogStore          = (*store)(nil)
	_ raft.MonotonicLogStore = (*store)(nil)
	_ raft.StableStore       = (*store)(nil)
)

// openStore opens the log at path, and makes it when it is not there.
func openStore(path string, options *Options) (*store, error) {
	contents, err := scanBolt(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	bolt, err := openBolt(path)
	if err != nil {
		return nil, err
	}
	s := &store{
		disk:         options.wrapDisk(summed{bolt}),
		onFail:       func(error) {},
		bytesMax:     options.BytesMax,
		reclaimBytes: options.CheckpointBytes / 8,
		reclaimable:  make(chan struct{}, 1),
		stopping:     make(chan struct{}),
	}
	s.mu.cache.bytesMax = options.CacheBytes
	if err := (summed{bolt}).check(contents.first, contents.last()); err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), bolt.Close())
	}
	if len(contents.sizes) == 0 {
		return s, nil
	}
	var newest raft.Log
	if err := s.disk.GetLog(contents.last(), &newest); err != nil {
		return nil, errors.Join(fmt.Errorf("raftlog: reading the last entry, %d: %w", contents.last(), err), bolt.Close())
	}
	s.mu.held, s.mu.first, s.mu.last = contents.first, contents.first, contents.last()
	s.mu.term, s.mu.sizes, s.mu.free = newest.Term, contents.sizes, contents.first
	for _, size := range contents.sizes {
		s.mu.bytes += int64(size) + EntryOverhead
	}
	return s, nil
}

// StoreLog implements raft.LogStore.
func (s *store) StoreLog(entry *raft.Log) error { return s.StoreLogs([]*raft.Log{entry}) }

// synced implements entryLog: nothing is stored ahead.
func (s *store) synced(index uint64) uint64 { return index }

func (s *store) awaitSynced(uint64, <-chan struct{}) error { return nil }

// StoreLogs implements raft.LogStore: when it returns without an error all entries are on disk (R1), when it fails none
// of them counts. Entries must continue the last one.
func (s *store) StoreLogs(entries []*raft.Log) error {
	if len(entries) == 0 {
		return nil
	}
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.continues(entries); err != nil {
		return s.fail(err)
	}
	if err := s.disk.StoreLogs(entries); err != nil {
		return s.fail(fmt.Errorf("raftlog: writing entries %d to %d: %w", entries[0].Index, entries[len(entries)-1].Index, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.last == 0 {
		s.mu.held, s.mu.first, s.mu.free = entries[0].Index, entries[0].Index, entries[0].Index
	}
	for _, entry := range entries {
		size := entrySize(entry)
		s.mu.sizes = append(s.mu.sizes, uint32(size-EntryOverhead)) // Propose refuses more than 16 MiB
		s.mu.bytes += size
		s.mu.last, s.mu.term = entry.Index, entry.Term
		// A copy: what the library hands in is part of a future, which holds the machine's result.
		kept := *entry
		s.mu.cache.add(&kept)
	}
	return nil
}

// continues refuses entries that would leave a gap, overwrite others, or turn terms back: no library in its right mind
// asks for that, and afterwards an entry could be read under another's index (R3).
func (s *store) continues(entries []*raft.Log) error {
	s.mu.RLock()
	last, term := s.mu.last, s.mu.term
	s.mu.RUnlock()
	for _, entry := range entries {
		switch {
		case entry.Index == 0, last != 0 && entry.Index != last+1:
			return fmt.Errorf("raftlog: assertion: entry %d does not continue the last one, %d", entry.Index, last)
		case entry.Term < term:
			return fmt.Errorf("raftlog: assertion: entry %d has term %d, before the last one's, %d", entry.Index, entry.Term, term)
		}
		last, term = entry.Index, entry.Term
	}
	return nil
}

// FirstIndex implements raft.LogStore: the first entry that the library has not let go of.
func (s *store) FirstIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.first, nil
}

// LastIndex implements raft.LogStore.
func (s *store) LastIndex() (uint64, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.last, nil
}

// IsMonotonic implements raft.MonotonicLogStore: there are no gaps between entries.
func (s *store) IsMonotonic() bool { return true }

// GetLog implements raft.LogStore: whatever entry is there, also before FirstIndex.
func (s *store) GetLog(index uint64, entry *raft.Log) error {
	s.mu.RLock()
	cached := s.mu.cache.get(index)
	there := index >= s.mu.held && index <= s.mu.last && index != 0
	s.mu.RUnlock()
	switch {
	case cached != nil:
		*entry = *cached
		return nil
	case !there:
		return raft.ErrLogNotFound
	}
	// Between the lock and here it may have been removed; then the disk says so in the same words.
	return s.disk.GetLog(index, entry)
}

// Set implements raft.StableStore.
func (s *store) Set(key, value []byte) error {
	if err := s.usable(); err != nil {
		return err
	}
	if err := s.disk.Set(key, value); err != nil {
		return s.fail(fmt.Errorf("raftlog: writing %s: %w", key, err))
	}
	return nil
}

// SetUint64 implements raft.StableStore. The library panics when it can't write its term, whoever has been told by then that the
// log has failed; so a term is taken without being written, as in sharedLog.SetUint64. Neither a vote nor an entry follows.
func (s *store) SetUint64(key []byte, value uint64) error {
	err := s.usable()
	if err == nil {
		if err = s.disk.SetUint64(key, value); err != nil {
			err = s.fail(fmt.Errorf("raftlog: writing %s: %w", key, err))
		}
	}
	if bytes.Equal(key, keyCurrentTerm) {
		return nil
	}
	return err
}

// Get implements raft.StableStore. A missing key is an error whose text is "not found": the library compares it so.
func (s *store) Get(key []byte) ([]byte, error) { return s.disk.Get(key) }

// GetUint64 implements raft.StableStore; as Get.
func (s *store) GetUint64(key []byte) (uint64, error) { return s.disk.GetUint64(key) }

// usable returns what has failed the store.
func (s *store) usable() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.failed
}

// fail makes the store refuse whatever would change it, and says so, once. It returns err.
func (s *store) fail(err error) error {
	s.mu.Lock()
	first := s.mu.failed == nil
	if first {
		s.mu.failed = err
	}
	s.mu.Unlock()
	if first {
		s.onFail(err)
	}
	return err
}

// counts returns the bytes that are used, and the oldest and the newest entry.
func (s *store) counts() (used int64, held, last uint64) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.bytes, s.mu.held, s.mu.last
}

// usage implements entryLog.
func (s *store) usage() Usage {
	used, held, last := s.counts()
	return Usage{Bytes: used, BytesMax: s.bytesMax, GroupBytes: used, First: held, Last: last}
}

// reserved implements entryLog.
func (s *store) reserved() int64 { return s.bytesMax / storeReserveShare }

// read implements entryLog.
func (s *store) read(index uint64, entry *raft.Log) error { return s.GetLog(index, entry) }

// applied, following and scanning implement entryLog: what was read is never used for something else, and bbolt has no
// entries without their data.
func (s *store) applied(uint64)   {}
func (s *store) following(uint64) {}
func (s *store) scanning(bool)    {}

// beginInstall implements entryLog. The library removes all entries when it has installed a state.
func (s *store) beginInstall(uint64, uint64, uint64) error { return nil }

// settle implements entryLog. A crash while a state was installed leaves entries before it that nobody knows to be right.
func (s *store) settle(index, _ uint64) error {
	if usage := s.usage(); usage.Last != 0 && usage.Last < index {
		return s.DeleteRange(usage.First, usage.Last)
	}
	return nil
}

func (s *store) close() error { return s.disk.Close() }
