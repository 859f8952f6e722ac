package partition

import (
	"github.com/RoaringBitmap/roaring/v2/roaring64"
	"github.com/google/btree"
)

// cursor is a subscription's progress, or a fan-out member's: which events wait, which are held, which are dead. What is in
// none of the three is settled, or never matched.
//
//	        assign                    ack
//	ready ---------> held (leased) ---------> gone
//	  ^  ^            |    |    |
//	  |  |  lease ends|    |    | attempts used up, reject
//	  |  +------------+    |    +-----------------------> dead
//	  |            release | with a delay
//	  +--------- held (delayed)
//	   not before
//
// An event whose deliver-at lies ahead is later (due.go) before it is ready.
type cursor struct {
	mark
	subscription *subscription
	member       string
	// ordinal is the cursor's place in the order in which cursors are worked on (P9).
	ordinal uint64

	// ready can be assigned now. Of every event that is ready or held the stream's size table knows the size.
	ready *offsetSet
	// held is leased or delayed.
	held *offsetSet
	dead *btree.BTreeG[deadLetter]
	// deadSum is the dead letters' part of the machine's hash.
	deadSum uint64
	// What changed in ready, held, ahead and tries, in delayed, and in dead.
	eventPieces, delayedPieces, deadPieces pieces
	// What changed in later, and in the late events of an ordered queue.
	laterPieces, latePieces pieces

	// later has the events that aren't due yet, or for which an ordered cursor had no room when they were.
	later *offsetSet
	// laterInLog are those of them that the log is kept for.
	laterInLog roaring64.Bitmap
	// order keeps an ordered queue's events in line; nil for others.
	order *keyOrder
	// aside are events that it let die, and that the log isn't kept for (aside.go); hindering are dead letters that it still is.
	aside       *offsetSet
	asidePieces pieces
	hindering   roaring64.Bitmap

	leased  uint64
	delayed *btree.BTreeG[delayedEvent]
	// tries of events that were leased and came back.
	tries map[Offset]tries
	// taken finds the one-event leases that have receipts.
	taken map[Offset]*lease

	// sessions on this cursor in the order in which they came, and whose turn is next.
	sessions []*session
	turn     int
	// dirty: assignment may find something to do. offered: a block of the entry brought it events; impatient: they have waited in this entry for the last
	// time (patience.go).
	dirty, offered, impatient bool
	// patientUntil is until when its events wait for more; 0: they don't.
	patientUntil Tick
	// leases on the cursor's events, the oldest first.
	leases leaseList
	// leaving: it was removed, and what it has is being freed (remove.go).
	leaving bool
	// used is when a member was last used, and idleUntil until when it is kept, 0 while somebody is attached (unused.go).
	used, idleUntil Wall

	// reach says how it gets at events (frontier.go). frontier is kept for a cursor that isn't near. While it closes up, ahead has its events
	// from resume on.
	reach            reach
	frontier, resume Offset
	ahead            *offsetSet
	// pinned in the stream's order of what cursors need, at an offset that may be too low.
	pinned   bool
	pinnedAt Offset
	// dropped events waited, and unread offsets lay before it, when the stream's retention went beyond, last at truncatedAt.
	dropped, unread uint64
	truncatedAt     Offset
}

// tries counts how often an event was leased (P7), and how often it was sent without arriving.
type tries struct {
	attempts    uint16
	undelivered uint16
}

// delayedEvent is a released event that isn't ready before a time.
type delayedEvent struct {
	notBefore Tick
	offset    Offset
}

func delayedLess(a, b delayedEvent) bool {
	if a.notBefore != b.notBefore {
		return a.notBefore < b.notBefore
	}
	return a.offset < b.offset
}

// deadLetter is an event that the subscription gave up.
type deadLetter struct {
	offset Offset
	// size is what the event counts with when it is redriven, key its key's hash in an ordered queue.
	size     sizeClass
	key      uint64
	reason   DeadReason
	attempts uint16
	died     Wall
	detail   string
}

func deadLess(a, b deadLetter) bool { return a.offset < b.offset }

const btreeDegree = 16

func (m *Machine) newCursor(sub *subscription, member string, ordinal uint64) *cursor {
	c := &cursor{
		subscription: sub,
		member:       member,
		ordinal:      ordinal,
		dead:         btree.NewG(btreeDegree, deadLess),
		delayed:      btree.NewG(btreeDegree, delayedLess),
		tries:        map[Offset]tries{},
		taken:        map[Offset]*lease{},
	}
	c.eventPieces = pieces{changes: &m.changes, owner: c, kind: recordEvents, shift: m.shifts.events}
	c.delayedPieces = pieces{changes: &m.changes, owner: c, kind: recordDelayed}
	c.deadPieces = pieces{changes: &m.changes, owner: c, kind: recordDead, shift: m.shifts.dead}
	c.laterPieces = pieces{changes: &m.changes, owner: c, kind: recordLater, shift: m.shifts.events}
	c.latePieces = pieces{changes: &m.changes, owner: c, kind: recordLate}
	c.asidePieces = pieces{changes: &m.changes, owner: c, kind: recordAside, shift: m.shifts.events}
	c.ready, c.held, c.later = newOffsetSet(&c.eventPieces), newOffsetSet(&c.eventPieces), newOffsetSet(&c.laterPieces)
	c.aside = newOffsetSet(&c.asidePieces)
	if sub.Ordered {
		c.order = newKeyOrder()
	}
	return c
}

func (c *cursor) id() CursorID {
	return CursorID{Subscription: c.subscription.ID, Member: c.member}
}

// oldest returns the lowest offset that isn't settled, or that the cursor has yet to look at. What is held beyond a retention that drops isn't
// needed: its holder has it, or never will; nor is what is aside.
func (c *cursor) oldest() (at Offset, ok bool) {
	if c.leaving {
		return 0, false
	}
	at = ^Offset(0)
	if c.reach != reachNear {
		at, ok = c.frontier, true
	}
	st := c.subscription.stream
	if first, some := c.firstInLog(c.ready.Bitmap, st.floor); some {
		at, ok = min(at, first), true
	}
	if first, some := c.firstInLog(c.held.Bitmap, max(st.dropped, st.floor)); some {
		at, ok = min(at, first), true
	}
	if !c.laterInLog.IsEmpty() {
		at, ok = min(at, Offset(c.laterInLog.Minimum())), true
	}
	if !c.hindering.IsEmpty() {
		at, ok = min(at, Offset(c.hindering.Minimum())), true
	}
	return at, ok
}

// firstInLog returns a set's lowest offset from one on that isn't aside.
func (c *cursor) firstInLog(set *roaring64.Bitmap, from Offset) (Offset, bool) {
	if set.IsEmpty() {
		return 0, false
	}
	if lowest := set.Minimum(); Offset(lowest) >= from && !c.aside.Contains(lowest) {
		return Offset(lowest), true
	}
	it := set.Iterator()
	for it.AdvanceIfNeeded(uint64(from)); it.HasNext(); {
		if at := it.Next(); !c.aside.Contains(at) {
			return Offset(at), true
		}
	}
	return 0, false
}

// touch has the cursor looked at when the entry's events are assigned, and its stream's floor some time after.
func (m *Machine) touch(c *cursor) {
	m.changed(c)
	m.stale(c.subscription.stream)
	if !c.dirty {
		c.dirty = true
		m.dirty = append(m.dirty, dirtyCursor{c.ordinal, c})
	}
}

// dirtyCursor has the ordinal with it, so that a thousand of them are sorted without looking at each.
type dirtyCursor struct {
	ordinal uint64
	cursor  *cursor
}

// giveBack returns an event whose lease is over to the cursor: ready, delayed or dead.
//
// counted tells whether the lease was an attempt; an uncounted one that never arrived is counted by itself, with its own limit.
func (m *Machine) giveBack(c *cursor, at Offset, attempt uint16, why comeback) {
	switch {
	case c.leaving: // its lease ended before it was dismantled: nobody gets it, and nobody asks for a dead letter
		m.strike(c, at)
		return
	case c.isDropped(at):
		m.drop(c, at)
		return
	}
	t := c.tries[at]
	switch why.kind {
	case comebackUncounted:
		t.attempts = attempt - 1
	case comebackUndelivered:
		t.attempts = attempt - 1
		t.undelivered++
	case comebackCounted:
		t.attempts = attempt
	}
	switch {
	case why.kind == comebackCounted && attempt >= c.subscription.AttemptsMax: // P7
		m.bury(c, at, deadLetter{reason: why.reason, attempts: attempt, detail: why.detail})
		return
	case t.undelivered >= UndeliveredMax:
		m.bury(c, at, deadLetter{reason: DeadUndelivered, attempts: t.attempts})
		return
	}
	c.eventPieces.mark(uint64(at))
	if t == (tries{}) {
		delete(c.tries, at)
	} else {
		c.tries[at] = t
	}
	if why.after > 0 {
		d := delayedEvent{notBefore: m.clock.deadlineAfter(why.after), offset: at}
		c.delayed.ReplaceOrInsert(d)
		c.delayedPieces.mark(uint64(d.notBefore))
		m.delays.ReplaceOrInsert(cursorDelay{d.notBefore, c.ordinal, c})
	} else {
		c.held.Remove(uint64(at))
		c.ready.Add(uint64(at))
		m.touch(c)
	}
	if c.order != nil {
		c.back(at)
	}
}

// comeback is why a lease ended without an ack.
type comeback struct {
	kind comebackKind
	// reason and detail that a dead letter would have.
	reason DeadReason
	detail string
	after  Tick
}

type comebackKind uint8

const (
	comebackCounted comebackKind = iota
	comebackUncounted
	comebackUndelivered
)

// bury makes an event a dead letter.
func (m *Machine) bury(c *cursor, at Offset, d deadLetter) {
	sizes := &c.subscription.stream.sizes
	d.offset, d.died, d.size = at, m.wall, sizes.class(at)
	if c.order != nil {
		d.key = m.dequeue(c, at)
	}
	delete(c.tries, at)
	c.held.Remove(uint64(at))
	sizes.release(&m.waiting, Run{at, 1})
	if !m.setAside(c, at, d.size) {
		m.hinder(c, at)
	}
	c.dead.ReplaceOrInsert(d)
	c.deadSum += d.sum()
	c.deadPieces.mark(uint64(at))
}

// isDropped tells whether the stream's retention has passed an event that is held: its holder may ack it, and otherwise it is gone.
func (c *cursor) isDropped(at Offset) bool {
	return at < c.subscription.stream.dropped && !c.aside.Contains(uint64(at))
}

// drop has an event that comes back, or is rejected, gone: its stream's retention has passed it meanwhile.
func (m *Machine) drop(c *cursor, at Offset) {
	m.strike(c, at)
	if c.order != nil {
		m.dequeue(c, at)
	}
	m.takeBack(c, Run{at, 1})
	m.touch(c) // what waited behind it in line is the next
	c.dropped++
	c.truncatedAt = c.subscription.stream.dropped
}

// strike takes an event that was held off the cursor's books.
func (m *Machine) strike(c *cursor, at Offset) {
	delete(c.tries, at)
	c.held.Remove(uint64(at))
	c.subscription.stream.sizes.release(&m.waiting, Run{at, 1})
}

// wake makes delayed events ready whose time has come, at most so many, and says how many there were.
func (m *Machine) wake(c *cursor, limit int) (n int) {
	for ; ; n++ {
		d, ok := c.delayed.Min()
		if !ok || d.notBefore > m.clock {
			return n
		}
		if n == limit { // P10: the rest is due at once
			m.delays.ReplaceOrInsert(cursorDelay{d.notBefore, c.ordinal, c})
			return n
		}
		c.delayed.DeleteMin()
		c.delayedPieces.mark(uint64(d.notBefore))
		if c.isDropped(d.offset) {
			m.drop(c, d.offset)
			continue
		}
		c.held.Remove(uint64(d.offset))
		c.ready.Add(uint64(d.offset))
		if c.order != nil {
			c.arrange(c.order.of[d.offset])
		}
		m.touch(c)
	}
}
