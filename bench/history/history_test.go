package history

import (
	"errors"
	"strings"
	"testing"
	"time"
)

// The readers of good.
const (
	orders  Reader = iota // an ordered queue of at most three attempts
	audit                 // gets every other event
	late                  // made half way
	leaving               // ends half way
)

const (
	ms      = time.Millisecond
	events  = 20
	halfWay = Time(events/2) * 10 * ms
)

// good is a history in order: twenty events, published one after the other under three
// keys into two partitions, delivered, acked, read and counted. Event 3 came twice, the
// ack of event 5 wasn't answered, event 7 is a dead letter of audit's, and the publish
// of event 9 wasn't answered although it was stored.
func good(t *testing.T) *History {
	t.Helper()
	h := &History{Drained: true, Readers: []ReaderInfo{
		{Name: "orders", Ordered: true, AttemptsMax: 3},
		{Name: "audit"},
		{Name: "late", Asked: halfWay - 25*ms, Made: halfWay - 5*ms},
		{Name: "leaving", Removing: halfWay, Removed: halfWay + 5*ms},
	}}
	next := [2]uint64{}
	for i := range events {
		m, at := Message(i+1), Time(i)*10*ms
		place := Place{Partition: uint32(i % 2), Offset: next[i%2]}
		next[i%2]++
		p := Publish{
			Message: m, Digest: uint64(m) * 77, Key: uint32(i%2) + 1, Producer: 1, Matches: ReaderSet(0).With(orders).With(late).With(leaving),
			Invoked: at, Returned: at + 2*ms, Outcome: OK, Place: place,
		}
		if m%2 == 1 {
			p.Matches = p.Matches.With(audit)
		}
		if m == 9 {
			p.Outcome, p.Returned, p.Place = Unknown, Never, Place{}
		}
		h.Publishes = append(h.Publishes, p)
		h.Reads = append(h.Reads, Read{Session: place.Partition, Place: place, Message: m, Digest: p.Digest})
		for r := range Reader(len(h.Readers)) {
			switch {
			case !p.Matches.Has(r), r == late && at < halfWay-20*ms, r == leaving && at >= halfWay-10*ms:
			case r == audit && m == 7:
				h.Dead = append(h.Dead, Dead{audit, place})
			default:
				deliver(h, r, &p, place, 1, at+3*ms)
			}
		}
	}
	for r := range Reader(len(h.Readers) - 1) {
		h.Held = append(h.Held, Held{Reader: r, Dead: uint64(map[Reader]int{audit: 1}[r])})
	}
	for _, node := range []string{"n1", "n2", "n3"} {
		h.Applied = append(h.Applied, Applied{Node: node, Partition: 1, Index: 30, Term: 2, Hash: 99})
	}
	h.Named = []Named{
		{Name: "late", Verb: NameLook, Invoked: 1, Returned: 2, Outcome: OK},
		{Name: "late", Verb: NameMake, Invoked: 3, Returned: 9, Outcome: OK, ID: 5},
		{Name: "late", Client: 1, Verb: NameLook, Invoked: 4, Returned: 5, Outcome: OK, Found: true, ID: 5},
		{Name: "late", Verb: NameRemove, Invoked: 10, Returned: Never},
		{Name: "late", Client: 1, Verb: NameLook, Invoked: 11, Returned: 12, Outcome: OK, Found: true, ID: 5},
		{Name: "late", Client: 1, Verb: NameLook, Invoked: 13, Returned: 14, Outcome: OK},
	}
	return h
}

// deliver adds a lease and its ack; event 3's first one at orders runs out, and event
// 5's ack there isn't answered.
func deliver(h *History, r Reader, p *Publish, at Place, attempt int, got Time) {
	d := Delivery{
		Reader: r, Message: p.Message, Digest: p.Digest, Place: at, Attempt: attempt, Epoch: uint64(attempt) * 10, Consumer: uint32(attempt),
		Asked: got, Got: got, Held: got + 3*ms,
	}
	number := int32(len(h.Deliveries))
	h.Deliveries = append(h.Deliveries, d)
	ack := Decision{Delivery: number, Verb: Ack, Outcome: OK, Invoked: got + 1*ms, Returned: got + 2*ms}
	switch {
	case r == orders && p.Message == 3 && attempt == 1:
		ack.Invoked, ack.Returned, ack.Outcome = got+5*ms, got+6*ms, Fail // too late
		h.Decisions = append(h.Decisions, ack)
		deliver(h, r, p, at, 2, got+4*ms)
		return
	case r == orders && p.Message == 5:
		ack.Returned, ack.Outcome = Never, Unknown
	}
	h.Decisions = append(h.Decisions, ack)
}

// of finds a delivery of good's.
func of(t *testing.T, h *History, r Reader, m Message) (number int32, d *Delivery) {
	t.Helper()
	for i := range h.Deliveries {
		if d := &h.Deliveries[i]; d.Reader == r && d.Message == m {
			return int32(i), d
		}
	}
	t.Fatalf("event %d did not come to %s", m, h.Readers[r].Name)
	return 0, nil
}

// decisionOf finds the word on a delivery.
func decisionOf(t *testing.T, h *History, delivery int32) *Decision {
	t.Helper()
	for i := range h.Decisions {
		if h.Decisions[i].Delivery == delivery {
			return &h.Decisions[i]
		}
	}
	t.Fatalf("nobody decided delivery %d", delivery)
	return nil
}

// again adds a delivery of an event that came before, so much later and under a later
// lease.
func again(t *testing.T, h *History, r Reader, m Message, later Time) *Delivery {
	t.Helper()
	_, first := of(t, h, r, m)
	d := *first
	d.Attempt++
	d.Epoch += 10
	d.Consumer++
	d.Asked, d.Got, d.Held = d.Asked+later, d.Got+later, d.Held+later
	h.Deliveries = append(h.Deliveries, d)
	return &h.Deliveries[len(h.Deliveries)-1]
}

func TestGoodHistoryIsInOrder(t *testing.T) {
	v := Check(good(t), Options{})
	if !v.OK() {
		t.Fatal(v)
	}
	if v.Lives == 0 {
		t.Error("porcupine was asked of no life")
	}
}

// TestEveryWrongIsFound makes a good history wrong in one way after the other.
func TestEveryWrongIsFound(t *testing.T) {
	for _, c := range []struct {
		name  string
		wrong func(*testing.T, *History)
		want  Finding
	}{
		{"an event never comes", func(t *testing.T, h *History) { drop(t, h, audit, 11) }, Lost},
		{"an event never comes, and nothing has drained", func(t *testing.T, h *History) { drop(t, h, audit, 11); h.Drained = false }, Stuck},
		{"an event is never acked", func(t *testing.T, h *History) {
			number, _ := of(t, h, audit, 11)
			decisionOf(t, h, number).Outcome = Fail
		}, Stuck},
		{"an event that nobody published", func(t *testing.T, h *History) { _, d := of(t, h, audit, 11); d.Message = 999 }, Phantom},
		{"an event of which the number can't be read", func(t *testing.T, h *History) { _, d := of(t, h, audit, 11); d.Message = 0 }, Phantom},
		{"an event with other bytes", func(t *testing.T, h *History) { _, d := of(t, h, audit, 11); d.Digest++ }, Phantom},
		{"an event that was refused", func(_ *testing.T, h *History) { h.Publishes[8].Outcome = Fail }, Phantom},
		{"an event before it was sent", func(t *testing.T, h *History) {
			_, d := of(t, h, audit, 11)
			h.Publishes[10].Invoked = d.Got + 1
		}, Phantom},
		{"an event that doesn't match", func(_ *testing.T, h *History) { h.Publishes[11].Matches = 0 }, NonMatching},
		{"an event comes after its ack", func(t *testing.T, h *History) { again(t, h, audit, 11, 5*ms) }, AfterAck},
		{"an event comes after its rejection", func(t *testing.T, h *History) {
			number, _ := of(t, h, audit, 11)
			decisionOf(t, h, number).Verb = Reject
			again(t, h, audit, 11, 5*ms)
		}, AfterAck},
		{"an event comes while somebody holds it", func(t *testing.T, h *History) {
			number, first := of(t, h, audit, 11)
			first.Held = first.Got + 9*ms
			decisionOf(t, h, number).Invoked, decisionOf(t, h, number).Returned = first.Got+8*ms, first.Got+9*ms
			again(t, h, audit, 11, 7*ms)
		}, EarlyLease},
		{"a lease that is over is good for an ack", func(t *testing.T, h *History) {
			number, first := of(t, h, audit, 11)
			first.Held = first.Got + 1*ms
			decisionOf(t, h, number).Invoked, decisionOf(t, h, number).Returned = first.Got+8*ms, first.Got+9*ms
			again(t, h, audit, 11, 3*ms)
		}, Fence},
		{"two leases are good for an ack", func(t *testing.T, h *History) {
			number, _ := of(t, h, orders, 3)
			decisionOf(t, h, number).Outcome = OK
		}, Fence},
		{"attempts fall", func(t *testing.T, h *History) { _, d := of(t, h, orders, 3); d.Attempt = 3 }, Attempts},
		{"more attempts than there may be", func(t *testing.T, h *History) { _, d := of(t, h, orders, 11); d.Attempt = 4 }, Attempts},
		{"two events at one place", func(_ *testing.T, h *History) { h.Publishes[2].Place = h.Publishes[4].Place }, Offsets},
		{"an event before one that was confirmed before it was sent", func(_ *testing.T, h *History) { h.Publishes[2].Invoked, h.Publishes[2].Returned = 500*ms, 501*ms }, Offsets},
		{"a producer's events of one key change places", func(_ *testing.T, h *History) {
			h.Publishes[2].Invoked, h.Publishes[2].Returned = 41*ms, 60*ms // 5 was sent at 40
			h.Publishes[4].Returned = 60 * ms
		}, Offsets},
		{"an event of a key before the one before is decided", func(t *testing.T, h *History) {
			number, d := of(t, h, orders, 11)
			d.Held += 50 * ms
			decisionOf(t, h, number).Invoked += 40 * ms
			decisionOf(t, h, number).Returned += 40 * ms
		}, Order},
		{"an event is stored twice", func(t *testing.T, h *History) { _, d := of(t, h, audit, 11); d.Place.Offset = 40 }, Twice},
		{"the log shows an event twice", func(_ *testing.T, h *History) {
			h.Reads = append(h.Reads, Read{Session: 1, Place: Place{1, 10}, Message: 4, Digest: 4 * 77})
		}, Twice},
		{"a subscription gets what is older than it", func(t *testing.T, h *History) {
			again(t, h, orders, 1, 0).Reader = late
		}, Lifetime},
		{"a subscription that is being made gets an event, and not a later one", func(t *testing.T, h *History) {
			h.Readers[late].Made = halfWay + 15*ms
			drop(t, h, late, 11)
		}, Lifetime},
		{"a subscription that is gone gets an event", func(t *testing.T, h *History) {
			_, d := of(t, h, orders, 20)
			d.Reader, d.Batch = leaving, 1
		}, Lifetime},
		{"a name is found before it is made", func(_ *testing.T, h *History) { h.Named[0].Found = true }, Names},
		{"a name that is gone is there again", func(_ *testing.T, h *History) {
			h.Named = append(h.Named, Named{Name: "late", Verb: NameLook, Invoked: 15, Returned: 16, Outcome: OK, Found: true, ID: 5})
		}, Names},
		{"a reading leaves an event out", func(_ *testing.T, h *History) { h.Reads = append(h.Reads[:6], h.Reads[7:]...) }, Replay},
		{"a reading shows other bytes", func(_ *testing.T, h *History) { h.Reads[6].Digest++ }, Replay},
		{"a reading goes back", func(_ *testing.T, h *History) { h.Reads = append(h.Reads, h.Reads[6]) }, Replay},
		{"replicas differ", func(_ *testing.T, h *History) { h.Applied[1].Hash++ }, Replicas},
		{"an entry has two terms", func(_ *testing.T, h *History) { h.Applied[1].Term++ }, Replicas},
		{"something is held at the end", func(_ *testing.T, h *History) { h.Held[orders].Leased = 1 }, Accounts},
		{"a dead letter isn't counted", func(_ *testing.T, h *History) { h.Held[audit].Dead = 0 }, Accounts},
		{"an ack in doubt counted, and the event came again and was acked", func(t *testing.T, h *History) {
			// Each rule by itself allows it: the first ack is Unknown, the release OK.
			number, _ := of(t, h, audit, 11)
			decisionOf(t, h, number).Verb = Release
			h.Decisions = append(h.Decisions, Decision{Delivery: number, Verb: Ack, Outcome: OK, Invoked: 110 * ms, Returned: 111 * ms})
			d := again(t, h, audit, 11, 1*ms)
			d.Epoch = 10
		}, Life},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := good(t)
			c.wrong(t, h)
			if v := Check(h, Options{}); v.Count(c.want) == 0 || v.OK() {
				t.Errorf("not found: %s; what was: %v", c.want, v)
			}
		})
	}
}

// TestOrderedEventsTogether: a batch may bring several events of a key, also when an
// earlier one of them had come before; what comes by itself may not.
func TestOrderedEventsTogether(t *testing.T) {
	h := &History{Readers: []ReaderInfo{{Name: "orders", Ordered: true}}}
	for i := range 2 {
		h.Publishes = append(h.Publishes, Publish{Message: Message(i + 1), Key: 1, Matches: 1, Outcome: OK, Place: Place{0, uint64(i)}})
	}
	h.Deliveries = []Delivery{
		{Message: 1, Epoch: 1, Attempt: 1, Got: 10 * ms, Consumer: 3},
		{Message: 1, Epoch: 2, Attempt: 2, Got: 20 * ms, Consumer: 4, Batch: 5},
		{Message: 2, Place: Place{0, 1}, Epoch: 2, Attempt: 1, Got: 20 * ms, Consumer: 4, Batch: 5},
	}
	h.Decisions = []Decision{{Delivery: 0, Verb: Release, Outcome: OK, Invoked: 11 * ms, Returned: 12 * ms}, {Delivery: 1, Outcome: OK, Invoked: 30 * ms, Returned: 31 * ms}}
	if v := Check(h, Options{}); v.Count(Order) != 0 {
		t.Error(v)
	}
	h.Deliveries[2].Batch = 0
	if v := Check(h, Options{}); v.Count(Order) != 1 {
		t.Errorf("an event by itself: %v", v)
	}
}

// TestReleasedTogether: who releases an event of an ordered reader, or lets its lease run out, gives back those of its key behind it, also before he is
// told so. An event of another key stays his, and what lies before it does.
func TestReleasedTogether(t *testing.T) {
	h := &History{Readers: []ReaderInfo{{Name: "orders", Ordered: true}}}
	for i := range 2 {
		h.Publishes = append(h.Publishes, Publish{Message: Message(i + 1), Key: 1, Matches: 1, Outcome: OK, Place: Place{0, uint64(i)}})
	}
	h.Deliveries = []Delivery{
		{Message: 1, Epoch: 1, Attempt: 1, Got: 10 * ms, Held: 20 * ms, Consumer: 4, Batch: 5},
		{Message: 2, Place: Place{0, 1}, Epoch: 1, Attempt: 1, Got: 10 * ms, Held: 90 * ms, Consumer: 4, Batch: 5},
		{Message: 1, Epoch: 2, Attempt: 2, Got: 30 * ms, Held: 90 * ms, Consumer: 3},
		{Message: 2, Place: Place{0, 1}, Epoch: 2, Attempt: 1, Got: 40 * ms, Held: 90 * ms, Consumer: 3},
	}
	early := func(what string, want int) {
		t.Helper()
		if v := Check(h, Options{}); v.Count(EarlyLease) != want {
			t.Errorf("%s: %v", what, v)
		}
	}
	h.Decisions = []Decision{{Delivery: 0, Verb: Release, Outcome: OK, Invoked: 11 * ms, Returned: 80 * ms}, {Delivery: 2, Outcome: OK, Invoked: 31 * ms, Returned: 32 * ms}}
	early("the first is released", 0)
	h.Decisions[0].Verb, h.Decisions[0].Outcome = Ack, Fail
	early("the first has run out", 0)
	h.Deliveries[0].Got, h.Deliveries[0].Held, h.Decisions[0].Invoked, h.Decisions[0].Outcome = 1*ms, 5*ms, 3*ms, Unknown
	early("the ack of the first is in doubt, and it comes again", 0)
	h.Deliveries[0].Got, h.Deliveries[0].Held, h.Decisions[0].Invoked = 10*ms, 20*ms, 11*ms
	h.Deliveries[3].Got = 25 * ms
	early("the ack of the first is in doubt, and the second comes before it comes again", 1)
	h.Deliveries[3].Got = 40 * ms
	h.Decisions[0].Outcome, h.Deliveries[2].Got, h.Decisions[1].Invoked = OK, 9*ms, 9*ms
	early("the first is acked", 1)
	h.Decisions[0].Verb, h.Publishes[1].Key = Release, 2
	early("the first is of another key", 1)
	h.Publishes[1].Key, h.Readers[0].Ordered = 1, false
	early("nothing is ordered", 1)
}

// TestDoubtfulPublishIsStoredLater: an answer in doubt says nothing of when.
func TestDoubtfulPublishIsStoredLater(t *testing.T) {
	h := &History{Readers: []ReaderInfo{{Name: "late", Asked: 10 * ms, Made: 11 * ms}}}
	h.Publishes = []Publish{{Message: 1, Matches: 1, Returned: 5 * ms}}
	h.Deliveries = []Delivery{{Message: 1, Epoch: 1, Attempt: 1, Asked: 20 * ms, Got: 20 * ms}}
	if v := Check(h, Options{}); v.Count(Lifetime) != 0 {
		t.Error(v)
	}
	h.Publishes[0].Outcome = OK
	if v := Check(h, Options{}); v.Count(Lifetime) != 1 {
		t.Errorf("one that was confirmed before: %v", v)
	}
}

// TestNames: what explains an answer may be an operation without one; ids tell what else looks alike.
func TestNames(t *testing.T) {
	did := func(verb NameVerb, at Time, found bool, id uint64) Named {
		return Named{Name: "a", Verb: verb, Invoked: at, Returned: at + 1, Outcome: OK, Found: found, ID: id}
	}
	doubtful := func(verb NameVerb, at Time) Named { return Named{Name: "a", Client: 1, Verb: verb, Invoked: at} }
	for _, c := range []struct {
		name  string
		wrong int
		named []Named
	}{
		{"made, removed, made", 0, []Named{did(NameMake, 1, false, 5), did(NameRemove, 3, true, 0), did(NameMake, 5, false, 6), did(NameLook, 7, true, 6)}},
		{"found behind its removal", 1, []Named{did(NameMake, 1, false, 5), did(NameRemove, 3, true, 0), did(NameMake, 5, true, 5)}},
		{"removed twice, since a removal came again", 1, []Named{did(NameMake, 1, false, 5), did(NameRemove, 3, true, 0), did(NameMake, 5, false, 6), did(NameLook, 7, false, 0)}},
		{"a removal in doubt", 0, []Named{did(NameMake, 1, false, 5), doubtful(NameRemove, 2), did(NameLook, 3, true, 5), did(NameLook, 5, false, 0)}},
		{"a removal in doubt counts once", 1, []Named{
			did(NameMake, 1, false, 5), doubtful(NameRemove, 2), did(NameLook, 3, false, 0), did(NameMake, 5, false, 6), did(NameLook, 7, false, 0),
		}},
		{"a making in doubt", 0, []Named{doubtful(NameMake, 1), did(NameLook, 3, false, 0), did(NameLook, 5, true, 5), did(NameMake, 7, true, 5)}},
		{"a making in doubt has one id", 1, []Named{doubtful(NameMake, 1), did(NameLook, 5, true, 5), did(NameMake, 7, true, 6)}},
		{"a making in doubt hasn't the id of another", 1, []Named{
			did(NameMake, 1, false, 5), did(NameRemove, 3, true, 0), doubtful(NameMake, 5), did(NameLook, 7, true, 5),
		}},
		{"an id is given once", 1, []Named{did(NameMake, 1, false, 5), did(NameRemove, 3, true, 0), did(NameMake, 5, false, 5)}},
		{"nothing was removed", 1, []Named{did(NameRemove, 1, true, 0)}},
		{"what is refused isn't done", 0, []Named{{Name: "a", Outcome: Fail}, did(NameLook, 3, false, 0)}},
	} {
		if v := Check(&History{Named: c.named}, Options{}); v.Count(Names) != c.wrong {
			t.Errorf("%s: %d findings, %v", c.name, v.Count(Names), v)
		}
	}
}

// TestStraggler: what a stream had on its way may come to a subscription that is gone, as long as the caller says that it may.
func TestStraggler(t *testing.T) {
	h := &History{Readers: []ReaderInfo{{Name: "leaving", Removing: 8 * time.Second, Removed: 9 * time.Second}}}
	h.Publishes = []Publish{{Message: 1, Matches: 1, Returned: 5 * ms, Outcome: OK}}
	h.Deliveries = []Delivery{{Message: 1, Epoch: 1, Attempt: 1, Asked: 12 * time.Second, Got: 12 * time.Second}}
	if v := Check(h, Options{}); v.Count(Lifetime) != 1 {
		t.Errorf("three seconds late: %v", v)
	}
	if v := Check(h, Options{Straggle: 3 * time.Second}); v.Count(Lifetime) != 0 {
		t.Error(v)
	}
}

// drop takes a delivery and what was said of it out.
func drop(t *testing.T, h *History, r Reader, m Message) {
	t.Helper()
	number, _ := of(t, h, r, m)
	h.Deliveries = append(h.Deliveries[:number], h.Deliveries[number+1:]...)
	kept := h.Decisions[:0]
	for _, d := range h.Decisions {
		if d.Delivery == number {
			continue
		}
		if d.Delivery > number {
			d.Delivery--
		}
		kept = append(kept, d)
	}
	h.Decisions = kept
}

// TestDoubtAllowsBoth: what isn't known is not held against anybody.
func TestDoubtAllowsBoth(t *testing.T) {
	for name, doubtful := range map[string]func(*testing.T, *History){
		"an ack in doubt did not count":                                func(t *testing.T, h *History) { again(t, h, orders, 5, 4*ms) },
		"a publish in doubt wasn't stored":                             func(t *testing.T, h *History) { drop(t, h, audit, 9) },
		"a subscription that ends gets the rest of its events, or not": func(t *testing.T, h *History) { drop(t, h, leaving, 4) },
	} {
		t.Run(name, func(t *testing.T) {
			h := good(t)
			doubtful(t, h)
			if v := Check(h, Options{}); !v.OK() {
				t.Error(v)
			}
		})
	}
}

func TestFullRecorderSaysSo(t *testing.T) {
	r := New(2)
	reader, err := r.Reader(ReaderInfo{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	number, err := r.Invoke(Publish{Message: 1, Matches: ReaderSet(0).With(reader)})
	if err != nil {
		t.Fatal(err)
	}
	r.Answer(number, OK, Place{})
	delivery, err := r.Deliver(Delivery{Reader: reader, Message: 1, Epoch: 1, Attempt: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Decide(delivery, Ack); !errors.Is(err, ErrFull) {
		t.Fatalf("a third record: %v", err)
	}
	v := Check(r.History(), Options{})
	if v.OK() || !v.Incomplete || !strings.Contains(v.String(), "incomplete") {
		t.Errorf("a history that lacks something: %v", v)
	}
}

func TestRecorderWritesDown(t *testing.T) {
	r := New(0)
	reader, err := r.Reader(ReaderInfo{Name: "orders"})
	if err != nil {
		t.Fatal(err)
	}
	publish, err := r.Invoke(Publish{Message: 1, Digest: 7, Matches: ReaderSet(0).With(reader)})
	if err != nil {
		t.Fatal(err)
	}
	r.Answer(publish, OK, Place{1, 2})
	now := r.Now()
	delivery, err := r.Deliver(Delivery{Reader: reader, Message: 1, Digest: 7, Place: Place{1, 2}, Attempt: 1, Epoch: 4, Asked: now, Got: now})
	if err != nil {
		t.Fatal(err)
	}
	r.HeldUntil(delivery, r.Now()+time.Second)
	ack, err := r.Decide(delivery, Ack)
	if err != nil {
		t.Fatal(err)
	}
	r.Decided(ack, OK)
	for _, err := range []error{
		r.Applied(Applied{Node: "n1", Index: 1, Hash: 1}), r.Read(Read{Place: Place{1, 2}, Message: 1, Digest: 7}),
		r.Held(Held{Reader: reader}), r.Fault(Fault{Kind: "kill", Target: "n1"}),
		r.Named(Named{Name: "a", Verb: NameMake, Invoked: 1, Returned: 2, Outcome: OK}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	r.Drained()
	if v := Check(r.History(), Options{}); !v.OK() {
		t.Error(v)
	}
	if h := r.History(); len(h.Faults) != 1 || h.Decisions[0].Returned == Never || h.Publishes[0].Outcome != OK {
		t.Errorf("written down: %+v", h)
	}
}

// BenchmarkCheck is what a round of chaos costs to check: events at two readers.
func BenchmarkCheck(b *testing.B) {
	h := &History{Drained: true, Readers: []ReaderInfo{{Name: "a", Ordered: true}, {Name: "b"}}}
	for i := range 100_000 {
		m, at := Message(i+1), Time(i)*ms
		p := Publish{Message: m, Key: uint32(i%100) + 1, Matches: 3, Invoked: at, Returned: at + ms, Outcome: OK, Place: Place{uint32(i % 100 % 8), uint64(i)}}
		h.Publishes = append(h.Publishes, p)
		for r := range Reader(2) {
			deliver(h, r, &p, p.Place, 1, at+3*ms)
		}
	}
	b.ResetTimer()
	for range b.N {
		if v := Check(h, Options{}); !v.OK() {
			b.Fatal(v)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(len(h.Publishes)), "ns/event")
}
