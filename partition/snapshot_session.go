package partition

import "encoding/binary"

func (s *session) appendTo(b []byte) []byte {
	b = append(b, s.id[:]...)
	b = appendCursor(b, s.cursor.id())
	for _, v := range []uint64{
		uint64(s.connection), uint64(s.term), uint64(s.creditEvents), s.creditBytes,
		uint64(s.visibility), s.lastDelivery, s.received, s.settled, uint64(s.told),
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
	s.received, s.settled, s.told = d.uvarint("received"), d.uvarint("settled"), Offset(d.uvarint("told"))
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
	c := m.lookUp(id)
	if c == nil {
		d.fail("a cursor that isn't there")
	}
	return c
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
	b = appendBool(b, l.unreceived)
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
	l.unreceived = d.bool("unreceived")
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
	end := Offset(0)
	for _, r := range l.runs {
		if r.Count == 0 || r.First < end || r.end() > st.next || !st.sizes.has(r.Run) {
			d.fail("a lease of events that aren't there")
			return
		}
		end = r.end()
		if c.order != nil && !c.restoreHeld(l, r.Run) {
			d.fail("a lease of events that aren't in line")
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
