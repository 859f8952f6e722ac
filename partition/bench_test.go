package partition

import (
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// BenchmarkApply applies blocks of 1,000 events to a queue with four consumers that ack what they were given an entry before: the work of every
// replica for each block. us/block is beside the design's budget of 20.
func BenchmarkApply(b *testing.B) {
	m := NewMachine()
	index := Index(0)
	var raw []byte
	var applying time.Duration // without making the entry, which the leader alone does
	apply := func(secs ...section) *Effects {
		index++
		raw = appendSection(appendEntryHeader(raw[:0]), clockSection{Delta: 1, Wall: Wall(index)})
		for _, s := range secs {
			raw = appendSection(raw, s)
		}
		began := time.Now()
		fx, err := m.Apply(index, 1, raw)
		applying += time.Since(began)
		if err != nil {
			b.Fatal(err)
		}
		return fx
	}
	apply(streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{
		ID: 10, Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5,
	}})
	names := []string{"a", "b", "c", "d"}
	for _, n := range names {
		apply(attachSection{Session: sessionNamed(n), Cursor: CursorID{Subscription: 10}, CreditEvents: 4_000, CreditBytes: CreditBytesMax})
	}
	events := testBlock(b, 1_000, 256, block.Producer{})
	acks := map[SessionID]*settleSection{}
	for _, n := range names {
		acks[sessionNamed(n)] = &settleSection{Session: sessionNamed(n)}
	}
	b.ReportAllocs()
	applying = 0
	for b.Loop() {
		secs := make([]section, 0, 1+len(names))
		for _, n := range names {
			if s := acks[sessionNamed(n)]; len(s.Decisions) > 0 {
				s.Sequence++
				secs = append(secs, *s)
				s.Decisions = nil
			}
		}
		fx := apply(append(secs, blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: events})...)
		for _, g := range fx.Grants {
			s := acks[g.Session]
			s.Received = g.Delivery
			s.Decisions = append(s.Decisions, Decision{Verb: VerbAck, Leased: []Leased{{Delivery: g.Delivery}}})
		}
	}
	b.ReportMetric(float64(applying.Nanoseconds())/1e3/float64(b.N), "us/block")
}
