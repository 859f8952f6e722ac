package transport

import (
	"hash/crc32"

	"github.com/hashicorp/raft"
)

// Entries' data have a checksum in the log as well as in a frame, both CRC-32C, and the CRC of bytes that follow each other is
// known from the CRCs of its parts. So a node that has summed an entry once neither sums it again for each follower, nor, when it
// has checked a frame, for its log.
//
//	leader    log ── sum of data ──▶ frame to A, frame to B: combined with what stands around the data
//	follower  frame: sums of data, combined, are what its header says ── the same sums ──▶ log
//
// What is sent is thereby protected by a sum that is older than the frame: what became of the data in between is found by who
// receives it.

// sumBytesMin is from where on combining costs less than summing.
const sumBytesMin = 4 << 10

// sums is who knows checksums of entries' data (CarrySums).
type sums struct {
	sum  func(entry *raft.Log) (sum uint32, known bool)
	note func(entry *raft.Log, sum uint32)
}

// CarrySums has checksums of entries' data, CRC-32C, asked for before they are sent, and told of what was received and
// verified, before Consumer's side gets it. Both must be quick; sum may not know. Without it all sums are computed here.
func (g *GroupTransport) CarrySums(sum func(entry *raft.Log) (sum uint32, known bool), note func(entry *raft.Log, sum uint32)) {
	g.sums.Store(&sums{sum, note})
}

// pieceSum is the sum of one of a frame's pieces.
type pieceSum struct {
	piece int
	sum   uint32
}

// of returns the sum of an entry's data, if it is worth asking for and known.
func (s *sums) of(entry *raft.Log) (sum uint32, known bool) {
	if s == nil || len(entry.Data) < sumBytesMin {
		return 0, false
	}
	return s.sum(entry)
}

// checkEntries is check for a payload that ends with the bytes of entries, all of which are parts of it. It notes the sums that
// it has found, once all of the frame is known to be what was sent.
func (h *frameHeader) checkEntries(payload []byte, entries []*raft.Log, s *sums, found []uint32) ([]uint32, error) {
	rest := 0
	for _, e := range entries {
		rest += entryBytes(e)
	}
	crc := crc32.Update(h.begun, castagnoli, payload[:len(payload)-rest])
	found = found[:0]
	for _, e := range entries {
		if len(e.Data) < sumBytesMin {
			crc = crc32.Update(crc, castagnoli, e.Data)
		} else {
			sum := crc32.Checksum(e.Data, castagnoli)
			crc = combine(crc, sum, len(e.Data))
			found = append(found, sum)
		}
		crc = crc32.Update(crc, castagnoli, e.Extensions)
	}
	if err := h.compare(crc, len(payload)); err != nil || s == nil {
		return found, err
	}
	noted := 0
	for _, e := range entries {
		if len(e.Data) >= sumBytesMin {
			s.note(e, found[noted])
			noted++
		}
	}
	return found, nil
}

// combine returns the CRC of a and b, one behind the other, from the CRC of a, that of b, and b's length: a's, moved on by so many
// zero bytes, which is a multiplication by x^8n modulo the polynomial, and b's (Mark Adler's crc32_combine of zlib 1.2.12).
func combine(a, b uint32, n int) uint32 {
	for digit := 0; n > 0; digit, n = digit+1, n>>8 {
		if d := n & 0xff; d != 0 {
			a = multiply(a, zeroBytes[digit][d])
		}
	}
	return a ^ b
}

// multiply returns the product of two polynomials modulo Castagnoli's. As in the CRC, the highest bit is the coefficient of x^0.
func multiply(a, b uint32) (product uint32) {
	for ; a != 0; a <<= 1 {
		product ^= b & -(a >> 31)
		b = b>>1 ^ crc32.Castagnoli&-(b&1)
	}
	return product
}

// zeroBytes has in [i][d] what a CRC is multiplied by for d<<8i zero bytes behind it.
var zeroBytes = func() (powers [4][256]uint32) {
	step := uint32(1) << 23 // x^8
	for i := range powers {
		powers[i][0] = 1 << 31 // x^0
		for d := 1; d < len(powers[i]); d++ {
			powers[i][d] = multiply(powers[i][d-1], step)
		}
		step = multiply(powers[i][255], step)
	}
	return powers
}()
