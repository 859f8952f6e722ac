package block

import (
	"encoding/binary"
	"fmt"
)

// header is the fixed part of a block's header, the numbers that decide where everything else is.
type header struct {
	codec           Codec
	columns         columnSet
	sources         int
	detailTypes     int
	headerBytes     int
	bodyBytes       int
	paddingBytes    int
	recordBytes     int
	events          int
	frames          int
	dictionaryBytes int
	producer        Producer
}

// layout says where the header's sections begin; each ends where the next begins.
type layout struct {
	directory   int
	sourceEnds  int
	detailEnds  int
	strings     int
	recordEnds  int
	columns     [columnCount]int
	columnsEnd  int // where the CRC begins
	headerBytes int
}

// layout computes the sections' places from the counts, for the writer and the reader alike. The counts must be within limits.
func (h *header) layout() layout {
	var l layout
	l.directory = fixedBytes
	l.sourceEnds = l.directory + h.frames*directoryEntryBytes
	l.detailEnds = l.sourceEnds + h.sources*dictionaryEndBytes
	l.strings = l.detailEnds + h.detailTypes*dictionaryEndBytes
	l.recordEnds = l.strings + h.dictionaryBytes
	at := l.recordEnds + h.events*recordEndBytes
	for c := range columnCount {
		l.columns[c] = at
		if h.columns.has(c) {
			at += h.events * columnBytes[c]
		}
	}
	l.columnsEnd = at
	l.headerBytes = at + checksumBytes
	return l
}

// bytesMin is the least length of a block with so many record bytes, see RatioMax.
func (h *header) bytesMin() int { return (h.recordBytes + RatioMax - 1) / RatioMax }

// setPadding decides on the padding once all other lengths are known.
func (h *header) setPadding() {
	h.paddingBytes = max(0, h.bytesMin()-h.headerBytes-h.bodyBytes)
}

// put writes the fixed part to b.
func (h *header) put(b []byte) {
	le := binary.LittleEndian
	_ = b[fixedBytes-1]
	copy(b, magic)
	b[3] = version
	b[4] = byte(h.codec)
	b[5] = byte(h.sources)
	b[6] = byte(h.detailTypes)
	b[7] = byte(h.columns)
	le.PutUint32(b[8:], uint32(h.headerBytes))
	le.PutUint32(b[12:], uint32(h.bodyBytes))
	le.PutUint32(b[16:], uint32(h.paddingBytes))
	le.PutUint32(b[20:], uint32(h.recordBytes))
	le.PutUint32(b[24:], uint32(h.events))
	le.PutUint32(b[28:], uint32(h.frames))
	le.PutUint32(b[32:], uint32(h.dictionaryBytes))
	le.PutUint32(b[36:], h.producer.Epoch)
	le.PutUint64(b[40:], h.producer.Sequence)
	copy(b[48:], h.producer.ID[:])
}

// seal writes the header's checksum; everything before it is in place.
func (h *header) seal(b []byte) {
	at := h.headerBytes - checksumBytes
	binary.LittleEndian.PutUint32(b[at:], checksum(b[:at]))
}

// readHeader reads the fixed part of the block that is all of b, after the checksum of the whole header and before anything
// that relies on it. What it returns is within limits and adds up with len(b).
func readHeader(b []byte) (header, error) {
	le := binary.LittleEndian
	if len(b) < fixedBytes+checksumBytes {
		return header{}, corruptf("%d bytes, a header has at least %d", len(b), fixedBytes+checksumBytes)
	}
	if string(b[:len(magic)]) != magic {
		return header{}, corruptf("begins with %x, a block with %x", b[:len(magic)], magic)
	}
	if b[3] != version {
		return header{}, fmt.Errorf("%w: %d, this build reads %d", ErrVersion, b[3], version)
	}
	headerBytes := uint64(le.Uint32(b[8:]))
	if headerBytes < fixedBytes+checksumBytes || headerBytes > uint64(len(b)) {
		return header{}, corruptf("header of %d bytes in a block of %d", headerBytes, len(b))
	}
	at := int(headerBytes) - checksumBytes
	if got, want := checksum(b[:at]), le.Uint32(b[at:]); got != want {
		return header{}, corruptf("header has CRC-32C %08x, says %08x", got, want)
	}
	h := header{
		codec:           Codec(b[4]),
		sources:         int(b[5]),
		detailTypes:     int(b[6]),
		columns:         columnSet(b[7]),
		headerBytes:     int(headerBytes),
		bodyBytes:       int(le.Uint32(b[12:])),
		paddingBytes:    int(le.Uint32(b[16:])),
		recordBytes:     int(le.Uint32(b[20:])),
		events:          int(le.Uint32(b[24:])),
		frames:          int(le.Uint32(b[28:])),
		dictionaryBytes: int(le.Uint32(b[32:])),
		producer: Producer{
			ID:       ProducerID(b[48:64]),
			Epoch:    le.Uint32(b[36:]),
			Sequence: le.Uint64(b[40:]),
		},
	}
	if err := h.check(len(b)); err != nil {
		return header{}, err
	}
	return h, nil
}

// check holds the counts against the limits and against the length of the block. It runs after the checksum, so what it
// finds was written so: on purpose or by a fault of the writer.
func (h *header) check(blockBytes int) error {
	if h.codec >= codecCount {
		return corruptf("%v, the last known is %v", h.codec, codecCount-1)
	}
	if h.columns >= 1<<columnCount {
		return corruptf("columns %08b, the last known is %d", h.columns, columnCount-1)
	}
	if h.events <= 0 || h.recordBytes <= 0 {
		return corruptf("%d events of %d bytes", h.events, h.recordBytes)
	}
	if err := checkLimit("events", EventsMax, h.events); err != nil {
		return err
	}
	if err := checkLimit("record bytes", BlockBytesMax, h.recordBytes); err != nil {
		return err
	}
	if h.frames <= 0 || h.frames > h.events {
		return corruptf("%d frames for %d events", h.frames, h.events)
	}
	strings := h.sources + h.detailTypes
	if h.dictionaryBytes < strings || h.dictionaryBytes > strings*DictionaryStringBytesMax {
		return corruptf("%d dictionary strings of %d bytes together", strings, h.dictionaryBytes)
	}
	if want := h.layout().headerBytes; h.headerBytes != want {
		return corruptf("header has %d bytes, its sections %d", h.headerBytes, want)
	}
	// On 64 bits no sum of three 32-bit lengths overflows; on 32 bits a length beyond 2 GiB is negative here.
	if h.bodyBytes < 0 || h.paddingBytes < 0 || h.headerBytes+h.bodyBytes+h.paddingBytes != blockBytes {
		return corruptf("header, body and padding of %d, %d and %d bytes in a block of %d",
			h.headerBytes, h.bodyBytes, h.paddingBytes, blockBytes)
	}
	if bytesMin := h.bytesMin(); blockBytes < bytesMin { // B2
		return &LimitError{Field: "compression ratio", Limit: RatioMax, Got: int64((h.recordBytes + blockBytes - 1) / blockBytes)}
	} else if h.paddingBytes > 0 && blockBytes > bytesMin {
		return corruptf("%d bytes of padding make the block %d long, %d is enough", h.paddingBytes, blockBytes, bytesMin)
	}
	return h.producer.check()
}

// check refuses numbers without a producer.
func (p Producer) check() error {
	if p.ID == (ProducerID{}) && (p.Epoch != 0 || p.Sequence != 0) {
		return &FieldError{Field: "producer", Reason: "has an epoch or sequence but no id"}
	}
	return nil
}
