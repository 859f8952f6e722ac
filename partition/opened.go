package partition

import (
	"slices"
	"sync"

	"github.com/freshet-mq/freshet/proto/block"
)

const (
	// openedMax and openedBytesMax bound the blocks that are kept open: what a thousand consumers have yet to be sent of, a few events each.
	openedMax      = 32
	openedBytesMax = 4 << 20
	// openedPart: a block is kept open when less than this part of it is sent at once.
	openedPart = 8
)

// opened keeps the blocks open that events were sent of last. Where many queues get a few events of a block each, each delivery would have its entry found,
// taken apart, and the block's bounds checked anew. It holds the bytes of entries that the log's memory mostly has anyway. What an applied entry
// holds never changes, so nothing in here is ever wrong.
type opened struct {
	mu struct {
		sync.Mutex
		// blocks in the order in which they were opened.
		blocks []*openBlock
		bytes  int
	}
}

// openBlock is one of them; it isn't changed.
type openBlock struct {
	place
	block block.Block
}

// find returns the block that has an offset, nil if it isn't open.
func (o *opened) find(id StreamID, at Offset) *openBlock {
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, b := range slices.Backward(o.mu.blocks) {
		if b.stream == id && b.has(at) {
			return b
		}
	}
	return nil
}

// keep keeps a block open, in the place of those that have been for longest. A large one isn't kept.
func (o *opened) keep(b *openBlock) {
	size := len(b.block.Bytes())
	if size > openedBytesMax/2 {
		return
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	for _, other := range o.mu.blocks {
		if other.stream == b.stream && other.first == b.first {
			return // another consumer was quicker
		}
	}
	o.mu.blocks = append(o.mu.blocks, b)
	o.mu.bytes += size
	gone := 0
	for ; len(o.mu.blocks)-gone > openedMax || o.mu.bytes > openedBytesMax; gone++ {
		o.mu.bytes -= len(o.mu.blocks[gone].block.Bytes())
	}
	o.mu.blocks = slices.Delete(o.mu.blocks, 0, gone)
}

// open returns the block that has a run's first offset, with its place, as fetch does. Who is given much of a block leaves little of it to others: then it
// isn't kept, nor is the log's memory that it lies in.
func (p *Partition) open(id StreamID, r Run) (*openBlock, error) {
	if b := p.opened.find(id, r.First); b != nil {
		return b, nil
	}
	pl, read, err := p.fetch(id, r.First)
	if err != nil {
		return nil, err
	}
	b := &openBlock{pl, read}
	if r.Count < pl.count/openedPart {
		p.opened.keep(b)
	}
	return b, nil
}
