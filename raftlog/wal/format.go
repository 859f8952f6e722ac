package wal

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
)

// The format of a segment file. All integers are little endian, all checksums CRC-32C (Castagnoli).
//
//	0        4096                                                            end              segment bytes
//	├─ header ─┼─ batch: group table ─┼─ batch ─┼─ batch ─────┼─ batch ─┼───────┼───────────────────┤
//	           every batch begins at a block of 4096 bytes;             what the file held before it was recycled
//
// Segment header, one block:
//
//	 0  magic "freshlog"
//	 8  u32  version, 1
//	12  u32  checksum of the block, this field taken as zero
//	16  node, 16 bytes: whose log it is
//	32  u64  segment bytes
//	40  u64  serial: rises by one, never returns
//	48  u64  nonce: drawn at random for this serial
//	56  u64  number of the first batch
//	64  u64  serial of the previous segment; 0: this is the log's first
//	72  u64  where the previous segment ends
//	80  zeros
//
// Batch header:
//
//	 0  u32  magic "FLGB"
//	 4  u32  checksum of bytes 8 to 32, seeded with serial and nonce
//	 8  u64  serial
//	16  u64  number: rises by one over the whole log
//	24  u32  length, with this header, without the zeros up to the next block
//	28  u32  records
//	32  records, each at a multiple of 8 from the batch's beginning
//
// Record:
//
//	 0  u32  checksum of bytes 4 to 64, seeded with serial and nonce
//	 4  u8   kind
//	 5  u8   type: Raft's, of an entry
//	 6  u8   flags
//	 7  u8   zero
//	 8  u32  group
//	12  u32  incarnation of the group
//	16  u32  data length
//	20  u32  checksum of the data
//	24  u32  extensions length
//	28  u32  checksum of the extensions
//	32  u64  number of the batch
//	40  u64  index
//	48  u64  term
//	56  i64  appended at, nanoseconds since 1970 UTC; 0: not known
//	64  data, extensions, zeros up to a multiple of 8
//
// A record that is valid is thereby bound to its segment (by the seed: a file that is used again is full of records that
// were valid once, and what clients send might imitate one), to its batch, group, index and term, and to its payload. Payload
// checksums are not seeded, so that an entry that is appended anew keeps them.
const (
	blockBytes         = 4096
	batchHeaderBytes   = 32
	recordHeaderBytes  = 64
	formatVersion      = 1
	batchMagic         = 0x42474c46 // "FLGB"
	recordAlignment    = 8
	segmentHeaderField = 80 // where the header's fields end
)

var segmentMagic = [8]byte{'f', 'r', 'e', 's', 'h', 'l', 'o', 'g'}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(data []byte) uint32 { return crc32.Checksum(data, castagnoli) }

func alignBlock(n int64) int64 { return (n + blockBytes - 1) &^ (blockBytes - 1) }

func alignRecord(n int) int { return (n + recordAlignment - 1) &^ (recordAlignment - 1) }

// kind says what a record is. Numbers are never used twice.
type kind uint8

const (
	// kindEntry is an entry of a group: index, term, type, data, extensions.
	kindEntry kind = 1
	// kindStable has all stable values of a group as data. The first one of an incarnation makes the group.
	kindStable kind = 2
	// kindTruncate removes the entries from index on; term is that of the entry before. With flagEmpties no entry is left
	// that Raft knows of, and what is appended next need not continue anything.
	kindTruncate kind = 3
	// kindFirst says that Raft has let go of the entries before index.
	kindFirst kind = 4
	// kindTable is the first record of each segment: what is true of every group at that point, as data.
	kindTable kind = 5
	// kindRemove ends a group's incarnation.
	kindRemove kind = 6
	// kindClosed is the last record of a log that was closed: nothing behind it was ever written.
	kindClosed kind = 7
	// kindOpened is the first record behind kindClosed when the segment is continued.
	kindOpened kind = 8
	// kindRetired says that the segments up to the serial in index may go.
	kindRetired kind = 9
)

// String names the kind.
func (k kind) String() string {
	names := [...]string{kindEntry: "entry", kindStable: "stable", kindTruncate: "truncate", kindFirst: "first", kindTable: "table", kindRemove: "remove", kindClosed: "closed", kindOpened: "opened", kindRetired: "retired"}
	if int(k) < len(names) && names[k] != "" {
		return names[k]
	}
	return fmt.Sprintf("kind %d", uint8(k))
}

const (
	// flagMoved: the entry has its place already, or one below what Raft has let go of; it needn't continue the last one.
	flagMoved = 1
	// flagEmpties: see kindTruncate.
	flagEmpties = 2
)

// segmentHeader is the first block of a segment.
type segmentHeader struct {
	node         [16]byte
	segmentBytes int64
	serial       uint64
	nonce        uint64
	firstBatch   uint64
	previous     uint64
	previousEnd  int64
}

// encode fills a block.
func (h *segmentHeader) encode(block []byte) {
	clear(block[:blockBytes])
	copy(block, segmentMagic[:])
	binary.LittleEndian.PutUint32(block[8:], formatVersion)
	copy(block[16:], h.node[:])
	binary.LittleEndian.PutUint64(block[32:], uint64(h.segmentBytes))
	binary.LittleEndian.PutUint64(block[40:], h.serial)
	binary.LittleEndian.PutUint64(block[48:], h.nonce)
	binary.LittleEndian.PutUint64(block[56:], h.firstBatch)
	binary.LittleEndian.PutUint64(block[64:], h.previous)
	binary.LittleEndian.PutUint64(block[72:], uint64(h.previousEnd))
	binary.LittleEndian.PutUint32(block[12:], checksum(block[:blockBytes]))
}

// versionError is a segment's that a later build wrote.
type versionError struct{ found uint32 }

func (e *versionError) Error() string {
	return fmt.Sprintf("format version %d, this build knows %d", e.found, formatVersion)
}

// decodeSegmentHeader reads a block, and says what is wrong with it.
func decodeSegmentHeader(block []byte) (h segmentHeader, err error) {
	if len(block) < blockBytes {
		return h, fmt.Errorf("a segment header of %d bytes, expected %d", len(block), blockBytes)
	}
	block = block[:blockBytes]
	if [8]byte(block) != segmentMagic {
		return h, fmt.Errorf("magic %q, expected %q", block[:8], segmentMagic[:])
	}
	var zero [4]byte
	sum := crc32.Update(checksum(block[:12]), castagnoli, zero[:])
	sum = crc32.Update(sum, castagnoli, block[16:])
	if found := binary.LittleEndian.Uint32(block[12:]); found != sum {
		return h, fmt.Errorf("segment header has checksum %08x, expected %08x", found, sum)
	}
	if version := binary.LittleEndian.Uint32(block[8:]); version != formatVersion {
		return h, &versionError{version}
	}
	h = segmentHeader{
		node:         [16]byte(block[16:32]),
		segmentBytes: int64(binary.LittleEndian.Uint64(block[32:])),
		serial:       binary.LittleEndian.Uint64(block[40:]),
		nonce:        binary.LittleEndian.Uint64(block[48:]),
		firstBatch:   binary.LittleEndian.Uint64(block[56:]),
		previous:     binary.LittleEndian.Uint64(block[64:]),
		previousEnd:  int64(binary.LittleEndian.Uint64(block[72:])),
	}
	if h.segmentBytes < segmentBytesMin || h.segmentBytes > segmentBytesMax || h.segmentBytes%blockBytes != 0 {
		return h, fmt.Errorf("segment bytes %d, expected a multiple of %d from %d to %d", h.segmentBytes, blockBytes, segmentBytesMin, segmentBytesMax)
	}
	return h, nil
}

// seed is what the checksums of a segment's batches and records begin with.
func (h *segmentHeader) seed() uint32 {
	var bound [16]byte
	binary.LittleEndian.PutUint64(bound[0:], h.serial)
	binary.LittleEndian.PutUint64(bound[8:], h.nonce)
	return checksum(bound[:])
}

// batchHeader stands before a batch's records.
type batchHeader struct {
	serial  uint64
	number  uint64
	length  uint32
	records uint32
}

func (h *batchHeader) encode(to []byte, seed uint32) {
	binary.LittleEndian.PutUint32(to[0:], batchMagic)
	binary.LittleEndian.PutUint64(to[8:], h.serial)
	binary.LittleEndian.PutUint64(to[16:], h.number)
	binary.LittleEndian.PutUint32(to[24:], h.length)
	binary.LittleEndian.PutUint32(to[28:], h.records)
	binary.LittleEndian.PutUint32(to[4:], crc32.Update(seed, castagnoli, to[8:batchHeaderBytes]))
}

var errNoBatch = errors.New("no batch header")

// decodeBatchHeader reads a header of the segment whose seed is given.
func decodeBatchHeader(from []byte, seed uint32) (h batchHeader, err error) {
	if len(from) < batchHeaderBytes || binary.LittleEndian.Uint32(from) != batchMagic {
		return h, errNoBatch
	}
	sum := crc32.Update(seed, castagnoli, from[8:batchHeaderBytes])
	if found := binary.LittleEndian.Uint32(from[4:]); found != sum {
		return h, fmt.Errorf("batch header has checksum %08x, expected %08x", found, sum)
	}
	return batchHeader{
		serial:  binary.LittleEndian.Uint64(from[8:]),
		number:  binary.LittleEndian.Uint64(from[16:]),
		length:  binary.LittleEndian.Uint32(from[24:]),
		records: binary.LittleEndian.Uint32(from[28:]),
	}, nil
}

// recordHeader stands before a record's payload.
type recordHeader struct {
	kind          kind
	entryType     uint8
	flags         uint8
	group         GroupID
	incarnation   uint32
	dataLength    uint32
	dataSum       uint32
	extLength     uint32
	extSum        uint32
	batch         uint64
	index         uint64
	term          uint64
	appendedNanos int64
}

// bytes is what the record occupies in a batch.
func (h *recordHeader) bytes() int {
	return alignRecord(recordHeaderBytes + int(h.dataLength) + int(h.extLength))
}

// encode writes everything but what is known only when the batch is sealed: the batch's number and the checksum.
func (h *recordHeader) encode(to []byte) {
	to = to[:recordHeaderBytes]
	to[4], to[5], to[6], to[7] = byte(h.kind), h.entryType, h.flags, 0
	binary.LittleEndian.PutUint32(to[8:], uint32(h.group))
	binary.LittleEndian.PutUint32(to[12:], h.incarnation)
	binary.LittleEndian.PutUint32(to[16:], h.dataLength)
	binary.LittleEndian.PutUint32(to[20:], h.dataSum)
	binary.LittleEndian.PutUint32(to[24:], h.extLength)
	binary.LittleEndian.PutUint32(to[28:], h.extSum)
	binary.LittleEndian.PutUint64(to[40:], h.index)
	binary.LittleEndian.PutUint64(to[48:], h.term)
	binary.LittleEndian.PutUint64(to[56:], uint64(h.appendedNanos))
}

// sealRecord writes the batch's number into an encoded header, and the checksum over all of it.
func sealRecord(to []byte, number uint64, seed uint32) {
	binary.LittleEndian.PutUint64(to[32:], number)
	binary.LittleEndian.PutUint32(to[0:], crc32.Update(seed, castagnoli, to[4:recordHeaderBytes]))
}

// decodeRecordHeader reads a header of the segment whose seed is given.
func decodeRecordHeader(from []byte, seed uint32) (h recordHeader, err error) {
	if len(from) < recordHeaderBytes {
		return h, fmt.Errorf("%d bytes for a record header, expected %d", len(from), recordHeaderBytes)
	}
	sum := crc32.Update(seed, castagnoli, from[4:recordHeaderBytes])
	if found := binary.LittleEndian.Uint32(from); found != sum {
		return h, fmt.Errorf("record header has checksum %08x, expected %08x", found, sum)
	}
	return parseRecordHeader(from), nil
}

// parseRecordHeader reads a header that is known to be good.
func parseRecordHeader(from []byte) recordHeader {
	from = from[:recordHeaderBytes]
	return recordHeader{
		kind:          kind(from[4]),
		entryType:     from[5],
		flags:         from[6],
		group:         GroupID(binary.LittleEndian.Uint32(from[8:])),
		incarnation:   binary.LittleEndian.Uint32(from[12:]),
		dataLength:    binary.LittleEndian.Uint32(from[16:]),
		dataSum:       binary.LittleEndian.Uint32(from[20:]),
		extLength:     binary.LittleEndian.Uint32(from[24:]),
		extSum:        binary.LittleEndian.Uint32(from[28:]),
		batch:         binary.LittleEndian.Uint64(from[32:]),
		index:         binary.LittleEndian.Uint64(from[40:]),
		term:          binary.LittleEndian.Uint64(from[48:]),
		appendedNanos: int64(binary.LittleEndian.Uint64(from[56:])),
	}
}

// payload splits what stands behind a record's header, and checks it.
func (h *recordHeader) payload(from []byte) (data, extensions []byte, err error) {
	need := uint64(h.dataLength) + uint64(h.extLength)
	if uint64(len(from)) < need {
		return nil, nil, fmt.Errorf("%d bytes of payload, expected %d", len(from), need)
	}
	data, extensions = from[:h.dataLength:h.dataLength], from[h.dataLength:need:need]
	if sum := checksum(data); sum != h.dataSum {
		return nil, nil, fmt.Errorf("data have checksum %08x, expected %08x", sum, h.dataSum)
	}
	if sum := checksum(extensions); sum != h.extSum {
		return nil, nil, fmt.Errorf("extensions have checksum %08x, expected %08x", sum, h.extSum)
	}
	return data, extensions, nil
}
