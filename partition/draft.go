package partition

import (
	"bytes"
	"encoding/binary"
)

// draft is an entry that is being made. Its blocks stay where they are until all of it is known: then each is copied once, into memory that
// is as large as the entry, and that need not be cleared before.
//
//	small   header │ section │ section, but for its block │ section │ section, but for its block
//	blocks                                                ▲                                     ▲
type draft struct {
	small  []byte
	blocks []inset
	bytes  int      // of the entry
	pieces [][]byte // entry's
}

// inset is a block, and in front of what of the small bytes it stands.
type inset struct {
	at    int
	block []byte
}

// begin makes it the draft of another entry.
func (d *draft) begin() {
	if cap(d.small) > 4*entryBytes {
		d.small = nil // one large match index mustn't keep its room for ever
	}
	d.small = appendEntryHeader(d.small[:0])
	d.blocks, d.bytes = d.blocks[:0], len(d.small)
}

// add appends a section. Its block must stay as it is until entry returns.
func (d *draft) add(s section) {
	was := len(d.small)
	if b, ok := s.(blockSection); ok {
		d.small = append(d.small, byte(b.sectionType()), sectionVersionOne, 0, 0, 0, 0)
		start := len(d.small)
		d.small = b.appendHead(d.small)
		binary.LittleEndian.PutUint32(d.small[start-4:], uint32(len(d.small)-start+len(b.Block)))
		d.blocks = append(d.blocks, inset{len(d.small), b.Block})
		d.bytes += len(b.Block)
	} else {
		d.small = appendSection(d.small, s)
	}
	d.bytes += len(d.small) - was
}

// entry returns the entry in memory of its own, and lets go of the blocks.
func (d *draft) entry() []byte {
	from := 0
	for _, b := range d.blocks {
		d.pieces = append(d.pieces, d.small[from:b.at], b.block)
		from = b.at
	}
	d.pieces = append(d.pieces, d.small[from:])
	entry := bytes.Join(d.pieces, nil)
	clear(d.pieces)
	clear(d.blocks)
	d.pieces, d.blocks = d.pieces[:0], d.blocks[:0]
	return entry
}
