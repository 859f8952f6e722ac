package wal

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
//	(open) ─────────▶ (open) ────────────▶ sealed ────────▶ in the cache ────────▶ and with the last one of its arena this is
//	                                                                               used again, or left to the collector
type batch struct {
	arena   *arena // nil for one that is written by itself
	buffer  []byte // the rest of the arena, until it is sealed
	used    int    // bytes, with the batch's header
	changes []change
	done    chan struct{} // closed when it is synced, or failed
	err     error         // why it failed; read once done is closed

	// Where it is, once sealed.
	segment uint32
	offset  uint32
}

// alone makes a batch of one record, which is not for the cache.
func alone(c change, h *recordHeader, data []byte) *batch {
	b := &batch{used: batchHeaderBytes}
	b.buffer = make([]byte, alignBlock(int64(b.used+h.bytes())))
	b.add(nil, c, h, data, nil)
	return b
}

// add copies a record. There must be room, or the batch be empty.
func (b *batch) add(arenas *arenas, c change, h *recordHeader, data, extensions []byte) {
	bytes := h.bytes()
	if end := b.used + bytes; int64(len(b.buffer)) < alignBlock(int64(end)) {
		arenas.move(b, end)
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
	end := alignBlock(int64(b.used))
	b.buffer = b.buffer[:end:end]
	clear(b.buffer[b.used:])
	return b.buffer
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

// note keeps what the cache has to know of the batch, and forgets the changes. It says whether there are entries in it.
func (b *batch) note() (entries bool) {
	for i := range b.changes {
		if c := &b.changes[i]; c.kind == kindEntry {
			b.arena.note(c.group, c.index)
			entries = true
		}
	}
	b.changes = nil
	return entries
}
