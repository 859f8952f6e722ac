package transport

import (
	"encoding/binary"
	"hash/crc32"
)

// copyBytesMax is up to where bytes are copied into a frame. A piece that is written by reference costs the system call about
// as much as copying so many.
const copyBytesMax = 1 << 10

// frame is what is to be written: a head, and larger pieces of others' memory between its parts.
type frame struct {
	head   *buffer
	pieces [][]byte   // all of the frame in order, parts of head among them; none when head is all
	sums   []pieceSum // of pieces, those that are known, in order
	size   int
	turn   uint64 // queue's
}

// newFrame begins a frame whose head takes so many bytes of payload. The payload is appended to head.bytes.
func (p *bufferPool) newFrame(headPayload int) *frame {
	f, ok := p.frames.Get().(*frame)
	if !ok {
		f = &frame{}
	}
	f.head = p.get(frameHeaderBytes + headPayload)
	f.head.bytes = f.head.bytes[:frameHeaderBytes]
	return f
}

// free ends a frame that was written, or will not be.
func (p *bufferPool) free(f *frame) {
	p.put(f.head)
	clear(f.pieces)
	*f = frame{pieces: f.pieces[:0], sums: f.sums[:0]}
	p.frames.Put(f)
}

// seal writes the header over a frame that is complete.
func (f *frame) seal(kind frameKind, group GroupNumber, request uint64) {
	f.size = f.payloadBytes() + frameHeaderBytes
	h := frameHeader{length: uint32(f.payloadBytes()), kind: kind, group: group, request: request}
	h.put(f.head.bytes)
	crc := crc32.Update(0, castagnoli, f.head.bytes[:crcOffset])
	if len(f.pieces) == 0 {
		crc = crc32.Update(crc, castagnoli, f.head.bytes[frameHeaderBytes:])
	}
	sums := f.sums
	for i, piece := range f.pieces {
		if len(sums) > 0 && sums[0].piece == i {
			crc = combine(crc, sums[0].sum, len(piece))
			sums = sums[1:]
			continue
		}
		if i == 0 {
			piece = piece[frameHeaderBytes:]
		}
		crc = crc32.Update(crc, castagnoli, piece)
	}
	binary.LittleEndian.PutUint32(f.head.bytes[crcOffset:], crc)
}

// payloadBytes is what the header will say.
func (f *frame) payloadBytes() int {
	if len(f.pieces) == 0 {
		return len(f.head.bytes) - frameHeaderBytes
	}
	return f.size - frameHeaderBytes
}

// appendTo adds the frame's pieces to what one system call will write.
func (f *frame) appendTo(pieces [][]byte) [][]byte {
	if len(f.pieces) == 0 {
		return append(pieces, f.head.bytes)
	}
	return append(pieces, f.pieces...)
}

// assembler fills a frame's payload where some of it is by reference.
type assembler struct {
	frame *frame
	from  int // the head's bytes from here on are in no piece yet
}

// add appends bytes, by reference when they are many. The head was made large enough for those that are copied, and does
// not move.
func (a *assembler) add(b []byte) {
	f := a.frame
	if len(b) <= copyBytesMax {
		f.head.bytes = append(f.head.bytes, b...)
		return
	}
	f.pieces = append(f.pieces, f.head.bytes[a.from:len(f.head.bytes):len(f.head.bytes)], b)
	a.from = len(f.head.bytes)
}

// addSummed appends bytes by reference, whose CRC is known.
func (a *assembler) addSummed(b []byte, sum uint32) {
	a.add(b)
	a.frame.sums = append(a.frame.sums, pieceSum{len(a.frame.pieces) - 1, sum})
}

// end closes the last piece.
func (a *assembler) end() {
	f := a.frame
	if len(f.pieces) == 0 {
		return
	}
	if a.from < len(f.head.bytes) {
		f.pieces = append(f.pieces, f.head.bytes[a.from:len(f.head.bytes):len(f.head.bytes)])
	}
	f.size = 0
	for _, piece := range f.pieces {
		f.size += len(piece)
	}
}

// headBytes is what of an entry's bytes goes into the head.
func headBytes(n int) int {
	if n <= copyBytesMax {
		return n
	}
	return 0
}
