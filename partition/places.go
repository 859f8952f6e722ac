package partition

import (
	"sync"

	"github.com/google/btree"
)

// place is where a block is in the log.
type place struct {
	stream  StreamID
	first   Offset
	count   uint32
	index   Index
	section uint32
	stored  Wall
}

func (pl *place) end() Offset { return pl.first + Offset(pl.count) }

func (pl *place) has(at Offset) bool { return pl.first <= at && at < pl.end() }

func placeLess(a, b place) bool {
	if a.stream != b.stream {
		return a.stream < b.stream
	}
	return a.first < b.first
}

// placesMax is how many places are remembered: a megabyte or two. The one that was noted first goes first.
const placesMax = 16_384

// places remembers where blocks are that were stored or read lately, so that the machine's sparse references are needed for no others. It is
// a cache: what it says is so, what it doesn't know is looked for.
type places struct {
	mu struct {
		sync.Mutex
		known *btree.BTreeG[place]
		// order in which they were noted, a ring.
		order []place
		next  int
	}
}

func (ps *places) init() { ps.mu.known = btree.NewG(btreeDegree, placeLess) }

// note remembers a place.
func (ps *places) note(pl place) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	if _, again := ps.mu.known.ReplaceOrInsert(pl); again {
		return
	}
	if len(ps.mu.order) < placesMax {
		ps.mu.order = append(ps.mu.order, pl)
		return
	}
	ps.mu.known.Delete(ps.mu.order[ps.mu.next])
	ps.mu.order[ps.mu.next] = pl
	ps.mu.next = (ps.mu.next + 1) % placesMax
}

// before returns the last known place of a stream that begins at or before an offset.
func (ps *places) before(id StreamID, at Offset) (found place, ok bool) {
	ps.mu.Lock()
	defer ps.mu.Unlock()
	ps.mu.known.DescendLessOrEqual(place{stream: id, first: at}, func(pl place) bool {
		found, ok = pl, pl.stream == id
		return false
	})
	return found, ok
}
