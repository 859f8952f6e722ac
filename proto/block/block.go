package block

import "encoding/binary"

// Block is an encoded block, opened for reading: its columns by an event's index, from 0, and its frames. Make one with Open. It
// refers to the bytes it was opened on and may be read concurrently. Indexes out of range panic, as a slice's do.
type Block struct {
	header      header
	encoded     []byte
	directory   []byte
	recordEnds  []byte
	columns     [columnCount][]byte // nil where absent
	sources     dictionaryView
	detailTypes dictionaryView
	body        []byte
}

// Open opens the block that is all of b. It checks the header's checksum and structure and every bound that reading relies on,
// in a nanosecond or two an event and without allocating; frames are checked when they are read, columns against records by
// Reader.Verify. It returns ErrCorrupt, ErrVersion or a *LimitError.
func Open(b []byte) (Block, error) {
	var block Block
	if err := block.Open(b); err != nil {
		return Block{}, err
	}
	return block, nil
}

// Open is the function Open, in place of what b was. A block that is used again spares its caller's stack half a kilobyte, and copies of it: for a block of
// one event that counts. After an error b is no block.
func (b *Block) Open(encoded []byte) (err error) {
	*b = Block{encoded: encoded}
	if b.header, err = readHeader(encoded); err != nil {
		return err
	}
	l := b.header.layout()
	bodyEnd := b.header.headerBytes + b.header.bodyBytes
	b.directory = encoded[l.directory:l.sourceEnds]
	b.recordEnds = encoded[l.recordEnds:l.columns[0]]
	b.body = encoded[b.header.headerBytes:bodyEnd]
	for c := range columnCount {
		if b.header.columns.has(c) {
			b.columns[c] = encoded[l.columns[c]:][:b.header.events*columnBytes[c]]
		}
	}
	if err := b.openDictionaries(encoded, &l); err != nil {
		return err
	}
	if err := b.checkColumns(); err != nil {
		return err
	}
	if err := b.checkFrames(); err != nil {
		return err
	}
	for i, padding := range encoded[bodyEnd:] {
		if padding != 0 { // B3
			return corruptf("padding has %02x at %d", padding, bodyEnd+i)
		}
	}
	return nil
}

// openDictionaries finds both dictionaries. Where the strings of sources end, those of detail types begin.
func (b *Block) openDictionaries(encoded []byte, l *layout) error {
	b.sources.ends = encoded[l.sourceEnds:l.detailEnds]
	b.detailTypes.ends = encoded[l.detailEnds:l.strings]
	strings := encoded[l.strings:l.recordEnds]
	split := b.sources.end(b.sources.len() - 1)
	if split > len(strings) {
		return corruptf("sources end at %d in %d bytes", split, len(strings))
	}
	b.sources.strings, b.detailTypes.strings = strings[:split], strings[split:]
	if err := b.sources.check("sources"); err != nil {
		return err
	}
	return b.detailTypes.check("detail types")
}

// checkColumns checks the entries that an accessor relies on.
func (b *Block) checkColumns() error {
	if err := checkBytes("source", b.columns[columnSource], byte(b.sources.len())); err != nil {
		return err
	}
	if err := checkBytes("detail type", b.columns[columnDetailType], byte(b.detailTypes.len())); err != nil {
		return err
	}
	if err := checkBytes("flags", b.columns[columnFlags], byte(flagsKnown)); err != nil {
		return err
	}
	if b.columns[columnDeliverAt] == nil {
		return nil
	}
	for i := range b.header.events {
		if at := b.DeliverAtMillis(i); uint64(at) > DeliverAtMax {
			return corruptf("event %d has deliver-at %d, at most %d", i, uint64(at), int64(DeliverAtMax))
		}
	}
	return nil
}

// checkBytes checks that no entry of a column of bytes is above most.
func checkBytes(name string, entries []byte, most byte) error {
	for i, entry := range entries {
		if entry > most {
			return corruptf("event %d has %s %d, at most %d", i, name, entry, most)
		}
	}
	return nil
}

// Bytes returns the encoded block.
func (b *Block) Bytes() []byte { return b.encoded }

// Codec returns how the block's frames are compressed; single frames may be stored as they are nevertheless.
func (b *Block) Codec() Codec { return b.header.codec }

// Producer returns who numbered the block, the zero Producer for nobody.
func (b *Block) Producer() Producer { return b.header.producer }

// Len returns the number of events, 1 to EventsMax.
func (b *Block) Len() int { return b.header.events }

// Size returns the bytes of all records, uncompressed, as Writer.Size.
func (b *Block) Size() int { return b.header.recordBytes }

// HeaderSize returns the bytes of the header, which with the stored frames and padding makes len(Bytes).
func (b *Block) HeaderSize() int { return b.header.headerBytes }

// RunSize returns the bytes of the records of events from to to, without the latter, uncompressed.
func (b *Block) RunSize(from, to int) int { return b.recordEnd(to-1) - b.recordEnd(from-1) }

// EventSize returns the bytes of an event's record, uncompressed: data and properties. It is more than its data alone.
func (b *Block) EventSize(i int) int { return b.recordEnd(i) - b.recordEnd(i-1) }

// recordEnd returns where event i's record ends in the uncompressed body; that of event -1 ends at 0.
func (b *Block) recordEnd(i int) int {
	if i < 0 {
		return 0
	}
	return int(binary.LittleEndian.Uint32(b.recordEnds[i*recordEndBytes:]))
}

// HasKeys says whether any event may have a key.
func (b *Block) HasKeys() bool { return b.header.columns.has(columnKeyHash) }

// KeyHash returns HashKey of event i's key, 0 for none.
func (b *Block) KeyHash(i int) uint64 {
	if b.columns[columnKeyHash] == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b.columns[columnKeyHash][i*8:])
}

// HasDeliverAt says whether any event may have a deliver-at.
func (b *Block) HasDeliverAt() bool { return b.header.columns.has(columnDeliverAt) }

// DeliverAtMillis returns when event i is due, in milliseconds since 1970 UTC, 0 for at once.
func (b *Block) DeliverAtMillis(i int) int64 {
	if b.columns[columnDeliverAt] == nil {
		return 0
	}
	return int64(binary.LittleEndian.Uint64(b.columns[columnDeliverAt][i*8:]))
}

// HasDedupIDs says whether any event may have a dedup id.
func (b *Block) HasDedupIDs() bool { return b.header.columns.has(columnDedupHash) }

// DedupHash returns HashDedupID of event i's dedup id, all zero for none.
func (b *Block) DedupHash(i int) DedupHash {
	if b.columns[columnDedupHash] == nil {
		return DedupHash{}
	}
	return DedupHash(b.columns[columnDedupHash][i*16:][:16])
}

// Flags returns event i's flags.
func (b *Block) Flags(i int) Flags { return Flags(b.byteAt(columnFlags, i)) }

// SourceIndex returns the index of event i's source among Sources, 0 for unknown.
func (b *Block) SourceIndex(i int) int { return int(b.byteAt(columnSource, i)) }

// DetailTypeIndex returns the index of event i's detail-type among DetailTypes, 0 for unknown.
func (b *Block) DetailTypeIndex(i int) int { return int(b.byteAt(columnDetailType, i)) }

// Sources returns how many sources the block names, with the indexes 1 to that.
func (b *Block) Sources() int { return b.sources.len() }

// DetailTypes returns how many detail-types the block names, with the indexes 1 to that.
func (b *Block) DetailTypes() int { return b.detailTypes.len() }

// Source returns the source of an index, nil for 0. It is the producer's word, see Event.Source.
func (b *Block) Source(index int) []byte { return b.sources.string(byte(index)) }

// DetailType returns the detail-type of an index, nil for 0. It is the producer's word, see Event.DetailType.
func (b *Block) DetailType(index int) []byte { return b.detailTypes.string(byte(index)) }

func (b *Block) byteAt(c column, i int) byte {
	if b.columns[c] == nil {
		return 0
	}
	return b.columns[c][i]
}
