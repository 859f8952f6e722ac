package partition

import (
	"bytes"
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

var (
	seedFlag  = flag.Uint64("seed", 0, "run TestRandom with this seed alone")
	seedsFlag = flag.Uint64("seeds", 24, "how many seeds TestRandom runs with")
)

// TestRandom lets random consumers, producers and leaders loose on two machines, one of which is restored from its snapshot now and then. After
// every entry both must have said the same (P9), the books must add up, nothing may wait that a session has room for, and what a simple
// ledger of each cursor (ledger_test.go) knows of each event must hold. A failure prints the seed; go test -run TestRandom -seed N replays it.
func TestRandom(t *testing.T) {
	if *seedFlag != 0 {
		runRandom(t, *seedFlag, 2_000)
		return
	}
	seeds := *seedsFlag
	if testing.Short() {
		seeds = min(seeds, 6)
	}
	for seed := range seeds {
		runRandom(t, seed+1, 300)
	}
}

const walkAttemptsMax = 4

type walk struct {
	rng     *rand.Rand
	m, twin *Machine
	// What their checkpoints add up to.
	image, twinImage image
	index            Index
	term             Term
	// leasedMax and deadMax are the machines' bounds, often small, and so is nearEventsMax, so that cursors fall behind.
	leasedMax, deadMax, nearEventsMax uint64
	// dismantleMax too, so that removing takes several entries, and generationIDs, so that dedup ids are in several generations.
	dismantleMax, generationIDs int
	// asideEventsMax too, so that dead letters hold the log.
	asideEventsMax uint64
	// shifts are small: few offsets have many pieces.
	shifts shifts
	// lookAheadMax is how many events of the ordered queue are in line.
	lookAheadMax uint64
	// retained is from where on the log is kept. What lies before may be gone.
	retained Index

	streams   []*walkStream
	configs   map[SubscriptionID]SubscriptionConfig
	ledgers   []*ledger
	consumers []*walker
	receipts  []Receipt
	// touched consumers have said something in this entry: they wait for its answer.
	touched map[*walker]bool
	secs    []section
	after   []func(Result) error
}

// walkStream is a stream as its producers see it.
type walkStream struct {
	id        StreamID
	version   uint64
	next      Offset
	sequences [2]uint64
	epochs    [2]uint32
	// stored is where numbered blocks went, latest the epoch of each producer that was stored last.
	stored map[block.Producer]Offset
	latest [2]uint32
	// selected events match the one pattern that there is, sizes are the classes of all.
	selected map[Offset]bool
	// repeated are the offsets of events that repeat another, ids where and when each dedup id was first stored.
	repeated map[Offset]bool
	ids      map[string]firstSeen
	sizes    []sizeClass
	// keys of all events, "" for none, and when they are due.
	keys []string
	due  []Wall
	// wallBefore is what W was before the entry.
	wallBefore Wall
}

// walker is a consumer, and what it believes to hold, by delivery.
type walker struct {
	name   string
	ledger *ledger
	conn   ConnectionID
	// answered is the stamp of its last attach that was answered in this session.
	answered uint64
	// incarnation is another one when the session was forgotten.
	incarnation int
	visibility  Tick
	received    uint64
	// told is the highest received number that the partition knows.
	told    uint64
	settles uint64
	held    map[uint64][]Run
	order   []uint64
}

func runRandom(t *testing.T, seed uint64, entries int) {
	t.Helper()
	w := &walk{rng: rand.New(rand.NewPCG(seed, seed)), m: NewMachine(), twin: NewMachine(), image: image{}, twinImage: image{}, term: 1, touched: map[*walker]bool{}, configs: map[SubscriptionID]SubscriptionConfig{}}
	w.leasedMax = LeasedMax
	if w.rng.IntN(2) == 0 {
		w.leasedMax = 5 + w.rng.Uint64N(40)
	}
	w.deadMax = DeadLettersMax
	if w.rng.IntN(3) == 0 {
		w.deadMax = 20 + w.rng.Uint64N(40)
	}
	w.dismantleMax, w.generationIDs = 1+w.rng.IntN(40), 4+w.rng.IntN(100)
	w.nearEventsMax = NearEventsMax
	if w.rng.IntN(2) == 0 {
		w.nearEventsMax = 10 + w.rng.Uint64N(60)
	}
	w.asideEventsMax = []uint64{0, 5, 40, AsideEventsMax}[seed%4]
	w.shifts = shifts{refs: uint8(w.rng.IntN(4)), events: uint8(w.rng.IntN(5)), dead: uint8(w.rng.IntN(4))}
	w.lookAheadMax = LookAheadMax
	if few := w.rng.IntN(3); few > 0 {
		w.lookAheadMax = uint64(10*few*few*few*few) + w.rng.Uint64N(60)
	}
	w.bound(w.m)
	w.bound(w.twin)
	fail := func(err error) {
		if err != nil {
			t.Fatalf("seed %d, entry %d: %v", seed, w.index, err)
		}
	}
	w.populate()
	fail(w.apply(0))
	for range entries {
		fail(w.random(t))
	}
	fail(w.drain())
}

func (w *walk) bound(m *Machine) {
	m.dedup.generationIDs, m.hashEvery = w.generationIDs, 3
	m.leasedMax, m.deadMax, m.nearEventsMax, m.dismantleMax = w.leasedMax, w.deadMax, w.nearEventsMax, w.dismantleMax
	m.shifts = w.shifts
	m.lookAheadMax = w.lookAheadMax
	m.asideEventsMax = w.asideEventsMax
}

// populate makes two streams with queues, one of them selective, and a fan-out, a member of which comes later.
func (w *walk) populate() {
	for id := StreamID(1); id <= 2; id++ {
		w.add(streamSection{Stream: id}, nil)
		w.streams = append(w.streams, &walkStream{id: id, epochs: [2]uint32{1, 1}, stored: map[block.Producer]Offset{}, selected: map[Offset]bool{}, repeated: map[Offset]bool{}, ids: map[string]firstSeen{}})
	}
	subscribe := func(st *walkStream, c SubscriptionConfig, members ...string) {
		c.Stream, c.Visibility, c.AttemptsMax = st.id, 5_000, walkAttemptsMax
		w.add(subscriptionSection{c}, nil)
		w.configs[c.ID] = c
		st.version++
		for _, member := range members {
			l := newLedger(CursorID{c.ID, member}, st, c.Pattern != "")
			l.ordered = c.Ordered
			l.there = member == "" || slices.Contains(c.Members, member)
			w.ledgers = append(w.ledgers, l)
			for i := range 3 {
				w.consumers = append(w.consumers, &walker{name: fmt.Sprintf("%d%s-%d", c.ID, member, i), ledger: l})
			}
		}
	}
	subscribe(w.streams[0], SubscriptionConfig{ID: 10, Kind: KindQueue}, "")
	subscribe(w.streams[0], SubscriptionConfig{ID: 11, Kind: KindQueue, Pattern: `{"a":[1]}`}, "")
	subscribe(w.streams[0], SubscriptionConfig{
		ID: 12, Kind: KindFanout, Members: []string{"x", "y"}, From: From(w.rng.IntN(2)), MemberExpiry: Wall(w.rng.IntN(2)) * 15_000,
	}, "x", "y", "late")
	subscribe(w.streams[0], SubscriptionConfig{ID: 13, Kind: KindQueue, Ordered: true, From: From(w.rng.IntN(2))}, "")
	subscribe(w.streams[1], SubscriptionConfig{ID: 20, Kind: KindQueue}, "")
}

// add puts a section into the entry, and says what to make of its result.
func (w *walk) add(s section, then func(Result) error) {
	w.secs = append(w.secs, s)
	w.after = append(w.after, then)
}

// random makes one entry of a few random commands.
func (w *walk) random(tb testing.TB) error {
	if w.rng.IntN(40) == 0 {
		w.term++
	}
	if w.rng.IntN(12) == 0 { // by itself: who dies and is redriven in one entry would look as if nothing had been
		w.redrive()
		return w.apply(0)
	}
	if w.rng.IntN(60) == 0 {
		return w.remove()
	}
	for range w.rng.IntN(8) {
		s := w.consumers[w.rng.IntN(len(w.consumers))]
		if w.touched[s] {
			continue
		}
		w.touched[s] = true
		switch {
		case s.conn == 0 || w.rng.IntN(15) == 0:
			w.attach(s)
		case w.rng.IntN(20) == 0:
			w.add(detachSection{Session: sessionNamed(s.name), Connection: s.conn, Away: w.rng.IntN(2) == 0}, nil)
		case w.rng.IntN(19) == 0:
			// Perhaps from a connection that is over.
			conn := s.conn - ConnectionID(w.rng.IntN(4)/3)
			w.add(creditSection{Session: sessionNamed(s.name), Connection: conn, Events: w.rng.Uint32N(20), Bytes: 2_000}, nil)
		case w.rng.IntN(25) == 0:
			w.close(s)
		case w.rng.IntN(24) == 0:
			w.attachLate(s)
		default:
			w.settle(s)
		}
	}
	delta := Tick(w.rng.IntN(400))
	if w.rng.IntN(100) == 0 { // out of the window of some dedup ids
		delta = 250_000
	}
	if w.rng.IntN(20) == 0 {
		delta = 6_000
	}
	if w.rng.IntN(3) == 0 {
		w.publish(tb, delta)
	}
	if w.rng.IntN(3) == 0 {
		w.fill(w.ledgers[w.rng.IntN(len(w.ledgers))])
	}
	if w.rng.IntN(6) == 0 {
		w.take()
	}
	if w.rng.IntN(6) == 0 {
		w.giveBack()
	}
	return w.apply(delta)
}

func (w *walk) attach(s *walker) {
	s.conn++
	s.visibility = Tick(w.rng.IntN(3)) * 1_500
	received := s.received
	if n := len(s.order); n > 0 && w.rng.IntN(3) == 0 && s.order[n-1] > s.told { // the last delivery was lost on the way
		delete(s.held, s.order[n-1])
		received = s.order[n-1] - 1
		s.order, s.received = s.order[:n-1], received
	}
	stale := received - min(received, w.rng.Uint64N(10)/8) // or this attach was on its way for long
	a := attachSection{
		Session: sessionNamed(s.name), Connection: s.conn, Cursor: s.ledger.id, Received: stale,
		CreditEvents: w.rng.Uint32N(30), CreditBytes: 3_000, VisibilityOwn: s.visibility, Stamp: uint64(s.conn), Answered: s.answered,
	}
	w.add(a, func(r Result) error { return w.attached(s, a, r) })
}

// attachLate has an attach arrive that was on its way while its consumer attached by another connection: what that one was given is worked on.
func (w *walk) attachLate(s *walker) {
	is := w.m.sessions[sessionNamed(s.name)]
	if is == nil || is.stamp < 2 {
		return
	}
	a := attachSection{
		Session: is.id, Connection: s.conn + 1<<32, Cursor: s.ledger.id, Received: w.rng.Uint64N(is.received + 1), CreditEvents: 10, CreditBytes: 3_000,
		Stamp: 1 + w.rng.Uint64N(is.stamp-1),
	}
	w.add(a, func(r Result) error {
		if r.Refused != RefusedSuperseded {
			return fmt.Errorf("attaching %s late: %v", s.name, r.Refused)
		}
		return nil
	})
}

// began forgets the past with the session.
func (s *walker) began() {
	s.incarnation++
	s.answered = 0
	s.held, s.order, s.settles, s.received, s.told = map[uint64][]Run{}, nil, 0, 0, 0
}

func (w *walk) attached(s *walker, a attachSection, r Result) error {
	switch r.Refused {
	case Done:
	case RefusedLeaving:
		s.conn = 0
		return nil
	case RefusedSession: // it was forgotten; it begins anew
		if a.Received == 0 || w.m.sessions[a.Session] != nil {
			return fmt.Errorf("attaching %s: it isn't known, or it got nothing up to %d", s.name, a.Received)
		}
		s.conn = 0
		s.began()
		return nil
	default:
		return fmt.Errorf("attaching %s: %v", s.name, r.Refused)
	}
	s.ledger.begun(w.m)
	if w.rng.IntN(4) > 0 { // else the answer is lost, and what it tells of the session shows all the same
		s.answered = a.Stamp
	}
	if !r.Resumed {
		if a.Received > 0 {
			return fmt.Errorf("P6: %s has deliveries up to %d, and they are numbered from 1 again", s.name, a.Received)
		}
		s.began()
		return nil
	}
	s.told = max(s.told, a.Received)
	s.ledger.free(s, func(h hold) bool { return h.delivery > s.told })
	s.order = slices.DeleteFunc(s.order, func(d uint64) bool { return d > s.told })
	s.received = s.told
	return nil
}

func (w *walk) close(s *walker) {
	c := closeSection{Session: sessionNamed(s.name), Received: s.received, Unstarted: w.some(s)}
	w.add(c, func(r Result) error {
		if r.Refused == Done {
			s.ledger.free(s, func(hold) bool { return true })
		}
		return nil
	})
	s.conn++ // it attaches anew, to a session that nobody knows
	s.order, s.received = nil, 0
}

// some picks deliveries that the consumer believes to hold, and now and then one that it can't.
func (w *walk) some(s *walker) (list []Leased) {
	for _, d := range s.order {
		if w.rng.IntN(2) == 0 {
			l := Leased{Delivery: d}
			switch w.rng.IntN(4) {
			case 0:
				for _, r := range s.held[d] {
					l.Runs = append(l.Runs, runOf(r.First, r.First+Offset(1+w.rng.IntN(int(r.Count)))))
				}
			case 1:
				listed := 0
				for _, r := range s.held[d] {
					listed += int(r.Count)
				}
				from := Offset(w.rng.IntN(listed))
				l.ByPosition, l.Runs = true, []Run{runOf(from, from+Offset(1+w.rng.IntN(listed)))}
			}
			list = append(list, l)
		}
	}
	named := func(l Leased) bool { return slices.Contains(s.order, l.Delivery) }
	if other := (Leased{Delivery: 1 + w.rng.Uint64N(10), Runs: []Run{{Offset(w.rng.IntN(50)), 3}}}); !named(other) && w.rng.IntN(10) == 0 {
		list = append(list, other)
	}
	return list
}

func (w *walk) settle(s *walker) {
	s.settles++
	dec := Decision{Verb: Verb(1 + w.rng.IntN(4)), Leased: w.some(s)}
	if w.rng.IntN(2) > 0 {
		dec.Verb = VerbAck
	}
	switch dec.Verb {
	case VerbRelease:
		dec.After, dec.Unstarted = Tick(w.rng.IntN(3)*700), w.rng.IntN(3) == 0
	case VerbExtend:
		dec.After = Tick(w.rng.IntN(3) * 4_000)
	case VerbAck, VerbReject:
	}
	before := map[uint64][]Run{}
	if known := w.m.sessions[sessionNamed(s.name)]; known != nil {
		for _, l := range known.held() {
			before[l.Delivery] = l.Runs
		}
	}
	received := s.received
	sec := settleSection{Session: sessionNamed(s.name), Sequence: s.settles, Received: received, Decisions: []Decision{dec}}
	w.add(sec, func(r Result) error {
		if r.Refused != Done {
			return nil
		}
		s.told = max(s.told, received)
		return s.ledger.settled(w.m.clock, s, dec, before, r.Lost)
	})
}

// firstSeen is where and when a dedup id was first stored.
type firstSeen struct {
	at   Offset
	when Tick
}

// checkpoint takes checkpoints of both machines now and then, and has the twin go on from one.
func (w *walk) checkpoint() error {
	if w.rng.IntN(5) == 0 {
		if err := w.image.take(w.m, w.index == 1 || w.rng.IntN(10) == 0); err != nil {
			return err
		}
	}
	if w.rng.IntN(7) == 0 {
		if err := w.twinImage.take(w.twin, false); err != nil {
			return fmt.Errorf("the twin: %w", err)
		}
	}
	if w.rng.IntN(10) > 0 {
		return nil
	}
	if err := w.twinImage.take(w.twin, w.rng.IntN(4) == 0); err != nil {
		return fmt.Errorf("the twin: %w", err)
	}
	restored := NewMachine()
	w.bound(restored)
	if _, err := restored.restore(w.twinImage.walk()); err != nil {
		return err
	}
	w.twin = restored
	return w.twinImage.compare(restored)
}

// apply applies the entry to both machines and checks everything.
func (w *walk) apply(delta Tick) error {
	secs, after := w.secs, w.after
	w.secs, w.after = nil, nil
	clear(w.touched)
	w.index++
	raw := appendSection(appendEntryHeader(nil), clockSection{Delta: delta, Wall: w.m.wall + Wall(delta)})
	for _, s := range secs {
		raw = appendSection(raw, s)
	}
	if err := w.checkpoint(); err != nil {
		return err
	}
	for _, st := range w.streams {
		st.wallBefore = w.m.wall
	}
	fx, err := w.m.Apply(w.index, w.term, raw)
	if err != nil {
		return err
	}
	again, err := w.twin.Apply(w.index, w.term, raw)
	if err != nil {
		return err
	}
	if a, b := fmt.Sprintf("%+v", *fx), fmt.Sprintf("%+v", *again); a != b {
		return fmt.Errorf("P9: the twin differs\n  was  %s\n  is   %s", a, b)
	}
	if w.index%32 == 0 && !bytes.Equal(w.m.Snapshot(), w.twin.Snapshot()) {
		return fmt.Errorf("P9: the twin's snapshot differs")
	}
	for i, then := range after {
		if then != nil {
			if err := then(fx.Results[i+1]); err != nil {
				return err
			}
		}
	}
	for _, c := range fx.Gone.Cursors {
		w.gone(c)
	}
	for _, l := range w.ledgers {
		l.expire(w.m)
	}
	for _, g := range fx.Grants {
		if err := w.grant(g); err != nil {
			return err
		}
	}
	if from := w.m.retainFrom(); from < w.retained || from > w.index+1 {
		return fmt.Errorf("P2: entries from %d on are needed, the log was let go up to %d", from, w.retained)
	} else if w.index%8 == 0 {
		w.retained = from
	}
	if err := checkInvariants(w.m); err != nil {
		return err
	}
	for _, l := range w.ledgers {
		if err := l.check(w.m); err != nil {
			return fmt.Errorf("cursor %v: %w", l.id, err)
		}
	}
	return nil
}

func (w *walk) grant(g Grant) error {
	i := slices.IndexFunc(w.consumers, func(s *walker) bool { return s.name == sessionName(g.Session) })
	s := w.consumers[i]
	if g.Connection != s.conn {
		return fmt.Errorf("%s is granted events on connection %d, its is %d", s.name, g.Connection, s.conn)
	}
	s.received = g.Delivery
	s.order = append(s.order, g.Delivery)
	for _, r := range g.Runs {
		s.held[g.Delivery] = append(s.held[g.Delivery], r.Run)
		h := hold{holder: s, incarnation: s.incarnation, delivery: g.Delivery, epoch: g.Epoch, until: w.m.clock + g.Visibility}
		if err := s.ledger.granted(w.m, r, h); err != nil {
			return err
		}
	}
	return nil
}

// drain has one consumer of each cursor ack everything that is left, as the leases of the others end (P10).
func (w *walk) drain() error {
	w.consumers = nil
	w.term++
	for w.m.leaving.Len() > 0 {
		if err := w.apply(0); err != nil {
			return err
		}
	}
	for _, l := range w.ledgers {
		s := &walker{name: l.id.String() + "-last", ledger: l, conn: 1}
		w.consumers = append(w.consumers, s)
		a := attachSection{Session: sessionNamed(s.name), Connection: 1, Cursor: l.id, CreditEvents: 10_000, CreditBytes: 1 << 20}
		w.add(a, func(r Result) error { return w.attached(s, a, r) })
	}
	left := func(l *ledger) bool {
		c := w.m.find(l.id)
		return !c.ready.IsEmpty() || !c.held.IsEmpty() || !c.later.IsEmpty() || c.reach != reachNear
	}
	for entries := 0; entries == 0 || entries < 500 && slices.ContainsFunc(w.ledgers, left); entries++ {
		if err := w.apply(45_000); err != nil {
			return err
		}
		for _, l := range w.ledgers { // full of dead letters, nothing more would be leased
			w.addRedrive(l, redriveSection{Cursor: l.id, Max: RedriveMax})
			w.fill(l)
		}
		if err := w.apply(0); err != nil {
			return err
		}
		for _, s := range w.consumers {
			s.settles++
			dec := Decision{Verb: VerbAck}
			for _, d := range s.order {
				dec.Leased = append(dec.Leased, Leased{Delivery: d, Runs: s.held[d]})
			}
			s.order, s.held = nil, map[uint64][]Run{}
			sec := settleSection{Session: sessionNamed(s.name), Sequence: s.settles, Received: s.received, Decisions: []Decision{dec}}
			w.add(sec, func(r Result) error { return s.ledger.settled(w.m.clock, s, dec, nil, r.Lost) })
		}
	}
	for _, l := range w.ledgers {
		if c := w.m.find(l.id); left(l) {
			return fmt.Errorf("P10: after all leases ended and everything was acked, %v has ready %v, held %v", l.id, c.ready, c.held)
		}
	}
	return nil
}
