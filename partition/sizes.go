package partition

import (
	"math/bits"

	"github.com/freshet-mq/freshet/proto/block"
)

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

// sizesOf appends the classes of a block's events to b, or just one when all are of the same.
func sizesOf(b []sizeClass, from *block.Block) []sizeClass {
	n, start := from.Len(), len(b)
	uniform, last, class := true, -1, sizeClass(0)
	for i := range n {
		if size := from.EventSize(i); size != last { // events of one kind are often of one size
			last, class = size, classOf(size)
		}
		b = append(b, class)
		uniform = uniform && class == b[start]
	}
	if uniform {
		return b[:start+1]
	}
	return b
}

// sizeTable knows the size of every event that some cursor of a stream has waiting or holds, and of no other: what nobody has in hand takes
// no memory, however long the log is. It goes by chunks of 1,024 offsets. A chunk is there while cursors have events of it, and takes
// a byte for each of its offsets, or one for all of them while all that were named are of one class.
//
// Even looking into it changes it (last): only applying does, never who merely looks at the machine.
type sizeTable struct {
	// chunks by number. Looked into, never walked but for a snapshot, which sorts (P9).
	chunks map[uint64]*sizeChunk
	// last is the chunk that was looked at last, and spare one that went, to be used again.
	last    *sizeChunk
	lastKey uint64
	spare   *sizeChunk
	pieces  pieces
}

const sizeChunkEvents = 1_024

type sizeChunk struct {
	// refs counts the events that cursors have of it; an event of two cursors counts twice.
	refs  uint64
	class sizeClass
	// sizes is nil while all are of one class.
	sizes []sizeClass
}

// sizeChunkBytes is what a chunk is counted with beside its sizes.
const sizeChunkBytes = 96

// waiting is what the events in hand take of memory, over all streams of a partition.
type waiting struct {
	// events that cursors have waiting or hold.
	events uint64
	// sizes is the bytes of all size tables.
	sizes uint64
	// keyed events are in lines of ordered queues.
	keyed uint64
}

// waitingEventBytes is what an event in hand takes of a bitmap at most.
const waitingEventBytes = 2

func (w *waiting) bytes() uint64 {
	return w.events*waitingEventBytes + w.sizes + w.keyed*keyedEventBytes
}

func (t *sizeTable) chunk(key uint64) *sizeChunk {
	if t.last != nil && t.lastKey == key {
		return t.last
	}
	c := t.chunks[key]
	if c != nil {
		t.last, t.lastKey = c, key
	}
	return c
}

// hold says that one more cursor has a run's events in hand. classes has a class for each, or one for all.
func (t *sizeTable) hold(w *waiting, r Run, classes []sizeClass) {
	w.events += uint64(r.Count)
	for r.Count > 0 {
		key := uint64(r.First) / sizeChunkEvents
		at := int(r.First % sizeChunkEvents)
		n := min(int(r.Count), sizeChunkEvents-at)
		part := classes
		if len(classes) > 1 {
			part, classes = classes[:n], classes[n:]
		}
		c := t.chunk(key)
		if c == nil {
			c = t.add(w, key, part[0])
		}
		c.refs += uint64(n)
		if c.put(w, at, n, part) {
			t.pieces.mark(key)
		}
		r.First += Offset(n)
		r.Count -= uint32(n)
	}
}

// holdRuns is hold for runs in order of a block's events; first is the block's first, and classes has a class for each of its events, or one for all.
func (t *sizeTable) holdRuns(w *waiting, runs []Run, first Offset, classes []sizeClass) {
	if len(classes) > 1 {
		for _, r := range runs {
			t.hold(w, r, classes[r.First-first:r.end()-first])
		}
		return
	}
	var c *sizeChunk
	var key uint64 // of the chunk at hand
	for _, r := range runs {
		at := uint64(r.First) / sizeChunkEvents
		if c == nil || at != key {
			c, key = t.chunk(at), at
		}
		if c == nil || c.sizes != nil || c.class != classes[0] || uint64(r.end()-1)/sizeChunkEvents != at {
			t.hold(w, r, classes)
			c = nil
			continue
		}
		w.events += uint64(r.Count)
		c.refs += uint64(r.Count)
	}
}

func (t *sizeTable) add(w *waiting, key uint64, class sizeClass) *sizeChunk {
	c := t.spare
	if c == nil {
		c = &sizeChunk{}
	}
	t.spare = nil
	*c = sizeChunk{class: class}
	if t.chunks == nil {
		t.chunks = map[uint64]*sizeChunk{}
	}
	t.chunks[key] = c
	t.pieces.mark(key)
	t.last, t.lastKey = c, key
	w.sizes += sizeChunkBytes
	return c
}

// put notes the classes of n events, and tells whether they weren't known already.
func (c *sizeChunk) put(w *waiting, at, n int, classes []sizeClass) bool {
	if c.sizes == nil {
		same := true
		for _, class := range classes {
			same = same && class == c.class
		}
		if same {
			return false
		}
		c.sizes = make([]sizeClass, sizeChunkEvents)
		for i := range c.sizes {
			c.sizes[i] = c.class
		}
		w.sizes += sizeChunkEvents
	}
	if len(classes) > 1 {
		copy(c.sizes[at:at+n], classes)
		return true
	}
	for i := range n {
		c.sizes[at+i] = classes[0]
	}
	return true
}

// recount says that one more cursor has a run's events in hand, whose sizes are known already.
func (t *sizeTable) recount(w *waiting, r Run) {
	w.events += uint64(r.Count)
	for r.Count > 0 {
		n := min(r.Count, uint32(sizeChunkEvents-r.First%sizeChunkEvents))
		t.chunk(uint64(r.First) / sizeChunkEvents).refs += uint64(n)
		r.First += Offset(n)
		r.Count -= n
	}
}

// release says that a cursor is done with a run's events: they are settled, or dead.
func (t *sizeTable) release(w *waiting, r Run) {
	w.events -= uint64(r.Count)
	for r.Count > 0 {
		key := uint64(r.First) / sizeChunkEvents
		n := min(r.Count, uint32(sizeChunkEvents-r.First%sizeChunkEvents))
		t.unref(w, key, t.chunk(key), uint64(n))
		r.First += Offset(n)
		r.Count -= n
	}
}

// releaseRuns is release for runs in order, and returns an upper bound of the bytes of their events.
func (t *sizeTable) releaseRuns(w *waiting, runs []Run) (bytes uint64) {
	var refs, key uint64 // of the chunk at hand
	var c *sizeChunk
	for _, r := range runs {
		w.events -= uint64(r.Count)
		for r.Count > 0 {
			if at := uint64(r.First) / sizeChunkEvents; c == nil || at != key {
				t.unref(w, key, c, refs)
				c, key, refs = t.chunk(at), at, 0
			}
			at := uint32(r.First % sizeChunkEvents)
			n := min(r.Count, sizeChunkEvents-at)
			if c.sizes == nil {
				bytes += uint64(n) * c.class.bytes()
			} else {
				for _, class := range c.sizes[at : at+n] {
					bytes += class.bytes()
				}
			}
			refs += uint64(n)
			r.First += Offset(n)
			r.Count -= n
		}
	}
	t.unref(w, key, c, refs)
	return bytes
}

// unref says that a cursor is done with so many events of a chunk, which may be nil.
func (t *sizeTable) unref(w *waiting, key uint64, c *sizeChunk, refs uint64) {
	if c == nil {
		return
	}
	if c.refs -= refs; c.refs == 0 {
		w.sizes -= sizeChunkBytes + uint64(len(c.sizes))
		delete(t.chunks, key)
		t.pieces.mark(key)
		t.last, t.spare = nil, c
	}
}

// has tells whether the sizes of all of a run's events may be known: each of its chunks is there.
func (t *sizeTable) has(r Run) bool {
	for at := uint64(r.First) / sizeChunkEvents; at*sizeChunkEvents < uint64(r.end()); at++ {
		if t.chunk(at) == nil {
			return false
		}
	}
	return true
}

// class returns the class of one event that is in hand.
func (t *sizeTable) class(at Offset) sizeClass {
	c := t.chunk(uint64(at) / sizeChunkEvents)
	if c.sizes == nil {
		return c.class
	}
	return c.sizes[at%sizeChunkEvents]
}

// fit returns how many of a run's first events have at most so many bytes together, and how many bytes those are. Sizes are upper bounds.
func (t *sizeTable) fit(r Run, limit uint64) (events uint32, bytes uint64) {
	for r.Count > 0 {
		at := uint32(r.First % sizeChunkEvents)
		n := min(r.Count, sizeChunkEvents-at)
		fits, size := t.chunk(uint64(r.First)/sizeChunkEvents).fit(at, n, limit-bytes)
		events, bytes = events+fits, bytes+size
		if fits < n {
			break
		}
		r.First += Offset(n)
		r.Count -= n
	}
	return events, bytes
}

func (c *sizeChunk) fit(at, n uint32, limit uint64) (events uint32, bytes uint64) {
	if c.sizes == nil {
		size := c.class.bytes()
		if size > 0 && uint64(n) > limit/size {
			n = uint32(limit / size)
		}
		return n, uint64(n) * size
	}
	for _, class := range c.sizes[at : at+n] {
		size := class.bytes()
		if bytes+size > limit {
			break
		}
		bytes += size
		events++
	}
	return events, bytes
}

// bytesOf returns an upper bound of the bytes of a run's events.
func (t *sizeTable) bytesOf(r Run) uint64 {
	_, bytes := t.fit(r, 1<<63)
	return bytes
}
