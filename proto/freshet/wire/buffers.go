package wire

import (
	"sync"

	"google.golang.org/grpc/mem"
)

// Buffers are what gRPC reads frames into. They are used again as they are: gRPC's own pool clears every buffer as it hands it out, which for buffers that are
// read into from end to end is work for nothing. The zero value is ready, and safe for concurrent use.
type Buffers struct {
	frames, pages sync.Pool
}

var _ mem.BufferPool = (*Buffers)(nil)

const (
	// frameBytes is the largest HTTP/2 frame that gRPC sends.
	frameBytes = 16 << 10
	// pageBytes is for small ones, so that a few bytes that wait to be read don't keep a frame.
	pageBytes = 4 << 10
)

// Get returns a buffer of that length, with anything in it.
func (b *Buffers) Get(length int) *[]byte {
	pool, room := &b.frames, frameBytes
	switch {
	case length > frameBytes:
		buffer := make([]byte, length)
		return &buffer
	case length <= pageBytes:
		pool, room = &b.pages, pageBytes
	}
	if buffer, ok := pool.Get().(*[]byte); ok {
		*buffer = (*buffer)[:length]
		return buffer
	}
	buffer := make([]byte, length, room)
	return &buffer
}

// Put takes a buffer back that Get returned.
func (b *Buffers) Put(buffer *[]byte) {
	switch cap(*buffer) {
	case frameBytes:
		b.frames.Put(buffer)
	case pageBytes:
		b.pages.Put(buffer)
	}
}
