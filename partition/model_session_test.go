package partition

import (
	"cmp"
	"slices"
)

type modelSession struct {
	id         SessionID
	ordinal    uint64
	cursor     *modelCursor
	connection ConnectionID
	stamp      uint64
	term       Term
	attached   bool

	creditEvents uint32
	creditBytes  uint64
	visibility   Tick
	// told is where it was told that a retention has dropped events.
	told                   Offset
	lastDelivery, received uint64
	settled                uint64
	answer                 []Leased
}

func (s *modelSession) live(term Term) bool { return s.attached && s.term == term }

type modelLease struct {
	id       uint64
	cursor   *modelCursor
	session  *modelSession
	delivery uint64
	// taken leases have receipts. unreceived: its session went without having said that it got it.
	taken, unreceived bool
	epoch             Epoch
	began, deadline   Tick
	copies            map[Offset]*modelCopy
	// listed is the delivery as it was sent, whatever of it is held still: positions are positions in it.
	listed []Offset
}

func (l *modelLease) events() []*modelCopy {
	return inOrderOf(l.copies, func(e *modelCopy) Offset { return e.offset })
}

func (l *modelLease) arrived() bool {
	if l.session != nil {
		return l.delivery <= l.session.received
	}
	return !l.unreceived
}

// grant begins a lease of no events yet.
func (m *model) grant(c *modelCursor, s *modelSession, visibility Tick) *modelLease {
	m.lastLease++
	l := &modelLease{
		id: m.lastLease, cursor: c, session: s, epoch: m.index, began: m.clock, deadline: m.clock.deadlineAfter(visibility),
		copies: map[Offset]*modelCopy{},
	}
	m.leases[l.id] = l
	return l
}

// lend puts a ready event under a lease.
func (l *modelLease) lend(e *modelCopy) {
	if e.state != stateReady {
		panic("P4: an event is lent that is " + e.state.String())
	}
	e.state, e.lease, e.attempt = stateLeased, l, e.attempts+1
	l.copies[e.offset] = e
}

// takeBack ends an event's part of its lease. What becomes of the event is the caller's.
func (m *model) takeBack(e *modelCopy) {
	l := e.lease
	delete(l.copies, e.offset)
	if e.lease = nil; len(l.copies) == 0 {
		delete(m.leases, l.id)
	}
}

// leasesOf returns a session's leases, by delivery.
func (m *model) leasesOf(s *modelSession) (list []*modelLease) {
	for _, l := range m.leases {
		if l.session == s {
			list = append(list, l)
		}
	}
	slices.SortFunc(list, func(a, b *modelLease) int {
		return cmp.Or(cmp.Compare(a.delivery, b.delivery), cmp.Compare(a.id, b.id))
	})
	return list
}

// holds returns how much a session holds.
func (m *model) holds(s *modelSession) (events uint32, bytes uint64) {
	for _, l := range m.leasesOf(s) {
		for _, e := range l.copies {
			events++
			bytes += e.class.bytes()
		}
	}
	return events, bytes
}

func (m *model) attach(a attachSection) Result {
	s := m.sessions[a.Session]
	resumed := s != nil
	switch {
	case !resumed:
		if a.Received > 0 {
			return Result{Refused: RefusedSession}
		}
		c, refused := m.cursor(a.Cursor)
		if refused != Done {
			return Result{Refused: refused}
		}
		m.lastSession++
		s = &modelSession{id: a.Session, ordinal: m.lastSession, cursor: c}
		m.sessions[s.id] = s
		c.sessions = append(c.sessions, s)
		c.used = m.wall
	case s.cursor.id != a.Cursor:
		return Result{Refused: RefusedSession}
	case a.Stamp != 0 && a.Stamp < s.stamp: // the consumer has attached it since
		return Result{Refused: RefusedSuperseded}
	case a.Received > s.lastDelivery, a.Answered > s.stamp:
		return Result{Refused: RefusedSession}
	}
	if a.Stamp != 0 {
		s.stamp = a.Stamp
	}
	s.connection, s.term, s.attached = a.Connection, m.term, true
	s.creditEvents, s.creditBytes, s.visibility = a.CreditEvents, a.CreditBytes, a.VisibilityOwn
	if s.visibility == 0 {
		s.visibility = s.cursor.sub.Visibility
	}
	s.arrived(a.Received)
	for _, l := range m.leasesOf(s) { // what never arrived is free at once
		if l.delivery > s.received {
			m.end(l, comeback{kind: comebackUndelivered})
		}
	}
	s.told = s.cursor.truncatedAt
	sub := s.cursor.sub
	res := Result{Resumed: resumed, Kind: sub.Kind, Ordered: sub.Ordered, Visibility: s.visibility, Settled: s.settled, Truncated: s.told}
	for _, l := range m.leasesOf(s) {
		held := Leased{Delivery: l.delivery}
		for _, e := range l.events() {
			held.Runs = append(held.Runs, Run{e.offset, 1})
		}
		res.Held = append(res.Held, held)
	}
	return res
}

func (s *modelSession) arrived(received uint64) {
	s.received = max(s.received, min(received, s.lastDelivery))
}

func (m *model) detach(d detachSection) Result {
	s := m.sessions[d.Session]
	if s == nil || s.connection != d.Connection {
		return Result{Refused: RefusedSession}
	}
	if s.attached = false; d.Away {
		m.forget(s)
	}
	return Result{}
}

func (m *model) credit(c creditSection) Result {
	s := m.sessions[c.Session]
	if s == nil || s.connection != c.Connection {
		return Result{Refused: RefusedSession}
	}
	s.creditEvents, s.creditBytes = c.Events, c.Bytes
	return Result{}
}

// closeSession ends a session: what it never began or never got is back uncounted, the rest was an attempt.
func (m *model) closeSession(c closeSection) Result {
	s := m.sessions[c.Session]
	if s == nil {
		return Result{Refused: RefusedSession}
	}
	s.arrived(c.Received)
	for _, leased := range c.Unstarted {
		m.decide(s, Decision{Verb: VerbRelease, Unstarted: true}, leased)
	}
	for _, l := range m.leasesOf(s) {
		why := comeback{kind: comebackCounted, reason: DeadReleased}
		if !l.arrived() {
			why = comeback{kind: comebackUndelivered}
		}
		m.end(l, why)
	}
	m.forget(s)
	return Result{}
}

// forget forgets a session. Its leases run on, owned by nobody (P4).
func (m *model) forget(s *modelSession) {
	for _, l := range m.leasesOf(s) {
		l.unreceived = !l.arrived()
		l.session = nil
	}
	delete(m.sessions, s.id)
	s.cursor.sessions = slices.DeleteFunc(s.cursor.sessions, func(other *modelSession) bool { return other == s })
	if len(s.cursor.sessions) == 0 {
		s.cursor.used = m.wall
	}
}

// settle carries out what a session says, once.
func (m *model) settle(sec settleSection) Result {
	s := m.sessions[sec.Session]
	if s == nil {
		return Result{Refused: RefusedSession}
	}
	s.arrived(sec.Received)
	switch sec.Sequence {
	case s.settled:
		return Result{Lost: s.answer, Epoch: m.index}
	case s.settled + 1:
	default:
		return Result{Refused: RefusedSettleOrder, Sequence: s.settled}
	}
	var lost []Leased
	for _, dec := range sec.Decisions {
		if dec.Verb == VerbExtend && len(dec.Leased) == 0 {
			for _, l := range m.leasesOf(s) {
				m.extend(l, cmp.Or(dec.After, s.visibility))
			}
		}
		for _, leased := range dec.Leased {
			lost = append(lost, m.decide(s, dec, leased)...)
		}
	}
	s.settled, s.answer = sec.Sequence, lost
	return Result{Lost: lost, Epoch: m.index}
}

// decide carries out one decision on one delivery, and says what of it the session doesn't hold: nothing is done of that (P6).
func (m *model) decide(s *modelSession, dec Decision, want Leased) (lost []Leased) {
	held := map[Offset]*modelCopy{} // by offset, or by position
	var meant []Offset
	for _, l := range m.leasesOf(s) {
		if l.delivery == want.Delivery {
			for _, e := range l.events() {
				at := e.offset
				if want.ByPosition {
					at = Offset(slices.Index(l.listed, e.offset))
				}
				held[at] = e
				if len(want.Runs) == 0 {
					meant = append(meant, at)
				}
			}
		}
	}
	for _, r := range want.Runs {
		for at := r.First; at < r.end(); at++ {
			meant = append(meant, at)
		}
	}
	if len(meant) == 0 {
		return []Leased{want}
	}
	missing := Leased{Delivery: want.Delivery, ByPosition: want.ByPosition}
	var mine []*modelCopy
	for _, at := range meant {
		if e := held[at]; e != nil {
			mine = append(mine, e)
			delete(held, at) // named twice, it is held once
		} else {
			missing.Runs = append(missing.Runs, Run{at, 1})
		}
	}
	m.carryOut(dec, s.visibility, mine)
	if len(missing.Runs) > 0 {
		lost = append(lost, missing)
	}
	return lost
}

// carryOut carries out a decision on events under leases.
func (m *model) carryOut(dec Decision, visibility Tick, events []*modelCopy) {
	slices.SortFunc(events, func(a, b *modelCopy) int {
		return cmp.Or(cmp.Compare(a.lease.id, b.lease.id), cmp.Compare(a.offset, b.offset))
	})
	var failed []*modelFailed
	extended := map[*modelLease][]*modelCopy{}
	var leases []*modelLease
	for _, e := range events {
		l, c := e.lease, e.lease.cursor
		switch dec.Verb {
		case VerbAck:
			m.takeBack(e)
			m.doneAside(c, e.offset)
			delete(c.copies, e.offset)
			c.acked[e.offset] = true // P5
		case VerbReject:
			if m.takeBack(e); c.tooLate(e) {
				continue
			}
			m.bury(c, e, deadLetter{reason: DeadRejected, attempts: e.attempt, detail: dec.Reason})
		case VerbRelease:
			failed = append(failed, &modelFailed{c, e})
		case VerbExtend:
			if extended[l] == nil {
				leases = append(leases, l)
			}
			extended[l] = append(extended[l], e)
		}
	}
	for _, l := range leases {
		m.extendPart(l, extended[l], cmp.Or(dec.After, visibility))
	}
	m.fail(failed, dec.comeback())
}

// extendPart extends a lease, or, when only some of its events are meant, those as a lease of their own: of the same delivery and epoch.
func (m *model) extendPart(l *modelLease, events []*modelCopy, by Tick) {
	if len(events) < len(l.copies) {
		part := m.grant(l.cursor, l.session, by)
		part.delivery, part.epoch, part.began, part.taken, part.listed = l.delivery, l.epoch, l.began, l.taken, l.listed
		for _, e := range events {
			delete(l.copies, e.offset)
			e.lease, part.copies[e.offset] = part, e
		}
		l = part
	}
	m.extend(l, by)
}

func (m *model) extend(l *modelLease, by Tick) {
	l.deadline = min(m.clock.deadlineAfter(by), l.began.deadlineAfter(leaseTicksMax))
}

// end ends a lease, all of whose events come back for the same reason.
func (m *model) end(l *modelLease, why comeback) {
	var failed []*modelFailed
	for _, e := range l.events() {
		failed = append(failed, &modelFailed{l.cursor, e})
	}
	m.fail(failed, why)
}

type modelFailed struct {
	cursor *modelCursor
	event  *modelCopy
}

// fail has leased events come back. In an ordered queue, of each key the first counts as why says, and with it go all that are held behind it,
// uncounted (P8).
func (m *model) fail(failed []*modelFailed, why comeback) {
	slices.SortStableFunc(failed, func(a, b *modelFailed) int {
		switch x, y := a.cursor, b.cursor; {
		case x != y:
			return cmp.Compare(x.ordinal, y.ordinal)
		case x.sub.Ordered:
			return cmp.Compare(a.event.offset, b.event.offset)
		}
		return 0
	})
	for _, f := range failed {
		m.takeBack(f.event)
	}
	type lineOf struct {
		cursor *modelCursor
		key    uint64
	}
	first := map[lineOf]bool{}
	for _, f := range failed {
		c, e, this := f.cursor, f.event, why
		if key := (lineOf{c, e.key}); c.sub.Ordered && e.key != 0 {
			if first[key] {
				this = comeback{kind: comebackUncounted}
			} else {
				first[key] = true
				for _, behind := range c.in(stateLeased) {
					if behind.lease != nil && behind.key == e.key && behind.offset > e.offset {
						m.takeBack(behind)
						m.comeback(c, behind, comeback{kind: comebackUncounted})
					}
				}
			}
		}
		m.comeback(c, e, this)
	}
}

// expire ends the leases whose time is over, and the delays.
func (m *model) expire() {
	due := slices.DeleteFunc(inOrderOf(m.leases, func(l *modelLease) uint64 { return l.id }), func(l *modelLease) bool { return l.deadline > m.clock })
	slices.SortStableFunc(due, func(a, b *modelLease) int { return cmp.Compare(a.deadline, b.deadline) })
	left := expireEventsMax // the rest ends in the next entry
	for _, next := range due {
		if m.leases[next.id] == nil {
			continue // it went with what was before its events in line
		}
		if left <= 0 {
			break
		}
		why := comeback{kind: comebackCounted, reason: DeadExpired}
		if !next.arrived() {
			why = comeback{kind: comebackUndelivered}
		}
		left -= len(next.copies)
		m.end(next, why)
	}
	left = expireEventsMax
	for _, c := range m.cursors() {
		delayed := c.in(stateDelayed)
		slices.SortStableFunc(delayed, func(a, b *modelCopy) int { return cmp.Compare(a.notBefore, b.notBefore) })
		for _, e := range delayed {
			if e.notBefore > m.clock || left == 0 {
				break
			}
			if left--; !c.tooLate(e) {
				c.ready(e)
			}
		}
	}
}

// returnTaken settles events by their receipts.
func (m *model) returnTaken(sec returnSection) (res Result) {
	var failed []*modelFailed
	for i, r := range sec.Receipts {
		c := m.find(r.Cursor)
		var e *modelCopy
		if c != nil {
			e = c.copies[r.Offset]
		}
		switch {
		case e == nil || e.lease == nil || !e.lease.taken || e.lease.epoch != r.Epoch || slices.ContainsFunc(failed, func(f *modelFailed) bool { return f.event == e }):
			res.LostReceipts = append(res.LostReceipts, uint32(i)) // P6
		case sec.Decision.Verb == VerbRelease && c.sub.Ordered: // all together: which key's event is the first is known at the end
			failed = append(failed, &modelFailed{c, e})
		default:
			m.carryOut(sec.Decision, c.sub.Visibility, []*modelCopy{e})
		}
	}
	m.fail(failed, sec.Decision.comeback())
	return res
}
