package partition

import (
	"cmp"
	"slices"
)

// assign gives ready events to the sessions that have room, on every cursor that this entry changed, in the cursors' own order (P9).
// Sessions take turns and get events in rows, so that a delivery is often whole frames of a block.
func (m *Machine) assign(fx *Effects) {
	slices.SortFunc(m.dirty, func(a, b *cursor) int { return cmp.Compare(a.ordinal, b.ordinal) })
	for _, c := range m.dirty {
		c.dirty = false
		m.assignCursor(c, fx)
		if !c.ready.IsEmpty() {
			fx.Ready = append(fx.Ready, c.id())
		}
	}
	m.dirty = m.dirty[:0]
}

// turnEvents is how many events a session gets before it is the next one's turn. Small enough that few events still reach many sessions.
const turnEvents = 64

func (m *Machine) assignCursor(c *cursor, fx *Effects) {
	if c.ready.IsEmpty() || c.leased >= m.leasedMax {
		return
	}
	open := make([]*granting, 0, len(c.sessions))
	for i := range c.sessions {
		s := c.sessions[(c.turn+i)%len(c.sessions)]
		if s.live(m.term) && s.room(0) {
			open = append(open, &granting{session: s})
		}
	}
	if len(open) == 0 {
		return
	}
	c.turn = (c.turn + 1) % len(c.sessions)
	turn := turnEvents
	if ready := c.ready.GetCardinality(); ready < uint64(turn*len(open)) {
		turn = max(1, int(ready)/len(open))
	}
	size := c.subscription.stream.sizer()
	it := c.ready.Iterator()
	var taken []Run
	for at := 0; it.HasNext() && len(open) > 0 && c.leased < m.leasedMax; {
		g := open[at%len(open)]
		offset := Offset(it.PeekNext())
		bytes := size(offset)
		if !g.session.room(bytes) {
			open = slices.Delete(open, at%len(open), at%len(open)+1)
			m.finish(g, fx)
			continue
		}
		it.Next()
		m.give(g, c, offset, bytes, fx)
		taken = appendOffset(taken, offset)
		if g.inTurn++; g.inTurn >= turn {
			g.inTurn = 0
			at++
		}
	}
	for _, g := range open {
		m.finish(g, fx)
	}
	for _, r := range taken {
		c.ready.RemoveRange(uint64(r.First), uint64(r.end()))
		c.held.AddRange(uint64(r.First), uint64(r.end()))
	}
}

// granting is a session that is being given events.
type granting struct {
	session *session
	lease   *lease
	events  int
	bytes   uint64
	inTurn  int
}

// give puts one event into the session's delivery, and begins another delivery when that one is full.
func (m *Machine) give(g *granting, c *cursor, at Offset, bytes uint64, fx *Effects) {
	if g.lease != nil && (g.events >= deliveryEventsMax || g.bytes+bytes > deliveryBytesMax) {
		m.finish(g, fx)
	}
	s := g.session
	if g.lease == nil {
		s.lastDelivery++
		g.lease = m.grant(c, s, s.visibility)
		g.lease.delivery = s.lastDelivery
		s.insert(g.lease)
		g.events, g.bytes = 0, 0
	}
	g.lease.hold(at)
	g.events++
	g.bytes += bytes
	s.heldEvents++
	s.heldBytes += bytes
	c.leased++
}

// finish makes the delivery of a session an effect.
func (m *Machine) finish(g *granting, fx *Effects) {
	if g.lease == nil {
		return
	}
	s := g.session
	fx.Grants = append(fx.Grants, Grant{
		Session: s.id, Connection: s.connection, Stream: g.lease.cursor.subscription.stream.id,
		Delivery: g.lease.delivery, Epoch: g.lease.epoch, Visibility: s.visibility,
		Runs: slices.Clone(g.lease.runs),
	})
	g.lease = nil
}

// take leases events to nobody in particular: whoever has the receipts settles them. Each is a lease of its own, since receipts are.
func (m *Machine) take(t takeSection) Result {
	c, refused := m.cursor(t.Cursor)
	if refused != Done {
		return Result{Refused: refused}
	}
	visibility := t.Visibility
	if visibility == 0 {
		visibility = c.subscription.Visibility
	}
	res := Result{Taken: Grant{Stream: c.subscription.stream.id, Epoch: m.applied, Visibility: visibility}}
	size := c.subscription.stream.sizer()
	var taken []Run
	left := int64(t.Bytes)
	it := c.ready.Iterator()
	for n := uint32(0); it.HasNext() && n < t.Events && c.leased < m.leasedMax; n++ {
		at := Offset(it.PeekNext())
		if left -= int64(size(at)); left < 0 && n > 0 {
			break
		}
		it.Next()
		l := m.grant(c, nil, visibility)
		l.hold(at)
		c.taken[at] = l
		c.leased++
		res.Taken.Runs = append(res.Taken.Runs, l.runs[0])
		taken = appendOffset(taken, at)
	}
	for _, r := range taken {
		c.ready.RemoveRange(uint64(r.First), uint64(r.end()))
		c.held.AddRange(uint64(r.First), uint64(r.end()))
	}
	return res
}

// appendOffset adds an offset to ascending runs.
func appendOffset(runs []Run, at Offset) []Run {
	if n := len(runs); n > 0 && runs[n-1].end() == at {
		runs[n-1].Count++
		return runs
	}
	return append(runs, Run{at, 1})
}
