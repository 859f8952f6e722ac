package partition

import (
	"fmt"
)

// looked returns the offset up to which the cursor has looked at every event.
func (c *modelCursor) looked() Offset {
	if c.reach == reachNear {
		return c.sub.stream.next()
	}
	return c.frontier
}

// inLine counts the events that take room in an ordered queue's look-ahead.
func (c *modelCursor) inLine() uint64 {
	return c.count(stateReady, stateLeased, stateDelayed, stateAhead)
}

// lookAhead is how many more it has room for.
func (m *model) lookAhead(c *modelCursor) uint64 {
	switch used := c.inLine(); {
	case !c.sub.Ordered:
		return 1 << 62
	case len(c.late) > 0 || used >= m.lookAheadMax:
		return 0
	default:
		return m.lookAheadMax - used
	}
}

// offer has a cursor get a block's events that it matches, unless it is far, or has too much waiting already: then it falls behind.
func (m *model) offer(c *modelCursor, block []*modelEvent) {
	if c.leaving || c.reach == reachFar {
		return
	}
	var wanted []*modelEvent
	now := uint64(0) // of them would join their lines at once
	for _, e := range block {
		if !e.repeat && c.sub.matches(e) {
			if wanted = append(wanted, e); !e.undue {
				now++
			}
		}
	}
	if n := uint64(len(wanted)); c.count(stateReady, stateAhead) > m.nearEventsMax || n > m.lookAhead(c) && now > m.lookAhead(c) {
		m.fallBehind(c, block[0].offset)
		return
	}
	for _, e := range wanted {
		c.bring(e.offset, e.class, e.key)
	}
	if c.reach == reachNear {
		c.offered = true
		m.offers++
	}
}

func (m *model) fallBehind(c *modelCursor, first Offset) {
	if c.reach == reachNear {
		c.frontier = first
	}
	for _, e := range c.in(stateAhead) { // they come again, after the gap
		delete(c.copies, e.offset)
	}
	c.reach, c.resume = reachFar, 0
}

// fill brings a far cursor what the leader found in the log.
func (m *model) fill(s fillSection) Result {
	c := m.find(s.Cursor)
	if c == nil {
		return Result{Refused: RefusedSubscription}
	}
	st := c.sub.stream
	limit := st.next()
	if c.reach == reachClosing {
		limit = c.resume
	}
	if c.reach == reachNear || s.From != c.frontier || s.To > limit {
		return Result{Refused: RefusedFrontier, First: c.looked()}
	}
	type found struct {
		at    Offset
		class sizeClass
		key   uint64
	}
	var list []found
	for _, r := range s.Runs {
		for i := range r.Count {
			class := r.Classes[0]
			if len(r.Classes) > 1 {
				class = r.Classes[i]
			}
			if at := r.First + Offset(i); !st.events[at].repeat {
				list = append(list, found{at, class, r.key(i)})
			}
		}
	}
	if n := uint64(len(list)); n > m.lookAhead(c) {
		if c.reach == reachClosing { // what is ahead gives way
			m.fallBehind(c, c.frontier)
		}
		if n > m.lookAhead(c) {
			return Result{Refused: RefusedTooMany, First: c.looked()}
		}
	}
	for _, f := range list {
		c.bring(f.at, f.class, f.key)
	}
	m.advance(c, s.To)
	return Result{First: c.looked(), Count: uint32(len(list))}
}

// advance moves a frontier on: to the head or to what is ahead, where the cursor is near, or close to the head, where it takes blocks again.
func (m *model) advance(c *modelCursor, to Offset) {
	next := c.sub.stream.next()
	switch c.frontier = to; {
	case to == next || c.reach == reachClosing && to >= c.resume:
		c.reach, c.resume = reachNear, 0
		for _, e := range c.in(stateAhead) {
			if e.state = stateLater; c.sub.stream.events[e.offset].undue {
				c.takeAside(e.offset)
			} else {
				c.ready(e)
			}
		}
	case c.reach == reachFar && next-to <= closeEvents && (!c.sub.Ordered || uint64(next-to)+c.inLine() <= m.lookAheadMax/2):
		c.reach, c.resume = reachClosing, next
	}
}

// appetite is how many events the leader should read for a far cursor.
func (m *model) appetite(c *modelCursor) uint64 {
	if c.reach == reachNear || m.leasable(c) == 0 || m.dueFull {
		return 0
	}
	want := uint64(0)
	for _, s := range c.sessions {
		if s.live(m.term) {
			want += uint64(s.creditEvents)
		}
	}
	if waits := c.canAssign(); min(want, fillEventsMax) > waits {
		return min(min(want, fillEventsMax)-waits, m.lookAhead(c))
	}
	return 0
}

// hints takes over which cursors the machine says have events to offer, or are behind, and checks that: it may say so at any time that is true,
// and has to when it has just become so.
func (m *model) hints(fx *Effects) error {
	ready, behind := map[CursorID]bool{}, map[CursorID]uint32{}
	last := uint64(0)
	for _, id := range m.told.Ready {
		c := m.find(id)
		if c == nil || c.canAssign() == 0 || c.ordinal <= last {
			return fmt.Errorf("%v is said to have events that wait, in its turn", id)
		}
		ready[id], last = true, c.ordinal
	}
	last = 0
	for _, b := range m.told.Behind {
		c := m.find(b.Cursor)
		if c == nil || c.ordinal <= last || uint64(b.Events) != m.appetite(c) {
			return fmt.Errorf("%v is said to be behind, with room for %d", b.Cursor, b.Events)
		}
		behind[b.Cursor], last = b.Events, c.ordinal
	}
	for _, c := range m.cursors() {
		if n := c.canAssign(); n > 0 && (c.assignable == 0 || c.gained) && !ready[c.id] {
			return fmt.Errorf("P10: %v has %d events that wait, and nobody is told", c.id, n)
		}
		if n := m.appetite(c); n > c.appetite && behind[c.id] == 0 {
			return fmt.Errorf("P10: %v is behind with room for %d, and the leader isn't told", c.id, n)
		}
	}
	fx.Ready, fx.Behind = m.told.Ready, m.told.Behind
	return nil
}
