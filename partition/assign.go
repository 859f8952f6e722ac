package partition

import (
	"cmp"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"
)

// assign gives ready events to the sessions that have room, on every cursor that this entry changed, in the cursors' own order (P9).
// Sessions take turns and get events in rows, so that a delivery is often whole frames of a block.
func (m *Machine) assign(fx *Effects) {
	slices.SortFunc(m.dirty, func(a, b dirtyCursor) int { return cmp.Compare(a.ordinal, b.ordinal) })
	for _, d := range m.dirty {
		c := d.cursor
		c.dirty = false
		if c.leaving {
			continue
		}
		if c.order != nil {
			m.assignOrdered(c, fx)
			m.noteStall(c)
		} else {
			m.assignCursor(c, fx)
		}
		c.offered, c.impatient = false, false
		if c.assignable() > 0 {
			fx.Ready = append(fx.Ready, c.id())
		}
		if n := m.appetite(c); n > 0 {
			fx.Behind = append(fx.Behind, Behind{c.id(), n})
		}
	}
	m.dirty = m.dirty[:0]
	clear(m.grantings) // sessions that are gone
	m.granted = len(fx.Grants)
}

// turnEvents is how many events a session gets before it is the next one's turn, where there are fewer for each than turnEvents.
// What there is more of is dealt out evenly, up to turnEventsMax at a time: a delivery is then whole frames of a block, which go as they are
// stored, but for its two ends, and one run to lease and to ack. With rows of 64, whose ends meet no frame's, every frame was taken apart for two sessions.
const (
	turnEvents    = 64
	turnEventsMax = 1_024
)

// turnOf is the length of a turn for so many ready events and sessions with room. Few events still reach many sessions.
func turnOf(ready, open uint64) int {
	if ready <= turnEvents*open {
		return int(max(1, ready/open))
	}
	return int(min((ready+open-1)/open, turnEventsMax))
}

func (m *Machine) assignCursor(c *cursor, fx *Effects) {
	leasable := m.leasable(c)
	if c.ready.IsEmpty() || leasable == 0 || m.isPatient(c) {
		return
	}
	open := m.withRoom(c)
	if len(open) == 0 {
		return
	}
	turn := turnOf(c.ready.GetCardinality(), uint64(len(open)))
	rows, taken := &m.reader, m.taken[:0]
	rows.reset(c.ready.ManyIterator())
	for at, before := 0, c.leased; len(open) > 0 && c.leased-before < leasable; {
		row := rows.peek()
		if row.Count == 0 {
			break
		}
		g := open[at%len(open)]
		row.Count = min(row.Count, uint32(turn-g.inTurn), uint32(leasable-(c.leased-before)))
		given := m.give(g, c, row, fx)
		if given == 0 {
			open = slices.Delete(open, at%len(open), at%len(open)+1)
			m.finish(g, fx)
			continue
		}
		rows.skip(given)
		taken = joinRun(taken, Run{row.First, given})
		if g.inTurn += int(given); g.inTurn >= turn {
			g.inTurn = 0
			at++
		}
	}
	for _, g := range open {
		m.finish(g, fx)
	}
	m.hold(c, taken)
	m.taken = taken
}

// withRoom returns the sessions that have room, beginning with the one whose turn it is, until the next call.
func (m *Machine) withRoom(c *cursor) []*granting {
	all := m.grantings[:0]
	for i := range c.sessions {
		s := c.sessions[(c.turn+i)%len(c.sessions)]
		if s.live(m.term) && s.heldEvents < s.creditEvents {
			all = append(all, granting{session: s})
		}
	}
	open := m.open[:0]
	for i := range all {
		open = append(open, &all[i])
	}
	m.grantings, m.open = all, open
	if len(open) > 0 {
		c.turn = (c.turn + 1) % len(c.sessions)
	}
	return open
}

// assignable returns how many events could be leased to whoever comes. Of a key's line in an ordered queue one is counted.
func (c *cursor) assignable() uint64 {
	if c.order != nil {
		return uint64(len(c.order.free.lines))
	}
	return c.ready.GetCardinality()
}

// leasable returns how many more events of a cursor may be leased: each may become a dead letter.
func (m *Machine) leasable(c *cursor) uint64 {
	if c.leaving {
		return 0
	}
	return min(room(m.leasedMax, c.leased), room(m.deadMax, c.leased+uint64(c.dead.Len())))
}

// hold moves events of a cursor from ready to held. What the retention has dropped is needed in the log for as long as it waits, and no longer once it
// is held: so the stream's floor may move.
func (m *Machine) hold(c *cursor, taken []Run) {
	if len(taken) == 0 {
		return
	}
	if st := c.subscription.stream; taken[0].First < st.dropped {
		m.stale(st)
	}
	events := uint64(0)
	for _, r := range taken {
		events += uint64(r.Count)
	}
	if events == c.ready.GetCardinality() {
		c.ready.moveAll(c.held)
		return
	}
	c.ready.removeRuns(taken, events)
	m.offsets = c.held.addRuns(taken, m.offsets)
}

// rowReader reads a bitmap as runs, many offsets at a time. The bitmap mustn't change meanwhile.
type rowReader struct {
	it  roaring64.ManyIntIterable64
	buf [256]uint64
	// at and end of what is left in buf.
	at, end int
	row     Run
}

// reset begins anew.
func (r *rowReader) reset(it roaring64.ManyIntIterable64) { r.it, r.at, r.end, r.row = it, 0, 0, Run{} }

// peek returns the next run, or a part of it; of no events at the end.
func (r *rowReader) peek() Run {
	if r.row.Count > 0 {
		return r.row
	}
	if r.at == r.end {
		r.at, r.end = 0, r.it.NextMany(r.buf[:])
		if r.end == 0 {
			return Run{}
		}
	}
	rest := r.buf[r.at:r.end]
	n := 1
	for n < len(rest) && rest[n] == rest[0]+uint64(n) {
		n++
	}
	r.row = Run{Offset(rest[0]), uint32(n)}
	r.at += n
	return r.row
}

// skip takes events off the run that peek returned.
func (r *rowReader) skip(n uint32) {
	r.row.First += Offset(n)
	r.row.Count -= n
}

// granting is a session that is being given events.
type granting struct {
	session *session
	lease   *lease
	events  uint32
	bytes   uint64
	inTurn  int
}

// give puts a run's first events into the session's delivery, as many as it has room for, and says how many that were. It begins another
// delivery when the one at hand is full.
func (m *Machine) give(g *granting, c *cursor, row Run, fx *Effects) uint32 {
	s, st := g.session, c.subscription.stream
	if s.heldEvents >= s.creditEvents {
		return 0
	}
	row.Count = min(row.Count, s.creditEvents-s.heldEvents)
	events, bytes := st.fit(row, room(s.creditBytes, s.heldBytes))
	if events == 0 {
		if s.heldEvents > 0 {
			return 0
		}
		row.Count = 1 // one event is given whatever its size to a session that holds none
		events, bytes = 1, st.bytesOf(row)
	}
	row.Count = events
	if g.lease != nil && (g.events+events > deliveryEventsMax || g.bytes+bytes > deliveryBytesMax) {
		part := Run{row.First, min(events, deliveryEventsMax-g.events)}
		if events, bytes = st.fit(part, room(deliveryBytesMax, g.bytes)); events == 0 {
			m.finish(g, fx)
			return m.give(g, c, row, fx)
		}
		row.Count = events
	}
	if g.lease == nil {
		m.changed(s)
		s.lastDelivery++
		g.lease = m.grant(c, s, s.visibility)
		g.lease.delivery = s.lastDelivery
		g.lease.runs = m.room()
		s.insert(g.lease)
		g.events, g.bytes = 0, 0
		if bytes > deliveryBytesMax && events > 1 {
			if events, bytes = st.fit(row, deliveryBytesMax); events == 0 {
				events, bytes = 1, st.bytesOf(Run{row.First, 1})
			}
			row.Count = events
		}
	}
	g.lease.hold(row)
	g.events += events
	g.bytes += bytes
	s.heldEvents += events
	s.heldBytes += bytes
	c.leased += uint64(events)
	return events
}

func room(limit, used uint64) uint64 {
	if used >= limit {
		return 0
	}
	return limit - used
}

// finish makes the delivery of a session an effect.
func (m *Machine) finish(g *granting, fx *Effects) {
	if g.lease == nil {
		return
	}
	s := g.session
	truncated := Offset(0)
	if at := s.cursor.truncatedAt; at > s.told {
		truncated, s.told = at, at
	}
	if fx.Grants == nil {
		fx.Grants = make([]Grant, 0, max(1, m.granted))
	}
	fx.Grants = append(fx.Grants, Grant{
		Truncated: truncated,
		Session:   s.id, Connection: s.connection, Stream: g.lease.cursor.subscription.stream.id,
		Delivery: g.lease.delivery, Epoch: g.lease.epoch, Visibility: s.visibility,
		Runs: m.fitted(g.lease),
	})
	g.lease = nil
}

// room returns memory for a lease that is being made; fitted has it make do with what it came to, and takes it back.
func (m *Machine) room() []EventRun {
	n := len(m.given)
	if n == 0 {
		return nil
	}
	runs := m.given[n-1]
	m.given = m.given[:n-1]
	return runs[:0]
}

// givenMax is how much of that is kept, of at most so many runs each: as many as an entry has sessions in turn, mostly.
const (
	givenMax     = 64
	givenRunsMax = 4_096
)

// fitted returns what the lease holds, in memory that fits: the lease's own, and its grant's. Neither changes it (cut).
func (m *Machine) fitted(l *lease) []EventRun {
	room := l.runs
	l.runs = make([]EventRun, len(room))
	copy(l.runs, room)
	if len(m.given) < givenMax && cap(room) <= givenRunsMax {
		m.given = append(m.given, room)
	}
	return l.runs
}

// take leases events to nobody in particular: whoever has the receipts settles them. Each is a lease of its own, since receipts are.
func (m *Machine) take(t takeSection) Result {
	c, refused := m.cursor(t.Cursor)
	if refused != Done {
		return Result{Refused: refused}
	}
	m.used(c)
	visibility := t.Visibility
	if visibility == 0 {
		visibility = c.subscription.Visibility
	}
	res := Result{Taken: Grant{Stream: c.subscription.stream.id, Epoch: m.applied, Visibility: visibility}}
	var taken []Run
	left, wanted := t.Bytes, min(t.Events, uint32(min(m.leasable(c), ReceiptsMax)))
	for at, hold := range c.next {
		row := Run{at, 1}
		n, bytes := uint32(len(res.Taken.Runs)), c.subscription.stream.bytesOf(row)
		if n == wanted || bytes > left && n > 0 {
			break
		}
		left = room(left, bytes)
		l := m.grant(c, nil, visibility)
		l.hold(row)
		hold(l)
		c.taken[at] = l
		c.leased++
		res.Taken.Runs = append(res.Taken.Runs, l.runs[0])
		taken = joinRun(taken, row)
	}
	m.hold(c, taken)
	return res
}

// joinRun adds a run behind ascending runs.
func joinRun(runs []Run, r Run) []Run {
	if n := len(runs); n > 0 && runs[n-1].end() == r.First {
		runs[n-1].Count += r.Count
		return runs
	}
	return append(runs, r)
}
