package demo

import "sync"

// sequence notes in which order the events of each key begin at each reader of an
// ordered queue. An event of a key is handed out when all before it are settled, or
// held by the same consumer, which begins them one after the other; so the first
// times are in the order of the offsets, whatever is killed, released or left to
// expire meanwhile. Safe for concurrent use.
type sequence struct {
	mu struct {
		sync.Mutex
		last  map[lane]uint64 // the highest offset that has begun
		wrong int
	}
}

// lane is a key at a reader. A key is on one partition, unless the topic spreads,
// which starts it anew.
type lane struct {
	reader    Reader
	partition uint32
	key       string
}

func newSequence() *sequence {
	s := &sequence{}
	s.mu.last = map[lane]uint64{}
	return s
}

// began says that a reader begins with an event for the first time.
func (s *sequence) began(r Reader, at Place, key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	on := lane{reader: r, partition: at.Partition, key: key}
	if last, ok := s.mu.last[on]; ok && at.Offset < last {
		s.mu.wrong++
		return
	}
	s.mu.last[on] = at.Offset
}

// wrong is how many events began after a later one of their key.
func (s *sequence) wrong() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.wrong
}
