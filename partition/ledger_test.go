package partition

import (
	"fmt"
)

// ledger is the obvious truth about the events of one cursor, made of what consumers were told and nothing else.
type ledger struct {
	id        CursorID
	stream    *walkStream
	selective bool
	// there: the cursor is made, and gets what is stored from now on.
	there  bool
	wanted map[Offset]bool
	acked  map[Offset]bool
	dead   map[Offset]bool
	// attempt is the highest that an event was granted with.
	attempt map[Offset]uint16
	holds   map[Offset]hold
	// ordered by key. failed events have those behind them come back, once the command is done.
	ordered bool
	// again is how many events were redriven.
	again  uint64
	failed map[Offset]hold
}

// hold is a lease of one event, as its holder knows it. Nobody else may get the event until then.
type hold struct {
	holder      *walker // nil for who has the receipt
	incarnation int
	delivery    uint64
	epoch       Epoch
	until       Tick
}

func newLedger(id CursorID, st *walkStream, selective bool) *ledger {
	return &ledger{
		id: id, stream: st, selective: selective,
		wanted: map[Offset]bool{}, acked: map[Offset]bool{}, dead: map[Offset]bool{},
		attempt: map[Offset]uint16{}, holds: map[Offset]hold{}, failed: map[Offset]hold{},
	}
}

// begun notes that the cursor is there: it wants what is stored from now on, or, when it is far, from its frontier on.
func (l *ledger) begun(m *Machine) {
	if l.there {
		return
	}
	l.there = true
	if c := m.find(l.id); c.reach != reachNear {
		for at := c.frontier; at < l.stream.next; at++ {
			l.wanted[at] = (!l.selective || l.stream.selected[at]) && !l.stream.repeated[at]
		}
	}
}

// stored notes which events of a block are wanted.
func (l *ledger) stored(st *walkStream, first Offset, n int, selected matched) {
	if l.stream != st || !l.there {
		return
	}
	for i := range n {
		if !l.selective || has(selected, i) {
			l.wanted[first+Offset(i)] = true
		}
	}
}

// granted notes a lease, and tells what is wrong with it.
func (l *ledger) granted(m *Machine, r EventRun, by hold) error {
	now := m.clock
	for at := r.First; at < r.end(); at++ {
		switch h, held := l.holds[at]; {
		case !l.wanted[at]:
			return fmt.Errorf("P3: cursor %v gets offset %d, which it doesn't match", l.id, at)
		case l.acked[at]:
			return fmt.Errorf("P5: offset %d of cursor %v was acked, and is granted", at, l.id)
		case l.dead[at]:
			return fmt.Errorf("offset %d of cursor %v is dead, and is granted", at, l.id)
		case held && h.until > now:
			return fmt.Errorf("P4: offset %d of cursor %v is granted at %v, it is held until %v", at, l.id, now, h.until)
		case r.Attempt < l.attempt[at] || r.Attempt > l.attempt[at]+1:
			return fmt.Errorf("P7: offset %d of cursor %v is granted for attempt %d after %d", at, l.id, r.Attempt, l.attempt[at])
		case l.stream.due[at] > m.wall:
			return fmt.Errorf("offset %d of cursor %v is due at %d, and granted at %d", at, l.id, l.stream.due[at], m.wall)
		}
		if err := l.inOrder(m, at, by); err != nil {
			return err
		}
		l.attempt[at] = r.Attempt
		l.holds[at] = by
	}
	return nil
}

// free ends holds of a consumer.
func (l *ledger) free(s *walker, which func(hold) bool) {
	for at, h := range l.holds {
		if h.holder == s && h.incarnation == s.incarnation && which(h) {
			delete(l.holds, at)
		}
	}
}

// settled notes what a Settle did: all that it names but for what was lost.
func (l *ledger) settled(now Tick, s *walker, dec Decision, before map[uint64][]Run, lost []Leased) error {
	if dec.Verb == VerbExtend && len(dec.Leased) == 0 {
		for d, runs := range before {
			dec.Leased = append(dec.Leased, Leased{Delivery: d, Runs: runs})
		}
	}
	type part struct {
		delivery uint64
		at       Offset
	}
	gone := map[part]bool{}
	for _, g := range lost {
		for at := range offsets(g, before, s.held) {
			gone[part{g.Delivery, at}] = true
		}
	}
	for _, named := range dec.Leased {
		for at := range offsets(named, before, s.held) {
			h, held := l.holds[at]
			held = held && h.holder == s && h.incarnation == s.incarnation && h.delivery == named.Delivery
			if l.ordered && !held && len(named.Runs) == 0 {
				continue // all that is left of the delivery: this went back with one before it
			}
			if err := l.done(now, at, dec, h, held, gone[part{named.Delivery, at}], s.visibility); err != nil {
				return err
			}
		}
		l.recall()
	}
	return nil
}

// inOrder asserts P8: whoever is granted an event of a key holds all before it that are due, and nobody else holds any.
func (l *ledger) inOrder(m *Machine, at Offset, by hold) error {
	if !l.ordered || l.stream.keys[at] == "" {
		return nil
	}
	c := m.find(l.id)
	held := 0
	for other := range l.wanted {
		h, holds := l.holds[other]
		holds = holds && c.held.Contains(uint64(other))
		switch mine := holds && h.holder == by.holder && h.incarnation == by.incarnation && (by.holder != nil || h.epoch == by.epoch); {
		case l.stream.keys[other] != l.stream.keys[at] || !l.wanted[other] || l.acked[other] || other == at:
		case holds && !mine:
			return fmt.Errorf("P8: offset %d of cursor %v is granted, another holds %d", at, l.id, other)
		case holds:
			held++
		case by.holder == nil && l.stream.due[other] > l.stream.wallBefore:
			// It falls due in this entry, after what is taken in it.
		case other < at && !c.dead.Has(deadLetter{offset: other}) && !c.later.Contains(uint64(other)):
			return fmt.Errorf("P8: offset %d of cursor %v is granted before %d", at, l.id, other)
		}
	}
	if held >= OrderedHeldMax {
		return fmt.Errorf("P8: offset %d of cursor %v is granted to who holds %d of its key", at, l.id, held)
	}
	return nil
}

// expire notes which leases of an ordered queue are over, since those of the events behind are over with them.
func (l *ledger) expire(m *Machine) {
	if !l.ordered {
		return
	}
	epochs := map[Offset]Epoch{}
	m.deadlines.Ascend(func(le *lease) bool {
		for _, r := range le.runs {
			for at := r.First; at < r.end() && le.cursor.id() == l.id; at++ {
				epochs[at] = le.epoch
			}
		}
		return true
	})
	for at, h := range l.holds {
		if h.until <= m.clock && epochs[at] != h.epoch {
			delete(l.holds, at)
			l.failed[at] = h
		}
	}
	l.recall()
}

// recall ends the holds of events behind those that failed.
func (l *ledger) recall() {
	for at, f := range l.failed {
		for other, h := range l.holds {
			if key := l.stream.keys[at]; l.ordered && other > at && key != "" && l.stream.keys[other] == key && h.holder == f.holder && h.incarnation == f.incarnation {
				delete(l.holds, other)
			}
		}
	}
	clear(l.failed)
}

// returned notes what became of one receipt.
func (l *ledger) returned(now Tick, dec Decision, r Receipt, lost bool) error {
	h, held := l.holds[r.Offset]
	return l.done(now, r.Offset, dec, h, held && h.holder == nil && h.epoch == r.Epoch, lost, 0)
}

// done notes a decision on one event: mine tells whether whoever took it holds the event, as far as is known.
func (l *ledger) done(now Tick, at Offset, dec Decision, h hold, mine, lost bool, visibility Tick) error {
	switch {
	case lost && mine && h.until > now:
		return fmt.Errorf("cursor %v: offset %d is held until %v, and is answered as lost at %v", l.id, at, h.until, now)
	case lost:
		return nil
	case !mine:
		return fmt.Errorf("P6: cursor %v: %v of offset %d by who doesn't hold it", l.id, dec.Verb, at)
	case dec.Verb != VerbExtend:
		delete(l.holds, at)
		l.acked[at] = dec.Verb == VerbAck
		if dec.Verb == VerbRelease {
			l.failed[at] = h
		}
		return nil
	}
	if h.until = now + dec.After; dec.After == 0 {
		if visibility == 0 {
			visibility = 5_000
		}
		h.until = now + visibility
	}
	l.holds[at] = h
	return nil
}

// redriven notes which dead letters have another life: attempts begin anew (P7).
func (l *ledger) redriven(m *Machine, n uint32) error {
	c := m.find(l.id)
	l.again += uint64(n)
	for at := range l.dead {
		if c.dead.Has(deadLetter{offset: at}) {
			continue
		}
		delete(l.dead, at)
		l.attempt[at] = 0
		n--
	}
	if n != 0 {
		return fmt.Errorf("cursor %v: the number of redriven dead letters is off by %d", l.id, int32(n))
	}
	return nil
}

// offsets yields what a Leased names: its runs, those at its positions of what was delivered, or all that is held of the delivery.
func offsets(l Leased, held, listed map[uint64][]Run) func(func(Offset) bool) {
	runs := l.Runs
	switch {
	case l.ByPosition:
		runs = nil
		for named := range eachOf(l.Runs) {
			if at, there := atPosition(listed[l.Delivery], named); there {
				runs = append(runs, Run{at, 1})
			}
		}
	case len(runs) == 0:
		runs = held[l.Delivery]
	}
	return eachOf(runs)
}

// atPosition returns the offset at a position of what was delivered as some runs.
func atPosition(listed []Run, position Offset) (at Offset, there bool) {
	for _, r := range listed {
		if position < Offset(r.Count) {
			return r.First + position, true
		}
		position -= Offset(r.Count)
	}
	return 0, false
}

// check asserts that every wanted event is acked or somewhere (P2), and never both (P5); that none died before its last attempt (P7); and that
// nothing waits that a session has room for (P10).
func (l *ledger) check(m *Machine) (err error) {
	c := m.find(l.id)
	if c == nil {
		return nil
	}
	c.dead.Ascend(func(d deadLetter) bool {
		l.dead[d.offset] = true
		if counted := d.reason == DeadExpired || d.reason == DeadReleased; counted && d.attempts != walkAttemptsMax {
			err = fmt.Errorf("P7: offset %d died (%v) after %d attempts of %d", d.offset, d.reason, d.attempts, walkAttemptsMax)
		}
		return true
	})
	if err != nil {
		return err
	}
	st := c.subscription.stream
	for at := range st.next {
		if c.reach != reachNear && at >= c.frontier && (c.reach == reachFar || at < c.resume) {
			if l.acked[at] || l.dead[at] {
				return fmt.Errorf("offset %d is settled, and the cursor has yet to look at it, from %d on (P5)", at, c.frontier)
			}
			continue
		}
		somewhere := c.ready.Contains(uint64(at)) || c.held.Contains(uint64(at)) || l.dead[at] ||
			c.later.Contains(uint64(at)) || c.ahead != nil && c.ahead.Contains(uint64(at))
		if somewhere != (l.wanted[at] && !l.acked[at]) {
			return fmt.Errorf("offset %d: wanted %v, acked %v, still there %v (P2, P3, P5)", at, l.wanted[at], l.acked[at], somewhere)
		}
	}
	if c.leased > m.leasedMax {
		return fmt.Errorf("%d events are leased, at most %d may be", c.leased, m.leasedMax)
	}
	if c.leased+uint64(c.dead.Len()) > m.deadMax {
		return fmt.Errorf("%d events are leased and %d dead, at most %d may be either", c.leased, c.dead.Len(), m.deadMax)
	}
	if c.order != nil {
		if used := c.order.used(); used > m.lookAheadMax+l.again { // redriven ones find room always
			return fmt.Errorf("%d events are in line, at most %d may be", used, m.lookAheadMax)
		}
		if c.order.late.n > 0 && c.order.used() < m.lookAheadMax {
			return fmt.Errorf("P10: %d late events wait, and there is room", c.order.late.n)
		}
	}
	if c.assignable() == 0 || m.leasable(c) == 0 {
		return nil
	}
	for _, s := range c.sessions {
		// One that holds something may lack the bytes for the next event. It brings another entry about when it settles.
		if s.live(m.term) && s.creditEvents > 0 && s.heldEvents == 0 {
			return fmt.Errorf("P10: events wait, and session %s has nothing", sessionName(s.id))
		}
	}
	return nil
}
