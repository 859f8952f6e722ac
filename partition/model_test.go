package partition

import (
	"cmp"
	"maps"
	"slices"
)

// model is what a partition does, said in the plainest way: an event is in one state for each cursor, a lease is a list of events, and whatever
// is asked is found by looking at everything. It has no bitmaps, no orders by time or need, no lists of what changed, and bounds nothing.
// It is applied beside the machine, entry by entry: both must have the same effects and be in the same state.
//
//	model_test.go          streams, subscriptions, members, the order of an entry
//	model_event_test.go    an event as a cursor has it, and as its stream has it
//	model_store_test.go    blocks, producers, dedup ids, what falls due
//	model_fill_test.go     near, far, fills
//	model_keep_test.go     retention, and what of the log is kept
//	model_session_test.go  sessions, settling, leases that end
//	model_assign_test.go   who gets what, keys in line
//	model_compare_test.go  how it is compared
//
// What the machine may decide as it likes, the model takes from it, and only asks whether it is allowed: whose turn it is (cursor.turn), when a
// leaving cursor has been dismantled, how much longer than its window a dedup id is remembered, and when memory is full.
type model struct {
	modelLimits
	told *Effects // the machine's, of the entry at hand

	index    Index
	term     Term
	clock    Tick
	wall     Wall
	lagging  bool
	logBytes uint64

	streams   map[StreamID]*modelStream
	subs      map[SubscriptionID]*modelSub
	sessions  map[SessionID]*modelSession
	leases    map[uint64]*modelLease
	producers map[producerKey]*modelProducer
	due       []*modelDue
	// ids are the dedup ids of all streams there ever were.
	ids map[dedupKey]firstSeen
	// asideChanges of the entry at hand, and whether it made room.
	asideChanges []AsideChange
	asideRoom    bool
	// offers counts the cursors that blocks of the entry at hand were offered to, once for each block.
	offers int
	// numbers that were given last.
	lastStream, lastCursor, lastSession, lastLease, lastDue uint64
}

type modelStream struct {
	id      StreamID
	age     uint64
	leaving bool
	version uint64
	// events are all there ever were: the first has offset 0.
	events         []*modelEvent
	floor, dropped Offset
	retention      Retention
	refs           []modelRef
	bytes          uint64
	lastStored     Wall
	refLogBytes    uint64
	agesAt         Wall // 0: never
	refDue, keeps  bool
	asides         map[Offset]modelAside
	subs           map[SubscriptionID]*modelSub
}

func (st *modelStream) next() Offset { return Offset(len(st.events)) }

type modelSub struct {
	SubscriptionConfig
	stream  *modelStream
	leaving bool
	// patterns that were in force until an offset, the oldest first.
	patterns []pastPattern
	changes  int
	cursors  map[string]*modelCursor
}

// matches tells whether the subscription gets an event: by the pattern that was in force when it was stored, or by its first for what is older.
func (sub *modelSub) matches(e *modelEvent) bool {
	for _, p := range sub.patterns {
		if e.offset < p.until {
			return p.pattern == "" || e.named[sub.ID]
		}
	}
	return sub.Pattern == "" || e.named[sub.ID]
}

type modelCursor struct {
	id      CursorID
	ordinal uint64
	sub     *modelSub
	leaving bool
	// copies of events that are waiting, held or dead.
	copies map[Offset]*modelCopy
	// began is the first offset that it may get. What it acked or lost is remembered for good (P5).
	began           Offset
	acked, lost     map[Offset]bool
	aside           map[Offset]bool
	reach           reach
	frontier        Offset
	resume          Offset
	late            []Offset
	sessions        []*modelSession
	turn            int // the machine's
	used            Wall
	dropped, unread uint64
	truncatedAt     Offset
	// what it could offer before this entry, and whether it gained something to offer.
	assignable, appetite uint64
	gained               bool
	// goesOn: somebody had room for what waits, after the entry before (couldGoOn).
	goesOn bool
	// patientUntil is until when what is ready waits for more, 0: it doesn't. offered: a block of the entry was offered to it.
	patientUntil       Tick
	offered, impatient bool
}

func newModel() *model {
	return &model{
		streams: map[StreamID]*modelStream{}, subs: map[SubscriptionID]*modelSub{},
		sessions: map[SessionID]*modelSession{}, leases: map[uint64]*modelLease{}, producers: map[producerKey]*modelProducer{},
		ids: map[dedupKey]firstSeen{},
	}
}

// inOrderOf sorts what a map has.
func inOrderOf[K comparable, V any, N cmp.Ordered](m map[K]V, by func(V) N) []V {
	return slices.SortedFunc(maps.Values(m), func(a, b V) int { return cmp.Compare(by(a), by(b)) })
}

func (m *model) streamList() []*modelStream {
	return inOrderOf(m.streams, func(st *modelStream) uint64 { return st.age })
}

func (st *modelStream) subList() []*modelSub {
	return inOrderOf(st.subs, func(sub *modelSub) SubscriptionID { return sub.ID })
}

func (sub *modelSub) cursorList() []*modelCursor {
	return inOrderOf(sub.cursors, func(c *modelCursor) string { return c.id.Member })
}

// cursors returns those that aren't leaving, in the order in which they are worked on.
func (m *model) cursors() (list []*modelCursor) {
	for _, st := range m.streams {
		list = append(list, st.cursors()...)
	}
	slices.SortFunc(list, func(a, b *modelCursor) int { return cmp.Compare(a.ordinal, b.ordinal) })
	return list
}

func (st *modelStream) cursors() (list []*modelCursor) {
	for _, sub := range st.subs {
		for _, c := range sub.cursors {
			if !c.leaving {
				list = append(list, c)
			}
		}
	}
	slices.SortFunc(list, func(a, b *modelCursor) int { return cmp.Compare(a.ordinal, b.ordinal) })
	return list
}

// modelLimits are the machine's, as it is before an entry. checked is through which entry dedup ids can have been looked up.
type modelLimits struct {
	leasedMax, deadMax, nearEventsMax, lookAheadMax, delayedBytesMax uint64
	patientOffers                                                    int
	asideEventsMax, asideBytesMax                                    uint64
	trimEvery                                                        Index
	trimBytes                                                        uint64
	idsMax                                                           int
	checked                                                          Index
	// dueFull: so much waits to be due that nobody reads on.
	dueFull bool
}

func limitsOf(is *Machine) (l modelLimits) {
	l = modelLimits{
		leasedMax: is.leasedMax, deadMax: is.deadMax, nearEventsMax: is.nearEventsMax, lookAheadMax: is.lookAheadMax,
		delayedBytesMax: is.delayedBytesMax, patientOffers: is.patientOffers, asideEventsMax: is.asideEventsMax, asideBytesMax: is.asideBytesMax,
		trimEvery: is.trimEvery, trimBytes: is.trimBytes, idsMax: is.dedup.idsMax, dueFull: is.dueFull(),
	}
	_, l.checked = is.dedup.frozen()
	return l
}

// apply applies an entry that the machine, which is, has just applied.
func (m *model) apply(is *Machine, bytes int, secs []section, told *Effects) (*Effects, error) {
	index := is.applied
	m.index, m.term, m.told, m.offers = index, is.term, told, 0
	passed := m.logBytes / m.trimBytes
	m.logBytes += uint64(bytes)
	for _, c := range m.cursors() {
		c.assignable, c.appetite, c.gained = c.canAssign(), m.appetite(c), false
		c.offered, c.impatient = false, false
	}
	fx := &Effects{Index: index, Weighed: m.logBytes/m.trimBytes != passed}
	for i, s := range secs {
		res, err := m.section(s, i, fx)
		if err != nil {
			return nil, err
		}
		fx.Results = append(fx.Results, res)
	}
	m.expire()
	m.expireMembers(fx)
	m.dismantle(is)
	m.fallDue()
	m.relieve()
	m.trim(fx, index%m.trimEvery == 0 || fx.Weighed)
	for _, c := range m.cursors() {
		if c.patientUntil != 0 && c.patientUntil <= m.clock {
			c.patientUntil, c.impatient = 0, true
		}
		m.assign(c, is.find(c.id), fx)
	}
	fx.Aside, m.asideChanges = m.asideChanges, nil
	m.dueFull = is.dueFull()
	return fx, m.hints(fx)
}

func (m *model) section(s section, position int, fx *Effects) (Result, error) {
	switch s := s.(type) {
	case clockSection:
		return m.readClock(s), nil
	case streamSection:
		return m.putStream(s), nil
	case subscriptionSection:
		return m.putSubscription(s.SubscriptionConfig, position)
	case removeSection:
		m.remove(s, fx)
	case blockSection:
		return m.store(s, position, fx)
	case fillSection:
		return m.fill(s), nil
	case attachSection:
		return m.attach(s), nil
	case detachSection:
		return m.detach(s), nil
	case creditSection:
		return m.credit(s), nil
	case closeSection:
		return m.closeSession(s), nil
	case settleSection:
		return m.settle(s), nil
	case takeSection:
		return m.take(s), nil
	case returnSection:
		return m.returnTaken(s), nil
	case redriveSection:
		return m.redrive(s), nil
	}
	return Result{}, nil // hashes and levels: nothing that the model has
}

// readClock: T moves by what is said; W follows the leader's wall clock, never back, and not where that departs by more than a minute from what T
// makes of it, unless a majority agrees.
func (m *model) readClock(s clockSection) Result {
	m.clock += s.Delta
	expected, to := m.wall+Wall(s.Delta), s.Wall
	if off := to - expected; (off > 60_000 || off < -60_000) && !s.Agreed && m.wall != 0 {
		to = expected
	}
	m.wall = max(m.wall, to)
	m.lagging = m.wall < expected
	return Result{}
}

func (m *model) putStream(s streamSection) Result {
	st := m.streams[s.Stream]
	switch {
	case st == nil:
		m.lastStream++
		st = &modelStream{id: s.Stream, age: m.lastStream, subs: map[SubscriptionID]*modelSub{}, asides: map[Offset]modelAside{}}
		m.streams[s.Stream] = st
	case st.leaving:
		return Result{Refused: RefusedLeaving}
	}
	if s.Retention != nil {
		st.retention = *s.Retention
	}
	return Result{}
}

func (m *model) putSubscription(c SubscriptionConfig, position int) (Result, error) {
	st := m.streams[c.Stream]
	if st == nil || st.leaving {
		return Result{Refused: RefusedStream}, nil
	}
	if other := m.subs[c.ID]; other != nil && other.stream != st {
		return Result{Refused: RefusedStream}, nil
	}
	sub := st.subs[c.ID]
	if c.Ordered && c.Kind != KindQueue || sub != nil && sub.Ordered != c.Ordered {
		return Result{Refused: RefusedOrdered}, nil
	}
	if sub != nil && sub.Pattern != c.Pattern {
		if sub.changes++; sub.changes > PatternsMax && m.told.Results[position].Refused == RefusedTooMany {
			return Result{Refused: RefusedTooMany}, nil // how many are remembered depends on who has yet to look
		}
		sub.patterns = append(sub.patterns, pastPattern{st.next(), sub.Pattern})
	}
	st.version++
	if sub != nil && sub.leaving {
		return Result{Refused: RefusedLeaving}, nil
	}
	if sub == nil {
		sub = &modelSub{stream: st, cursors: map[string]*modelCursor{}}
		st.subs[c.ID], m.subs[c.ID] = sub, sub
	}
	members := c.Members
	if c.Members = nil; c.Kind == KindQueue {
		members = []string{""}
	}
	sub.SubscriptionConfig = c
	for _, name := range members {
		if _, refused := m.member(sub, name); refused != Done {
			return Result{Refused: refused}, nil
		}
	}
	return Result{}, nil
}

// member finds or makes a cursor.
func (m *model) member(sub *modelSub, name string) (*modelCursor, Refusal) {
	if (sub.Kind == KindQueue) != (name == "") {
		return nil, RefusedMember
	}
	c := sub.cursors[name]
	switch {
	case c != nil && c.leaving:
		return nil, RefusedLeaving
	case c != nil:
		return c, Done
	}
	m.lastCursor++
	st := sub.stream
	c = &modelCursor{
		id: CursorID{sub.ID, name}, ordinal: m.lastCursor, sub: sub, copies: map[Offset]*modelCopy{}, began: st.next(),
		acked: map[Offset]bool{}, lost: map[Offset]bool{}, aside: map[Offset]bool{}, used: m.wall,
	}
	sub.cursors[name] = c
	if first := max(st.floor, st.dropped); sub.From == FromEarliest && first < st.next() {
		c.reach, c.frontier, c.began = reachFar, first, first
	}
	return c, Done
}

// cursor finds a cursor for who attaches or takes, or makes it.
func (m *model) cursor(id CursorID) (*modelCursor, Refusal) {
	sub := m.subs[id.Subscription]
	if sub == nil || sub.leaving {
		return nil, RefusedSubscription
	}
	return m.member(sub, id.Member)
}

// find finds one that is there and isn't leaving.
func (m *model) find(id CursorID) *modelCursor {
	if sub := m.subs[id.Subscription]; sub != nil && sub.cursors[id.Member] != nil && !sub.cursors[id.Member].leaving {
		return sub.cursors[id.Member]
	}
	return nil
}

func (m *model) remove(s removeSection, fx *Effects) {
	st := m.streams[s.Stream]
	if st == nil || st.leaving {
		return
	}
	sub := st.subs[s.Subscription]
	switch {
	case s.Subscription == 0:
		st.leaving = true
		for _, sub := range st.subList() {
			m.removeSub(sub, fx)
		}
		fx.Gone.Streams = append(fx.Gone.Streams, st.id)
	case s.Member != "":
		if sub != nil && sub.cursors[s.Member] != nil {
			m.leave(sub.cursors[s.Member], fx)
		}
	default:
		st.version++
		if sub != nil {
			m.removeSub(sub, fx)
		}
	}
	m.sweep(func(*modelCursor) bool { return false })
}

func (m *model) removeSub(sub *modelSub, fx *Effects) {
	sub.leaving = true
	for _, c := range sub.cursorList() {
		m.leave(c, fx)
	}
}

// leave has a cursor leave, with all it has.
func (m *model) leave(c *modelCursor, fx *Effects) {
	if c.leaving {
		return
	}
	for _, s := range slices.Clone(c.sessions) {
		fx.Gone.Sessions = append(fx.Gone.Sessions, GoneSession{s.id, s.connection})
		m.forget(s)
	}
	fx.Gone.Cursors = append(fx.Gone.Cursors, c.id)
	c.leaving = true
	for _, l := range m.leases {
		if l.cursor == c {
			delete(m.leases, l.id)
		}
	}
}

// sweep forgets leaving cursors that are gone, and what goes with them.
func (m *model) sweep(gone func(*modelCursor) bool) {
	for _, st := range m.streams {
		for _, sub := range st.subs {
			maps.DeleteFunc(sub.cursors, func(_ string, c *modelCursor) bool { return c.leaving && gone(c) })
			if sub.leaving && len(sub.cursors) == 0 {
				delete(st.subs, sub.ID)
				delete(m.subs, sub.ID)
			}
		}
		if st.leaving && len(st.subs) == 0 {
			delete(m.streams, st.id)
			m.due = slices.DeleteFunc(m.due, func(d *modelDue) bool { return d.stream == st })
		}
	}
}

// expireMembers has members of fan-outs leave that nobody has used for too long.
func (m *model) expireMembers(fx *Effects) {
	var going []*modelCursor
	until := func(c *modelCursor) Wall { return c.used + c.sub.MemberExpiry }
	for _, c := range m.cursors() {
		if c.sub.Kind == KindFanout && c.sub.MemberExpiry > 0 && len(c.sessions) == 0 && until(c) <= m.wall {
			going = append(going, c)
		}
	}
	slices.SortStableFunc(going, func(a, b *modelCursor) int { return cmp.Compare(until(a), until(b)) })
	for _, c := range going {
		fx.Unused = append(fx.Unused, Unused{
			Cursor:    c.id,
			Unsettled: uint64(len(c.in(stateReady, stateLeased, stateDelayed, stateDead, stateLater))),
			Unread:    uint64(c.sub.stream.next() - c.looked()),
		})
		m.leave(c, fx)
	}
}
