package partition

import (
	"bytes"
	"flag"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

var seedFlag = flag.Uint64("seed", 0, "run TestRandom with this seed alone")

// TestRandom lets random consumers, producers and leaders loose on two machines, one of which is restored from its snapshot now and then. After
// every entry both must have said the same (P9), the books must add up, and what a simple ledger knows of each event must hold. A
// failure prints the seed; go test -run TestRandom -seed N replays it.
func TestRandom(t *testing.T) {
	seeds := 24
	if testing.Short() {
		seeds = 6
	}
	if *seedFlag != 0 {
		runRandom(t, *seedFlag, 2_000)
		return
	}
	for seed := range uint64(seeds) {
		runRandom(t, seed+1, 400)
	}
}

// ledger is the obvious truth about the events of one queue.
type ledger struct {
	stored Offset
	acked  map[Offset]bool
	dead   map[Offset]bool
	// attempt is the highest that an event was granted with.
	attempt map[Offset]uint16
}

type walk struct {
	rng      *rand.Rand
	m, twin  *Machine
	index    Index
	term     Term
	version  uint64
	ledger   ledger
	sessions map[string]*walker
	seq      uint64
}

// walker is a consumer, and what it believes to hold, by delivery.
type walker struct {
	name     string
	conn     uint64
	received uint64
	settles  uint64
	held     map[uint64][]Run
	order    []uint64
}

func runRandom(t *testing.T, seed uint64, entries int) {
	t.Helper()
	w := &walk{
		rng: rand.New(rand.NewPCG(seed, seed)), m: NewMachine(), twin: NewMachine(), term: 1,
		ledger:   ledger{acked: map[Offset]bool{}, dead: map[Offset]bool{}, attempt: map[Offset]uint16{}},
		sessions: map[string]*walker{},
	}
	fail := func(err error) {
		if err != nil {
			t.Fatalf("seed %d, entry %d: %v", seed, w.index, err)
		}
	}
	fail(w.entry(0, []section{
		streamSection{Stream: 1},
		subscriptionSection{SubscriptionConfig{ID: 10, Stream: 1, Kind: KindQueue, Visibility: 5_000, AttemptsMax: 4}},
	}, nil))
	w.version = 1
	for range entries {
		fail(w.random(t))
	}
	fail(w.drain(t))
}

// random makes one entry of a few random commands.
func (w *walk) random(tb testing.TB) error {
	if w.rng.IntN(40) == 0 {
		w.term++
	}
	var secs []section
	var after []func(Result)
	add := func(s section, then func(Result)) {
		secs = append(secs, s)
		after = append(after, then)
	}
	touched := map[string]bool{} // a consumer says one thing an entry, since it waits for the answer
	for range w.rng.IntN(4) {
		name := fmt.Sprintf("s%d", w.rng.IntN(4))
		if touched[name] {
			continue
		}
		touched[name] = true
		s := w.sessions[name]
		switch {
		case s == nil || w.rng.IntN(15) == 0:
			w.attach(name, add)
		case w.rng.IntN(20) == 0:
			add(detachSection{Session: sessionNamed(name), Connection: ConnectionID(s.conn), Away: w.rng.IntN(2) == 0}, nil)
		case w.rng.IntN(19) == 0:
			add(creditSection{Session: sessionNamed(name), Connection: ConnectionID(s.conn), Events: w.rng.Uint32N(20), Bytes: 2_000}, nil)
		case w.rng.IntN(25) == 0:
			add(closeSection{Session: sessionNamed(name), Received: s.received, Unstarted: w.some(s)}, nil)
			delete(w.sessions, name)
		default:
			w.settle(s, add)
		}
	}
	if w.rng.IntN(3) == 0 {
		w.publish(tb, add)
	}
	if w.rng.IntN(8) == 0 {
		add(takeSection{Cursor: CursorID{Subscription: 10}, Events: 1 + w.rng.Uint32N(3), Bytes: 1 << 20}, w.taken)
	}
	delta := Tick(w.rng.IntN(400))
	if w.rng.IntN(20) == 0 {
		delta = 6_000
	}
	return w.entry(delta, secs, after)
}

func (w *walk) attach(name string, add func(section, func(Result))) {
	s := w.sessions[name]
	if s == nil {
		s = &walker{name: name, held: map[uint64][]Run{}}
		w.sessions[name] = s
	}
	s.conn = uint64(w.rng.Uint32())
	received := s.received
	if len(s.order) > 0 && w.rng.IntN(3) == 0 { // the last delivery was lost on the way
		last := s.order[len(s.order)-1]
		s.order = s.order[:len(s.order)-1]
		delete(s.held, last)
		received = last - 1
		s.received = received
	}
	add(attachSection{
		Session: sessionNamed(name), Connection: ConnectionID(s.conn), Cursor: CursorID{Subscription: 10},
		Received: received, CreditEvents: w.rng.Uint32N(30), CreditBytes: 3_000,
	}, func(r Result) {
		if !r.Resumed {
			s.held, s.order, s.settles = map[uint64][]Run{}, nil, 0
		}
	})
}

// some picks deliveries that the consumer believes to hold.
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
	return list
}

func (w *walk) settle(s *walker, add func(section, func(Result))) {
	s.settles++
	dec := Decision{Verb: Verb(1 + w.rng.IntN(4)), Leased: w.some(s)}
	if w.rng.IntN(3) > 0 {
		dec.Verb = VerbAck
	}
	if dec.Verb == VerbRelease {
		dec.After, dec.Unstarted = Tick(w.rng.IntN(3)*700), w.rng.IntN(3) == 0
	}
	before := w.held(sessionNamed(s.name))
	add(settleSection{Session: sessionNamed(s.name), Sequence: s.settles, Received: s.received, Decisions: []Decision{dec}},
		func(r Result) {
			if r.Refused != Done || dec.Verb != VerbAck {
				return
			}
			type part struct {
				delivery uint64
				at       Offset
			}
			lost := map[part]bool{}
			for _, l := range r.Lost {
				for at := range offsets(l, nil) {
					lost[part{l.Delivery, at}] = true
				}
			}
			for _, l := range dec.Leased {
				for at := range offsets(l, before) {
					if !lost[part{l.Delivery, at}] {
						w.ledger.acked[at] = true
					}
				}
			}
		})
}

// held is what the machine says that a session holds, by delivery.
func (w *walk) held(id SessionID) map[uint64][]Run {
	held := map[uint64][]Run{}
	if s := w.m.sessions[id]; s != nil {
		for _, l := range s.held() {
			held[l.Delivery] = l.Runs
		}
	}
	return held
}

// offsets yields what a Leased names: its runs, or all that is held of the delivery.
func offsets(l Leased, held map[uint64][]Run) func(func(Offset) bool) {
	runs := l.Runs
	if len(runs) == 0 {
		runs = held[l.Delivery]
	}
	return func(yield func(Offset) bool) {
		for _, r := range runs {
			for at := r.First; at < r.end(); at++ {
				if !yield(at) {
					return
				}
			}
		}
	}
}

func (w *walk) publish(tb testing.TB, add func(section, func(Result))) {
	producer := block.Producer{ID: block.ProducerID{1}, Epoch: 1}
	repeat := w.seq > 0 && w.rng.IntN(4) == 0
	if !repeat {
		w.seq++
	}
	producer.Sequence = w.seq
	n := 1 + w.rng.IntN(6)
	add(blockSection{Stream: 1, SetVersion: w.version, Matches: []byte{0}, Block: testBlock(tb, n, 1+w.rng.IntN(300), producer)}, func(r Result) {
		if r.Refused == Done && !r.Duplicate {
			w.ledger.stored += Offset(r.Count)
		}
	})
}

func (w *walk) taken(r Result) {
	for _, run := range r.Taken.Runs {
		w.granted(run)
	}
}

func (w *walk) granted(r EventRun) {
	for at := r.First; at < r.end(); at++ {
		w.ledger.attempt[at] = max(w.ledger.attempt[at], r.Attempt)
	}
}

// entry applies an entry to both machines and checks everything.
func (w *walk) entry(delta Tick, secs []section, after []func(Result)) error {
	w.index++
	raw := appendSection(appendEntryHeader(nil), clockSection{Delta: delta, Wall: w.m.wall + Wall(delta)})
	for _, s := range secs {
		raw = appendSection(raw, s)
	}
	if w.rng.IntN(10) == 0 {
		restored, err := Restore(w.twin.Snapshot())
		if err != nil {
			return err
		}
		w.twin = restored
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
			then(fx.Results[i+1])
		}
	}
	for _, g := range fx.Grants {
		if err := w.grant(g); err != nil {
			return err
		}
	}
	if err := checkInvariants(w.m); err != nil {
		return err
	}
	return w.check()
}

func (w *walk) grant(g Grant) error {
	for _, r := range g.Runs {
		for at := r.First; at < r.end(); at++ {
			if w.ledger.acked[at] {
				return fmt.Errorf("P5: offset %d was acked, and is granted to %s", at, sessionName(g.Session))
			}
			if w.ledger.dead[at] {
				return fmt.Errorf("offset %d is dead, and is granted to %s", at, sessionName(g.Session))
			}
			if r.Attempt < w.ledger.attempt[at] {
				return fmt.Errorf("P7: offset %d is granted for attempt %d after %d", at, r.Attempt, w.ledger.attempt[at])
			}
		}
		w.granted(r)
	}
	if s := w.sessions[sessionName(g.Session)]; s != nil {
		s.received = g.Delivery
		s.order = append(s.order, g.Delivery)
		for _, r := range g.Runs {
			s.held[g.Delivery] = append(s.held[g.Delivery], r.Run)
		}
	}
	return nil
}

// check asserts that every stored event is acked or somewhere (P2), and never both (P5).
func (w *walk) check() error {
	st := w.m.streams[1]
	if st.next != w.ledger.stored {
		return fmt.Errorf("P1: %d events are stored, the next offset is %d", w.ledger.stored, st.next)
	}
	c := w.m.subscriptions[10].cursors[0]
	c.dead.Ascend(func(d deadLetter) bool {
		w.ledger.dead[d.offset] = true
		return true
	})
	for at := range st.next {
		somewhere := c.ready.Contains(uint64(at)) || c.held.Contains(uint64(at)) || w.ledger.dead[at]
		if somewhere == w.ledger.acked[at] {
			return fmt.Errorf("offset %d: acked %v, still there %v (P2, P5)", at, w.ledger.acked[at], somewhere)
		}
	}
	return nil
}

// drain ends all leases and has one consumer ack everything that is left (P10).
func (w *walk) drain(tb testing.TB) error {
	w.sessions = map[string]*walker{}
	for range 100 {
		var secs []section
		var after []func(Result)
		add := func(s section, then func(Result)) {
			secs = append(secs, s)
			after = append(after, then)
		}
		s := w.sessions["last"]
		if s == nil {
			w.term++
			w.attach("last", add)
			secs[0] = creditOf(secs[0])
		} else {
			s.settles++
			dec := Decision{Verb: VerbAck}
			for _, d := range s.order {
				dec.Leased = append(dec.Leased, Leased{Delivery: d, Runs: s.held[d]})
			}
			all := dec.Leased
			s.order, s.held = nil, map[uint64][]Run{}
			add(settleSection{Session: sessionNamed("last"), Sequence: s.settles, Received: s.received, Decisions: []Decision{dec}},
				func(r Result) {
					before := maps.Clone(w.ledger.acked)
					for _, l := range all {
						for at := range offsets(l, nil) {
							w.ledger.acked[at] = true
						}
					}
					for _, l := range r.Lost {
						for at := range offsets(l, nil) {
							w.ledger.acked[at] = before[at]
						}
					}
				})
		}
		if err := w.entry(5_100, secs, after); err != nil {
			return err
		}
	}
	if c := w.m.subscriptions[10].cursors[0]; !c.ready.IsEmpty() || !c.held.IsEmpty() {
		return fmt.Errorf("P10: after all leases ended and everything was acked, ready is %v, held is %v", c.ready, c.held)
	}
	return nil
}

func creditOf(s section) section {
	a := s.(attachSection)
	a.CreditEvents, a.CreditBytes = 10_000, 1<<20
	return a
}
