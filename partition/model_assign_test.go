package partition

import (
	"cmp"
	"slices"
)

// modelLine is a key's events in an ordered queue: those that wait and those that are held. An event without a key has a line of its own, and so
// has every event of other queues.
type modelLine struct {
	waiting, held []*modelCopy
}

// lines returns a cursor's lines, each with its events in order.
func (c *modelCursor) lines() (list []*modelLine) {
	byKey := map[uint64]*modelLine{}
	for _, e := range c.in(stateReady, stateDelayed, stateLeased) {
		l := byKey[e.key]
		if l == nil || e.key == 0 {
			l = &modelLine{}
			list = append(list, l)
			byKey[e.key] = l
		}
		if e.state == stateLeased {
			l.held = append(l.held, e)
		} else {
			l.waiting = append(l.waiting, e)
		}
	}
	return list
}

// next is the event that is the line's next, unless that waits for its time.
func (l *modelLine) next() *modelCopy {
	if len(l.waiting) > 0 && l.waiting[0].state == stateReady {
		return l.waiting[0]
	}
	return nil
}

// goesOn tells whether the holder of what is held may have the next event too.
func (l *modelLine) goesOn() bool {
	return len(l.held) < OrderedHeldMax && l.waiting[0].offset > l.held[len(l.held)-1].offset
}

// free returns the next event of a line of which nobody holds any.
func (l *modelLine) free() *modelCopy {
	if len(l.held) > 0 {
		return nil
	}
	return l.next()
}

func (l *modelLine) take(by *modelLease) {
	by.lend(l.waiting[0])
	l.held, l.waiting = append(l.held, l.waiting[0]), l.waiting[1:]
}

// canAssign counts what could be leased to whoever comes.
func (c *modelCursor) canAssign() (n uint64) {
	if !c.sub.Ordered {
		return c.count(stateReady)
	}
	for _, l := range c.lines() {
		if l.free() != nil {
			n++
		}
	}
	return n
}

// leasable returns how many more events may be leased: each may die.
func (m *model) leasable(c *modelCursor) uint64 {
	leased, dead := c.count(stateLeased), c.count(stateDead)
	if leased >= m.leasedMax || leased+dead >= m.deadMax {
		return 0
	}
	return min(m.leasedMax-leased, m.deadMax-leased-dead)
}

// modelGrant is a session that is being given events.
type modelGrant struct {
	session    *modelSession
	lease      *modelLease
	events     uint32
	bytes      uint64
	inTurn     int
	heldEvents uint32
	heldBytes  uint64
}

// couldGoOn tells whether somebody has room for an event that waits. Whoever has no room for the next event, since it is large, isn't asked again when
// another has taken it: it is its turn when something happens to the cursor. It holds something, so that comes.
func (m *model) couldGoOn(c *modelCursor) bool {
	if m.leasable(c) == 0 {
		return false
	}
	lines := c.lines()
	for _, s := range c.sessions {
		events, bytes := m.holds(s)
		if l := nextLine(lines, s); l != nil && s.live(m.term) && events > 0 && events < s.creditEvents && bytes+l.waiting[0].class.bytes() <= s.creditBytes {
			return true
		}
	}
	return false
}

// granted tells whether the machine gave events of a cursor to anybody.
func (m *model) granted(c *modelCursor) bool {
	return slices.ContainsFunc(m.told.Grants, func(g Grant) bool {
		s := m.sessions[g.Session]
		return s != nil && s.cursor == c
	})
}

// isPatient tells whether what is ready waits for more: somebody has room, nobody who has holds nothing, and there is little. It begins when a block was
// offered to many cursors.
func (m *model) isPatient(c *modelCursor) bool {
	ready := c.count(stateReady)
	if c.sub.Ordered || ready == 0 || m.leasable(c) == 0 {
		return false
	}
	open, idle := false, false
	for _, s := range c.sessions {
		if events, _ := m.holds(s); s.live(m.term) && events < s.creditEvents {
			open, idle = true, idle || events == 0
		}
	}
	switch {
	case c.impatient || ready >= worthEvents || idle:
		c.patientUntil = 0
		return false
	case open && c.patientUntil == 0 && c.offered && m.offers >= m.patientOffers:
		c.patientUntil = m.clock + min(256, 16*Tick(m.offers/m.patientOffers))
		for c.patientUntil%16 != 0 {
			c.patientUntil++
		}
	}
	return open && c.patientUntil != 0
}

// pullLate makes late events of an ordered queue ready for which there is room now, whether or not anybody has room for them.
func (m *model) pullLate(c *modelCursor) {
	for c.sub.Ordered && len(c.late) > 0 && c.inLine() < m.lookAheadMax {
		if e := c.copies[c.late[0]]; e != nil && e.state == stateLater {
			c.ready(e)
		}
		c.late = c.late[1:]
	}
}

// assign gives a cursor's events to the sessions that have room, in turns.
func (m *model) assign(c *modelCursor, is *cursor, fx *Effects) {
	m.pullLate(c)
	if c.goesOn && !m.granted(c) {
		c.patientUntil = is.patientUntil
		return // nothing may have happened to it
	}
	if m.isPatient(c) {
		c.goesOn = false
		return
	}
	defer func() { c.goesOn = m.couldGoOn(c) }()
	leasable := m.leasable(c)
	lines := c.lines()
	var open []*modelGrant
	for i := range c.sessions {
		s := c.sessions[(c.turn+i)%len(c.sessions)]
		events, bytes := m.holds(s)
		if s.live(m.term) && events < s.creditEvents {
			open = append(open, &modelGrant{session: s, heldEvents: events, heldBytes: bytes})
		}
	}
	if len(open) == 0 {
		return
	}
	turn := min(max(1, int(c.canAssign())/len(open)), turnEvents)
	if !c.sub.Ordered {
		if ready := len(c.in(stateReady)); ready > turnEvents*len(open) { // evenly, in one turn each as far as that goes
			turn = min((ready+len(open)-1)/len(open), turnEventsMax)
		}
		lines = nil
		for _, e := range c.in(stateReady) {
			lines = append(lines, &modelLine{waiting: []*modelCopy{e}})
		}
	}
	for at := 0; len(open) > 0 && leasable > 0; {
		g := open[at%len(open)]
		if len(lines) == 0 {
			break
		}
		l := lines[0]
		if c.sub.Ordered {
			l = nextLine(lines, g.session)
		}
		if l == nil || !m.give(g, c, l, fx) {
			m.finish(g, fx)
			open = slices.Delete(open, at%len(open), at%len(open)+1)
			continue
		}
		leasable--
		if len(l.waiting) == 0 && !c.sub.Ordered {
			lines = lines[1:]
		}
		if g.inTurn++; g.inTurn == turn {
			g.inTurn = 0
			at++
		}
	}
	for _, g := range open {
		m.finish(g, fx)
	}
}

// nextLine is the line with the lowest event that a session may have: of one that is free, or of which it holds the others itself.
func nextLine(lines []*modelLine, s *modelSession) (found *modelLine) {
	for _, l := range lines {
		e := l.next()
		if e == nil || found != nil && found.waiting[0].offset < e.offset {
			continue
		}
		if n := len(l.held); n == 0 || l.held[n-1].lease.session == s && l.goesOn() {
			found = l
		}
	}
	return found
}

// give gives a line's next event to a session, if it has room. It begins another delivery when the one at hand is full.
func (m *model) give(g *modelGrant, c *modelCursor, l *modelLine, fx *Effects) bool {
	s, e := g.session, l.waiting[0]
	size := e.class.bytes()
	if g.heldEvents >= s.creditEvents || g.heldEvents > 0 && g.heldBytes+size > s.creditBytes {
		return false // one event is given whatever its size to a session that holds none
	}
	if g.lease != nil && (g.events == deliveryEventsMax || g.bytes+size > deliveryBytesMax) {
		m.finish(g, fx)
	}
	if g.lease == nil {
		s.lastDelivery++
		g.lease = m.grant(c, s, s.visibility)
		g.lease.delivery = s.lastDelivery
		g.events, g.bytes = 0, 0
	}
	l.take(g.lease)
	g.events++
	g.bytes += size
	g.heldEvents++
	g.heldBytes += size
	return true
}

// finish makes a delivery an effect.
func (m *model) finish(g *modelGrant, fx *Effects) {
	if g.lease == nil {
		return
	}
	s, l := g.session, g.lease
	grant := Grant{
		Session: s.id, Connection: s.connection, Stream: l.cursor.sub.stream.id, Delivery: l.delivery, Epoch: m.index, Visibility: s.visibility,
	}
	if s.told < s.cursor.truncatedAt {
		s.told = s.cursor.truncatedAt
		grant.Truncated = s.told
	}
	for at, e := range l.events() {
		grant.Runs = append(grant.Runs, EventRun{Run{e.offset, 1}, e.attempt, uint16(at)})
		l.listed = append(l.listed, e.offset)
	}
	fx.Grants = append(fx.Grants, grant)
	g.lease = nil
}

// take leases events to whoever has their receipts.
func (m *model) take(t takeSection) Result {
	c, refused := m.cursor(t.Cursor)
	if refused != Done {
		return Result{Refused: refused}
	}
	c.used = m.wall
	visibility := cmp.Or(t.Visibility, c.sub.Visibility)
	res := Result{Taken: Grant{Stream: c.sub.stream.id, Epoch: m.index, Visibility: visibility}}
	lines, left := c.lines(), t.Bytes
	mine := map[*modelLine]bool{}
	for n := min(uint64(t.Events), m.leasable(c)); n > 0; n-- {
		var found *modelLine
		for _, l := range lines {
			e := l.next()
			if e != nil && (len(l.held) == 0 || mine[l] && l.goesOn()) && (found == nil || e.offset < found.waiting[0].offset) {
				found = l
			}
		}
		if found == nil {
			break
		}
		e := found.waiting[0]
		if size := e.class.bytes(); size <= left {
			left -= size
		} else if left = 0; len(res.Taken.Runs) > 0 {
			break
		}
		l := m.grant(c, nil, visibility)
		l.taken, mine[found] = true, true
		found.take(l)
		res.Taken.Runs = append(res.Taken.Runs, EventRun{Run{e.offset, 1}, e.attempt, 0})
	}
	c.goesOn = c.goesOn || m.couldGoOn(c) // whom the next event was too large for may have room for the one behind
	c.appetite = m.appetite(c)            // the leader is told when somebody settles
	return res
}
