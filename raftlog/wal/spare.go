package wal

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// Measured on a virtio disk over ext4, write and fdatasync of one batch into a file of 128 MiB that was made in three ways:
//
//	batch      fallocate     zeroed     used before
//	  4 KiB       137 µs      98 µs       93 µs
//	 64 KiB       198 µs     116 µs      116 µs
//	  1 MiB       526 µs     311 µs      307 µs
//	  4 MiB     11049 µs     968 µs      956 µs
//
// Each first write into an unwritten extent has to be journalled. Zeroing takes 60 ms once, beside the writer, for a file
// that is then used again and again. So files are zeroed, and kept rather than removed.
const zeroChunkBytes = 1 << 20

// spareShare is which part of BytesMax may be kept as spare files: a round of checkpoints frees many segments at once, and
// they are needed again as the log grows to where it was. What is removed is written with zeros again then.
const spareShare = 2

// spare is a file that may become a segment: of the right size, written once. What is in it is of no concern.
type spare struct {
	path string
	file vfs.File
}

// spares keeps at least one spare file, the reserve, so that there is always a segment to go on in: for what lets the log
// shrink again.
type spares struct {
	log  *Log
	kick chan struct{} // something changed; holds one
	mu   struct {
		sync.Mutex
		list     []spare
		names    uint64 // handed out
		refused  error  // why there is no other file, until there is one
		diskFull bool   // it is because the disk has no room
		tries    uint64 // allocations that have been tried
		changed  sync.Cond
	}
}

func (s *spares) init(l *Log) {
	s.log, s.kick = l, make(chan struct{}, 1)
	s.mu.changed.L = &s.mu
}

// wake makes the allocator, and whoever waits for it, look again.
func (s *spares) wake() {
	tell(s.kick)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.changed.Broadcast()
}

// run allocates a file whenever there is none. While the disk has no room it tries every second, also when segments that
// were retired have become spares meanwhile: Usage says what is allocated, until it succeeds.
func (s *spares) run() {
	retry := time.NewTimer(allocateRetry)
	defer retry.Stop()
	tell(s.kick)
	for {
		select {
		case <-s.kick:
		case <-retry.C:
		case <-s.log.stop:
			return
		}
		if s.log.failure() == nil && s.wanting() {
			if err := s.allocate(false); err != nil {
				retry.Reset(allocateRetry)
			}
		}
	}
}

// wanting says whether another file is to be allocated.
func (s *spares) wanting() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.list) == 0 || s.mu.diskFull
}

func (s *spares) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.list)
}

// exhausted says that the reserve is in use and that there is no other file to be had.
func (s *spares) exhausted() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.mu.list) == 0 && (s.mu.refused != nil || s.log.segmentsAreMost())
}

// segmentsAreMost says that BytesMax has no room for a file besides the segments in use.
func (l *Log) segmentsAreMost() bool {
	return int64(l.segments.count()+1)*l.options.SegmentBytes > l.options.BytesMax
}

// take returns a spare file for the writer, waiting for the allocator if need be. When that can't make one, the log is full
// in earnest.
func (s *spares) take() (spare, error) {
	if s.log.options.manual && s.count() == 0 {
		if err := s.allocate(false); err != nil {
			return spare{}, err
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	tries := s.mu.tries
	for len(s.mu.list) == 0 {
		if err := s.log.failure(); err != nil {
			return spare{}, err
		}
		if s.mu.refused != nil && s.mu.tries > tries {
			return spare{}, s.mu.refused
		}
		tell(s.kick)
		s.mu.changed.Wait()
	}
	taken := s.mu.list[0]
	s.mu.list = s.mu.list[1:]
	if taken.file == nil {
		file, err := s.log.fs.OpenReadWrite(taken.path, writeCategory)
		if err != nil {
			return spare{}, fmt.Errorf("wal: opening %s: %w", taken.path, err)
		}
		taken.file = file
	}
	return taken, nil
}

// ensureReserve makes the reserve when the log is opened, whatever BytesMax says: without it, a log that is full could not
// even write what lets it shrink. That the disk has no room is not an error yet.
func (s *spares) ensureReserve() error {
	if s.count() > 0 || s.log.options.lazy {
		return nil
	}
	err := s.allocate(true)
	if errors.Is(err, ErrFull) {
		return nil
	}
	return err
}

// allocate makes one more file, unless BytesMax is reached. Its error is ErrFull when there is no room; all others have
// failed the log.
func (s *spares) allocate(beyond bool) error {
	l := s.log
	made, err := s.makeWithin(beyond)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.tries++
	if was := s.mu.refused; (was == nil) != (err == nil) {
		if err != nil {
			l.options.Logger.Warn("no further segment can be allocated", "error", err)
		} else {
			l.options.Logger.Info("segments can be allocated again")
		}
	}
	s.mu.refused, s.mu.diskFull = err, vfs.IsNoSpaceError(err)
	if err == nil {
		s.mu.list = append(s.mu.list, made)
		l.counters.segmentsAllocated.Add(1)
	}
	s.mu.changed.Broadcast()
	return err
}

// makeWithin makes a file if BytesMax allows it.
func (s *spares) makeWithin(beyond bool) (spare, error) {
	l := s.log
	if used := int64(l.segments.count()+s.count()+1) * l.options.SegmentBytes; used > l.options.BytesMax && !beyond {
		return spare{}, fmt.Errorf("%w: all %d bytes of BytesMax are in use", ErrFull, l.options.BytesMax)
	}
	made, err := s.make()
	switch {
	case vfs.IsNoSpaceError(err):
		return spare{}, fmt.Errorf("%w: %w", ErrFull, err)
	case err != nil:
		return spare{}, l.fail(err)
	}
	return made, nil
}

// make writes a file of zeros. It gets its name when it is whole, so that a spare is always one whose blocks are there.
func (s *spares) make() (made spare, err error) {
	l := s.log
	made.path = s.newPath()
	if made.file, err = l.fs.Create(made.path+newSuffix, writeCategory); err != nil {
		return spare{}, fmt.Errorf("wal: making a segment: %w", err)
	}
	if err = s.zero(made.file); err == nil {
		err = made.file.Close()
	} else {
		err = errors.Join(err, made.file.Close())
	}
	if err == nil {
		err = l.fs.Rename(made.path+newSuffix, made.path)
	}
	if err != nil {
		err = fmt.Errorf("wal: making a segment of %d bytes: %w", l.options.SegmentBytes, err)
		return spare{}, errors.Join(err, l.fs.Remove(made.path+newSuffix))
	}
	made.file = nil
	return made, nil
}

func (s *spares) zero(file vfs.File) error {
	bytes := s.log.options.SegmentBytes
	// In one piece where the file system can; where it can't the zeros do.
	if err := file.Preallocate(0, bytes); vfs.IsNoSpaceError(err) {
		return err
	}
	chunk := make([]byte, min(zeroChunkBytes, bytes))
	for at := int64(0); at < bytes; at += int64(len(chunk)) {
		if _, err := file.Write(chunk[:min(int64(len(chunk)), bytes-at)]); err != nil {
			return err
		}
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if fd := file.Fd(); fd != vfs.InvalidFd {
		adviseUnneeded(fd, 0, bytes)
	}
	return nil
}

func (s *spares) newPath() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.names++
	return s.log.fs.PathJoin(s.log.options.Dir, spareName(s.mu.names))
}

// recycle takes a segment's file, which nobody reads any more. The directory is synced before it returns: a file must not
// come back under its old name with what it is used for next.
func (s *spares) recycle(from *segment) error {
	l := s.log
	s.mu.Lock()
	keep := (int64(len(s.mu.list))+1)*l.options.SegmentBytes <= max(l.options.BytesMax/spareShare, l.options.SegmentBytes) && from.segmentBytes == l.options.SegmentBytes
	s.mu.Unlock()
	if err := from.closeFile(); err != nil {
		return fmt.Errorf("wal: closing %s: %w", from.path, err)
	}
	var made spare
	if keep {
		made.path = s.newPath()
		if err := l.fs.Rename(from.path, made.path); err != nil {
			return fmt.Errorf("wal: renaming %s: %w", from.path, err)
		}
	} else if err := l.fs.Remove(from.path); err != nil {
		return fmt.Errorf("wal: removing %s: %w", from.path, err)
	}
	if err := syncDir(l.fs, l.options.Dir); err != nil {
		return err
	}
	if keep {
		s.mu.Lock()
		// The disk is not less full for it: what it refused stays refused until it gives another file.
		s.mu.list = append(s.mu.list, made)
		s.mu.changed.Broadcast()
		s.mu.Unlock()
	}
	return nil
}

// adopt takes a spare file that Open found.
func (s *spares) adopt(path string, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.list = append(s.mu.list, spare{path: path})
	s.mu.names = max(s.mu.names, n)
}

func (s *spares) closeFiles() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for _, kept := range s.mu.list {
		if kept.file != nil {
			errs = append(errs, kept.file.Close())
		}
	}
	return errors.Join(errs...)
}

// tell leaves a word in a channel that holds one, unless one is there already.
func tell(channel chan<- struct{}) {
	select {
	case channel <- struct{}{}:
	default:
	}
}
