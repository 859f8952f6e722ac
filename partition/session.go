package partition

import (
	"cmp"
	"slices"
)

// session is a consumer of one cursor, with a credit.
//
//	        attach                     connection breaks, or the term ends
//	(new) ---------> attached <------------------------------------+
//	                  |   ^  \                                     |
//	            close |   |   +------> detached: leases run on ----+ attach
//	                  v   +-- credit      |
//	                (gone) <--------------+ away for too long
//
// A session says which deliveries it got, with whatever else it says. A lease that ends before it has is no attempt (P7).
type session struct {
	mark
	id SessionID
	// ordinal is its place among the sessions there ever were.
	ordinal    uint64
	cursor     *cursor
	connection ConnectionID
	// stamp is its consumer's clock when it asked for the attach that is in force, or the last that is known; 0: none is.
	stamp uint64
	// term in which it attached. It is given events only in that term, so an election detaches everybody at no cost.
	term     Term
	attached bool

	creditEvents uint32
	creditBytes  uint64
	heldEvents   uint32
	heldBytes    uint64
	visibility   Tick

	// told is the offset before which it was told that a retention has dropped events.
	told Offset

	// lastDelivery is the number of the latest, and received the highest that is known to have arrived.
	lastDelivery uint64
	received     uint64
	// leases by ascending delivery and id (P9: also after a restore).
	leases []*lease
	// more has the lines of an ordered queue of which the session holds events and may have the next.
	more lineHeap

	// settled is the sequence of the last Settle, and answer what it lost: a repeated one is answered from here.
	settled uint64
	answer  []Leased
}

func (s *session) live(term Term) bool { return s.attached && s.term == term }

// arrived notes which deliveries the consumer has: none that were never sent, whatever it says.
func (s *session) arrived(received uint64) {
	s.received = max(s.received, min(received, s.lastDelivery))
}

// insert puts a lease into its place.
func (s *session) insert(l *lease) {
	at, _ := slices.BinarySearchFunc(s.leases, l, byDelivery)
	s.leases = slices.Insert(s.leases, at, l)
}

// remove takes a lease out of its place.
func (s *session) remove(l *lease) {
	if at, found := slices.BinarySearchFunc(s.leases, l, byDelivery); found {
		s.leases = slices.Delete(s.leases, at, at+1)
	}
}

func byDelivery(a, b *lease) int {
	return cmp.Or(cmp.Compare(a.delivery, b.delivery), cmp.Compare(a.id, b.id))
}

func (m *Machine) attach(a attachSection) Result {
	s := m.sessions[a.Session]
	resumed := s != nil
	if s == nil {
		if a.Received > 0 {
			// What its consumer has was delivered in a session that was forgotten since. In a new one of the same id the deliveries would be numbered from 1
			// again, and a Settle that is still about the old ones would settle others.
			return Result{Refused: RefusedSession}
		}
		if len(m.sessions) >= SessionsMax {
			return Result{Refused: RefusedTooMany}
		}
		c, refused := m.cursor(a.Cursor)
		if refused != Done {
			return Result{Refused: refused}
		}
		m.lastSession++
		s = &session{id: a.Session, ordinal: m.lastSession, cursor: c}
		m.sessions[s.id] = s
		c.sessions = append(c.sessions, s)
		m.used(c)
	} else if refused := s.resumable(&a); refused != Done {
		return Result{Refused: refused}
	}
	m.changed(s)
	s.connection, s.term, s.attached = a.Connection, m.term, true
	s.stamp = max(s.stamp, a.Stamp)
	s.creditEvents, s.creditBytes = a.CreditEvents, a.CreditBytes
	s.visibility = a.VisibilityOwn
	if s.visibility == 0 {
		s.visibility = s.cursor.subscription.Visibility
	}
	s.arrived(a.Received)
	// What was sent and never arrived is free at once, and wasn't an attempt. An attach that comes behind an ack knows less of what arrived than the
	// session: that is still being worked on (P4).
	for _, l := range slices.Clone(s.leases) {
		if l.delivery > s.received {
			m.end(l, comeback{kind: comebackUndelivered})
		}
	}
	m.touch(s.cursor)
	s.told = s.cursor.truncatedAt
	return Result{
		Truncated: s.told, Resumed: resumed, Kind: s.cursor.subscription.Kind, Ordered: s.cursor.subscription.Ordered, Visibility: s.visibility,
		Settled: s.settled, Held: s.held(),
	}
}

// resumable tells whether an attach may take the session up again.
func (s *session) resumable(a *attachSection) Refusal {
	switch {
	case s.cursor.id() != a.Cursor:
		return RefusedSession
	case a.Stamp != 0 && a.Stamp < s.stamp: // P4
		// It was held up on its way, by a link that was cut and is whole again, say, while its consumer attached by another node. It knows less of what
		// arrived, and would have the session's deliveries given to others while they are worked on (P4), whatever became of that other connection.
		return RefusedSuperseded
	case a.Received > s.lastDelivery, a.Answered > s.stamp:
		// What its consumer has is of a session of this id that was forgotten. This one was begun by an attach that came late.
		return RefusedSession
	}
	return Done
}

// held lists what the session holds.
func (s *session) held() (list []Leased) {
	for _, l := range s.leases {
		if n := len(list); n == 0 || list[n-1].Delivery != l.delivery {
			list = append(list, Leased{Delivery: l.delivery})
		}
		last := &list[len(list)-1]
		for _, r := range l.runs {
			last.Runs = append(last.Runs, r.Run)
		}
	}
	return list
}

func (m *Machine) detach(d detachSection) Result {
	s := m.sessions[d.Session]
	if s == nil || s.connection != d.Connection {
		return Result{Refused: RefusedSession}
	}
	m.changed(s)
	s.attached = false
	if d.Away {
		m.forget(s)
	}
	return Result{}
}

func (m *Machine) credit(c creditSection) Result {
	s := m.sessions[c.Session]
	if s == nil || s.connection != c.Connection {
		return Result{Refused: RefusedSession}
	}
	m.changed(s)
	s.creditEvents, s.creditBytes = c.Events, c.Bytes
	m.touch(s.cursor)
	return Result{}
}

// closeSession ends a session: what the consumer never began is given back uncounted, and so is what it never received.
func (m *Machine) closeSession(c closeSection) Result {
	s := m.sessions[c.Session]
	if s == nil {
		return Result{Refused: RefusedSession}
	}
	s.arrived(c.Received)
	for _, un := range c.Unstarted {
		m.decide(s, Decision{Verb: VerbRelease, Unstarted: true}, un, func(Leased) {})
	}
	for _, l := range slices.Clone(s.leases) {
		if l.delivery > s.received {
			m.end(l, comeback{kind: comebackUndelivered})
		} else {
			m.end(l, comeback{kind: comebackCounted, reason: DeadReleased})
		}
	}
	m.forget(s)
	return Result{}
}

// forget removes a session. Leases that it still has run to their deadlines, owned by nobody (P4).
func (m *Machine) forget(s *session) {
	for _, l := range s.leases {
		m.changed(l)
		l.unreceived = l.delivery > s.received
		l.session = nil
	}
	s.leases = nil
	s.more.clear()
	delete(m.sessions, s.id)
	m.ended(s)
	c := s.cursor
	c.sessions = slices.DeleteFunc(c.sessions, func(other *session) bool { return other == s })
	if len(c.sessions) == 0 {
		m.used(c)
	}
	m.touch(c)
}
