package block

import (
	"encoding/binary"
	"fmt"
	"sort"
)

// directoryEntry is a frame's entry in the directory, see format.go.
type directoryEntry struct {
	storedEnd uint32
	recordEnd uint32
	eventEnd  uint32
	checksum  uint32
}

func (e directoryEntry) append(dst []byte) []byte {
	le := binary.LittleEndian
	dst = le.AppendUint32(dst, e.storedEnd)
	dst = le.AppendUint32(dst, e.recordEnd)
	dst = le.AppendUint32(dst, e.eventEnd)
	return le.AppendUint32(dst, e.checksum)
}

// entry reads the directory's entry of frame i; that of frame -1 is all zero, where frame 0 begins.
func (b *Block) entry(i int) directoryEntry {
	if i < 0 {
		return directoryEntry{}
	}
	le := binary.LittleEndian
	e := b.directory[i*directoryEntryBytes:][:directoryEntryBytes]
	return directoryEntry{
		storedEnd: le.Uint32(e[0:]),
		recordEnd: le.Uint32(e[4:]),
		eventEnd:  le.Uint32(e[8:]),
		checksum:  le.Uint32(e[12:]),
	}
}

// Frame describes a frame of a block.
type Frame struct {
	From, To    int  // indexes of its first event and of the one behind its last
	StoredBytes int  // in the body
	RecordBytes int  // uncompressed
	Compressed  bool // false when its records are in the body as they are
}

// Frames returns the number of frames.
func (b *Block) Frames() int { return b.header.frames }

// Frame describes frame i.
func (b *Block) Frame(i int) Frame {
	before, entry := b.entry(i-1), b.entry(i)
	f := Frame{
		From:        int(before.eventEnd),
		To:          int(entry.eventEnd),
		StoredBytes: int(entry.storedEnd - before.storedEnd),
		RecordBytes: int(entry.recordEnd - before.recordEnd),
	}
	f.Compressed = f.StoredBytes != f.RecordBytes
	return f
}

// FrameOf returns the number of the frame that holds the event.
func (b *Block) FrameOf(event int) int {
	return sort.Search(b.header.frames-1, func(i int) bool { return event < int(b.entry(i).eventEnd) })
}

// stored returns the stored bytes of frame i, unchecked.
func (b *Block) stored(i int) []byte {
	return b.body[b.entry(i-1).storedEnd:b.entry(i).storedEnd]
}

// DecodeFrame checks frame i and appends its records, uncompressed, to dst: what a cache of inflated frames keeps, see
// Selector.Inflated. It is at most RecordBytesMax, and FrameBytesMax unless it is a single record.
func (b *Block) DecodeFrame(dst []byte, i int) ([]byte, error) {
	records, inflated, err := b.records(dst, i)
	if err != nil || inflated {
		return records, err
	}
	return append(dst, records...), nil
}

// records checks frame i and returns its records: appended to dst if it had to inflate them, which is then true, or else as a
// part of the block, with dst unused.
func (b *Block) records(dst []byte, i int) (records []byte, inflated bool, err error) {
	stored := b.stored(i)
	if got, want := checksum(stored), b.entry(i).checksum; got != want { // B3
		return dst, true, corruptf("frame %d has CRC-32C %08x, directory says %08x", i, got, want)
	}
	length := int(b.entry(i).recordEnd - b.entry(i-1).recordEnd)
	if len(stored) == length {
		return stored, false, nil
	}
	records, err = b.header.codec.decompress(dst, stored, length)
	if err != nil {
		return dst, true, fmt.Errorf("frame %d: %w", i, err)
	}
	return records, true, nil
}

// checkFrames checks directory and record ends against each other and the limits, so that from here on neither can lead
// outside of the body or of a frame (B1). It costs a nanosecond an event and allocates nothing.
func (b *Block) checkFrames() error {
	var before directoryEntry
	var last uint32 // end of the record before
	for i := range b.header.frames {
		entry := b.entry(i)
		if entry.storedEnd <= before.storedEnd || entry.recordEnd <= before.recordEnd || entry.eventEnd <= before.eventEnd {
			return corruptf("frame %d ends before it begins: %+v behind %+v", i, entry, before)
		}
		if entry.eventEnd > uint32(b.header.events) || entry.storedEnd > uint32(len(b.body)) {
			return corruptf("frame %d ends at event %d of %d and byte %d of %d", i, entry.eventEnd, b.header.events,
				entry.storedEnd, len(b.body))
		}
		if err := checkFrameBytes(i, before, entry, b.header.codec); err != nil {
			return err
		}
		ends := b.recordEnds[before.eventEnd*recordEndBytes : entry.eventEnd*recordEndBytes]
		for ; len(ends) >= recordEndBytes; ends = ends[recordEndBytes:] {
			end := binary.LittleEndian.Uint32(ends)
			if end <= last {
				return corruptf("frame %d has a record that ends at %d, the one before at %d", i, end, last)
			}
			last = end
		}
		if last != entry.recordEnd {
			return corruptf("frame %d ends at %d, its last record at %d", i, entry.recordEnd, last)
		}
		before = entry
	}
	if int(before.storedEnd) != len(b.body) || int(before.recordEnd) != b.header.recordBytes ||
		int(before.eventEnd) != b.header.events {
		return corruptf("last frame ends at %+v, the block at stored byte %d, record byte %d, event %d", before,
			len(b.body), b.header.recordBytes, b.header.events)
	}
	return nil
}

// checkFrameBytes checks the lengths that an entry gives its frame.
func checkFrameBytes(i int, before, entry directoryEntry, codec Codec) error {
	stored, records := entry.storedEnd-before.storedEnd, entry.recordEnd-before.recordEnd
	if stored > records || stored < records && codec == CodecNone {
		return corruptf("frame %d of %d bytes is stored in %d by codec %v", i, records, stored, codec)
	}
	if entry.eventEnd-before.eventEnd > 1 {
		return checkLimit("frame", FrameBytesMax, int(records))
	}
	return checkLimit("record", RecordBytesMax, int(records))
}
