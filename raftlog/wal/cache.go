package wal

import (
	"slices"
	"sync"
)

// cache holds the newest batches, as many as fit into its bytes, in the order in which they are on disk. It is charged for
// their buffers, not for what is used of these.
type cache struct {
	bytesMax int64
	buffers  *buffers
	mu       struct {
		sync.RWMutex
		batches []*batch
		bytes   int64
	}
}

// get returns the record at a location, as a slice of a batch's buffer, or nil. With lend the buffer is never used again;
// otherwise it may be once the entry is applied.
func (c *cache) get(at location, lend bool) []byte {
	c.mu.RLock()
	defer c.mu.RUnlock()
	i, found := slices.BinarySearchFunc(c.mu.batches, at, func(b *batch, at location) int {
		switch {
		case b.segment != at.segment:
			return compare(b.segment, at.segment)
		case at.offset < b.offset:
			return 1
		case at.offset >= b.offset+uint32(b.used):
			return -1
		}
		return 0
	})
	if !found {
		return nil
	}
	b := c.mu.batches[i]
	if lend {
		b.lent.Store(true)
	}
	from := at.offset - b.offset
	return b.buffer[from : from+at.bytes : from+at.bytes]
}

func compare(a, b uint32) int {
	if a < b {
		return -1
	}
	return 1
}

// add takes a batch that is synced. When there are too many bytes the oldest go; the newest always stays.
func (c *cache) add(b *batch) {
	if len(b.tops) == 0 { // nothing in it that anybody reads
		c.buffers.put(b.buffer)
		b.buffer = nil
		return
	}
	if class := bufferClass(b.used); class < bufferSizes && 4*bufferSize(class) <= len(b.buffer) {
		fitting := c.buffers.get(b.used)
		copy(fitting, b.buffer[:b.used])
		c.buffers.put(b.buffer)
		b.buffer = fitting
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.batches = append(c.mu.batches, b)
	c.mu.bytes += int64(len(b.buffer))
	for c.mu.bytes > c.bytesMax && len(c.mu.batches) > 1 {
		oldest := c.mu.batches[0]
		c.mu.batches[0] = nil // append moves the rest to a new array at times; until then this one must not hold on to it
		c.mu.batches = c.mu.batches[1:]
		c.mu.bytes -= int64(len(oldest.buffer))
		if !oldest.lent.Load() && oldest.applied() {
			c.buffers.put(oldest.buffer)
			oldest.buffer = nil
		}
	}
}
