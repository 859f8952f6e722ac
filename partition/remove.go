package partition

import (
	"slices"
)

// Removing is a command through the group, never an inference (M2). It takes effect at once and is carried out in steps:
//
//	remove ──▶ leaving: consumers are told, nothing is   ──▶ gone: the last step has freed what the cursor had; the
//	           offered, leased or kept for it, nobody       subscription goes with its last cursor, the stream with its
//	           finds it by its name                         last subscription
//
// A step is bounded, since a cursor may have hundreds of thousands of leases; the next entry takes the next, and is due at once.

// remove has a stream, a subscription or a member leave. What isn't there is removed already.
func (m *Machine) remove(s removeSection, fx *Effects) Result {
	st := m.streams[s.Stream]
	if st == nil || st.leaving {
		return Result{}
	}
	if s.Subscription == 0 {
		st.leaving = true
		m.changed(st)
		for _, sub := range slices.Clone(st.subscriptions) {
			m.removeSubscription(sub, fx)
		}
		fx.Gone.Streams = append(fx.Gone.Streams, st.id)
		m.dropStream(st)
		return Result{}
	}
	sub, _ := st.subscription(s.Subscription)
	if s.Member == "" {
		st.setVersion++
		m.changed(st)
		if sub != nil {
			m.removeSubscription(sub, fx)
		}
	} else if c := m.find(CursorID{s.Subscription, s.Member}); c != nil && c.subscription == sub {
		m.leave(c, fx)
	}
	return Result{}
}

func (m *Machine) removeSubscription(sub *subscription, fx *Effects) {
	sub.leaving = true
	m.changed(sub)
	for _, c := range sub.cursors {
		m.leave(c, fx)
	}
	m.dropSubscription(sub)
}

// leave has a cursor leave: its sessions end, and their consumers are told.
func (m *Machine) leave(c *cursor, fx *Effects) {
	if c.leaving {
		return
	}
	for _, s := range slices.Clone(c.sessions) {
		fx.Gone.Sessions = append(fx.Gone.Sessions, GoneSession{s.id, s.connection})
		m.forget(s)
	}
	fx.Gone.Cursors = append(fx.Gone.Cursors, c.id())
	m.unrest(c)
	m.endPatience(c)
	m.forgetOrder(c)
	m.forgetLater(c)
	c.leaving = true
	c.hindering.Clear()
	m.hindering.Delete(c)
	m.changed(c)
	st := c.subscription.stream
	st.setTaker(c)
	m.stale(st) // nothing is kept for it any more
	m.leaving.ReplaceOrInsert(c)
}

func byOrdinal(a, b *cursor) bool { return a.ordinal < b.ordinal }

// dismantle takes the next step of what is leaving.
func (m *Machine) dismantle() {
	for left := m.dismantleMax; left > 0; left-- {
		c, ok := m.leaving.Min()
		if !ok {
			return
		}
		if left = m.strip(c, left); left > 0 {
			m.leaving.DeleteMin()
			m.dropCursor(c)
		}
	}
}

// strip frees what a leaving cursor has, up to so many runs, and says how many there is time left for: none unless it has nothing more.
func (m *Machine) strip(c *cursor, left int) int {
	sizes := &c.subscription.stream.sizes
	release := func(r Run) {
		c.held.RemoveRange(uint64(r.First), uint64(r.end()))
		sizes.release(&m.waiting, r)
		if len(c.tries) > 0 {
			for at := r.First; at < r.end(); at++ {
				delete(c.tries, at)
			}
		}
	}
	for ; left > 0 && c.leases.first != nil; left-- {
		l := c.leases.first
		runs := l.runs
		l.runs = nil
		for _, r := range runs {
			m.free(l, r.Run)
			release(r.Run)
		}
		left -= len(runs) - 1
		m.dropIfEmpty(l)
	}
	for ; left > 0; left-- {
		d, ok := c.delayed.DeleteMin()
		if !ok {
			break
		}
		c.delayedPieces.mark(uint64(d.notBefore))
		if next, ok := c.delayed.Min(); !ok || next.notBefore != d.notBefore { // the others still wake (P9: as after a restore)
			m.delays.Delete(cursorDelay{notBefore: d.notBefore, ordinal: c.ordinal})
		}
		release(Run{d.offset, 1})
	}
	for ; left > 0 && !c.ready.IsEmpty(); left-- {
		row := firstRow(c.ready)
		c.ready.RemoveRange(uint64(row.First), uint64(row.end()))
		release(row)
	}
	if c.ahead != nil && left > 0 { // bounded as ready is; taken over first, so that the loop above does it
		c.ahead.touch()
		c.ready, c.ahead = c.ahead, nil
		c.reach, c.frontier, c.resume = reachNear, 0, 0 // there is no gap any more, whatever the next entry finds
		m.changed(c)
		return m.strip(c, left)
	}
	for ; left > 0 && !c.aside.IsEmpty(); left-- {
		m.takeBack(c, Run{Offset(c.aside.Minimum()), 1})
	}
	return max(left, 0)
}

// firstRow returns a set's first offsets in a row, up to so many. A rowReader's rows won't do where their number counts: how it cuts long ones depends
// on how the set came about, which isn't the same after a restore (P9).
func firstRow(set *offsetSet) Run {
	it := set.Iterator()
	row := Run{Offset(it.Next()), 1}
	for row.Count < stripRow && it.HasNext() && it.PeekNext() == uint64(row.end()) {
		it.Next()
		row.Count++
	}
	return row
}

// dropCursor forgets a cursor that has nothing more.
func (m *Machine) dropCursor(c *cursor) {
	sub, st := c.subscription, c.subscription.stream
	if c.pinned {
		st.pins.Delete(pin{c.pinnedAt, c})
	}
	m.ended(c)
	sub.cursors = slices.DeleteFunc(sub.cursors, func(other *cursor) bool { return other == c })
	m.dropSubscription(sub)
}

// dropSubscription forgets a leaving subscription once it has no cursor.
func (m *Machine) dropSubscription(sub *subscription) {
	if !sub.leaving || len(sub.cursors) > 0 {
		return
	}
	st := sub.stream
	if found, at := st.subscription(sub.ID); found == sub {
		st.subscriptions = slices.Delete(st.subscriptions, at, at+1)
	}
	delete(m.subscriptions, sub.ID)
	m.ended(sub)
	m.dropStream(st)
}

// dropStream forgets a leaving stream once it has no subscription. Its producers, whom nobody hears from any more, are the first to be
// forgotten when there are too many.
func (m *Machine) dropStream(st *stream) {
	if !st.leaving || len(st.subscriptions) > 0 || m.streams[st.id] != st {
		return
	}
	m.due.removeStream(st)
	if st.keeps != 0 {
		m.kept.Delete(kept{st.keeps, st})
	}
	if st.agesAt != 0 {
		m.aging.Delete(aging{st.agesAt, st})
	}
	other := func(s *stream) bool { return s == st }
	m.staleStreams = slices.DeleteFunc(m.staleStreams, other)
	m.streamOrder = slices.DeleteFunc(m.streamOrder, other)
	delete(m.streams, st.id)
	m.ended(st)
}
