package partition

import (
	"fmt"

	"github.com/google/btree"

	"github.com/freshet-mq/freshet/proto/block"
)

// Machine is the state of one partition, and the only thing that changes it is Apply. It isn't safe for use by several goroutines.
//
// All of it is memory, and each part is bounded: subscriptions, members, sessions, producers and the events that cursors have in hand by limits.go,
// references to blocks by what the log may hold, at 48 bytes for so much of it as refs.go says.
type Machine struct {
	mark
	changes changes
	// shifts are usualShifts; tests make them small.
	shifts shifts

	applied Index
	term    Term
	clock   Tick
	wall    Wall

	streams       map[StreamID]*stream
	streamOrder   []*stream // by age; maps are looked into and never walked (P9)
	subscriptions map[SubscriptionID]*subscription
	sessions      map[SessionID]*session
	producers     producers
	dedup         dedupIDs

	// level is the state level. effectsHash rolls over all effects, and hashes has the last of the machine's.
	level       uint32
	effectsHash uint64
	hashes      []StateHash
	// agreed is the last entry after which this replica was found to have its leader's hashes. It is no part of the state.
	agreed Index
	// hashEvery is hashEvery; tests make it small.
	hashEvery Index

	// deadlines has every lease, and delays every cursor with delayed events, the soonest first.
	deadlines *btree.BTreeG[*lease]
	delays    *btree.BTreeG[cursorDelay]

	lastStream, lastSubscription, lastCursor, lastSession, lastLease uint64
	// leasedMax is LeasedMax, deadMax DeadLettersMax, nearEventsMax NearEventsMax, waitingBytesMax WaitingBytesMax; tests make them small.
	// lookAheadMax is LookAheadMax, delayedBytesMax DelayedBytesMax, patientOffers patientOffers.
	lookAheadMax, delayedBytesMax                      uint64
	patientOffers                                      int
	leasedMax, deadMax, nearEventsMax, waitingBytesMax uint64
	// trimEvery is how many entries pass between two looks at what is still kept, and trimBytes how many bytes of them; tests look always.
	trimEvery Index
	trimBytes uint64
	// dismantleMax is dismantleMax; tests make it small too.
	dismantleMax int
	// waiting is what the events that cursors have in hand take of memory, and logBytes how long all entries were together.
	waiting  waiting
	logBytes uint64
	// kept has the streams that need entries of the log, the oldest first, and aging those whose events come of age, the soonest first.
	kept  *btree.BTreeG[kept]
	aging *btree.BTreeG[aging]
	// staleStreams had something happen to them since the floors were last looked at.
	staleStreams []*stream
	// leaving cursors, by ordinal, and members that nobody is attached to, the longest unused first.
	leaving *btree.BTreeG[*cursor]
	idle    *btree.BTreeG[idle]
	// asideEvents and asideBytes are set aside, at most asideEventsMax and asideBytesMax (AsideEventsMax, AsideBytesMax; tests make them small). hindering
	// cursors have dead letters for which there was no room, by ordinal.
	asideEvents, asideBytes, asideEventsMax, asideBytesMax uint64
	hindering                                              *btree.BTreeG[*cursor]
	// asideChanges of this entry, and whether it made room.
	asideChanges []AsideChange
	asideRoom    bool
	// farOff are events of the block that is being stored which are due so late that they are set aside for whoever wants them.
	farOff []*aside
	// storing is that block, empty between two: of one event it costs less than the memory for it would.
	storing block.Block
	// expired counts events whose lease ran out, for metrics.
	expired uint64

	// topology counts the sections that made, changed or removed streams, subscriptions or members. It is no state: only whether it grew with an
	// entry means anything.
	topology uint64
	// lagging: the leader's wall clock is behind W, which stands still until it isn't. Known only until the next reading, so it is no state.
	lagging bool
	// due has the events whose deliver-at lies ahead.
	due dueTable
	// breaking numbers the failures that broke lines of ordered queues, and failed has the events of the one at hand.
	breaking uint64
	failed   []failedRun

	// dirty cursors of the entry that is being applied, and what was just taken from one: used again for each.
	dirty []dirtyCursor
	taken []Run
	// rows of what is ready, and what was read of it; and what a delivery at hand is given, for each session that is.
	reader rowReader
	given  [][]EventRun
	// granted is how many grants the last entry had, mostly as many as the next. grantings are of the sessions that a cursor's events are given to, and open
	// those of them that still have room.
	granted   int
	grantings []granting
	open      []*granting
	// rows that are stored or settled, their offsets, what a settle names, in order, and the leases that it is of.
	rows    []Run
	offsets []uint64
	named   []Run
	held    []*lease
	// classes of the sizes of the block that is being stored.
	classes []sizeClass
	keys    []uint64
	// picked events of ordered queues.
	picked []Offset

	// patient has the cursors whose events wait for more, those first that do so for the shortest time. offers counts the cursors that the entry's
	// blocks brought events to, once for each block.
	patient *btree.BTreeG[patience]
	offers  int
}

// NewMachine returns a partition in which nothing has happened.
func NewMachine() *Machine {
	m := &Machine{
		shifts:        usualShifts,
		streams:       map[StreamID]*stream{},
		subscriptions: map[SubscriptionID]*subscription{},
		sessions:      map[SessionID]*session{},
		producers:     newProducers(),
		dedup:         dedupIDs{idsMax: DedupIDsMax, generationIDs: dedupGenerationIDs},
		level:         1,
		hashEvery:     hashEvery,
		leasedMax:     LeasedMax,
		deadMax:       DeadLettersMax,
		trimEvery:     trimEvery,
		trimBytes:     trimBytes,
		dismantleMax:  dismantleMax,
		nearEventsMax: NearEventsMax, waitingBytesMax: WaitingBytesMax,
		lookAheadMax: LookAheadMax, delayedBytesMax: DelayedBytesMax, patientOffers: patientOffers,
		patient:        btree.NewG(btreeDegree, patienceLess),
		kept:           btree.NewG(btreeDegree, keptLess),
		aging:          btree.NewG(btreeDegree, agingLess),
		deadlines:      btree.NewG(btreeDegree, leaseLess),
		delays:         btree.NewG(btreeDegree, cursorDelayLess),
		leaving:        btree.NewG(btreeDegree, byOrdinal),
		idle:           btree.NewG(btreeDegree, idleLess),
		hindering:      btree.NewG(btreeDegree, byOrdinal),
		asideEventsMax: AsideEventsMax, asideBytesMax: AsideBytesMax,
	}
	m.producers.changes, m.dedup.changes = &m.changes, &m.changes
	m.due = newDueTable(&m.changes)
	return m
}

// Apply applies one committed entry. An error means that the entry can't be what a leader proposed, or that it comes out of order; the replica
// must stop, since the others may have understood it.
func (m *Machine) Apply(index Index, term Term, entry []byte) (*Effects, error) {
	if index <= m.applied {
		return nil, fmt.Errorf("%w: entry %d comes after %d", ErrCorrupt, index, m.applied)
	}
	m.applied, m.term, m.offers = index, term, 0
	passed := m.logBytes / m.trimBytes
	m.logBytes += uint64(len(entry))
	all, blocks := countSections(entry)
	fx, full := &Effects{Index: index, Results: make([]Result, 0, all), Weighed: m.logBytes/m.trimBytes != passed}, m.dueFull()
	if blocks > 0 {
		fx.Appended = make([]Appended, 0, blocks)
	}
	position := uint32(0)
	for raw, err := range sections(entry) {
		if err != nil {
			return nil, fmt.Errorf("entry %d: %w", index, err)
		}
		res, err := m.applySection(raw, position, fx)
		if err != nil {
			return nil, fmt.Errorf("entry %d, section %d (%v): %w", index, position, raw.kind, err)
		}
		if raw.kind == sectionStream || raw.kind == sectionSubscription || raw.kind == sectionRemove {
			m.topology++
		}
		fx.Results = append(fx.Results, res)
		position++
	}
	m.expire()
	m.expireMembers(fx)
	m.dismantle()
	m.fallDue()
	m.relieve()
	m.losePatience()
	if index%m.trimEvery == 0 || fx.Weighed { // a cursor may lose events, so before they are assigned
		m.trim(fx)
	} else {
		m.trimAged(fx)
	}
	m.readOn(full)
	m.assign(fx)
	m.dedup.turn(m.clock)
	fx.Aside, m.asideChanges = m.asideChanges, nil
	m.hashState(fx)
	return fx, nil
}

func (m *Machine) applySection(raw rawSection, position uint32, fx *Effects) (Result, error) {
	switch raw.kind { //nolint:exhaustive // reserved numbers are unknown to this release like any other
	case sectionClock:
		return apply(raw, decodeClock, m.readClock)
	case sectionBlock:
		s, err := decodeBlock(raw.body)
		if err != nil {
			return Result{}, err
		}
		return m.store(s, position, fx)
	case sectionStream:
		return apply(raw, decodeStream, m.putStream)
	case sectionSubscription:
		return apply(raw, decodeSubscription, func(s subscriptionSection) Result {
			return Result{Refused: m.putSubscription(s.SubscriptionConfig)}
		})
	case sectionAttach:
		return apply(raw, decodeAttach, m.attach)
	case sectionDetach:
		return apply(raw, decodeDetach, m.detach)
	case sectionCredit:
		return apply(raw, decodeCredit, m.credit)
	case sectionSettle:
		return apply(raw, decodeSettle, m.settle)
	case sectionClose:
		return apply(raw, decodeClose, m.closeSession)
	case sectionTake:
		return apply(raw, decodeTake, m.take)
	case sectionReturn:
		return apply(raw, decodeReturn, m.returnTaken)
	case sectionRedrive:
		return apply(raw, decodeRedrive, m.redrive)
	case sectionStateHash:
		s, err := decodeStateHash(raw.body)
		if err != nil {
			return Result{}, err
		}
		return Result{}, m.compareHash(s)
	case sectionStateLevel:
		return apply(raw, decodeStateLevel, m.raiseLevel)
	case sectionRemove:
		return apply(raw, decodeRemove, func(s removeSection) Result { return m.remove(s, fx) })
	case sectionFill:
		return apply(raw, decodeFill, m.fill)
	}
	return Result{}, fmt.Errorf("%w: this release doesn't know the section", ErrCorrupt)
}

// apply decodes a section's body and lets it take effect.
func apply[S any](raw rawSection, decode func([]byte) (S, error), effect func(S) Result) (Result, error) {
	s, err := decode(raw.body)
	if err != nil {
		return Result{}, err
	}
	return effect(s), nil
}

// readClock moves both clocks. T moves by what the leader measured; W follows the leader's wall clock, never back, and not where that
// departs from T by more than a minute unless a majority's clocks agree.
func (m *Machine) readClock(s clockSection) Result {
	m.clock += s.Delta
	m.dedup.expire(m.clock, m.applied)
	expected := m.wall + Wall(s.Delta)
	reading := s.Wall
	if !s.Agreed && m.wall != 0 && (reading > expected+wallJumpMax || reading < expected-wallJumpMax) {
		reading = expected
	}
	m.wall = max(m.wall, reading)
	m.lagging = m.wall < expected
	return Result{}
}

func (m *Machine) putStream(s streamSection) Result {
	st := m.streams[s.Stream]
	if st != nil && st.leaving {
		return Result{Refused: RefusedLeaving}
	}
	if st == nil {
		if len(m.streams) >= StreamsMax {
			return Result{Refused: RefusedTooMany}
		}
		m.lastStream++
		st = m.newStream(s.Stream, m.lastStream)
		m.streams[s.Stream] = st
		m.streamOrder = append(m.streamOrder, st)
	}
	m.changed(st)
	if s.Retention != nil {
		st.retention = *s.Retention
		m.stale(st)
		m.age(st)
	}
	return Result{}
}

// store gives a block's events their offsets (P1) and offers them to the subscriptions that want them (P2, P3).
func (m *Machine) store(s blockSection, position uint32, fx *Effects) (Result, error) {
	st := m.streams[s.Stream]
	if st == nil || st.leaving {
		return Result{Refused: RefusedStream}, nil
	}
	b := &m.storing
	defer func() { *b = block.Block{} }() // nothing of the entry is kept
	if res := m.admit(st, &s, b); res != nil {
		m.changed(st)
		st.refDue = true // reading on from the last reference would take this section for a stored block
		return *res, nil
	}
	repeats := m.repeats(st, b, &s, st.next, true)
	st.note(repeats, st.next)
	a := arrival{block: b, first: st.next, count: uint32(b.Len()), words: keptBack(repeats, b.Len())}
	m.postpone(st, &a, position)
	m.offerAll(st, &a)
	err := eachMatched(s.Matches, b.Len(), func(hit matched) {
		if sub, _ := st.subscription(hit.Subscription); sub != nil && sub.Pattern != "" {
			for _, c := range sub.cursors {
				m.offer(c, &a, a.of(hit.Words))
			}
		}
	})
	if err != nil {
		return Result{}, err
	}
	m.keepFar(st)
	st.refer(m, position, len(s.Block))
	st.next += Offset(a.count)
	m.keep(st)
	m.stale(st)
	m.age(st)
	m.producers.stored(st.id, b.Producer(), a.first, a.count)
	fx.Appended = append(fx.Appended, Appended{Stream: st.id, First: a.first, Count: a.count, Section: position, Stored: m.wall})
	return Result{First: a.first, Count: a.count, Repeats: repeats}, nil
}

// admit opens a section's block, and returns what it is answered if it may not be stored.
func (m *Machine) admit(st *stream, s *blockSection, b *block.Block) *Result {
	if s.SetVersion != st.setVersion {
		return &Result{Refused: RefusedSetVersion}
	}
	if err := b.Open(s.Block); err != nil {
		return &Result{Refused: RefusedBlock} // alike on every replica
	}
	if res, ok := m.producers.check(st.id, b.Producer()); !ok {
		refused := res // only this one costs memory
		if refused.Duplicate {
			refused.Repeats = m.repeats(st, b, s, refused.First, false)
		}
		return &refused
	}
	if m.due.bytes >= m.delayedBytesMax && m.isLater(b) {
		return &Result{Refused: RefusedDelayed}
	}
	if refused := m.dedup.check(b, s.Checked); refused != Done {
		return &Result{Refused: refused}
	}
	return nil
}

// NextDeadline returns when the next lease ends, the next event is ready that was delayed or is to be delivered later, or the next events come of age, by the
// partition clock; false when nothing waits for time.
func (m *Machine) NextDeadline() (Tick, bool) {
	if m.leaving.Len() > 0 { // the next step of dismantling is due
		return m.clock, true
	}
	next, ok := Tick(0), false
	if l, some := m.deadlines.Min(); some {
		next, ok = l.deadline, true
	}
	if d, some := m.delays.Min(); some && (!ok || d.notBefore < next) {
		next, ok = d.notBefore, true
	}
	if p, some := m.patient.Min(); some && (!ok || p.until < next) {
		next, ok = p.until, true
	}
	if at, some := m.nextByWall(); some && (!ok || m.tickOf(at) < next) {
		next, ok = m.tickOf(at), true
	}
	return next, ok
}

// nextByWall is when, by W, something is next to be done that no command asks for.
func (m *Machine) nextByWall() (at Wall, ok bool) {
	at, ok = m.due.next()
	if a, some := m.aging.Min(); some && (!ok || a.at < at) {
		at, ok = a.at, true
	}
	return at, ok
}
