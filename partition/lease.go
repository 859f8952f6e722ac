package partition

import "slices"

// lease is events of one cursor held until a deadline, by a session, or by whoever has the receipts.
type lease struct {
	mark
	// id orders leases that end at the same time (P9).
	id     uint64
	cursor *cursor
	// session is nil for a taken lease, and for one whose session is gone: it then runs to its deadline unowned.
	session  *session
	delivery uint64
	// unreceived: the session went without having said that it got the delivery.
	unreceived bool
	epoch      Epoch
	// began and deadline by the partition clock.
	began, deadline Tick
	runs            []EventRun
	// before and after it in its cursor's list.
	before, after *lease
}

// arrived tells whether its holder is known to have got the events. Who has the receipts of a taken lease has them.
func (l *lease) arrived() bool {
	if l.session != nil {
		return l.delivery <= l.session.received
	}
	return !l.unreceived
}

// leaseList links the leases of a cursor by ascending id.
type leaseList struct{ first, last *lease }

func (ll *leaseList) add(l *lease) {
	l.before = ll.last
	if ll.last == nil {
		ll.first = l
	} else {
		ll.last.after = l
	}
	ll.last = l
}

func (ll *leaseList) remove(l *lease) {
	if l.before == nil {
		ll.first = l.after
	} else {
		l.before.after = l.after
	}
	if l.after == nil {
		ll.last = l.before
	} else {
		l.after.before = l.before
	}
	l.before, l.after = nil, nil
}

func leaseLess(a, b *lease) bool {
	if a.deadline != b.deadline {
		return a.deadline < b.deadline
	}
	return a.id < b.id
}

// cut takes what the lease holds of some runs out of it, and hands it to each, run by run; what it doesn't hold goes to lost. The runs are in
// order and don't overlap, and so are the lease's: one pass does for all. The lease's own memory isn't written to, since its grant has it too.
func (l *lease) cut(want []Run, each func(EventRun), lost func(Run)) {
	var kept []EventRun
	have, own := l.runs, false
	// split takes the part of the lease's first run that lies before an offset off it.
	split := func(at Offset) EventRun {
		whole := have[0]
		if at >= whole.end() {
			have = have[1:]
			return whole
		}
		if !own {
			have, own = slices.Clone(have), true
		}
		have[0] = whole.part(at, whole.end())
		return whole.part(whole.First, at)
	}
	for _, w := range want {
		for at := w.First; at < w.end(); {
			for len(have) > 0 && have[0].First < at {
				kept = append(kept, split(at))
			}
			if len(have) == 0 || have[0].First >= w.end() {
				lost(runOf(at, w.end()))
				break
			}
			if have[0].First > at {
				lost(runOf(at, have[0].First))
			}
			part := split(w.end())
			at = part.end()
			each(part)
		}
	}
	if len(kept) == 0 {
		l.runs = have
		return
	}
	kept = append(kept, have...)
	l.runs = kept
}

// holdsExactly tells whether what is named of a delivery is plainly all that the lease holds, and no more. Of positions that is one run: what is
// acked mostly is all of a delivery.
func (l *lease) holdsExactly(named *Leased) bool {
	switch {
	case len(named.Runs) == 0:
		return true
	case named.ByPosition:
		return len(named.Runs) == 1 && len(l.runs) > 0 && l.runs[0].positions().First == named.Runs[0].First && l.runs[len(l.runs)-1].positions().end() == named.Runs[0].end() &&
			eventsOf(l.runs) == uint64(named.Runs[0].Count)
	}
	return slices.EqualFunc(l.runs, named.Runs, func(a EventRun, b Run) bool { return a.Run == b })
}

// at returns the offsets of what the lease holds of some positions, and which of them it doesn't hold. The positions are runs in order that don't
// overlap, and so are both that it returns.
func (l *lease) at(positions []Run) (offsets, missing []Run) {
	have := l.runs
	for _, want := range positions {
		for at := want.First; at < want.end(); {
			for len(have) > 0 && have[0].positions().end() <= at {
				have = have[1:]
			}
			if len(have) == 0 || have[0].positions().First >= want.end() {
				missing = append(missing, runOf(at, want.end()))
				break
			}
			here := have[0].positions()
			if here.First > at {
				missing = append(missing, runOf(at, here.First))
				at = here.First
			}
			to := min(here.end(), want.end())
			first := have[0].First + (at - here.First)
			offsets = joinRun(offsets, runOf(first, first+(to-at)))
			at = to
		}
	}
	return offsets, missing
}

func runOf(from, to Offset) Run { return Run{First: from, Count: uint32(to - from)} }

// grant begins a lease: the deadline is known to the deadlines' order, its events are held.
func (m *Machine) grant(c *cursor, s *session, visibility Tick) *lease {
	m.lastLease++
	l := &lease{
		id: m.lastLease, cursor: c, session: s, epoch: m.applied,
		began: m.clock, deadline: m.clock.deadlineAfter(visibility),
	}
	m.deadlines.ReplaceOrInsert(l)
	c.leases.add(l)
	m.changed(l)
	return l
}

// hold puts ready events under the lease.
func (l *lease) hold(row Run) {
	tries := l.cursor.tries
	if len(tries) == 0 {
		l.join(row, 1)
		return
	}
	for at := row.First; at < row.end(); at++ {
		l.join(Run{at, 1}, tries[at].attempts+1)
	}
}

// join puts a row behind what is under the lease: nothing of that is settled yet.
func (l *lease) join(row Run, attempt uint16) {
	position := Offset(0)
	if n := len(l.runs); n > 0 {
		last := &l.runs[n-1]
		if last.end() == row.First && last.Attempt == attempt {
			last.Count += row.Count
			return
		}
		position = last.positions().end()
	}
	l.runs = append(l.runs, EventRun{row, attempt, uint16(position)})
}

// dropIfEmpty ends a lease that holds nothing more.
func (m *Machine) dropIfEmpty(l *lease) {
	if len(l.runs) > 0 {
		return
	}
	if _, there := m.deadlines.Delete(l); !there {
		return // it went with what was before its last event in line (order.go)
	}
	l.cursor.leases.remove(l)
	m.ended(l)
	if s := l.session; s != nil {
		s.remove(l)
	}
}

// free takes a run that was cut out of a lease off the books of its session and its cursor. What becomes of its events is the caller's.
func (m *Machine) free(l *lease, r Run) {
	c := l.cursor
	m.changed(l)
	c.leased -= uint64(r.Count)
	if s := l.session; s != nil {
		s.heldBytes -= c.subscription.stream.bytesOf(r)
		s.heldEvents -= r.Count
	} else {
		m.forgetTaken(l, []Run{r})
	}
	m.touch(c)
}

// forgetTaken forgets the receipts of runs that were cut out of a lease.
func (m *Machine) forgetTaken(l *lease, runs []Run) {
	taken := l.cursor.taken
	if len(taken) == 0 {
		return
	}
	for _, r := range runs {
		for at := r.First; at < r.end(); at++ {
			if taken[at] == l {
				delete(taken, at)
			}
		}
	}
}

// end ends a whole lease, all of whose events come back for the same reason.
func (m *Machine) end(l *lease, why comeback) {
	runs := l.runs
	l.runs = nil
	for _, r := range runs {
		m.free(l, r.Run)
		if l.cursor.order != nil {
			m.failed = append(m.failed, failedRun{l.cursor, r})
			continue
		}
		for at := r.First; at < r.end(); at++ {
			m.giveBack(l.cursor, at, r.Attempt, why)
		}
	}
	m.dropIfEmpty(l)
	m.breakLines(why)
}

// expire ends the leases whose deadline has passed (P4: none before), at most so many events at a time (P10: the rest is due at once). One
// whose events never arrived was no attempt: nobody has tried anything.
func (m *Machine) expire() {
	for left := expireEventsMax; left > 0; {
		l, ok := m.deadlines.Min()
		if !ok || l.deadline > m.clock {
			break
		}
		events := eventsOf(l.runs)
		left -= int(events)
		m.expired += events
		why := comeback{kind: comebackCounted, reason: DeadExpired}
		if !l.arrived() {
			why = comeback{kind: comebackUndelivered}
		}
		m.end(l, why)
	}
	for left := expireEventsMax; left > 0; {
		d, ok := m.delays.Min()
		if !ok || d.notBefore > m.clock {
			return
		}
		m.delays.DeleteMin()
		left -= m.wake(d.cursor, left) + 1
	}
}

func eventsOf(runs []EventRun) (n uint64) {
	for _, r := range runs {
		n += uint64(r.Count)
	}
	return n
}

// cursorDelay says that a cursor has delayed events that are ready at a time.
type cursorDelay struct {
	notBefore Tick
	ordinal   uint64
	cursor    *cursor
}

func cursorDelayLess(a, b cursorDelay) bool {
	if a.notBefore != b.notBefore {
		return a.notBefore < b.notBefore
	}
	return a.ordinal < b.ordinal
}
