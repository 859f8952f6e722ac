package wal

import (
	"sync"
	"sync/atomic"
)

// batchBytesMax bounds a batch, unless a single record is larger. On a virtio disk that takes 4.4 GB/s one write and sync of
// 4 MiB costs 0.10 CPU seconds a GB and 1.0 ms, 1 MiB 0.13 and 0.31, 64 KiB 0.99 and 0.12.
const batchBytesMax = 4 << 20

// change is what a record does to a group's state.
type change struct {
	group     *Group
	kind      kind
	entryType uint8
	flags     uint8
	index     uint64
	term      uint64
	stable    stableValues
	offset    uint32 // in the batch, or in the segment when it is read
	bytes     uint32
}

// batch is one group commit: records of all groups, one behind the other, as they are on disk. Callers add to the open one;
// the writer takes it, writes and syncs it. Then it is part of the cache.
//
//	          add             take, seal            synced              pushed out
//	(open) ─────────▶ (open) ────────────▶ sealed ────────▶ in the cache ────────▶ buffer used again, if nobody can
//	                                                                               look at it, or left to the collector
type batch struct {
	buffer  []byte
	used    int // bytes, with the batch's header
	changes []change
	done    chan struct{} // closed when it is synced, or failed
	err     error         // why it failed; read once done is closed

	// Where it is, once sealed.
	segment uint32
	offset  uint32

	// tops has every group's highest entry in it: the buffer is not used again before all are applied.
	tops []top
	// lent says that a slice of the buffer may be held by somebody of whom we hear no more.
	lent atomic.Bool
}

type top struct {
	group *Group
	index uint64
}

// add copies a record. There must be room, or the batch be empty.
func (b *batch) add(buffers *buffers, c change, h *recordHeader, data, extensions []byte) {
	bytes := h.bytes()
	if end := b.used + bytes; int64(len(b.buffer)) < alignBlock(int64(end)) {
		grown := buffers.get(end)
		copy(grown, b.buffer[:min(b.used, len(b.buffer))])
		buffers.put(b.buffer)
		b.buffer = grown
	}
	to := b.buffer[b.used : b.used+bytes]
	h.encode(to)
	n := recordHeaderBytes
	n += copy(to[n:], data)
	n += copy(to[n:], extensions)
	clear(to[n:])
	c.offset, c.bytes = uint32(b.used), uint32(bytes)
	b.changes = append(b.changes, c)
	b.used += bytes
}

// seal binds the batch to its place. What it returns is to be written there: whole blocks.
func (b *batch) seal(s *segment, offset int64, number uint64) []byte {
	b.segment, b.offset = s.number(), uint32(offset)
	for i := range b.changes {
		sealRecord(b.buffer[b.changes[i].offset:], number, s.crcSeed)
	}
	h := batchHeader{serial: s.serial, number: number, length: uint32(b.used), records: uint32(len(b.changes))}
	h.encode(b.buffer, s.crcSeed)
	whole := b.buffer[:alignBlock(int64(b.used))]
	clear(whole[b.used:])
	return whole
}

// owned is how many of the batch's bytes on disk were not retirement's: all but what is moved, with the unused end where others wrote.
func (b *batch) owned(onDisk int) uint64 {
	moved, others := 0, false
	for i := range b.changes {
		switch c := &b.changes[i]; {
		case c.flags&flagMoved != 0 && c.kind == kindEntry:
			moved += int(c.bytes)
		case c.kind != kindRetired && c.kind != kindFirst:
			others = true
		}
	}
	if !others {
		return 0
	}
	return uint64(onDisk - moved)
}

// note keeps what the cache has to know of the batch, and forgets the changes.
func (b *batch) note() {
	for i := range b.changes {
		c := &b.changes[i]
		if c.kind != kindEntry {
			continue
		}
		if n := len(b.tops); n > 0 && b.tops[n-1].group == c.group {
			b.tops[n-1].index = max(b.tops[n-1].index, c.index)
		} else {
			b.tops = append(b.tops, top{c.group, c.index})
		}
	}
	b.changes = nil
}

// applied says whether every entry in the batch is applied in its group.
func (b *batch) applied() bool {
	for _, t := range b.tops {
		if t.group.applied.Load() < t.index {
			return false
		}
	}
	return true
}

// buffers are batches' memory in nine sizes, used again and again: writing into memory that was never touched, or was
// cleared by the collector, costs more than the copy.
type buffers struct {
	poison bool
	mu     struct {
		sync.Mutex
		free  [bufferSizes][][]byte
		bytes int
	}
}

const (
	bufferSizes   = 9
	bufferSizeMin = 16 << 10 // doubled up to 4 MiB
	freeBytesMax  = 16 << 20
)

func bufferSize(class int) int { return bufferSizeMin << class }

// bufferClass returns the smallest class with room for n bytes; bufferSizes when none has.
func bufferClass(n int) int {
	class := 0
	for class < bufferSizes && bufferSize(class) < n {
		class++
	}
	return class
}

// get returns a buffer with room for n bytes; what is in it is anything.
func (b *buffers) get(n int) []byte {
	class := bufferClass(n)
	if class == bufferSizes {
		return make([]byte, alignBlock(int64(n)))
	}
	b.mu.Lock()
	if last := len(b.mu.free[class]) - 1; last >= 0 {
		buffer := b.mu.free[class][last]
		b.mu.free[class][last] = nil
		b.mu.free[class] = b.mu.free[class][:last]
		b.mu.bytes -= len(buffer)
		b.mu.Unlock()
		return buffer
	}
	b.mu.Unlock()
	return make([]byte, bufferSize(class))
}

// put takes a buffer that nobody looks at any more. Odd sizes, and more than freeBytesMax, are left to the collector.
func (b *buffers) put(buffer []byte) {
	if b.poison {
		for i := range buffer {
			buffer[i] = 0xdb
		}
	}
	class := bufferClass(len(buffer))
	if class == bufferSizes || bufferSize(class) != len(buffer) {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.bytes+len(buffer) <= freeBytesMax {
		b.mu.free[class] = append(b.mu.free[class], buffer)
		b.mu.bytes += len(buffer)
	}
}
