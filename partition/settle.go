package partition

import (
	"cmp"
	"slices"
	"sort"
)

// settle carries out what a session says about its events. It is done once: the session remembers the last sequence and its answer.
func (m *Machine) settle(sec settleSection) Result {
	s := m.sessions[sec.Session]
	if s == nil {
		return Result{Refused: RefusedSession}
	}
	m.changed(s)
	s.arrived(sec.Received)
	switch sec.Sequence {
	case s.settled:
		return Result{Lost: s.answer, Epoch: m.applied}
	case s.settled + 1:
	default:
		return Result{Refused: RefusedSettleOrder, Sequence: s.settled}
	}
	var lost []Leased
	for _, dec := range sec.Decisions {
		if dec.Verb == VerbExtend && len(dec.Leased) == 0 {
			m.extendAll(s, dec.After)
			continue
		}
		for _, leased := range dec.Leased {
			m.decide(s, dec, leased, func(l Leased) { lost = append(lost, l) })
		}
	}
	s.settled, s.answer = sec.Sequence, lost
	m.touch(s.cursor)
	return Result{Lost: lost, Epoch: m.applied}
}

// decide carries out one decision on one delivery. Runs that the session doesn't hold change nothing and are reported (P6).
func (m *Machine) decide(s *session, dec Decision, want Leased, lost func(Leased)) {
	runs := want.Runs
	held := s.delivery(m.held[:0], want.Delivery)
	m.held = held
	if len(held) == 1 && dec.Verb == VerbAck && held[0].cursor.order == nil && held[0].holdsExactly(&want) {
		m.ackAll(held[0]) // the usual case
		m.dropIfEmpty(held[0])
		return
	}
	if len(runs) == 0 {
		want.ByPosition = false
		for _, l := range held {
			for _, r := range l.runs {
				runs = append(runs, r.Run)
			}
		}
		if len(runs) == 0 {
			lost(want)
			return
		}
	}
	missing, twice := inOrder(runs)
	for _, l := range held {
		// A delivery whose events were extended one by one has many leases: each sees only the runs that it may hold.
		from, to := l.overlap(missing, want.ByPosition)
		var still []Run
		if named := missing[from:to]; want.ByPosition {
			if named, still = l.at(named); len(named) > 0 {
				m.decideOn(l, dec, s.visibility, named, func(Run) {})
			}
		} else {
			m.decideOn(l, dec, s.visibility, named, func(r Run) { still = append(still, r) })
		}
		missing = slices.Replace(missing, from, to, still...)
		m.dropIfEmpty(l)
	}
	missing = append(missing, twice...)
	m.breakLines(dec.comeback())
	if len(missing) > 0 {
		lost(Leased{Delivery: want.Delivery, Runs: missing, ByPosition: want.ByPosition})
	}
}

// inOrder returns runs in order without overlap, its own copy, and what was named twice.
func inOrder(runs []Run) (ordered, twice []Run) {
	ordered = make([]Run, 0, len(runs))
	if !slices.IsSortedFunc(runs, byFirst) {
		runs = slices.Clone(runs)
		slices.SortStableFunc(runs, byFirst)
	}
	end := Offset(0)
	for _, r := range runs {
		if r.First < end {
			again := runOf(r.First, max(r.First, min(end, r.end())))
			if again.Count > 0 {
				twice = append(twice, again)
			}
			r = runOf(again.end(), r.end())
		}
		if r.Count > 0 {
			ordered, end = append(ordered, r), r.end()
		}
	}
	return ordered, twice
}

func byFirst(a, b Run) int { return cmp.Compare(a.First, b.First) }

// overlap returns which of some runs in order, of offsets or of positions, lie between a lease's first event and its last.
func (l *lease) overlap(runs []Run, byPosition bool) (from, to int) {
	if len(l.runs) == 0 {
		return 0, 0
	}
	head, tail := l.runs[0], l.runs[len(l.runs)-1]
	first, end := head.First, tail.end()
	if byPosition {
		first, end = head.positions().First, tail.positions().end()
	}
	from = sort.Search(len(runs), func(i int) bool { return runs[i].end() > first })
	to = sort.Search(len(runs), func(i int) bool { return runs[i].First >= end })
	return from, max(from, to)
}

// delivery adds the leases of one delivery to a list: one, or several once a part of it was extended.
func (s *session) delivery(list []*lease, number uint64) []*lease {
	at, _ := slices.BinarySearchFunc(s.leases, number, func(l *lease, n uint64) int { return cmp.Compare(l.delivery, n) })
	for ; at < len(s.leases) && s.leases[at].delivery == number; at++ {
		list = append(list, s.leases[at])
	}
	return list
}

// decideOn carries out a decision on what the lease holds of some runs in order.
func (m *Machine) decideOn(l *lease, dec Decision, visibility Tick, runs []Run, lost func(Run)) {
	var extended []EventRun
	if dec.Verb == VerbAck && l.cursor.order == nil {
		named := m.named[:0]
		l.cut(runs, func(part EventRun) { named = joinRun(named, part.Run) }, lost)
		m.ackRuns(l, named)
		m.named = named
		return
	}
	l.cut(runs, func(part EventRun) {
		switch dec.Verb {
		case VerbAck:
			m.free(l, part.Run)
			m.ack(l.cursor, part.Run)
		case VerbRelease:
			m.free(l, part.Run)
			if l.cursor.order != nil {
				m.failed = append(m.failed, failedRun{l.cursor, part}) // the caller goes on with them when it has cut out all
				return
			}
			for at := part.First; at < part.end(); at++ {
				m.giveBack(l.cursor, at, part.Attempt, dec.comeback())
			}
		case VerbReject:
			m.free(l, part.Run)
			for at := part.First; at < part.end(); at++ {
				if l.cursor.isDropped(at) {
					m.drop(l.cursor, at)
				} else {
					m.bury(l.cursor, at, deadLetter{reason: DeadRejected, attempts: part.Attempt, detail: dec.Reason})
				}
			}
		case VerbExtend:
			extended = append(extended, part)
		}
	}, lost)
	if len(extended) > 0 {
		m.extendPart(l, extended, dec.After, visibility)
	}
}

// comeback is why an event comes back that is released.
func (dec *Decision) comeback() comeback {
	why := comeback{kind: comebackCounted, reason: DeadReleased, detail: dec.Reason, after: dec.After}
	if dec.Unstarted {
		why.kind = comebackUncounted
	}
	return why
}

// ackAll settles all that a lease holds, of a cursor without order.
func (m *Machine) ackAll(l *lease) {
	named := m.named[:0]
	for _, r := range l.runs {
		named = joinRun(named, r.Run)
	}
	l.runs = nil
	m.ackRuns(l, named)
	m.named = named
}

// ackRuns settles runs in order that were cut out of a lease, of a cursor without order.
func (m *Machine) ackRuns(l *lease, runs []Run) {
	if len(runs) == 0 {
		return
	}
	c, st := l.cursor, l.cursor.subscription.stream
	events := uint64(0)
	for _, r := range runs {
		events += uint64(r.Count)
		m.takeBack(c, r)
		m.forgetTries(c, r)
	}
	c.held.removeRuns(runs, events)
	bytes := st.sizes.releaseRuns(&m.waiting, runs)
	m.changed(l)
	c.leased -= events
	if s := l.session; s != nil {
		s.heldBytes -= bytes
		s.heldEvents -= uint32(events)
	} else {
		m.forgetTaken(l, runs)
	}
	m.touch(c)
}

// ack settles events: no set of the cursor has them any more (P5).
func (m *Machine) ack(c *cursor, r Run) {
	c.held.removeRun(r)
	m.forgetAcked(c, r)
}

// forgetAcked takes events that were settled off the books.
func (m *Machine) forgetAcked(c *cursor, r Run) {
	m.takeBack(c, r)
	if c.order != nil {
		m.dequeueRun(c, r)
	}
	c.subscription.stream.sizes.release(&m.waiting, r)
	m.forgetTries(c, r)
}

// forgetTries forgets how often events were leased that nobody will be again.
func (m *Machine) forgetTries(c *cursor, r Run) {
	if len(c.tries) > 0 {
		for at := r.First; at < r.end(); at++ {
			delete(c.tries, at)
		}
	}
}

// extendAll moves the deadlines of everything that the session holds.
func (m *Machine) extendAll(s *session, by Tick) {
	if by == 0 {
		by = s.visibility
	}
	for _, l := range s.leases {
		m.extend(l, by)
	}
}

// extend moves one lease's deadline, within the longest that a lease may last.
func (m *Machine) extend(l *lease, by Tick) {
	m.deadlines.Delete(l)
	l.deadline = min(m.clock.deadlineAfter(by), l.began.deadlineAfter(leaseTicksMax))
	m.deadlines.ReplaceOrInsert(l)
	m.changed(l)
}

// extendPart moves the deadline of runs that were just cut out of a lease: they go into one of their own, of the same delivery and epoch.
func (m *Machine) extendPart(l *lease, runs []EventRun, by, visibility Tick) {
	if by == 0 {
		by = visibility
	}
	if len(l.runs) == 0 { // all of it: no need for another
		l.runs = runs
		m.extend(l, by)
		return
	}
	m.changed(l)
	part := m.grant(l.cursor, l.session, by)
	part.delivery, part.epoch, part.began, part.runs = l.delivery, l.epoch, l.began, runs
	l.cursor.moved(runs, part)
	m.extend(part, by)
	if s := l.session; s != nil {
		s.insert(part)
	}
}

// returnTaken settles events by their receipts.
func (m *Machine) returnTaken(sec returnSection) Result {
	var res Result
	for i, r := range sec.Receipts {
		l := m.takenLease(r)
		if l == nil { // P6
			res.LostReceipts = append(res.LostReceipts, uint32(i))
			continue
		}
		m.decideOn(l, sec.Decision, l.cursor.subscription.Visibility, []Run{{r.Offset, 1}}, func(Run) {})
		m.dropIfEmpty(l)
	}
	m.breakLines(sec.Decision.comeback())
	return res
}

// takenLease finds the lease that a receipt is of, if it still runs.
func (m *Machine) takenLease(r Receipt) *lease {
	c := m.find(r.Cursor)
	if c == nil {
		return nil
	}
	if l := c.taken[r.Offset]; l != nil && l.epoch == r.Epoch {
		return l
	}
	return nil
}
