package partition

// modelRef is a reference to a block. They are sparse, and a retention by age or bytes moves from one to the next (refs.go says where they are).
type modelRef struct {
	first         Offset
	index         Index
	section       uint32
	stored, prior Wall
	bytes         uint64
}

// refer counts a block, and makes a reference to it when one is due.
func (st *modelStream) refer(m *model, first Offset, position, bytes int) {
	due := len(st.refs) == 0 || st.refDue || !st.keeps
	if !due {
		last, rule := st.refs[len(st.refs)-1], st.retention
		due = first-last.first >= refEvents || st.bytes-last.bytes >= refBytes || m.index-last.index >= refEntries ||
			m.logBytes-st.refLogBytes >= refLogBytes ||
			rule.Age > 0 && m.wall-last.stored >= rule.Age/refsPerRetention ||
			rule.Bytes > 0 && st.bytes-last.bytes >= rule.Bytes/refsPerRetention
	}
	if due {
		st.refs = append(st.refs, modelRef{first, m.index, uint32(position), m.wall, st.lastStored, st.bytes})
		st.refLogBytes, st.refDue = m.logBytes, false
	}
	st.bytes += uint64(bytes)
	st.lastStored, st.keeps = m.wall, true
}

// boundary is the offset before which the retention's rule keeps nothing.
func (st *modelStream) boundary(now Wall) (at Offset) {
	rule := st.retention
	if rule.Age > 0 && st.second(st.lastStored) <= now {
		return st.next()
	}
	for _, ref := range st.refs {
		if rule.Age > 0 && st.second(ref.prior) <= now || rule.Bytes > 0 && st.bytes-ref.bytes >= rule.Bytes {
			at = max(at, ref.first)
		}
	}
	return at
}

// oldest is the lowest offset that a cursor needs. What is held of events that were dropped it doesn't, nor what is aside.
func (c *modelCursor) oldest() Offset {
	at := c.looked()
	for _, e := range c.copies {
		if held := e.state == stateLeased || e.state == stateDelayed; !c.aside[e.offset] && (!held || e.offset >= c.sub.stream.dropped) {
			at = min(at, e.offset)
		}
	}
	return at
}

func (st *modelStream) needed() Offset {
	at := st.next()
	for _, c := range st.cursors() {
		at = min(at, c.oldest())
	}
	return at
}

// trim moves the floors, and has retentions drop what isn't settled: of all streams, or of those of which something has come of age.
func (m *model) trim(fx *Effects, all bool) {
	for _, st := range m.streamList() {
		if at := st.agesAt; !all && (at == 0 || at > m.wall) {
			st.agesAt = st.ages(m.wall)
			continue
		}
		floor := st.needed()
		if rule := st.retention; rule.Age > 0 || rule.Bytes > 0 {
			boundary := st.boundary(m.wall)
			if rule.Drop && boundary > st.floor {
				m.truncate(st, boundary, fx)
				floor = st.needed()
			}
			floor = min(floor, boundary)
		}
		st.floor = max(st.floor, floor)
		st.keeps = st.floor < st.next()
		st.agesAt = st.ages(m.wall)
	}
}

// second is when what was stored at a time comes of age.
func (st *modelStream) second(stored Wall) Wall {
	return (stored + st.retention.Age + 999) / 1000 * 1000
}

// ages is when the next events behind the floor come of age, in whole seconds: each reference has those before it do so together, and the last block's are by
// themselves. 0: never, or some have already that somebody needs.
func (st *modelStream) ages(now Wall) Wall {
	rule := st.retention
	if rule.Age == 0 || st.floor == st.next() {
		return 0
	}
	for _, ref := range st.refs {
		at := st.second(ref.prior)
		switch {
		case ref.first <= st.floor:
		case at > now:
			return at
		case !rule.Drop:
			return 0
		}
	}
	if at := st.second(st.lastStored); at > now {
		return at
	}
	return 0
}

// truncate drops what lies before an offset and isn't held or dead (P2: each cursor says how much).
func (m *model) truncate(st *modelStream, before Offset, fx *Effects) {
	st.dropped = max(st.dropped, before)
	for _, e := range st.events[:before] {
		e.undue = false
	}
	for _, c := range st.cursors() {
		t := Truncation{Cursor: c.id, At: before}
		for _, e := range c.inLog(stateReady, stateAhead, stateLater) {
			if e.offset < before {
				c.lose(e)
				t.Dropped++
			}
		}
		if c.reach != reachNear && c.frontier < before {
			end := before
			if c.reach == reachClosing {
				end = min(end, c.resume)
			}
			for at := c.frontier; at < end; at++ {
				c.lost[at] = true
			}
			t.Unread = uint64(end - c.frontier)
			m.advance(c, before)
		}
		if t.Dropped+t.Unread > 0 {
			c.dropped += t.Dropped
			c.unread += t.Unread
			c.truncatedAt = before
			fx.Truncated = append(fx.Truncated, t)
		}
	}
}

// retainFrom is the oldest entry that is needed, or the next one.
func (m *model) retainFrom() Index {
	from := m.index + 1
	for _, st := range m.streams {
		if st.floor < st.next() {
			from = min(from, st.refAt(st.floor).index)
		}
	}
	return from
}

// refAt is the last reference at or before an offset.
func (st *modelStream) refAt(at Offset) (found modelRef) {
	for _, ref := range st.refs {
		if ref.first <= at {
			found = ref
		}
	}
	return found
}

// nextDeadline is when something is next to be done that no command asks for.
func (m *model) nextDeadline(leaving bool) (at Tick, ok bool) {
	sooner := func(t Tick) {
		if !ok || t < at {
			at, ok = t, true
		}
	}
	if leaving {
		sooner(m.clock)
		return at, ok
	}
	for _, l := range m.leases {
		sooner(l.deadline)
	}
	for _, c := range m.cursors() {
		if c.patientUntil != 0 {
			sooner(c.patientUntil)
		}
		for _, e := range c.in(stateDelayed) {
			sooner(e.notBefore)
		}
	}
	soonest := Wall(-1)
	for _, d := range m.due {
		when := d.at
		if d.far {
			when = d.opens()
		}
		if soonest < 0 || when < soonest {
			soonest = when
		}
	}
	for _, st := range m.streams {
		if st.agesAt != 0 && (soonest < 0 || st.agesAt < soonest) {
			soonest = st.agesAt
		}
	}
	switch {
	case soonest < 0:
	case soonest <= m.wall:
		sooner(m.clock)
	case m.lagging:
		sooner(m.clock.deadlineAfter(Tick(soonest - m.wall)))
	default:
		sooner(m.clock + Tick(soonest-m.wall))
	}
	return at, ok
}
