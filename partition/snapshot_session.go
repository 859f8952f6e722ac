package partition

import (
	"cmp"
	"encoding/binary"
	"slices"
)

func (s *session) kind() recordKind { return recordSession }
func (s *session) number() uint64   { return s.ordinal }

func (s *session) appendTo(b []byte) []byte {
	b = append(b, s.id[:]...)
	for _, v := range []uint64{
		s.cursor.ordinal, uint64(s.connection), uint64(s.term), uint64(s.creditEvents), s.creditBytes,
		uint64(s.visibility), s.lastDelivery, s.received, s.settled, uint64(s.told), s.stamp,
	} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendBool(b, s.attached)
	return appendLeasedList(b, s.answer)
}

func (r *restorer) session(ordinal uint64, d *decoder) {
	s := &session{id: d.session(), ordinal: ordinal}
	s.cursor = r.cursors[d.uvarint("cursor")]
	s.connection, s.term = ConnectionID(d.uvarint("connection")), Term(d.uvarint("term"))
	s.creditEvents, s.creditBytes = uint32(d.bounded("credit events", CreditEventsMax)), d.uvarint("credit bytes")
	s.visibility, s.lastDelivery = Tick(d.uvarint("visibility")), d.uvarint("last delivery")
	s.received, s.settled, s.told, s.stamp = d.uvarint("received"), d.uvarint("settled"), Offset(d.uvarint("told")), d.uvarint("stamp")
	s.attached = d.bool("attached")
	s.answer = d.leasedList()
	if s.cursor == nil || r.m.sessions[s.id] != nil || ordinal > r.m.lastSession {
		d.fail("a session twice, or on a cursor that isn't there")
		return
	}
	r.sessions[ordinal], r.m.sessions[s.id] = s, s
	s.cursor.sessions = append(s.cursor.sessions, s) // by ordinal: in the order in which they came
}

// finishSessions puts leases on the books: they are restored by their ids, and a session has them by its deliveries.
func (r *restorer) finishSessions() {
	r.m.deadlines.Ascend(func(l *lease) bool {
		l.account(&r.mistake)
		return true
	})
}

func (l *lease) kind() recordKind { return recordLease }
func (l *lease) number() uint64   { return l.id }

func (l *lease) appendTo(b []byte) []byte {
	owner := uint64(0)
	if l.session != nil {
		owner = l.session.ordinal
	}
	for _, v := range []uint64{l.cursor.ordinal, owner, l.delivery, uint64(l.epoch), uint64(l.began), uint64(l.deadline)} {
		b = binary.AppendUvarint(b, v)
	}
	b = appendBool(b, l.cursor.taken[l.runs[0].First] == l)
	b = appendBool(b, l.unreceived)
	b = binary.AppendUvarint(b, uint64(len(l.runs)))
	next := Offset(0)
	for _, r := range l.runs {
		// The attempt, twice, and 1 more where events of the delivery before it are no longer held under this lease; then how many.
		b = appendRun(b, r.Run)
		at := r.positions()
		if skipped := uint64(at.First - next); skipped > 0 {
			b = binary.AppendUvarint(b, 2*uint64(r.Attempt)+1)
			b = binary.AppendUvarint(b, skipped)
		} else {
			b = binary.AppendUvarint(b, 2*uint64(r.Attempt))
		}
		next = at.end()
	}
	return b
}

func (r *restorer) lease(id uint64, d *decoder) {
	l := &lease{id: id, cursor: r.cursors[d.uvarint("cursor")]}
	if owner := d.uvarint("session"); owner != 0 {
		if l.session = r.sessions[owner]; l.session == nil || l.session.cursor != l.cursor {
			d.fail("a session that isn't there")
		}
	}
	l.delivery, l.epoch = d.uvarint("delivery"), Epoch(d.uvarint("epoch"))
	l.began, l.deadline = Tick(d.uvarint("began")), Tick(d.uvarint("deadline"))
	taken := d.bool("taken")
	l.unreceived = d.bool("unreceived")
	next := Offset(0)
	for range d.count("runs") {
		run, v := d.run(), d.bounded("attempt", 1<<17-1)
		if v&1 != 0 {
			skipped := d.bounded("skipped positions", deliveryEventsMax)
			if skipped == 0 {
				d.fail("no skipped positions")
			}
			next += Offset(skipped)
		}
		if next+Offset(run.Count) > deliveryEventsMax {
			d.fail("a delivery of too many events")
			return
		}
		l.runs = append(l.runs, EventRun{run, uint16(v / 2), uint16(next)})
		next += Offset(run.Count)
	}
	if d.err != nil || l.cursor == nil || len(l.runs) == 0 || id > r.m.lastLease {
		d.fail("a lease of nothing")
		return
	}
	r.m.deadlines.ReplaceOrInsert(l)
	l.cursor.leases.add(l) // by id
	if taken {
		l.cursor.taken[l.runs[0].First] = l
	}
}

// account puts a restored lease on the books of its cursor and session.
func (l *lease) account(d *decoder) {
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

func (p *producer) kind() recordKind { return recordProducer }
func (p *producer) number() uint64   { return p.ordinal }

func (p *producer) appendTo(b []byte) []byte {
	b = binary.AppendUvarint(b, uint64(p.key.stream))
	b = append(b, p.key.id[:]...)
	b = binary.AppendUvarint(b, p.used)
	b = binary.AppendUvarint(b, uint64(p.epoch))
	b = binary.AppendUvarint(b, p.last)
	b = binary.AppendUvarint(b, uint64(len(p.answers)))
	for _, a := range p.answers {
		b = appendRun(b, Run{a.first, a.count})
	}
	return b
}

func (r *restorer) producer(ordinal uint64, d *decoder) {
	p := &producer{ordinal: ordinal}
	p.key.stream = StreamID(d.uvarint("stream"))
	copy(p.key.id[:], d.raw("producer", uint64(len(p.key.id))))
	p.used = d.bounded("use", r.m.producers.lastUse)
	p.epoch, p.last = uint32(d.bounded("epoch", 1<<32-1)), d.uvarint("last sequence")
	for range d.bounded("answers", AnswersMax) {
		r := d.run()
		p.answers = append(p.answers, producerAnswer{r.First, r.Count})
	}
	if len(r.producers) >= ProducersMax || ordinal > r.m.producers.lastOrdinal {
		d.fail("a producer too many")
		return
	}
	r.producers = append(r.producers, p)
}

// finishProducers puts producers into the order of their use.
func (r *restorer) finishProducers() {
	slices.SortFunc(r.producers, func(a, b *producer) int { return cmp.Compare(a.used, b.used) })
	ps := &r.m.producers
	for _, p := range r.producers {
		if ps.byKey[p.key] != nil {
			r.mistake.fail("a producer twice")
			return
		}
		p.element = ps.order.PushFront(p)
		ps.byKey[p.key] = p
	}
}
