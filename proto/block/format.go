package block

import "hash/crc32"

// # The format, version 1
//
// Integers are little endian. A block is a header, the stored frames one after the other, and padding:
//
//	┌────────────────────────────────────── header ───────────────────────────────────────┬───────── body ────────┬─────────┐
//	│ fixed │ directory │ dictionaries │ record ends │ columns that some event uses │ CRC │ frame 0 │ frame 1 │ … │ padding │
//	└─────────────────────────────────────────────────────────────────────────────────────┴───────────────────────┴─────────┘
//
// The fixed part, 64 bytes (writer and reader in header.go):
//
//	 0   3  magic F5 'f' 'b'
//	 3   1  version, 1
//	 4   1  codec: 0 none, 1 S2, 2 zstd
//	 5   1  sources: strings in the dictionary, 0 to 255
//	 6   1  detail types: likewise
//	 7   1  columns that are present, a bit each, in the order below; bits 6 and 7 are 0
//	 8   4  header bytes, from the magic through the header's CRC
//	12   4  body bytes: all stored frames
//	16   4  padding bytes, all zero, behind the body: only as many as keep record bytes ≤ 100 × the block's length
//	20   4  record bytes: the body uncompressed, 1 to 4 Mi
//	24   4  events, 1 to 16,384
//	28   4  frames, 1 to events
//	32   4  dictionary bytes: the strings of both dictionaries together
//	36   4  producer epoch
//	40   8  producer sequence
//	48  16  producer id; all zero for no producer, epoch and sequence are 0 then
//
// The directory, 16 bytes a frame, counts from the block's beginning, so that a frame's place is found by binary search and
// everything before it is a subtraction (frame.go):
//
//	 0   4  stored end: where the frame ends in the body
//	 4   4  record end: where its last record ends in the uncompressed body
//	 8   4  event end: index of the event behind its last
//	12   4  CRC-32C of the stored bytes
//
// A frame whose stored length equals its uncompressed length is stored as it is, whatever the codec; a compressed one is
// shorter: an S2 block, or zstd frames without dictionary and with windows of at most 2 MiB. A frame holds several whole records of together at most 16 KiB, or exactly one record of any length.
// The checksum stands in the directory and the directory is under the header's: that binds it to the frame's number and to
// this block, so frames can't be swapped or brought in from elsewhere, and yet a frame that is copied whole into a selected
// block takes the checksum along that its producer made (B4); one seeded by number or block would have to be made anew.
//
// The dictionaries, sources and then detail types: 2 bytes a string, where it ends among its dictionary's strings; behind the
// two tables the strings of sources, then those of detail types. A string has 1 to 256 bytes; string n has index n+1, index 0
// means unknown or none.
//
// Then a column each, an entry an event:
//
//	     4  record end: where the event's record ends in the uncompressed body. Always there. It gives each event's size, and
//	        the bytes of a whole run of events, by one subtraction.
//	bit 0   8  key hash: xxHash64 (seed 0) of the key, 1 if that is 0; 0 for no key
//	bit 1   8  deliver-at: milliseconds since 1970 UTC; 0 for at once
//	bit 2  16  dedup hash: the first half of the dedup id's SHA-256; 0 for no dedup id
//	bit 3   1  source: index into its dictionary
//	bit 4   1  detail type: likewise
//	bit 5   1  flags: bit 0 the data isn't JSON, bit 1 it has attributes; other bits are 0
//
// A column in which all entries would be 0 is left out. Entries have a fixed width, varints would make reading by index a
// scan. Last, 4 bytes: the CRC-32C of the header up to here.
//
// A record (record.go), whose length the record ends tell:
//
//	     1  properties that are present, a bit each: 0 content type, 1 key, 2 dedup id, 3 correlation id, 4 traceparent,
//	        5 tracestate, 6 attributes; bit 7: another byte of them follows
//	  0..1  bit 0 causation id, 1 schema; other bits are 0; never all 0
//	        for each property present, in this order: its length as a shortest uvarint, not 0, and its bytes, UTF-8
//	        the rest: the data
//
// So a JSON event without properties costs one byte there and four in the header. Attributes are, within their property:
//
//	     1  how many, 1 to 64
//	        for each: 1 byte length of the name, uvarint length of the value, name, value; names differ from each other

const (
	magic   = "\xf5fb"
	version = 1

	fixedBytes          = 64
	directoryEntryBytes = 16
	dictionaryEndBytes  = 2
	recordEndBytes      = 4
	checksumBytes       = 4
)

// column numbers the columns that are present only when some event uses them.
type column uint8

const (
	columnKeyHash column = iota
	columnDeliverAt
	columnDedupHash
	columnSource
	columnDetailType
	columnFlags

	columnCount
)

// columnBytes is the width of a column's entry.
var columnBytes = [columnCount]int{8, 8, 16, 1, 1, 1}

// columnBytesSum is the width of all of them.
const columnBytesSum = 8 + 8 + 16 + 1 + 1 + 1

// columnSet has the bit of each column that is present.
type columnSet uint8

func (s columnSet) has(c column) bool { return s&(1<<c) != 0 }

// castagnoli is the table of CRC-32C, which processors compute.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }
