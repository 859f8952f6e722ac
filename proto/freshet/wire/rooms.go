package wire

import (
	"math/bits"
	"sync"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Blocks of a delivery are mostly read once and not needed any more. Their memory comes from rooms, by powers of two, and goes back there if who has read
// them says so.
const (
	roomBitsMin = 14 // 16 KiB; for less it isn't worth it
	roomBitsMax = 20 // 1 MiB, which is more than most blocks have
)

var rooms [roomBitsMax + 1]sync.Pool

// room returns memory for so many bytes, which is empty.
func room(length int) []byte {
	size := bits.Len(uint(max(length, 1) - 1))
	if size < roomBitsMin || size > roomBitsMax {
		return make([]byte, 0, length)
	}
	if kept, ok := rooms[size].Get().(*[]byte); ok {
		return (*kept)[:0]
	}
	return make([]byte, 0, 1<<size)
}

// Release gives back the memory of a delivery's blocks, and takes them from it. It is for who received the delivery and refers to nothing of them any more.
// Who doesn't call it leaves them to the garbage collector.
func Release(d *freshetv1.Delivery) {
	for _, block := range d.GetBlocks() {
		size := bits.Len(uint(cap(block))) - 1
		if size >= roomBitsMin && size <= roomBitsMax && cap(block) == 1<<size {
			rooms[size].Put(&block)
		}
	}
	d.Blocks = nil
}
