package partition

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/RoaringBitmap/roaring/v2/roaring64"

	"github.com/freshet-mq/freshet/proto/block"
)

// A snapshot is the whole state of a machine, by which a replica starts again without the entries before. Numbers are varints, lists
// begin with their length:
//
//	'F' 'P' version
//	applied, term, clock, wall, last cursor, last lease, expired
//	streams:    id, next, set version
//	            blocks:         first, count, index, section, stored, size classes
//	            subscriptions:  config
//	                cursors:    member, ordinal, turn, ready, held, tries, dead, delayed
//	sessions in the order of their cursors, then leases in the order of their deadlines, then producers, the least recently used first
const (
	snapshotMagic0  = 'F'
	snapshotMagic1  = 'P'
	snapshotVersion = 1
)

// Snapshot returns the machine's state. Two machines that applied the same entries return the same bytes (P9).
func (m *Machine) Snapshot() []byte {
	b := []byte{snapshotMagic0, snapshotMagic1, snapshotVersion}
	for _, v := range []uint64{
		uint64(m.applied), uint64(m.term), uint64(m.clock), uint64(m.wall), m.lastCursor, m.lastLease, m.expired,
	} {
		b = binary.AppendUvarint(b, v)
	}
	var sessions []*session
	b = binary.AppendUvarint(b, uint64(len(m.streamOrder)))
	for _, st := range m.streamOrder {
		b = st.appendTo(b)
		for _, sub := range st.subscriptions {
			for _, c := range sub.cursors {
				sessions = append(sessions, c.sessions...)
			}
		}
	}
	b = binary.AppendUvarint(b, uint64(len(sessions)))
	for _, s := range sessions {
		b = s.appendTo(b)
	}
	b = binary.AppendUvarint(b, uint64(m.deadlines.Len()))
	m.deadlines.Ascend(func(l *lease) bool {
		b = l.appendTo(b)
		return true
	})
	b = binary.AppendUvarint(b, uint64(m.producers.order.Len()))
	for e := m.producers.order.Back(); e != nil; e = e.Prev() {
		b = e.Value.(*producer).appendTo(b) //nolint:forcetypeassert // the list holds nothing else
	}
	return b
}

// Restore returns the machine that a snapshot is of.
func Restore(snapshot []byte) (*Machine, error) {
	if len(snapshot) < 3 || snapshot[0] != snapshotMagic0 || snapshot[1] != snapshotMagic1 {
		return nil, fmt.Errorf("%w: a snapshot of %d bytes doesn't begin with 'F' 'P'", ErrCorrupt, len(snapshot))
	}
	if v := snapshot[2]; v != snapshotVersion {
		return nil, fmt.Errorf("%w: snapshot version %d, known is %d", ErrCorrupt, v, snapshotVersion)
	}
	m := NewMachine()
	d := &decoder{b: snapshot[3:]}
	m.applied, m.term = Index(d.uvarint("applied")), Term(d.uvarint("term"))
	m.clock, m.wall = Tick(d.uvarint("clock")), Wall(d.uvarint("wall"))
	m.lastCursor, m.lastLease, m.expired = d.uvarint("last cursor"), d.uvarint("last lease"), d.uvarint("expired")
	for range d.count("streams") {
		m.restoreStream(d)
	}
	for range d.count("sessions") {
		m.restoreSession(d)
	}
	for range d.count("leases") {
		m.restoreLease(d)
	}
	for range d.count("producers") {
		m.producers.restore(d)
	}
	if err := d.done("snapshot"); err != nil {
		return nil, err
	}
	return m, nil
}

func (st *stream) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(st.id))
	b = binary.AppendUvarint(b, uint64(st.next))
	b = binary.AppendUvarint(b, st.setVersion)
	b = binary.AppendUvarint(b, uint64(len(st.blocks)))
	for i := range st.blocks {
		ref := &st.blocks[i]
		b = appendRun(b, Run{ref.first, ref.count})
		b = binary.AppendUvarint(b, uint64(ref.index))
		b = binary.AppendUvarint(b, uint64(ref.section))
		b = binary.AppendUvarint(b, uint64(ref.stored))
		b = binary.AppendUvarint(b, uint64(len(ref.sizes)))
		for _, c := range ref.sizes {
			b = append(b, byte(c))
		}
	}
	b = binary.AppendUvarint(b, uint64(len(st.subscriptions)))
	for _, sub := range st.subscriptions {
		b = sub.SubscriptionConfig.append(b)
		b = binary.AppendUvarint(b, uint64(len(sub.cursors)))
		for _, c := range sub.cursors {
			b = c.appendTo(b)
		}
	}
	return b
}

func (m *Machine) restoreStream(d *decoder) {
	st := &stream{id: StreamID(d.uvarint("stream")), next: Offset(d.uvarint("next offset")), setVersion: d.uvarint("set version")}
	for range d.count("blocks") {
		r := d.run()
		ref := blockRef{
			first: r.First, count: r.Count, index: Index(d.uvarint("index")),
			section: uint32(d.bounded("section", 1<<32-1)), stored: Wall(d.uvarint("stored")),
		}
		for _, c := range d.bytes("sizes") {
			ref.sizes = append(ref.sizes, sizeClass(c))
		}
		if n := len(ref.sizes); ref.count == 0 || ref.count > block.EventsMax || n != 1 && n != int(ref.count) {
			d.fail("a block's events and sizes")
		}
		if n := len(st.blocks); n > 0 && st.blocks[n-1].end() != ref.first {
			d.fail("a block that doesn't follow the one before")
		}
		st.blocks = append(st.blocks, ref)
	}
	if n := len(st.blocks); n > 0 && st.blocks[n-1].end() != st.next {
		d.fail("the last block and the next offset")
	}
	if m.streams[st.id] != nil {
		d.fail("a stream twice")
		return
	}
	m.streams[st.id] = st
	m.streamOrder = append(m.streamOrder, st)
	for range d.count("subscriptions") {
		sub := &subscription{SubscriptionConfig: d.subscriptionConfig(), stream: st}
		st.subscriptions = append(st.subscriptions, sub)
		m.subscriptions[sub.ID] = sub
		for range d.count("cursors") {
			sub.cursors = append(sub.cursors, m.restoreCursor(d, sub))
		}
	}
}

func (c *cursor) appendTo(b []byte) []byte {
	b = appendString(b, c.member)
	b = binary.AppendUvarint(b, c.ordinal)
	b = binary.AppendUvarint(b, uint64(c.turn))
	b = appendSet(b, c.ready)
	b = appendSet(b, c.held)
	b = binary.AppendUvarint(b, uint64(len(c.tries)))
	for _, at := range slices.Sorted(maps.Keys(c.tries)) { // P9
		t := c.tries[at]
		b = binary.AppendUvarint(b, uint64(at))
		b = binary.AppendUvarint(b, uint64(t.attempts))
		b = binary.AppendUvarint(b, uint64(t.undelivered))
	}
	b = binary.AppendUvarint(b, uint64(c.dead.Len()))
	c.dead.Ascend(func(l deadLetter) bool {
		b = binary.AppendUvarint(b, uint64(l.offset))
		b = append(b, byte(l.reason))
		b = binary.AppendUvarint(b, uint64(l.attempts))
		b = binary.AppendUvarint(b, uint64(l.died))
		b = appendString(b, l.detail)
		return true
	})
	b = binary.AppendUvarint(b, uint64(c.delayed.Len()))
	c.delayed.Ascend(func(e delayedEvent) bool {
		b = binary.AppendUvarint(b, uint64(e.notBefore))
		b = binary.AppendUvarint(b, uint64(e.offset))
		return true
	})
	return b
}

func (m *Machine) restoreCursor(d *decoder, sub *subscription) *cursor {
	c := newCursor(sub, d.string("member"), d.uvarint("ordinal"))
	c.turn = int(d.bounded("turn", SessionsMax))
	c.ready, c.held = d.set("ready", sub.stream.next), d.set("held", sub.stream.next)
	for range d.count("tries") {
		at := Offset(d.uvarint("offset"))
		c.tries[at] = tries{
			attempts:    uint16(d.bounded("attempts", 1<<16-1)),
			undelivered: uint16(d.bounded("undelivered", 1<<16-1)),
		}
	}
	for range d.count("dead letters") {
		c.dead.ReplaceOrInsert(deadLetter{
			offset: Offset(d.uvarint("offset")), reason: DeadReason(d.byte("reason")),
			attempts: uint16(d.bounded("attempts", 1<<16-1)), died: Wall(d.uvarint("died")), detail: d.string("detail"),
		})
	}
	for range d.count("delayed") {
		e := delayedEvent{notBefore: Tick(d.uvarint("not before")), offset: Offset(d.uvarint("offset"))}
		c.delayed.ReplaceOrInsert(e)
		m.delays.ReplaceOrInsert(cursorDelay{e.notBefore, c.ordinal, c})
	}
	return c
}

func (s *session) appendTo(b []byte) []byte {
	b = append(b, s.id[:]...)
	b = appendCursor(b, s.cursor.id())
	for _, v := range []uint64{
		uint64(s.connection), uint64(s.term), uint64(s.creditEvents), s.creditBytes,
		uint64(s.visibility), s.lastDelivery, s.received, s.settled,
	} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendBool(b, s.attached)
	return appendLeasedList(b, s.answer)
}

func (m *Machine) restoreSession(d *decoder) {
	s := &session{id: d.session()}
	id := d.cursor()
	s.connection, s.term = ConnectionID(d.uvarint("connection")), Term(d.uvarint("term"))
	s.creditEvents, s.creditBytes = uint32(d.bounded("credit events", CreditEventsMax)), d.uvarint("credit bytes")
	s.visibility, s.lastDelivery = Tick(d.uvarint("visibility")), d.uvarint("last delivery")
	s.received, s.settled = d.uvarint("received"), d.uvarint("settled")
	s.attached = d.bool("attached")
	s.answer = d.leasedList()
	if s.cursor = m.restoredCursor(d, id); s.cursor == nil {
		return
	}
	s.cursor.sessions = append(s.cursor.sessions, s)
	m.sessions[s.id] = s
}

// restoredCursor finds a cursor that must be there, without making one.
func (m *Machine) restoredCursor(d *decoder, id CursorID) *cursor {
	if sub := m.subscriptions[id.Subscription]; sub != nil {
		for _, c := range sub.cursors {
			if c.member == id.Member {
				return c
			}
		}
	}
	d.fail("a cursor that isn't there")
	return nil
}

func (l *lease) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, l.id)
	b = appendCursor(b, l.cursor.id())
	b = appendBool(b, l.session != nil)
	if l.session != nil {
		b = append(b, l.session.id[:]...)
	}
	taken := l.cursor.taken[l.runs[0].First] == l
	b = appendBool(b, taken)
	for _, v := range []uint64{l.delivery, uint64(l.epoch), uint64(l.began), uint64(l.deadline), uint64(len(l.runs))} {
		b = binary.AppendUvarint(b, v)
	}
	for _, r := range l.runs {
		b = appendRun(b, r.Run)
		b = binary.AppendUvarint(b, uint64(r.Attempt))
	}
	return b
}

func (m *Machine) restoreLease(d *decoder) {
	l := &lease{id: d.uvarint("lease")}
	l.cursor = m.restoredCursor(d, d.cursor())
	if d.bool("owned") {
		id := d.session()
		if l.session = m.sessions[id]; l.session == nil {
			d.fail("a session that isn't there")
		}
	}
	taken := d.bool("taken")
	l.delivery, l.epoch = d.uvarint("delivery"), Epoch(d.uvarint("epoch"))
	l.began, l.deadline = Tick(d.uvarint("began")), Tick(d.uvarint("deadline"))
	for range d.count("runs") {
		l.runs = append(l.runs, EventRun{d.run(), uint16(d.bounded("attempt", 1<<16-1))})
	}
	if d.err != nil || len(l.runs) == 0 {
		d.fail("a lease of nothing")
		return
	}
	m.deadlines.ReplaceOrInsert(l)
	m.account(d, l)
	if taken {
		l.cursor.taken[l.runs[0].First] = l
	}
}

// account puts a restored lease on the books of its cursor and session.
func (m *Machine) account(d *decoder, l *lease) {
	c, st := l.cursor, l.cursor.subscription.stream
	for _, r := range l.runs {
		if r.Count == 0 || r.end() > st.next || r.First < st.held() {
			d.fail("a lease of events that aren't there")
			return
		}
		c.leased += uint64(r.Count)
		if l.session == nil {
			continue
		}
		l.session.heldEvents += r.Count
		l.session.heldBytes += st.bytesOf(r.Run)
	}
	if s := l.session; s != nil {
		s.insert(l)
	}
}

func (p *producer) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.key.stream))
	b = append(b, p.key.id[:]...)
	b = binary.AppendUvarint(b, uint64(p.epoch))
	b = binary.AppendUvarint(b, p.last)
	b = binary.AppendUvarint(b, uint64(len(p.answers)))
	for _, a := range p.answers {
		b = appendRun(b, Run{a.first, a.count})
	}
	return b
}

func (ps *producers) restore(d *decoder) {
	p := &producer{}
	p.key.stream = StreamID(d.uvarint("stream"))
	copy(p.key.id[:], d.raw("producer", uint64(len(p.key.id))))
	p.epoch, p.last = uint32(d.bounded("epoch", 1<<32-1)), d.uvarint("last sequence")
	for range d.bounded("answers", AnswersMax) {
		r := d.run()
		p.answers = append(p.answers, producerAnswer{r.First, r.Count})
	}
	if d.err == nil {
		ps.add(p)
	}
}

// appendSet writes a set of offsets as runs: their number, then for each the distance from the end of the one before, and its length. A bitmap's
// own form depends on how it came about, this one only on what is in it (P9).
func appendSet(b []byte, set *roaring64.Bitmap) []byte {
	var runs []Run
	rows := rowReader{it: set.ManyIterator()}
	for row := rows.peek(); row.Count > 0; row = rows.peek() {
		runs = joinRun(runs, row)
		rows.skip(row.Count)
	}
	b = binary.AppendUvarint(b, uint64(len(runs)))
	last := Offset(0)
	for _, r := range runs {
		b = appendRun(b, Run{r.First - last, r.Count})
		last = r.end()
	}
	return b
}

// set reads a set whose members are below an offset.
func (d *decoder) set(what string, below Offset) *roaring64.Bitmap {
	set := roaring64.New()
	last := Offset(0)
	for range d.count(what) {
		r := d.run()
		if r.First > below-last || Offset(r.Count) > below-last-r.First {
			d.fail(what + " beyond the stream")
			break
		}
		r.First += last
		set.AddRange(uint64(r.First), uint64(r.end()))
		last = r.end()
	}
	return set
}
