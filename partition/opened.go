package partition

import (
	"slices"
	"sync"
	"sync/atomic"

	"github.com/freshet-mq/freshet/proto/block"
)

const (
	// openedMax and openedBytesMax bound the blocks that are kept open, what is inflated of them included: what a thousand consumers have yet to be sent of,
	// a few events each.
	openedMax      = 32
	openedBytesMax = 8 << 20
	// openedPart: a block is kept open when at most this part of it is sent at once.
	openedPart = 4
)

// opened keeps the blocks open that events were sent of last. Where many queues get a few events of a block each, each delivery would have its entry found,
// taken apart, the block's bounds checked and its frames inflated anew. It holds the bytes of entries that the log's memory mostly has anyway, and what
// frames inflate to, once for all. What an applied entry holds never changes, so nothing in here is ever wrong.
//
// Whoever was given a block releases it. What is in use isn't let go of: who finds no room beside it has what it reads for itself.
type opened struct {
	mu struct {
		sync.Mutex
		// blocks in the order in which they were opened.
		blocks []*openBlock
		// bytes of the blocks, and of the memory that frames were inflated into.
		bytes int
	}
}

// openBlock is one of them.
type openBlock struct {
	place
	block block.Block
	// inflated has a block's frames, those that somebody has needed; nil where the block isn't kept, or nothing in it is compressed.
	inflated []atomic.Pointer[[]byte]
	// users read it, and bytes is what it counts with; guarded by opened.mu.
	users, bytes int
}

// find returns the block that has an offset, nil if it isn't open.
func (o *opened) find(id StreamID, at Offset) *openBlock {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range slices.Backward(o.mu.blocks) {
		if b.stream == id && b.has(at) {
			b.users++
			return b
		}
	}
	return nil
}

// keep keeps a block open, in the place of those that have been for longest, and returns it; or the one that another consumer was quicker with. A
// large one isn't kept.
func (o *opened) keep(b *openBlock) *openBlock {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.mu.blocks {
		if other.stream == b.stream && other.first == b.first {
			other.users++
			return other
		}
	}
	size := len(b.block.Bytes())
	if size > openedBytesMax/2 || len(o.mu.blocks) >= openedMax && !o.evict() || !o.fits(size) {
		return b
	}
	if b.block.Codec() != block.CodecNone {
		b.inflated = make([]atomic.Pointer[[]byte], b.block.Frames())
	}
	b.users, b.bytes = 1, size
	o.mu.bytes += size
	o.mu.blocks = append(o.mu.blocks, b)
	return b
}

// fits makes room for so many bytes, and tells whether there is. mu is held.
func (o *opened) fits(bytes int) bool {
	for o.mu.bytes+bytes > openedBytesMax {
		if !o.evict() {
			return false
		}
	}
	return true
}

// evict lets go of the block that nobody uses and that has been open for longest, if there is one. mu is held.
func (o *opened) evict() bool {
	at := slices.IndexFunc(o.mu.blocks, func(b *openBlock) bool { return b.users == 0 })
	if at < 0 {
		return false
	}
	b := o.mu.blocks[at]
	o.mu.blocks = slices.Delete(o.mu.blocks, at, at+1)
	o.mu.bytes -= b.bytes
	for i := range b.inflated {
		if records := b.inflated[i].Load(); records != nil {
			block.FreeBuffer(*records)
		}
	}
	return true
}

// release says that a block is used no more, nor what was inflated of it.
func (o *opened) release(b *openBlock) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if b.users > 0 { // it is kept
		b.users--
	}
}

// book counts memory for what is inflated of a block that its caller uses, and tells whether there is room.
func (o *opened) book(b *openBlock, bytes int) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.fits(bytes) {
		return false
	}
	b.bytes += bytes
	o.mu.bytes += bytes
	return true
}

// unbook takes that back.
func (o *opened) unbook(b *openBlock, bytes int) {
	o.mu.Lock()
	defer o.mu.Unlock()
	b.bytes -= bytes
	o.mu.bytes -= bytes
}

// records returns what a frame of a block that its caller uses inflates to, until that releases it. Where there is no room for it, it is
// inflated into own, which is returned for the next time.
func (o *opened) records(b *openBlock, frame int, own []byte) (records, ownNext []byte, err error) {
	if b.inflated == nil {
		own, err = b.block.DecodeFrame(own[:0], frame)
		return own, own, err
	}
	kept := &b.inflated[frame]
	if there := kept.Load(); there != nil {
		return *there, own, nil
	}
	room := block.NewBuffer(b.block.Frame(frame).RecordBytes)
	if !o.book(b, cap(room)) {
		block.FreeBuffer(room)
		own, err = b.block.DecodeFrame(own[:0], frame)
		return own, own, err
	}
	records, err = b.block.DecodeFrame(room[:0], frame)
	if err == nil && kept.CompareAndSwap(nil, &records) {
		return records, own, nil
	}
	// It is corrupt, or another consumer was quicker.
	o.unbook(b, cap(room))
	block.FreeBuffer(room)
	if err != nil {
		return nil, own, err
	}
	return *kept.Load(), own, nil
}

// open returns the block that has a run's first offset, with its place, as fetch does, to be released. Who is given much of a block leaves little of it to
// others: then it isn't kept, nor is the log's memory that it lies in.
func (p *Partition) open(id StreamID, r Run) (*openBlock, error) {
	if b := p.opened.find(id, r.First); b != nil {
		return b, nil
	}
	pl, read, err := p.fetch(id, r.First)
	if err != nil {
		return nil, err
	}
	b := &openBlock{place: pl, block: read}
	if r.Count <= pl.count/openedPart {
		b = p.opened.keep(b)
	}
	return b, nil
}
