package load

import (
	"math/bits"
	"slices"
	"sync"

	"github.com/freshet-mq/freshet/client"
)

// offsets checks a run in which nobody consumes: of each stream, which offsets its publishers were
// told. Offsets are dense and never used twice, so one that was told twice is an event that lost its
// place to another, and one below the highest that nobody was told is an event of unknown outcome, or a fault.
//
// Blocks of a stream are answered nearly in order, so a stream has a page or two at a time.
type offsets struct {
	mu      sync.Mutex
	streams map[stream]*offsetPages
	twice   int64
}

// stream is a topic's part on a partition.
type stream struct {
	topic     int
	partition uint32
}

// offsetPages are a stream's, from the first offset on.
type offsetPages struct {
	mu    sync.Mutex
	pages []*offsetPage // nil: not begun
}

// offsetPage is a bit for each of 65,536 offsets; it has none any more when all were told.
type offsetPage struct {
	told []uint64
	left int
}

const offsetShift = 16

func newOffsets() *offsets { return &offsets{streams: map[stream]*offsetPages{}} }

// noteAll notes what became of a batch, by runs of offsets in a row.
func (o *offsets) noteAll(topic int, results []client.Result) {
	if o == nil {
		return
	}
	for i := 0; i < len(results); {
		first := &results[i].Receipt
		from := i
		for i++; i < len(results); i++ {
			next := &results[i].Receipt
			if results[i].Err != nil || next.Partition != first.Partition || next.Offset != first.Offset+uint64(i-from) {
				break
			}
		}
		if results[from].Err == nil {
			o.stored(topic, first.Partition, first.Offset, i-from)
		}
	}
}

// stored notes that a publisher was told so many offsets.
func (o *offsets) stored(topic int, partition uint32, offset uint64, count int) {
	if o == nil {
		return
	}
	at := stream{topic, partition}
	o.mu.Lock()
	s := o.streams[at]
	if s == nil {
		s = &offsetPages{}
		o.streams[at] = s
	}
	o.mu.Unlock()
	if twice := s.tellAll(offset, count); twice > 0 {
		o.mu.Lock()
		o.twice += twice
		o.mu.Unlock()
	}
}

// tellAll returns how many of the offsets had been told.
func (s *offsetPages) tellAll(offset uint64, count int) (twice int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i := range uint64(count) {
		if !s.tell(offset + i) {
			twice++
		}
	}
	return twice
}

// tell reports whether the offset is told for the first time. mu is held.
func (s *offsetPages) tell(offset uint64) bool {
	index := int(offset >> offsetShift)
	for len(s.pages) <= index {
		s.pages = append(s.pages, nil)
	}
	p := s.pages[index]
	if p == nil {
		p = &offsetPage{told: make([]uint64, 1<<offsetShift/64), left: 1 << offsetShift}
		s.pages[index] = p
	}
	if p.left == 0 {
		return false
	}
	inside := offset & (1<<offsetShift - 1)
	word, bit := inside/64, uint64(1)<<(inside%64)
	if p.told[word]&bit != 0 {
		return false
	}
	p.told[word] |= bit
	if p.left--; p.left == 0 {
		p.told = nil
	}
	return true
}

// findings are how many offsets were told twice, and how many below the highest of their stream
// nobody was told.
func (o *offsets) findings() (twice, missing int64) {
	if o == nil {
		return 0, 0
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, s := range o.streams {
		missing += s.missing()
	}
	return o.twice, missing
}

func (s *offsetPages) missing() (missing int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, p := range s.pages {
		switch {
		case p == nil:
			missing += 1 << offsetShift
		case p.left > 0 && i < len(s.pages)-1:
			missing += int64(p.left)
		case p.left > 0: // the last: up to the highest
			for w, told := range slices.Backward(p.told) {
				if told != 0 {
					highest := w*64 + 63 - bits.LeadingZeros64(told)
					missing += int64(highest + 1 - (1<<offsetShift - p.left))
					break
				}
			}
		}
	}
	return missing
}
