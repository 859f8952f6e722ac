package wal

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

const (
	segmentSuffix = ".seg"
	sparePrefix   = "spare-"
	newSuffix     = ".new"
	lockName      = "LOCK"
	writeCategory = vfs.DiskWriteCategory("raftlog")
)

// segment is one file of the log.
//
//	          allocator                activation                 roll               retirement
//	(none) ───────────────▶ spare-n ───────────────▶ active ───────────────▶ sealed ─────────────▶ spare-m, or removed
//	        zeroed, synced           header and table         its end stands           renamed,
//	                                 synced, renamed,         in the next one's        directory
//	                                 directory synced         header                   synced
//
// So a file named as a segment has a valid header and a valid first batch; without them it is damaged.
type segment struct {
	segmentHeader
	crcSeed uint32
	path    string
	file    vfs.File

	// reading is held by readers of the file, who found it through an entry's location, and by whoever closes it.
	reading sync.RWMutex

	// end is behind the last batch. Open and then the writer alone change it, while the segment is active; once sealed it
	// stays.
	end int64

	// spans says which entries of which group were written here. segments.mu guards it; once the segment is sealed it does not
	// change.
	spans map[*Group]*span
}

// span is what a group has in a segment.
type span struct {
	low, high uint64 // indexes, those of entries included that are gone
	// Log.weighing guards these.
	retained gauge // by what the owner retains
	wanted   gauge // by that, the last checkpoint and the library
	// truncations is the group's count when the gauges were last read: they only count forward.
	truncations uint64
}

func (s *segment) number() uint32 { return uint32(s.serial) }

func segmentName(serial uint64) string { return fmt.Sprintf("%016x%s", serial, segmentSuffix) }

// parseSegmentName is segmentName's inverse.
func parseSegmentName(name string) (serial uint64, ok bool) {
	digits, found := strings.CutSuffix(name, segmentSuffix)
	serial, err := strconv.ParseUint(digits, 16, 64)
	return serial, found && err == nil && name == segmentName(serial)
}

func spareName(n uint64) string { return fmt.Sprintf("%s%08x", sparePrefix, n) }

// parseSpareName is spareName's inverse.
func parseSpareName(name string) (n uint64, ok bool) {
	digits, found := strings.CutPrefix(name, sparePrefix)
	n, err := strconv.ParseUint(digits, 16, 64)
	return n, found && err == nil && name == spareName(n)
}

// segments are the log's files in use, oldest first. The last one is active.
type segments struct {
	mu struct {
		sync.RWMutex
		list     []*segment
		byNumber map[uint32]*segment
	}
}

func (s *segments) add(added *segment) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.byNumber == nil {
		s.mu.byNumber = map[uint32]*segment{}
	}
	s.mu.list = append(s.mu.list, added)
	s.mu.byNumber[added.number()] = added
}

// removeOldest takes the oldest one out.
func (s *segments) removeOldest() {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.mu.byNumber, s.mu.list[0].number())
	s.mu.list[0] = nil
	s.mu.list = s.mu.list[1:]
}

func (s *segments) find(number uint32) *segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.byNumber[number]
}

// sealed returns the n oldest ones that are not active, or as many as there are.
func (s *segments) sealed(n int) []*segment {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return append([]*segment(nil), s.mu.list[:min(n, max(0, len(s.mu.list)-1))]...)
}

// oldest returns the oldest one's serial, or another if there is none.
func (s *segments) oldest(none uint64) uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if len(s.mu.list) == 0 {
		return none
	}
	return s.mu.list[0].serial
}

func (s *segments) count() int {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return len(s.mu.list)
}

// note counts an entry to a segment.
func (s *segments) note(to *segment, g *Group, index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if there := to.spans[g]; there != nil {
		there.low, there.high = min(there.low, index), max(there.high, index)
		return
	}
	to.spans[g] = &span{low: index, high: index}
}

// span returns what a group has in a sealed segment.
func (s *segments) span(in *segment, g *Group) *span {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return in.spans[g]
}

// closeFile closes the file once nobody reads it any more.
func (s *segment) closeFile() error {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.file == nil {
		return nil
	}
	err := s.file.Close()
	s.file = nil
	return err
}

// syncDir makes the directory's names durable.
func syncDir(fs vfs.FS, dir string) error {
	file, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("wal: opening directory %s: %w", dir, err)
	}
	if err := errors.Join(file.Sync(), file.Close()); err != nil {
		return fmt.Errorf("wal: syncing directory %s: %w", dir, err)
	}
	return nil
}
