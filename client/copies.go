package client

// copies are of small pieces of bytes, several to an allocation. Who keeps one keeps its neighbours: copiesBytes at most. The zero value is empty.
type copies struct {
	chunk []byte
}

const (
	// copiesBytes is what an allocation has: as a block's frame, so that keeping one event of many costs as much at most as it would to keep its frame.
	copiesBytes = 16 << 10
	// copiesPiece is the largest piece that shares an allocation.
	copiesPiece = copiesBytes / 8
)

// of returns a copy, which isn't nil.
func (c *copies) of(b []byte) []byte {
	if len(b) > copiesPiece {
		return append([]byte(nil), b...)
	}
	if c.chunk == nil || len(b) > cap(c.chunk)-len(c.chunk) {
		c.chunk = make([]byte, 0, copiesBytes)
	}
	from := len(c.chunk)
	c.chunk = append(c.chunk, b...)
	return c.chunk[from:len(c.chunk):len(c.chunk)]
}
