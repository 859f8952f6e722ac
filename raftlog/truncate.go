package raftlog

import (
	"fmt"

	"github.com/hashicorp/raft"
)

// One step of reclaiming removes at most so much, so that an append never waits longer than for one small transaction.
const (
	reclaimStepEntries = 1024
	reclaimStepBytes   = 8 << 20
)

// DeleteRange implements raft.LogStore. The library removes entries in two ways, and both are told apart by where the
// range ends: before the last entry it is a prefix that a checkpoint covers, which only moves a mark; at the last entry
// it is a suffix that another leader overruled, or everything after a snapshot was installed, which is removed now.
func (s *store) DeleteRange(from, to uint64) error {
	if err := s.usable(); err != nil {
		return err
	}
	s.mu.RLock()
	first, last := s.mu.first, s.mu.last
	s.mu.RUnlock()
	switch {
	case last == 0 || from > to || from > last:
		return nil
	case to >= last:
		return s.removeSuffix(from)
	case from > first:
		return s.fail(fmt.Errorf("raftlog: assertion: removing entries %d to %d of %d to %d would leave a gap", from, to, first, last))
	}
	s.mu.Lock()
	s.mu.first = max(first, to+1)
	s.updateFreeLocked()
	s.mu.Unlock()
	return nil
}

// removeSuffix removes the entries from `from` on. Where that leaves the library nothing, the entries that were held
// before go too: what is appended next need not continue them.
func (s *store) removeSuffix(from uint64) error {
	s.removing.Lock()
	defer s.removing.Unlock()
	s.mu.RLock()
	held, first, last := s.mu.held, s.mu.first, s.mu.last
	s.mu.RUnlock()
	if from <= first {
		from = held
	}
	// The term of what is then the last entry; it is there unless nothing is left.
	term, err := s.termBefore(from, held)
	if err != nil {
		return s.fail(err)
	}
	if err := s.disk.DeleteRange(from, last); err != nil {
		return s.fail(fmt.Errorf("raftlog: removing entries %d to %d: %w", from, last, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, size := range s.mu.sizes[from-held:] {
		s.mu.bytes -= int64(size) + EntryOverhead
	}
	s.mu.sizes = s.mu.sizes[:from-held]
	s.mu.cache.truncate(from)
	s.mu.last, s.mu.term = from-1, term
	if from == held {
		s.mu.held, s.mu.first, s.mu.last, s.mu.free, s.mu.freeBytes = 0, 0, 0, 0, 0
	}
	return nil
}

// termBefore returns the term of the entry before index, 0 when there is none.
func (s *store) termBefore(index, held uint64) (uint64, error) {
	if index == held {
		return 0, nil
	}
	var entry raft.Log
	if err := s.GetLog(index-1, &entry); err != nil {
		return 0, fmt.Errorf("raftlog: reading entry %d: %w", index-1, err)
	}
	return entry.Term, nil
}

// checkpointed tells the store which checkpoints there are: the library won't ask for entries up to the newest, and the
// oldest needs those behind it, should the newer ones turn out to be unreadable.
func (s *store) checkpointed(oldest, newest uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.covered = max(s.mu.covered, oldest)
	if s.mu.last != 0 {
		s.mu.first = max(s.mu.first, min(newest+1, s.mu.last))
	}
	s.updateFreeLocked()
}

// retain keeps entries from index on. It only moves forward.
func (s *store) retain(index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.retained = max(s.mu.retained, index)
	s.updateFreeLocked()
}

// updateFreeLocked moves the mark before which entries may go, and tells the reclaimer when there is enough to do.
func (s *store) updateFreeLocked() {
	free := min(s.mu.retained, s.mu.covered+1, s.mu.first)
	for ; s.mu.free < free; s.mu.free++ {
		s.mu.freeBytes += int64(s.mu.sizes[s.mu.free-s.mu.held]) + EntryOverhead
	}
	if s.mu.freeBytes > 0 && s.mu.freeBytes >= s.reclaimBytes {
		tell(s.reclaimable)
	}
}

// reclaim removes from disk some of what may go, and says whether there is more. bbolt uses the pages again; the file
// does not shrink.
func (s *store) reclaim() (more bool, err error) {
	if err := s.usable(); err != nil {
		return false, err
	}
	s.removing.Lock()
	defer s.removing.Unlock()

	s.mu.RLock()
	held, to := s.mu.held, s.mu.held
	var bytes int64
	for to < s.mu.free && to-held < reclaimStepEntries && bytes < reclaimStepBytes {
		bytes += int64(s.mu.sizes[to-held]) + EntryOverhead
		to++
	}
	s.mu.RUnlock()
	if to == held {
		return false, nil
	}
	if err := s.disk.DeleteRange(held, to-1); err != nil {
		return false, s.fail(fmt.Errorf("raftlog: removing entries %d to %d: %w", held, to-1, err))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.sizes = s.mu.sizes[to-held:]
	s.mu.held = to
	s.mu.bytes -= bytes
	s.mu.freeBytes -= bytes
	return s.mu.free > s.mu.held, nil
}

// runReclaim removes what may go, in steps, until the store is closed.
func (s *store) runReclaim() {
	for {
		select {
		case <-s.reclaimable:
		case <-s.stopping:
			return
		}
		for more := true; more; {
			select {
			case <-s.stopping:
				return
			default:
			}
			var err error
			if more, err = s.reclaim(); err != nil {
				return // the store has said so
			}
		}
	}
}
