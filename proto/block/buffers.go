package block

import (
	"math/bits"
	"sync"
)

// Blocks are large and short-lived: memory that is touched for the first time, and cleared before that, costs as much as all
// that is done with a block. So who knows when nobody looks at one any more can give its memory back.
const (
	bufferShiftMin = 12
	bufferShiftMax = 20
)

// buffers has free memory by size, in powers of two, for as long as the garbage collector lets it.
var buffers [bufferShiftMax - bufferShiftMin + 1]sync.Pool

// NewBuffer returns memory for a block of so many bytes, with whatever was in it.
func NewBuffer(bytes int) []byte {
	class := bufferClass(bytes)
	if class >= len(buffers) {
		return make([]byte, bytes)
	}
	if b, ok := buffers[class].Get().(*[]byte); ok {
		return (*b)[:bytes]
	}
	return make([]byte, bytes, 1<<(bufferShiftMin+class))
}

// FreeBuffer gives back what NewBuffer has returned, or appending to that has made of it. Nobody may look at it any more. Memory from elsewhere, and
// what is larger than a MiB, is left to the garbage collector, as all is that is never given back.
func FreeBuffer(b []byte) {
	class := bufferClass(cap(b))
	if class >= len(buffers) || cap(b) != 1<<(bufferShiftMin+class) {
		return
	}
	b = b[:cap(b)]
	if poisoned {
		for i := range b {
			b[i] = 0xdb
		}
	}
	buffers[class].Put(&b)
}

// bufferClass returns the number of the smallest size with room for so many bytes; there may be none.
func bufferClass(bytes int) int { return max(bits.Len(uint(max(bytes-1, 0)))-bufferShiftMin, 0) }
