package partition

import "sort"

// blockRef is a sparse reference into the log: where one of a stream's blocks is. Between two of them lie blocks that are found by reading on
// from the first: the stream's block sections that follow it, in the log's order, hold its events in a row up to the next reference.
//
//	log      ... [a][b]   [c][x][d]     [e] ...      [x] changed nothing: another try of b, say
//	offsets       0  4     9     12      20
//	references    ^              ^                   d has one since x stands before it
//
// So a backlog of small blocks takes no more memory than one of large blocks, and what it takes is bounded by the log that it is in.
type blockRef struct {
	first Offset
	index Index
	// section is the block's position among the entry's sections.
	section uint32
	// stored is when it was, and prior when the block before it.
	stored, prior Wall
	// bytes of the stream's blocks before this one.
	bytes uint64
}

// A block gets a reference when so much lies between it and the last one that has, which bounds what is read to find a block. With blocks
// of 256 KiB every fourth has one; with events published one by one every 4,096th, when no other stream shares the log.
const (
	refEvents   = 4_096
	refBytes    = 1 << 20
	refEntries  = 4_096
	refLogBytes = 16 << 20
	// refsPerRetention is how finely a retention by age or bytes cuts: in so many parts of it.
	refsPerRetention = 8
	// recentRefs is how many references a stream keeps beyond those that somebody needs, for readers that follow its head.
	recentRefs = 4
)

// refer notes where the stream's next block is, if a reference is due, and counts its bytes.
func (st *stream) refer(m *Machine, position uint32, bytes int) {
	if st.refIsDue(m) {
		st.refPieces.mark(uint64(st.next))
		st.refs = append(st.refs, blockRef{
			first: st.next, index: m.applied, section: position, stored: m.wall, prior: st.lastStored, bytes: st.bytes,
		})
		st.refLogBytes, st.refDue = m.logBytes, false
	}
	st.bytes += uint64(bytes)
	st.lastStored = m.wall
}

func (st *stream) refIsDue(m *Machine) bool {
	if len(st.refs) == 0 || st.refDue || st.keeps == 0 { // of a leg that nothing of was kept the beginning may be gone
		return true
	}
	last, rule := &st.refs[len(st.refs)-1], &st.retention
	return st.next-last.first >= refEvents || st.bytes-last.bytes >= refBytes ||
		m.applied-last.index >= refEntries || m.logBytes-st.refLogBytes >= refLogBytes ||
		rule.Age > 0 && m.wall-last.stored >= rule.Age/refsPerRetention ||
		rule.Bytes > 0 && st.bytes-last.bytes >= rule.Bytes/refsPerRetention
}

// refAt returns the position of the last reference at or before an offset; -1 when there is none.
func (st *stream) refAt(at Offset) int {
	return sort.Search(len(st.refs), func(i int) bool { return st.refs[i].first > at }) - 1
}

// dropRefs forgets references to what lies wholly before the floor, but for the most recent ones.
func (st *stream) dropRefs() {
	n := max(0, min(st.refAt(st.floor), len(st.refs)-recentRefs))
	for i := range n {
		st.refPieces.mark(uint64(st.refs[i].first))
	}
	switch {
	case n == 0:
	case n > len(st.refs)/2: // give the memory back
		st.refs = append([]blockRef(nil), st.refs[n:]...)
	default:
		st.refs = st.refs[n:] // appending moves the rest to a new array at times
	}
}
