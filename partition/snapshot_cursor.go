package partition

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

func (c *cursor) kind() recordKind { return recordCursor }
func (c *cursor) number() uint64   { return c.ordinal }

func (c *cursor) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(c.subscription.ID))
	b = appendString(b, c.member)
	b = binary.AppendUvarint(b, uint64(c.turn))
	b = appendBool(b, c.leaving)
	b = binary.AppendUvarint(b, uint64(c.used))
	b = append(b, byte(c.reach))
	for _, v := range []uint64{uint64(c.frontier), uint64(c.resume), c.dropped, c.unread, uint64(c.truncatedAt), uint64(c.patientUntil)} {
		b = binary.AppendUvarint(b, v)
	}
	if c.order != nil {
		b = binary.AppendUvarint(b, c.order.stalls)
		b = appendBool(b, c.order.stalled)
	}
	return b
}

func (r *restorer) cursor(ordinal uint64, d *decoder) {
	sub := r.m.subscriptions[SubscriptionID(d.uvarint("subscription"))]
	if sub == nil || ordinal > r.m.lastCursor {
		d.fail("a subscription that isn't there")
		return
	}
	c := r.m.newCursor(sub, d.string("member"), ordinal)
	c.turn = int(d.bounded("turn", SessionsMax))
	c.leaving, c.used = d.bool("leaving"), Wall(d.bounded("used", 1<<60))
	if c.reach = reach(d.byte("reach")); c.reach > reachClosing {
		d.fail("reach")
	}
	c.frontier, c.resume = Offset(d.uvarint("frontier")), Offset(d.uvarint("resume"))
	c.dropped, c.unread, c.truncatedAt = d.uvarint("dropped"), d.uvarint("unread"), Offset(d.uvarint("truncated at"))
	if c.patientUntil = Tick(d.bounded("patient until", uint64(r.m.clock+patienceMost+patienceLeast))); c.patientUntil != 0 {
		r.m.patient.ReplaceOrInsert(patience{c.patientUntil, ordinal, c})
	}
	if c.leaving {
		c.order = nil
	}
	if c.order != nil {
		c.order.stalls, c.order.stalled = d.uvarint("stalls"), d.bool("stalled")
	}
	if max(c.frontier, c.resume) > sub.stream.next || c.reach == reachClosing && c.frontier >= c.resume {
		d.fail("a frontier beyond the stream")
	}
	if c.reach == reachClosing {
		c.ahead = newOffsetSet(&c.eventPieces)
	}
	at, twice := slices.BinarySearchFunc(sub.cursors, c.member, func(c *cursor, member string) int { return strings.Compare(c.member, member) })
	if twice {
		d.fail("a cursor twice")
		return
	}
	sub.cursors = slices.Insert(sub.cursors, at, c)
	r.cursors[ordinal] = c
}

func (c *cursor) pieces() []*pieces {
	return []*pieces{&c.eventPieces, &c.delayedPieces, &c.deadPieces, &c.laterPieces, &c.latePieces, &c.asidePieces}
}

func (c *cursor) appendPiece(b []byte, kind recordKind, number uint64) []byte {
	switch kind { //nolint:exhaustive // a cursor's own
	case recordEvents:
		return c.appendEvents(b, number<<c.eventPieces.shift, (number+1)<<c.eventPieces.shift)
	case recordAside:
		runs := runsIn(c.aside.Bitmap, number<<c.asidePieces.shift, (number+1)<<c.asidePieces.shift)
		if len(runs) > 0 {
			b = appendRuns(b, runs, number<<c.asidePieces.shift)
		}
	case recordDelayed:
		due := Tick(number)
		last := Offset(0)
		c.delayed.AscendRange(delayedEvent{notBefore: due}, delayedEvent{notBefore: due + 1}, func(e delayedEvent) bool {
			b = binary.AppendUvarint(b, uint64(e.offset-last))
			last = e.offset
			return true
		})
	case recordLater:
		return c.appendLater(b, number<<c.laterPieces.shift, (number+1)<<c.laterPieces.shift)
	case recordLate:
		if c.order != nil && c.order.late.n > 0 {
			return c.order.late.appendTo(b)
		}
	case recordDead:
		c.dead.AscendRange(deadLetter{offset: Offset(number << c.deadPieces.shift)}, deadLetter{offset: Offset((number + 1) << c.deadPieces.shift)}, func(l deadLetter) bool {
			b = l.append(b, c.subscription.Ordered)
			return true
		})
	}
	return b
}

func (c *cursor) eachPiece(kind recordKind, f func(number uint64)) {
	last := ^uint64(0)
	each := func(number uint64) bool {
		if number != last {
			f(number)
			last = number
		}
		return true
	}
	switch kind { //nolint:exhaustive // a cursor's own
	case recordEvents:
		some := roaring64.New() // numbers of pieces: few
		for _, set := range c.sets() {
			eachPieceOf(set.Bitmap, c.eventPieces.shift, some.Add)
		}
		for it := some.Iterator(); it.HasNext(); {
			f(it.Next())
		}
	case recordLater:
		eachPieceOf(c.later.Bitmap, c.laterPieces.shift, f)
	case recordLate:
		if c.order != nil && c.order.late.n > 0 {
			f(0)
		}
	case recordAside:
		eachPieceOf(c.aside.Bitmap, c.asidePieces.shift, f)
	case recordDelayed:
		c.delayed.Ascend(func(e delayedEvent) bool { return each(uint64(e.notBefore)) })
	case recordDead:
		c.dead.Ascend(func(l deadLetter) bool { return each(uint64(l.offset) >> c.deadPieces.shift) })
	}
}

// sets returns the cursor's sets: ready, held, and what is ahead while it closes up.
func (c *cursor) sets() []*offsetSet {
	if c.ahead == nil {
		return []*offsetSet{c.ready, c.held}
	}
	return []*offsetSet{c.ready, c.held, c.ahead}
}

// appendEvents writes what the cursor has in hand of some offsets: ready, held, and ahead if there is any of it; nothing when there is nothing.
func (c *cursor) appendEvents(b []byte, from, to uint64) []byte {
	start := len(b)
	b, ready := c.appendSet(b, c.ready.Bitmap, from, to)
	b, held := c.appendSet(b, c.held.Bitmap, from, to)
	if c.order != nil {
		b = c.appendKeys(b, from, to)
	}
	if c.ahead != nil {
		before := len(b)
		var ahead bool
		if b, ahead = c.appendSet(b, c.ahead.Bitmap, from, to); ahead {
			if c.order != nil {
				b = c.appendAheadKeys(b, from, to)
			}
			return b
		}
		b = b[:before]
	}
	if !ready && !held {
		return b[:start]
	}
	return b
}

// appendSet writes a set's offsets from one up to another as runs: their number, then for each the distance from the end of the one before, and its
// length. A bitmap's own form depends on how it came about, this one only on what is in it (P9). Then the tries of those that have any: distance
// from the one before and 1 more, attempts, undelivered; 0 ends them. It tells whether there are any offsets.
func (c *cursor) appendSet(b []byte, set *roaring64.Bitmap, from, to uint64) ([]byte, bool) {
	runs := runsIn(set, from, to)
	b = appendRuns(b, runs, from)
	if len(c.tries) > 0 {
		b = c.appendTries(b, runs, Offset(from))
	}
	return append(b, 0), len(runs) > 0
}

// runsIn returns a set's members from one up to another.
func runsIn(set *roaring64.Bitmap, from, to uint64) (runs []Run) {
	if set.IsEmpty() {
		return nil
	}
	it := set.Iterator()
	it.AdvanceIfNeeded(from)
	for it.HasNext() && it.PeekNext() < to {
		runs = joinRun(runs, Run{Offset(it.Next()), 1})
	}
	return runs
}

func appendRuns(b []byte, runs []Run, from uint64) []byte {
	b = binary.AppendUvarint(b, uint64(len(runs)))
	last := Offset(from)
	for _, r := range runs {
		b = appendRun(b, Run{r.First - last, r.Count})
		last = r.end()
	}
	return b
}

func (c *cursor) appendTries(b []byte, runs []Run, last Offset) []byte {
	for _, r := range runs {
		for at := r.First; at < r.end(); at++ {
			t, tried := c.tries[at]
			if !tried {
				continue
			}
			for _, v := range []uint64{uint64(at-last) + 1, uint64(t.attempts), uint64(t.undelivered)} {
				b = binary.AppendUvarint(b, v)
			}
			last = at
		}
	}
	return b
}

func (r *restorer) events(c *cursor, number uint64, d *decoder) {
	if c == nil {
		d.fail("a cursor that isn't there")
		return
	}
	from, to := number<<c.eventPieces.shift, (number+1)<<c.eventPieces.shift
	r.set(c, c.ready.Bitmap, Offset(from), d)
	r.set(c, c.held.Bitmap, Offset(from), d)
	if c.order != nil {
		r.keys(c, from, to, d)
	}
	if c.ahead == nil || len(d.b) == 0 {
		return
	}
	r.set(c, c.ahead.Bitmap, Offset(from), d)
	if c.order != nil {
		c.restoreAheadKeys(from, to, d)
	}
}

// set reads events that a cursor has in hand, in one piece's offsets, and counts them. Their sizes must be known.
func (r *restorer) set(c *cursor, set *roaring64.Bitmap, from Offset, d *decoder) {
	st := c.subscription.stream
	r.runs(from, st.next, d, func(row Run) {
		if !st.sizes.has(row) {
			d.fail("events whose sizes aren't known")
			return
		}
		set.AddRange(uint64(row.First), uint64(row.end()))
		st.sizes.recount(&r.m.waiting, row)
	})
	for at := from; ; {
		distance := d.bounded("tried offset", 1<<r.m.shifts.events)
		if distance == 0 {
			return
		}
		at += Offset(distance - 1)
		if !set.Contains(uint64(at)) {
			d.fail("tries of an event that isn't there")
			return
		}
		c.tries[at] = tries{
			attempts:    uint16(d.bounded("attempts", 1<<16-1)),
			undelivered: uint16(d.bounded("undelivered", 1<<16-1)),
		}
	}
}

// runs reads runs of a piece.
func (r *restorer) runs(from, limit Offset, d *decoder, f func(Run)) {
	last := from
	limit = min(limit, from+1<<r.m.shifts.events)
	for range d.count("runs") {
		row := d.run()
		if last > limit || row.First > limit-last || Offset(row.Count) > limit-last-row.First || row.Count == 0 {
			d.fail("events beyond the stream, or their piece")
			return
		}
		row.First += last
		f(row)
		last = row.end()
	}
}

func (r *restorer) delayed(c *cursor, number uint64, d *decoder) {
	if c == nil {
		d.fail("a cursor that isn't there")
	}
	for last := Offset(0); len(d.b) > 0; {
		e := delayedEvent{notBefore: Tick(number), offset: last + Offset(d.uvarint("offset"))}
		if !c.held.Contains(uint64(e.offset)) {
			d.fail("a delayed event that isn't held")
			return
		}
		c.delayed.ReplaceOrInsert(e)
		r.m.delays.ReplaceOrInsert(cursorDelay{e.notBefore, c.ordinal, c})
		last = e.offset
	}
}

func (l deadLetter) append(b []byte, keyed bool) []byte {
	b = binary.AppendUvarint(b, uint64(l.offset))
	b = append(b, byte(l.reason), byte(l.size))
	if keyed {
		b = binary.LittleEndian.AppendUint64(b, l.key)
	}
	b = binary.AppendUvarint(b, uint64(l.attempts))
	b = binary.AppendUvarint(b, uint64(l.died))
	return appendString(b, l.detail)
}

func (r *restorer) dead(c *cursor, number uint64, d *decoder) {
	if c == nil {
		d.fail("a cursor that isn't there")
	}
	for len(d.b) > 0 {
		l := deadLetter{offset: Offset(d.uvarint("offset")), reason: DeadReason(d.byte("reason")), size: sizeClass(d.byte("size class"))}
		if c.subscription.Ordered {
			l.key = d.u64("key hash")
		}
		l.attempts, l.died, l.detail = uint16(d.bounded("attempts", 1<<16-1)), Wall(d.uvarint("died")), d.string("detail")
		if uint64(l.offset)>>r.m.shifts.dead != number || l.offset >= c.subscription.stream.next {
			d.fail("a dead letter of another place")
			return
		}
		c.dead.ReplaceOrInsert(l)
		c.deadSum += l.sum()
	}
}
