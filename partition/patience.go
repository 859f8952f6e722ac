package partition

// A delivery costs some twenty microseconds whatever is in it: a message, a wake-up of its consumer, a lease on each replica, an ack. One block that
// matches a thousand queues, a few events each, would be a thousand deliveries, and the next block a thousand more for the same consumers, who have
// yet to ack the first. So where entries bring events to many cursors, what is ready for one waits for more, as long as its consumers have
// something in hand: what Nagle did for TCP (RFC 896), with an ack's time for a round trip's, and with an end.
//
//	block for 1,000 cursors ──▶ a session holds nothing ───────────────▶ granted at once
//	                        ──▶ all with room hold something ──▶ patient ──▶ one of them holds nothing ─┐
//	                                                              │  └────▶ worthEvents are ready ─────┼──▶ granted together
//	                                                              └───────▶ patience is over ──────────┘
//
// Entries that bring events to few cursors have nobody wait, whatever their consumers hold; so one queue, or a fan-out of ten, never does. Ordered queues
// don't either: there the next event of a key is its holder's.
const (
	// patientOffers is how many cursors an entry's blocks must bring events to for some to wait.
	patientOffers = 64
	// patienceLeast is how long they wait then, at most, and patienceMost with many more: in proportion to how many there are, since so does what it
	// saves. Times are rounded up to patienceLeast, so that those of many entries end in one.
	patienceLeast Tick = 16
	patienceMost  Tick = 256
	// worthEvents is how many events are worth a delivery of their own.
	worthEvents = 64
)

// patience says until when a cursor's events wait for more at most.
type patience struct {
	until   Tick
	ordinal uint64
	cursor  *cursor
}

func patienceLess(a, b patience) bool {
	if a.until != b.until {
		return a.until < b.until
	}
	return a.ordinal < b.ordinal
}

// offered notes that a block brought a cursor events.
func (m *Machine) offered(c *cursor) {
	m.offers++
	c.offered = true
}

// isPatient tells whether a cursor's ready events wait for more, and begins or ends that.
func (m *Machine) isPatient(c *cursor) bool {
	if c.impatient || c.ready.GetCardinality() >= worthEvents {
		m.endPatience(c)
		return false
	}
	open := false
	for _, s := range c.sessions {
		switch {
		case !s.live(m.term) || s.heldEvents >= s.creditEvents:
		case s.heldEvents == 0:
			m.endPatience(c)
			return false
		default:
			open = true
		}
	}
	switch {
	case !open:
		return false // there is nobody to be given anything
	case c.patientUntil == 0 && c.offered && m.offers >= m.patientOffers:
		m.beginPatience(c)
	}
	return c.patientUntil != 0
}

func (m *Machine) beginPatience(c *cursor) {
	last := m.clock + min(patienceMost, patienceLeast*Tick(m.offers/m.patientOffers))
	c.patientUntil = (last + patienceLeast - 1) / patienceLeast * patienceLeast
	m.patient.ReplaceOrInsert(patience{c.patientUntil, c.ordinal, c})
}

func (m *Machine) endPatience(c *cursor) {
	if c.patientUntil != 0 {
		m.patient.Delete(patience{c.patientUntil, c.ordinal, c})
		c.patientUntil = 0
	}
}

// losePatience has the events assigned that have waited for long enough. It is as much as a block brings about.
func (m *Machine) losePatience() {
	for {
		p, ok := m.patient.Min()
		if !ok || p.until > m.clock {
			return
		}
		m.endPatience(p.cursor)
		p.cursor.impatient = true
		m.touch(p.cursor)
	}
}
