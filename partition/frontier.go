package partition

import (
	"cmp"
	"math/bits"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/freshet-mq/freshet/proto/block"
)

// reach is how a cursor gets at its stream's events.
//
//	           more waits than may
//	near -----------------------------> far <------- begins at earliest
//	 ^ ^                               | | ^
//	 | |   a fill reaches the head     | | |
//	 | +-------------------------------+ | | more is ahead than may
//	 |                                   v |
//	 +-------------------------------- closing
//	     a fill reaches what is ahead    a fill comes close to the head
//
// The frontier is the offset below which the cursor has looked at every event: each that it matches is waiting, held, dead or
// settled. A near cursor's frontier is the stream's head: a block is offered to it from its match index as it is applied. A
// far cursor's stands still, and blocks cost it nothing: the leader reads the log for it, when its consumers have room, and proposes
// fills (fill.go).
//
// While events are published a fill that was read up to the head doesn't reach it when it is applied. So a cursor that has come close takes
// blocks again, ahead of a gap that the next fills close; what is ahead isn't given to anybody before, so that a cursor gets
// its events in their order.
type reach uint8

const (
	reachNear    reach = 0
	reachFar     reach = 1
	reachClosing reach = 2
)

func (r reach) String() string { return [...]string{"near", "far", "closing"}[r] }

// arrival is a block that is being stored, as its takers see it.
type arrival struct {
	block *block.Block
	first Offset
	count uint32
	// words has a bit for each event that is offered; nil: all are. The others repeat what was stored before.
	words []uint64
	// events with their sizes and keys, made when the first cursor takes some.
	events sizedRun
}

// of returns which of the events that match are offered. It changes what it is given.
func (a *arrival) of(matching []uint64) []uint64 {
	switch {
	case a.words == nil:
		return matching
	case matching == nil:
		return a.words
	}
	for i := range matching {
		matching[i] &= a.words[i]
	}
	return matching
}

// looked returns the cursor's frontier.
func (c *cursor) looked() Offset {
	if c.reach == reachNear {
		return c.subscription.stream.next
	}
	return c.frontier
}

// takes tells whether blocks are offered to the cursor.
func (c *cursor) takes() bool { return c.reach != reachFar && !c.leaving }

// begin puts a new cursor where its subscription says that it starts.
func (m *Machine) begin(c *cursor) {
	st := c.subscription.stream
	c.reach, c.frontier = reachNear, 0
	// What a retention has dropped is gone, also while the log has it still, for another's dead letter.
	if first := max(st.floor, st.dropped); c.subscription.From == FromEarliest && first < st.next {
		c.reach, c.frontier = reachFar, first
		st.pin(c, first)
	}
	st.setTaker(c)
	m.changed(c)
	m.stale(st)
}

// setTaker keeps the list of cursors that get every event of each block.
func (st *stream) setTaker(c *cursor) {
	at, is := slices.BinarySearchFunc(st.takers, c, compareOrdinal)
	switch wanted := c.takes() && c.subscription.Pattern == ""; {
	case wanted && !is:
		st.takers = slices.Insert(st.takers, at, c)
	case !wanted && is:
		st.takers = slices.Delete(st.takers, at, at+1)
	}
}

func compareOrdinal(a, b *cursor) int { return cmp.Compare(a.ordinal, b.ordinal) }

// offerAll offers a block to the cursors that want all of it.
func (m *Machine) offerAll(st *stream, a *arrival) {
	leaving := false
	for _, c := range st.takers {
		m.offer(c, a, a.words)
		leaving = leaving || !c.takes()
	}
	if leaving {
		st.takers = slices.DeleteFunc(st.takers, func(c *cursor) bool { return !c.takes() })
	}
}

// offer makes a block's matching events ready for a cursor that takes blocks; words is a bit for each, nil for all. One that has too much waiting
// already falls behind instead.
func (m *Machine) offer(c *cursor, a *arrival, words []uint64) {
	if !c.takes() {
		return
	}
	if m.crowded(c) || m.overlooks(c, a, words) {
		m.fallBehind(c, a.first)
		return
	}
	if a.events.Count == 0 {
		m.measure(a)
	}
	put := m.bring
	if c.reach == reachClosing {
		put = m.addAhead
	}
	if undue := c.subscription.stream.undue; words == nil {
		put(c, a.events)
	} else if c.reach == reachNear && c.order == nil && (undue.IsEmpty() || undue.Maximum() < uint64(a.first)) {
		m.addRows(c, a, words)
	} else {
		eachRow(words, func(from, n int) { put(c, a.events.part(uint32(from), uint32(n))) })
	}
	if c.reach == reachNear {
		c.subscription.stream.pin(c, a.first)
		m.touch(c)
		m.offered(c)
	}
}

// measure looks up the sizes and keys of a block's events.
func (m *Machine) measure(a *arrival) {
	m.classes = sizesOf(m.classes[:0], a.block)
	a.events = sizedRun{Run: Run{a.first, a.count}, Classes: m.classes}
	if a.block.HasKeys() {
		m.keys = m.keys[:0]
		for i := range a.block.Len() {
			m.keys = append(m.keys, a.block.KeyHash(i))
		}
		a.events.Keys = m.keys
	}
}

// add makes a run of events ready that weren't in hand.
func (m *Machine) add(c *cursor, r sizedRun) {
	c.ready.addRun(r.Run)
	c.subscription.stream.sizes.hold(&m.waiting, r.Run, r.Classes)
	if c.order != nil {
		m.enqueueRun(c, r)
	}
}

// addRows is add for a block's events that words name, for a cursor without order.
func (m *Machine) addRows(c *cursor, a *arrival, words []uint64) {
	rows := m.rows[:0] // on the stack while it is written to
	eachRow(words, func(from, n int) { rows = append(rows, Run{a.first + Offset(from), uint32(n)}) })
	m.offsets = c.ready.addRuns(rows, m.offsets)
	c.subscription.stream.sizes.holdRuns(&m.waiting, rows, a.first, a.events.Classes)
	m.rows = rows
}

// addAhead has a run of events wait ahead of the cursor's gap.
func (m *Machine) addAhead(c *cursor, r sizedRun) {
	c.ahead.addRun(r.Run)
	c.subscription.stream.sizes.hold(&m.waiting, r.Run, r.Classes)
	if c.order != nil {
		c.order.keepAhead(r)
	}
}

// eachRow calls f for the bits in a row that are set.
func eachRow(words []uint64, f func(from, n int)) {
	from, n := 0, 0
	for i, w := range words {
		for at := 0; w != 0; {
			zeros := bits.TrailingZeros64(w)
			w >>= zeros
			at += zeros
			ones := bits.TrailingZeros64(^w)
			if n > 0 && from+n == i*64+at {
				n += ones
			} else {
				if n > 0 {
					f(from, n)
				}
				from, n = i*64+at, ones
			}
			w >>= ones // of 64: none are left
			at += ones
		}
	}
	if n > 0 {
		f(from, n)
	}
}

// crowded tells whether so much waits that the cursor should take no more: its own bound, or, once the partition's budget is used up, anything
// at all. So one cursor with many events waiting doesn't push aside those that keep up, until twice the budget is used.
func (m *Machine) crowded(c *cursor) bool {
	if used := m.waiting.bytes(); used > m.waitingBytesMax {
		return used > 2*m.waitingBytesMax || !c.ready.IsEmpty()
	} else if m.waiting.events <= m.nearEventsMax {
		return false // all cursors together don't have as much
	}
	waits := c.ready.GetCardinality()
	if c.ahead != nil {
		waits += c.ahead.GetCardinality()
	}
	return waits > m.nearEventsMax
}

// fallBehind makes a cursor far: what comes from the block at first on is read from the log when there is room for it. What waits already stays.
func (m *Machine) fallBehind(c *cursor, first Offset) {
	st := c.subscription.stream
	if c.reach == reachClosing {
		m.dropAhead(c) // it comes again, after the gap
	} else {
		c.frontier = first
	}
	c.reach, c.resume = reachFar, 0
	st.pin(c, c.frontier)
	m.touch(c)
}

// dropAhead lets go of what is ahead of a gap.
func (m *Machine) dropAhead(c *cursor) {
	m.letGo(c, c.ahead.Bitmap)
	c.ahead.touch()
	c.ahead = nil
	if c.order != nil {
		c.order.ahead = nil
	}
}

// letGo says that the cursor has a set's events in hand no more.
func (m *Machine) letGo(c *cursor, set *roaring64.Bitmap) {
	rows := rowReader{it: set.ManyIterator()}
	for row := rows.peek(); row.Count > 0; row = rows.peek() {
		c.subscription.stream.sizes.release(&m.waiting, row)
		rows.skip(row.Count)
	}
}

// arrive makes a cursor near again: its frontier has reached the head, or what is ahead.
func (m *Machine) arrive(c *cursor) {
	if c.ahead != nil {
		m.joinAhead(c)
	}
	c.reach, c.frontier, c.resume = reachNear, 0, 0
	c.subscription.stream.setTaker(c)
}

// closeUp has a far cursor take blocks from the next on, ahead of the gap that fills have yet to close.
func (m *Machine) closeUp(c *cursor) {
	st := c.subscription.stream
	c.reach, c.resume, c.ahead = reachClosing, st.next, newOffsetSet(&c.eventPieces)
	st.setTaker(c)
}

// giveUp has a cursor do without what lies before an offset, since its stream's retention drops that. What is under lease is its holder's until the
// lease ends; should it come back, it is dropped then.
func (m *Machine) giveUp(c *cursor, before Offset) Truncation {
	t := Truncation{Cursor: c.id(), At: before}
	if c.leaving { // whether a pin still names it is no matter of state
		return t
	}
	t.Dropped = m.dropBefore(c, c.ready, before)
	if c.ahead != nil {
		t.Dropped += m.dropBefore(c, c.ahead, before)
	}
	for _, r := range runsIn(&c.laterInLog, 0, uint64(before)) {
		t.Dropped += m.unnote(c, r.First, r.end())
	}
	if c.reach != reachNear && c.frontier < before {
		t.Unread = uint64(before - c.frontier)
		if c.reach == reachClosing && c.resume < before {
			t.Unread = uint64(c.resume - c.frontier)
		}
		m.advance(c, before)
	}
	if t.Dropped+t.Unread > 0 {
		m.touch(c) // what is behind may fit where that didn't, and the leader may have to read on
		c.dropped += t.Dropped
		c.unread += t.Unread
		c.truncatedAt = before
	}
	return t
}

// dropBefore drops a set's events before an offset.
func (m *Machine) dropBefore(c *cursor, set *offsetSet, before Offset) (n uint64) {
	if set.IsEmpty() || Offset(set.Minimum()) >= before {
		return 0
	}
	going := set.Clone()
	going.RemoveRange(uint64(before), ^uint64(0))
	if staying := roaring64.And(going, c.aside.Bitmap); staying.IsEmpty() {
		set.RemoveRange(0, uint64(before))
	} else { // it is of the log's room that a retention disposes, and these take none
		going.AndNot(staying)
		for it := going.Iterator(); it.HasNext(); {
			set.Remove(it.Next())
		}
	}
	if n = going.GetCardinality(); n == 0 { // whose pin stands too low is asked here, and one that was restored isn't (P9)
		return 0
	}
	m.letGo(c, going)
	if c.order != nil {
		m.dropFromLines(c, going, set == c.ahead)
	}
	if len(c.tries) > 0 {
		for it := going.Iterator(); it.HasNext(); {
			delete(c.tries, Offset(it.Next()))
		}
	}
	return n
}

// advance moves a far cursor's frontier on.
func (m *Machine) advance(c *cursor, to Offset) {
	c.frontier = to
	switch st := c.subscription.stream; {
	case c.reach == reachClosing && to >= c.resume, to == st.next:
		m.arrive(c)
	case c.reach == reachFar && st.next-to <= closeEvents && m.mayClose(c):
		m.closeUp(c)
	}
	if len(c.subscription.past) > 0 {
		m.changed(c.subscription)
		c.subscription.forgetPatterns()
	}
	m.touch(c)
}

// appetite returns how many events a far cursor's fills should bring: as many as its attached consumers may hold together, so that an ack finds the
// next event waiting, less what waits.
func (m *Machine) appetite(c *cursor) uint32 {
	if c.reach == reachNear || m.leasable(c) == 0 || m.dueFull() {
		return 0
	}
	waits := c.assignable()
	if waits > 0 && m.waiting.bytes() > m.waitingBytesMax {
		return 0
	}
	want := uint64(0)
	for _, s := range c.sessions {
		if s.live(m.term) {
			want += uint64(s.creditEvents)
		}
	}
	if want = min(want, fillEventsMax); waits >= want {
		return 0
	}
	return uint32(min(want-waits, m.lookAhead(c)))
}
