package partition

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// BenchmarkApplyRouted applies blocks of 1,000 events of which each is for 3 of 1,000 queues, whose consumers, one each, ack what they were given some
// entries before: us/block is the work of every replica, and deliveries/block what the leader sends.
func BenchmarkApplyRouted(b *testing.B) {
	for _, away := range []int{1, 8, 32} {
		for _, by := range []naming{asWhole, byOffset, byPosition} {
			b.Run(fmt.Sprintf("acked %s %d entries later", by, away), func(b *testing.B) {
				benchmarkRouted(b, routedBench{queues: 1_000, matches: 3, credit: 256, away: away, by: by})
			})
		}
	}
}

// BenchmarkApplyParts is BenchmarkApplyRouted with 10 queues, of which each event is for one: a delivery is a hundred events that lie apart. Its consumers name
// the events that they ack, and know what was lost.
func BenchmarkApplyParts(b *testing.B) {
	for _, away := range []int{1, 8, 32} {
		for _, by := range []naming{byOffset, byPosition} {
			b.Run(fmt.Sprintf("acked %s %d entries later", by, away), func(b *testing.B) {
				benchmarkRouted(b, routedBench{queues: 10, matches: 1, credit: 6_000, away: away, by: by})
			})
		}
	}
}

// routedBench is what there is in a benchmark of queues with patterns.
type routedBench struct {
	queues, matches, away int
	credit                uint32
	by                    naming
}

// naming is how consumers say what they ack.
type naming string

const (
	asWhole    naming = "as whole deliveries"
	byOffset   naming = "by offset"
	byPosition naming = "by position"
)

func benchmarkRouted(b *testing.B, o routedBench) {
	const events = 1_000
	queues, matches, away := o.queues, o.matches, o.away
	m := NewMachine()
	index := Index(0)
	var raw []byte
	var applying time.Duration
	apply := func(secs ...section) *Effects {
		index++
		raw = appendSection(appendEntryHeader(raw[:0]), clockSection{Delta: 5, Wall: 5 * Wall(index)})
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
	secs := []section{streamSection{Stream: 1}}
	sequences := map[SessionID]uint64{}
	for q := range queues {
		id, session := SubscriptionID(q+1), sessionNamed(fmt.Sprint(q))
		secs = append(secs, subscriptionSection{SubscriptionConfig{
			ID: id, Stream: 1, Kind: KindQueue, Pattern: `{"a":["b"]}`, Visibility: 30_000, AttemptsMax: 5,
		}}, attachSection{Session: session, Cursor: CursorID{Subscription: id}, CreditEvents: o.credit, CreditBytes: CreditBytesMax})
	}
	apply(secs...)
	rng := rand.New(rand.NewPCG(1, 2))
	indexes := make([][]byte, 16)
	for i := range indexes {
		words := make([][]uint64, queues)
		for e := range events {
			for range matches {
				q := rng.IntN(queues)
				if words[q] == nil {
					words[q] = make([]uint64, (events+63)/64)
				}
				words[q][e/64] |= 1 << (e % 64)
			}
		}
		var hits []matched
		for q, w := range words {
			if w != nil {
				hits = append(hits, matched{SubscriptionID(q + 1), w})
			}
		}
		indexes[i] = appendMatchIndex(nil, events, hits)
	}
	payload := testBlock(b, events, 256, block.Producer{})
	underWay := make([][]Grant, away)
	deliveries := 0
	b.ReportAllocs()
	applying = 0
	for n := 0; b.Loop(); n++ {
		secs = secs[:0]
		for _, g := range underWay[n%away] {
			acked := Leased{Delivery: g.Delivery}
			switch last := g.Runs[len(g.Runs)-1]; o.by {
			case asWhole:
			case byPosition:
				acked.ByPosition, acked.Runs = true, []Run{{0, uint32(last.positions().end())}}
			case byOffset:
				for _, r := range g.Runs {
					acked.Runs = append(acked.Runs, r.Run)
				}
			}
			sequences[g.Session]++
			secs = append(secs, settleSection{
				Session: g.Session, Sequence: sequences[g.Session], Received: g.Delivery,
				Decisions: []Decision{{Verb: VerbAck, Leased: []Leased{acked}}},
			})
		}
		fx := apply(append(secs, blockSection{Stream: 1, SetVersion: uint64(queues), Matches: indexes[n%len(indexes)], Block: payload})...)
		if fx.Results[len(fx.Results)-1].Refused != Done {
			b.Fatal(fx.Results[len(fx.Results)-1].Refused)
		}
		underWay[n%away] = fx.Grants
		deliveries += len(fx.Grants)
	}
	b.ReportMetric(float64(applying.Nanoseconds())/1e3/float64(b.N), "us/block")
	b.ReportMetric(float64(deliveries)/float64(b.N), "deliveries/block")
}
