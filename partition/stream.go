package partition

import (
	"sort"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/google/btree"
)

// stream is what the partition holds of a topic: where its blocks are, and who wants its events. It never holds their bytes.
type stream struct {
	mark
	id StreamID
	// age is its place among the streams: the number of those made before it and 1 more.
	age uint64
	// next is the offset of the next event (P1).
	next Offset
	// floor is the offset from which on the log is kept for this stream: nobody needs what lies before it, and no retention keeps it.
	floor Offset
	// dropped is how far its retention has dropped events that weren't settled.
	dropped   Offset
	retention Retention

	// refs are sparse references to its blocks (refs.go). bytes of all blocks there ever were, and when the last was stored.
	refs       []blockRef
	refPieces  pieces
	bytes      uint64
	lastStored Wall
	// refLogBytes is how long the log was at the last reference. refDue: the next block needs one, since a section before it changed nothing.
	refLogBytes uint64
	refDue      bool
	// repeats are the offsets of events that repeat another, nil for none: no cursor gets them, from blocks or from fills.
	repeats      *offsetSet
	repeatPieces pieces
	// sizes of the events that cursors have in hand.
	sizes sizeTable

	// asides are events that the log isn't kept for, by offset; nil: none.
	asides      *btree.BTreeG[*aside]
	asidePieces pieces

	// subscriptions by id, so that no map is ever walked (P9).
	subscriptions []*subscription
	// takers are the cursors that get every event of each block, by ordinal: near ones of subscriptions without a pattern.
	takers []*cursor
	// undue has the events that aren't due, and laters the cursors that noted some, by ordinal (due.go).
	undue  *roaring64.Bitmap
	laters []*cursor
	// setVersion counts the changes to subscriptions.
	setVersion uint64
	// leaving: it was removed, and goes with its last subscription.
	leaving bool

	// pins order the cursors that need events by what they need (retention.go). stale: the floor wants looking at.
	pins  *btree.BTreeG[pin]
	stale bool
	// keeps is the entry from which on the log is kept for this stream, 0 for none; agesAt when its next events come of age, 0 for never.
	keeps  Index
	agesAt Wall
}

func (m *Machine) newStream(id StreamID, age uint64) *stream {
	st := &stream{id: id, age: age, undue: roaring64.New()}
	st.refPieces = pieces{changes: &m.changes, owner: st, kind: recordRefs, shift: m.shifts.refs}
	st.repeatPieces = pieces{changes: &m.changes, owner: st, kind: recordRepeats, shift: m.shifts.events}
	st.asidePieces = pieces{changes: &m.changes, owner: st, kind: recordAsides, shift: m.shifts.dead}
	st.sizes.pieces = pieces{changes: &m.changes, owner: st, kind: recordSizes}
	return st
}

// fit returns how many of a run's first events have at most so many bytes together, and how many bytes those are. Somebody must have
// them in hand.
func (st *stream) fit(r Run, limit uint64) (events uint32, bytes uint64) {
	return st.sizes.fit(r, limit)
}

// bytesOf returns an upper bound of the bytes of a run's events.
func (st *stream) bytesOf(r Run) uint64 { return st.sizes.bytesOf(r) }

// subscription finds one of the stream's subscriptions, and where it is or would be.
func (st *stream) subscription(id SubscriptionID) (*subscription, int) {
	i := sort.Search(len(st.subscriptions), func(i int) bool { return st.subscriptions[i].ID >= id })
	if i < len(st.subscriptions) && st.subscriptions[i].ID == id {
		return st.subscriptions[i], i
	}
	return nil, i
}
