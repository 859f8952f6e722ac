package transport

import (
	"math/bits"
	"sync"
)

// Buffers come in classes of a power of two and an eighth of it, so that an entry of a round size fits with what stands around
// it. A fresh one has to be zeroed, which was a fifth of a follower's work; so those that are free again are kept.
//
// Whose a buffer is: what was received belongs to the connection's goroutine that reads it, then to the group's that hands it
// to the library. It is free again when the library has answered, and only for a group whose log copies what it stores
// (GroupTransport.ReuseBuffers); whatever goes another way, say when a group is closed while the library works, leaves it to
// the garbage collector.
const (
	bufferShiftMin = 12
	bufferShiftMax = 22
	bufferClasses  = bufferShiftMax - bufferShiftMin + 1
)

// buffer is memory of a class, cut to what is used of it.
type buffer struct {
	bytes []byte
	class int // -1: of no class
}

// bufferPool keeps free buffers for as long as the garbage collector lets it.
type bufferPool struct {
	classes [bufferClasses]sync.Pool
	frames  sync.Pool // *frame, without a head
	poison  bool
	stats   *counters
}

func bufferClassBytes(class int) int {
	return 1<<(bufferShiftMin+class) + 1<<(bufferShiftMin+class-3)
}

// bufferClass returns the smallest class that so many bytes fit into, or -1.
func bufferClass(n int) int {
	class := max(bits.Len(uint(max(n-1, 0)))-bufferShiftMin, 0)
	if class > 0 && class <= bufferClasses && n <= bufferClassBytes(class-1) {
		class--
	}
	if class >= bufferClasses {
		return -1
	}
	return class
}

// get returns a buffer of so many bytes, with whatever was in them.
func (p *bufferPool) get(n int) *buffer {
	class := bufferClass(n)
	if class < 0 {
		p.stats.buffersMade.Add(1)
		return &buffer{bytes: make([]byte, n), class: -1}
	}
	if b, ok := p.classes[class].Get().(*buffer); ok {
		b.bytes = b.bytes[:n]
		return b
	}
	p.stats.buffersMade.Add(1)
	return &buffer{bytes: make([]byte, bufferClassBytes(class))[:n], class: class}
}

// put makes a buffer free. Nobody may look at it any more.
func (p *bufferPool) put(b *buffer) {
	if b == nil || b.class < 0 {
		return
	}
	if p.poison {
		all := b.bytes[:cap(b.bytes)]
		all[0] = 0xdb
		for n := 1; n < len(all); n *= 2 {
			copy(all[n:], all[:n])
		}
	}
	p.classes[b.class].Put(b)
}
