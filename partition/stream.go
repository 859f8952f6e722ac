package partition

import (
	"math/bits"
	"sort"

	"github.com/freshet-mq/freshet/proto/block"
)

// stream is what the partition holds of a topic: where its blocks are, and who wants its events. It never holds their bytes.
type stream struct {
	id StreamID
	// next is the offset of the next event (P1).
	next Offset
	// blocks that some cursor holds an event of, and the most recent ones, by offset.
	blocks []blockRef
	// subscriptions by id, so that no map is ever walked (P9).
	subscriptions []*subscription
	// setVersion counts the changes to subscriptions.
	setVersion uint64
}

// blockRef is where a block's bytes are in the log, and how large its events are.
type blockRef struct {
	first Offset
	count uint32
	index Index
	// section is the block's position among the entry's sections.
	section uint32
	stored  Wall
	// sizes has a class an event, or just one when all are of the same.
	sizes []sizeClass
}

func (b *blockRef) end() Offset { return b.first + Offset(b.count) }

// fit returns how many events from an offset on have at most so many bytes together, at most n of them, and how many bytes they have.
func (b *blockRef) fit(from Offset, n uint32, limit uint64) (events uint32, bytes uint64) {
	if len(b.sizes) == 1 {
		size := b.sizes[0].bytes()
		if size > 0 && uint64(n) > limit/size {
			n = uint32(limit / size)
		}
		return n, uint64(n) * size
	}
	for _, class := range b.sizes[from-b.first:][:n] {
		size := class.bytes()
		if bytes+size > limit {
			break
		}
		bytes += size
		events++
	}
	return events, bytes
}

// sizeClass is an event's size rounded up in one byte: three bits of mantissa and five of exponent, so the bound is at most an
// eighth too high. Credit is counted by it, so that a waiting event costs no more than this.
type sizeClass uint8

func classOf(bytes int) sizeClass {
	if bytes < 8 {
		return sizeClass(max(bytes, 0))
	}
	exp := uint(bits.Len(uint(bytes)) - 4)
	mantissa := (uint(bytes) + (1 << exp) - 1) >> exp // 8 to 16, rounded up
	return sizeClass((exp+1)*8 + mantissa - 8)        // 16 carries into the exponent
}

func (c sizeClass) bytes() uint64 {
	if c < 8 {
		return uint64(c)
	}
	return uint64(8+c%8) << (c/8 - 1)
}

// sizesOf returns the classes of a block's events.
func sizesOf(b *block.Block) []sizeClass {
	n := b.Len()
	sizes := make([]sizeClass, n)
	uniform, last, class := true, -1, sizeClass(0)
	for i := range n {
		if size := b.EventSize(i); size != last { // events of one kind are often of one size
			last, class = size, classOf(size)
		}
		sizes[i] = class
		uniform = uniform && class == sizes[0]
	}
	if uniform {
		return append([]sizeClass(nil), sizes[0])
	}
	return sizes
}

// held returns the offset of the first event whose block the stream still knows the place of.
func (s *stream) held() Offset {
	if len(s.blocks) == 0 {
		return s.next
	}
	return s.blocks[0].first
}

// blockAt returns the position of the block that holds the offset, or of the first behind it.
func (s *stream) blockAt(at Offset) int {
	return sort.Search(len(s.blocks), func(i int) bool { return s.blocks[i].end() > at })
}

// fit returns how many of a run's first events have at most so many bytes together, and how many bytes those are. Sizes are upper bounds.
func (s *stream) fit(r Run, limit uint64) (events uint32, bytes uint64) {
	for i := s.blockAt(r.First); r.Count > 0; i++ {
		b := &s.blocks[i]
		n := min(r.Count, uint32(b.end()-r.First))
		fits, size := b.fit(r.First, n, limit-bytes)
		events, bytes = events+fits, bytes+size
		if fits < n {
			break
		}
		r.First += Offset(n)
		r.Count -= n
	}
	return events, bytes
}

// bytesOf returns an upper bound of the bytes of a run's events.
func (s *stream) bytesOf(r Run) uint64 {
	_, bytes := s.fit(r, 1<<63)
	return bytes
}

// oldest returns the lowest offset that some cursor still holds, and which cursor that is.
func (s *stream) oldest() (at Offset, holder *cursor) {
	at = s.next
	for _, sub := range s.subscriptions {
		for _, c := range sub.cursors {
			if o, ok := c.oldest(); ok && o < at {
				at, holder = o, c
			}
		}
	}
	return at, holder
}

// trim forgets blocks that nobody holds, but for the most recent ones.
func (s *stream) trim() {
	floor, _ := s.oldest()
	n := min(s.blockAt(floor), len(s.blocks)-recentBlocks)
	if n <= 0 {
		return
	}
	s.blocks = append(s.blocks[:0:0], s.blocks[n:]...)
}

// subscription finds one of the stream's subscriptions, and where it is or would be.
func (s *stream) subscription(id SubscriptionID) (*subscription, int) {
	i := sort.Search(len(s.subscriptions), func(i int) bool { return s.subscriptions[i].ID >= id })
	if i < len(s.subscriptions) && s.subscriptions[i].ID == id {
		return s.subscriptions[i], i
	}
	return nil, i
}
