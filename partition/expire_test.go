package partition

import (
	"math/rand/v2"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// TestMassExpiry has very many leases end at once, and then very many delays: each entry deals with a bounded number, the rest is due at once (P10).
func TestMassExpiry(t *testing.T) {
	const events = 60_000
	m := NewMachine()
	index := Index(0)
	apply := func(delta Tick, secs ...section) *Effects {
		index++
		raw := appendSection(appendEntryHeader(nil), clockSection{Delta: delta, Wall: Wall(index)})
		for _, s := range secs {
			raw = appendSection(raw, s)
		}
		fx, err := m.Apply(index, 1, raw)
		if err != nil {
			t.Fatal(err)
		}
		return fx
	}
	// until tells how many entries without time it takes until everything is ready, none of which may deal with more than is allowed.
	until := func(delta Tick) (entries int) {
		c := m.find(CursorID{Subscription: 10})
		for before := c.ready.GetCardinality(); before < events; entries++ {
			apply(delta)
			now := c.ready.GetCardinality()
			if done := now - before; done == 0 || done > expireEventsMax+deliveryEventsMax {
				t.Fatalf("entry %d had %d of %d events come back", entries, done, events)
			}
			if at, due := m.NextDeadline(); now < events && (!due || at > m.clock) {
				t.Fatalf("%d events have yet to come back, the next entry is due %v at %v, now is %v", events-now, due, at, m.clock)
			}
			before, delta = now, 0
		}
		return entries
	}
	apply(0, streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{
		ID: 10, Stream: 1, Kind: KindQueue, Visibility: 1_000, AttemptsMax: 9,
	}}, attachSection{
		Session: sessionNamed("a"), Connection: 1, Cursor: CursorID{Subscription: 10}, CreditEvents: events, CreditBytes: CreditBytesMax,
	})
	lease := func() (deliveries []Leased) {
		fx := &Effects{}
		if m.streams[1].next == 0 {
			raw := testBlock(t, 10_000, 1, block.Producer{})
			for range events / 10_000 {
				fx.Grants = append(fx.Grants, apply(0, blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: raw}).Grants...)
			}
		} else {
			fx = apply(0, creditSection{Session: sessionNamed("a"), Connection: 1, Events: events, Bytes: CreditBytesMax})
		}
		for _, g := range fx.Grants {
			deliveries = append(deliveries, Leased{Delivery: g.Delivery})
		}
		return deliveries
	}
	park := creditSection{Session: sessionNamed("a"), Connection: 1}
	lease()
	apply(0, park)
	if n := until(1_100); n < events/expireEventsMax {
		t.Fatalf("all leases ended in %d entries", n)
	}
	deliveries := lease()
	apply(0, park, settleSection{Session: sessionNamed("a"), Sequence: 1, Received: deliveries[len(deliveries)-1].Delivery, Decisions: []Decision{
		{Verb: VerbRelease, After: 500, Leased: deliveries},
	}})
	if n := until(700); n < events/expireEventsMax {
		t.Fatalf("all delays ended in %d entries", n)
	}
	if err := checkInvariants(m); err != nil {
		t.Fatal(err)
	}
}

// TestCutIsEveryRun holds the one pass of a lease's cut to the obvious way, event by event, whatever is named in whatever order.
func TestCutIsEveryRun(t *testing.T) {
	for seed := range uint64(2_000) {
		rng := rand.New(rand.NewPCG(seed, seed))
		held := map[Offset]bool{}
		l := &lease{}
		for at := range Offset(60) {
			if rng.IntN(3) > 0 {
				held[at] = true
				l.join(Run{at, 1}, uint16(1+rng.IntN(2)))
			}
		}
		var want []Run
		for range rng.IntN(8) {
			want = append(want, Run{Offset(rng.IntN(60)), uint32(rng.IntN(9))})
		}
		named := map[Offset]int{}
		for _, r := range want {
			for at := r.First; at < r.end(); at++ {
				named[at]++
			}
		}
		got, lost := map[Offset]int{}, map[Offset]int{}
		ordered, twice := inOrder(want)
		count := func(into map[Offset]int, r Run) {
			for at := r.First; at < r.end(); at++ {
				into[at]++
			}
		}
		l.cut(ordered, func(r EventRun) { count(got, r.Run) }, func(r Run) { count(lost, r) })
		for _, r := range twice {
			count(lost, r)
		}
		left := map[Offset]bool{}
		for i, r := range l.runs {
			if r.Count == 0 || i > 0 && r.First < l.runs[i-1].end() {
				t.Fatalf("seed %d: left are %v", seed, l.runs)
			}
			for at := r.First; at < r.end(); at++ {
				left[at] = true
			}
		}
		for at := range Offset(80) {
			taken := 0
			if held[at] && named[at] > 0 {
				taken = 1
			}
			if got[at] != taken || left[at] != (held[at] && taken == 0) {
				t.Fatalf("seed %d: offset %d held %v, named %d times: taken %d times, left %v", seed, at, held[at], named[at], got[at], left[at])
			}
			if named[at] > taken && lost[at] == 0 || lost[at] > named[at]-taken {
				t.Fatalf("seed %d: offset %d held %v, named %d times: lost %d times", seed, at, held[at], named[at], lost[at])
			}
		}
	}
}
