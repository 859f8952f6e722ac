package wal

import (
	"slices"
	"sync"
)

// cache holds the newest batches, as many as fit into its bytes, in the order in which they are on disk. It is charged for
// their arenas, not for what is used of these.
type cache struct {
	bytesMax int64
	arenas   *arenas
	mu       struct {
		sync.RWMutex
		batches []*batch
		bytes   int64 // of arenas
	}
}

// get returns the record at a location, as a slice of a batch's buffer, or nil. With lend its memory is never used again;
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
		b.arena.lent.Store(true)
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

// add takes a batch that is synced and has entries. When there are too many bytes the oldest go; the newest always stays. Batches
// are in their arenas' order: when the last one of an arena goes, those that are still open or written are in later ones.
func (c *cache) add(b *batch) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if n := len(c.mu.batches); n == 0 || c.mu.batches[n-1].arena != b.arena {
		c.mu.bytes += int64(len(b.arena.bytes))
	}
	c.mu.batches = append(c.mu.batches, b)
	for c.mu.bytes > c.bytesMax && len(c.mu.batches) > 1 {
		oldest := c.mu.batches[0]
		c.mu.batches[0] = nil // append moves the rest to a new array at times; until then this one must not hold on to it
		c.mu.batches = c.mu.batches[1:]
		if c.mu.batches[0].arena != oldest.arena {
			c.mu.bytes -= int64(len(oldest.arena.bytes))
			c.arenas.put(oldest.arena)
		}
	}
}
