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
		CreditEvents: w.rng.Uint32N(30), CreditBytes: 3_000, VisibilityOwn: s.visibility,
	}
	w.add(a, func(r Result) error { return w.attached(s, a, r) })
}

func (w *walk) attached(s *walker, a attachSection, r Result) error {
	switch r.Refused {
	case Done:
	case RefusedLeaving:
		s.conn = 0
		return nil
	default:
		return fmt.Errorf("attaching %s: %v", s.name, r.Refused)
	}
	s.ledger.begun(w.m)
	if !r.Resumed {
		s.incarnation++
		s.held, s.order, s.settles, s.received, s.told = map[uint64][]Run{}, nil, 0, 0, 0
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
			if w.rng.IntN(2) == 0 {
				for _, r := range s.held[d] {
					l.Runs = append(l.Runs, runOf(r.First, r.First+Offset(1+w.rng.IntN(int(r.Count)))))
				}
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

func (w *walk) publish(tb testing.TB, delta Tick) {
	st := w.streams[w.rng.IntN(len(w.streams))]
	who := w.rng.IntN(2)
	switch w.rng.IntN(12) {
	case 0, 1, 2: // again
		st.sequences[who] = max(st.sequences[who], 1)
	case 3: // the next epoch
		st.epochs[who]++
		st.sequences[who] = 1
	default:
		st.sequences[who]++
	}
	producer := block.Producer{ID: block.ProducerID{byte(1 + who)}, Epoch: st.epochs[who], Sequence: st.sequences[who]}
	if producer.Epoch > 1 && w.rng.IntN(10) == 0 { // one that was fenced
		producer.Epoch--
		producer.Sequence = 1 + w.rng.Uint64N(8)
	}
	n := 1 + w.rng.IntN(90)
	if w.rng.IntN(4) > 0 {
		n = 1 + n%8
	}
	words := make([]uint64, (n+63)/64)
	for i := range n {
		words[i/64] |= uint64(w.rng.IntN(2)) << (i % 64)
	}
	selected := matched{Subscription: 11, Words: words}
	events := w.events(n)
	sec := blockSection{Stream: st.id, SetVersion: st.version, Block: eventsBlock(tb, producer, events)}
	sec.Matches = appendMatchIndex(nil, n, []matched{selected})
	w.judge(tb, &sec, w.m.clock+delta)
	classes := classesOf(tb, sec.Block)
	stale := w.rng.IntN(15) == 0
	if stale {
		sec.SetVersion--
		if st.sequences[who]--; st.sequences[who] == 0 && st.epochs[who] > 1 {
			st.epochs[who]--
			st.sequences[who] = 1 // a duplicate, or forgotten
		}
	}
	w.add(sec, func(r Result) error {
		switch {
		case stale:
			if r.Refused != RefusedSetVersion {
				return fmt.Errorf("P3: a block that was matched against another set is answered %v", r.Refused)
			}
			return nil
		case r.Refused != Done:
			return nil
		}
		before, again := st.stored[producer]
		switch {
		case r.Duplicate && again && before == r.First:
			return nil
		case r.Duplicate || again:
			return fmt.Errorf("block %+v, stored %v at %d, is answered %+v", producer, again, before, r)
		case producer.Epoch < st.latest[who]:
			return fmt.Errorf("block %+v is stored after epoch %d", producer, st.latest[who])
		case r.First != st.next || r.Count != uint32(n):
			return fmt.Errorf("P1: %d events at %d, after %d", r.Count, r.First, st.next)
		}
		if err := st.deduped(w.m.clock, r, events); err != nil {
			return err
		}
		st.stored[producer], st.latest[who] = r.First, producer.Epoch
		st.next += Offset(n)
		st.sizes = append(st.sizes, classes...)
		for i := range events {
			st.keys, st.due = append(st.keys, events[i].Key), append(st.due, Wall(events[i].DeliverAtMillis))
		}
		for i := range n {
			st.selected[r.First+Offset(i)] = has(selected, i)
		}
		for _, l := range w.ledgers {
			l.stored(st, r.First, n, selected)
		}
		for _, repeat := range r.Repeats {
			st.repeated[r.First+Offset(repeat.Event)] = true
			for _, l := range w.ledgers {
				if l.stream == st {
					l.wanted[r.First+Offset(repeat.Event)] = false
				}
			}
		}
		return nil
	})
}

// events makes n events, some of them with one of a few keys, some to be delivered later, and some with one of a few dedup ids, which repeat within a
// block too.
func (w *walk) events(n int) []block.Event {
	events, size, delayed, named := make([]block.Event, n), 1+w.rng.IntN(300), w.rng.IntN(5) == 0, w.rng.IntN(3) == 0
	for i := range events {
		e := &events[i]
		e.Data, e.ContentType = make([]byte, size), "application/octet-stream"
		if key := w.rng.IntN(6); key > 0 {
			e.Key = string(rune('a' + key))
		}
		if named && w.rng.IntN(3) > 0 {
			e.DedupID = fmt.Sprint(w.rng.IntN(200))
		}
		if delayed && w.rng.IntN(3) == 0 {
			if e.DeliverAtMillis = int64(w.m.wall) + w.rng.Int64N(20_000); w.rng.IntN(10) == 0 {
				e.DeliverAtMillis += w.rng.Int64N(3 * 3_600_000)
			}
		}
	}
	return events
}

// judge does what the leader does with dedup ids; when few generations are there, it may be one that had looked before any id came.
func (w *walk) judge(tb testing.TB, sec *blockSection, now Tick) {
	b, err := block.Open(sec.Block)
	if err != nil {
		tb.Fatal(err)
	}
	if len(w.m.dedup.generations) < dedupLiveMax && w.rng.IntN(4) == 0 {
		return
	}
	var generations []*generation
	generations, sec.Checked = w.m.dedup.frozen()
	sec.judge(&b, generations, now)
}

// firstSeen is where and when a dedup id was first stored.
type firstSeen struct {
	at   Offset
	when Tick
}

// deduped checks what a stored block's dedup ids were answered, and remembers the new ones.
func (st *walkStream) deduped(now Tick, r Result, events []block.Event) error {
	repeats := map[int]Offset{}
	for _, repeat := range r.Repeats {
		repeats[int(repeat.Event)] = repeat.First
	}
	for i := range events {
		id := events[i].DedupID
		seen, known := st.ids[id]
		first, repeated := repeats[i]
		switch age := now - seen.when; {
		case repeated && (id == "" || !known || age > dedupWindow+dedupWindow/dedupGenerations || first != seen.at):
			return fmt.Errorf("event %d with dedup id %q repeats %d, it was first stored %v ago: %+v", i, id, first, age, seen)
		case !repeated && id != "" && known && age < dedupWindow:
			return fmt.Errorf("event %d with dedup id %q repeats none, %+v is known since %v", i, id, seen, age)
		case !repeated && id != "":
			st.ids[id] = firstSeen{r.First + Offset(i), now}
		}
	}
	return nil
}

// classesOf returns the class of each of a block's events.
func classesOf(tb testing.TB, raw []byte) []sizeClass {
	tb.Helper()
	b, err := block.Open(raw)
	if err != nil {
		tb.Fatal(err)
	}
	classes := sizesOf(nil, &b)
	for len(classes) < b.Len() {
		classes = append(classes, classes[0])
	}
	return classes
}

// fill does what the leader does for a cursor that is far: it brings it a stretch of the log, or one that isn't for its frontier.
func (w *walk) fill(l *ledger) {
	c := w.m.find(l.id)
	if c == nil || c.reach == reachNear {
		return
	}
	limit := c.subscription.stream.next
	if c.reach == reachClosing {
		limit = c.resume
	}
	sec := fillSection{Cursor: l.id, From: c.frontier}
	if sec.To = limit; w.rng.IntN(2) == 0 {
		sec.To = c.frontier + Offset(w.rng.Uint64N(uint64(limit-c.frontier)+1))
	}
	stale := false
	switch w.rng.IntN(12) {
	case 0:
		stale, sec.From = sec.To > sec.From, sec.From+1
	case 1:
		stale, sec.To = true, c.subscription.stream.next+1_000
	}
	room := w.m.lookAhead(c)
	for at := sec.From; at < min(sec.To, l.stream.next); at++ {
		// The leader matches what the log has, repeats as well.
		if !l.wanted[at] && (!l.stream.repeated[at] || l.selective && !l.stream.selected[at]) {
			continue
		}
		if room == 0 {
			sec.To = at
			break
		}
		room--
		if l.ordered {
			r := sizedRun{Run: Run{at, 1}, Classes: []sizeClass{l.stream.sizes[at]}, Keys: []uint64{0}}
			if key := l.stream.keys[at]; key != "" {
				r.Keys[0] = block.HashKey(key)
			}
			sec.Runs = append(sec.Runs, r)
			continue
		}
		if n := len(sec.Runs); n > 0 && sec.Runs[n-1].end() == at {
			sec.Runs[n-1].Count++
			sec.Runs[n-1].Classes = append(sec.Runs[n-1].Classes, l.stream.sizes[at])
			continue
		}
		sec.Runs = append(sec.Runs, sizedRun{Run: Run{at, 1}, Classes: []sizeClass{l.stream.sizes[at]}})
	}
	if sec.To < sec.From {
		return
	}
	w.add(sec, func(r Result) error {
		if stale && r.Refused != RefusedFrontier && (!l.ordered || r.Refused != RefusedTooMany) && r.First < sec.To {
			return fmt.Errorf("P2: a fill from %d to %d of %v is answered %v", sec.From, sec.To, l.id, r)
		}
		return nil
	})
}

func (w *walk) take() {
	l := w.ledgers[w.rng.IntN(len(w.ledgers))]
	sec := takeSection{Cursor: l.id, Events: 1 + w.rng.Uint32N(3), Bytes: 400, Visibility: Tick(w.rng.IntN(2)) * 2_000}
	w.add(sec, func(r Result) error {
		if r.Refused == RefusedLeaving {
			return nil
		}
		l.begun(w.m)
		for _, run := range r.Taken.Runs {
			for at := run.First; at < run.end(); at++ {
				w.receipts = append(w.receipts, Receipt{l.id, at, r.Taken.Epoch})
			}
			if err := l.granted(w.m, run, hold{epoch: r.Taken.Epoch, until: w.m.clock + r.Taken.Visibility}); err != nil {
				return err
			}
		}
		return nil
	})
}

// remove removes a member, or a subscription and makes it anew once it is gone.
func (w *walk) remove() error {
	l := w.ledgers[w.rng.IntN(len(w.ledgers))]
	st := l.stream
	w.add(removeSection{Stream: st.id, Subscription: l.id.Subscription, Member: l.id.Member}, nil)
	if l.id.Member != "" {
		return w.apply(0)
	}
	st.version++
	for again := true; again; {
		if err := w.apply(0); err != nil {
			return err
		}
		w.add(subscriptionSection{w.configs[l.id.Subscription]}, func(r Result) error {
			if again = r.Refused == RefusedLeaving; !again {
				l.begun(w.m)
			}
			return nil
		})
		st.version++
		if err := w.apply(0); err != nil {
			return err
		}
	}
	return nil
}

// gone notes that a cursor has left: whoever comes now finds another one.
func (w *walk) gone(id CursorID) {
	l := w.ledger(id)
	ordered := l.ordered
	*l = *newLedger(id, l.stream, l.selective)
	l.ordered = ordered
	for _, s := range w.consumers {
		if s.ledger == l {
			s.conn = 0
		}
	}
}

// redrive gives some dead letters of a cursor another life, in their order.
func (w *walk) redrive() {
	l := w.ledgers[w.rng.IntN(len(w.ledgers))]
	sec := redriveSection{Cursor: l.id, Max: 1 + w.rng.Uint32N(5), From: Offset(w.rng.IntN(20)), Reason: DeadReason(w.rng.IntN(5))}
	if w.rng.IntN(2) == 0 {
		sec.Runs = []Run{{Offset(w.rng.IntN(30)), 1 + w.rng.Uint32N(30)}}
	}
	w.addRedrive(l, sec)
}

func (w *walk) addRedrive(l *ledger, sec redriveSection) {
	w.add(sec, func(r Result) error {
		if r.Refused != Done {
			return nil
		}
		return l.redriven(w.m, r.Redriven)
	})
}

// giveBack settles a few receipts, old ones among them.
func (w *walk) giveBack() {
	sec := returnSection{Decision: Decision{Verb: Verb(1 + w.rng.IntN(4)), After: Tick(w.rng.IntN(2) * 900)}}
	for range min(len(w.receipts), 4) {
		sec.Receipts = append(sec.Receipts, w.receipts[w.rng.IntN(len(w.receipts))])
	}
	w.add(sec, func(r Result) error {
		for i, receipt := range sec.Receipts {
			l := w.ledger(receipt.Cursor)
			if err := l.returned(w.m.clock, sec.Decision, receipt, slices.Contains(r.LostReceipts, uint32(i))); err != nil {
				return err
			}
		}
		for _, l := range w.ledgers {
			l.recall()
		}
		return nil
	})
}

func (w *walk) ledger(id CursorID) *ledger {
	return w.ledgers[slices.IndexFunc(w.ledgers, func(l *ledger) bool { return l.id == id })]
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
