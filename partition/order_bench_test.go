package partition

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
)

// BenchmarkOrdered is BenchmarkApply with an ordered queue, whose blocks have events of so many keys.
func BenchmarkOrdered(b *testing.B) {
	for _, keys := range []int{100, 1_000, 100_000} {
		b.Run(fmt.Sprintf("%d keys", keys), func(b *testing.B) {
			m := newBenchMachine(b)
			m.apply(streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{
				ID: 10, Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5, Ordered: true,
			}})
			settles := map[SessionID]*settleSection{}
			for _, name := range []string{"a", "b", "c", "d"} {
				id := sessionNamed(name)
				m.apply(attachSection{Session: id, Cursor: CursorID{Subscription: 10}, CreditEvents: 4_000, CreditBytes: CreditBytesMax})
				settles[id] = &settleSection{Session: id}
			}
			blocks := make([][]byte, 100)
			for i := range blocks {
				events := make([]block.Event, 1_000)
				for j := range events {
					events[j] = block.Event{Data: make([]byte, 256), ContentType: "text/plain", Key: fmt.Sprint((i*1_000 + j*7) % keys)}
				}
				blocks[i] = eventsBlock(b, block.Producer{}, events)
			}
			granted := 0
			var secs []section
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				secs = append(secs[:0], blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: blocks[i%len(blocks)]})
				for _, name := range []string{"a", "b", "c", "d"} {
					if s := settles[sessionNamed(name)]; len(s.Decisions) > 0 {
						s.Sequence++
						secs = append(secs, *s)
						s.Decisions = nil
					}
				}
				for _, g := range m.apply(secs...).Grants {
					s := settles[g.Session]
					s.Received = g.Delivery
					s.Decisions = append(s.Decisions, Decision{Verb: VerbAck, Leased: []Leased{{Delivery: g.Delivery}}})
					granted += int(eventsOf(g.Runs))
				}
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N), "us/block")
			b.ReportMetric(float64(granted)/float64(b.N), "events/block")
		})
	}
}

// BenchmarkLookAhead fills an ordered queue's look-ahead with events of distinct keys, or of one, and reports what that takes of memory.
func BenchmarkLookAhead(b *testing.B) {
	for _, keys := range []int{1, LookAheadMax} {
		b.Run(fmt.Sprintf("%d keys", keys), func(b *testing.B) {
			events := make([]block.Event, 1_000)
			var held uint64
			for b.Loop() {
				before := heapBytes()
				m := newBenchMachine(b)
				m.apply(streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{
					ID: 10, Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5, Ordered: true,
				}})
				for i := range LookAheadMax / len(events) {
					for j := range events {
						events[j] = block.Event{Data: []byte("x"), ContentType: "text/plain", Key: fmt.Sprint((i*len(events) + j) % keys)}
					}
					m.apply(blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: eventsBlock(b, block.Producer{}, events)})
				}
				held = heapBytes() - before
				runtime.KeepAlive(m)
			}
			b.ReportMetric(float64(held)/LookAheadMax, "B/event")
		})
	}
}

// BenchmarkLater stores a million events that are due over an hour, or over a week, and reports their memory and what it costs until all of them were due.
func BenchmarkLater(b *testing.B) {
	const events = 1_000_000
	for name, over := range map[string]Wall{"hour": dueHour, "week": 7 * 24 * dueHour} {
		b.Run(name, func(b *testing.B) {
			var held, counted uint64
			var falling time.Duration
			most := time.Duration(0)
			for b.Loop() {
				before := heapBytes()
				m := newBenchMachine(b)
				m.delayedBytesMax = 1 << 40
				m.apply(streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{ID: 10, Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5}})
				list := make([]block.Event, 1_000)
				for i := range events / len(list) {
					for j := range list {
						due := 60_000 + Wall(i*len(list)+j)*7919%events*over/events
						list[j] = block.Event{Data: []byte("x"), ContentType: "text/plain", DeliverAtMillis: int64(due)}
					}
					m.apply(blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: eventsBlock(b, block.Producer{}, list)})
				}
				held, counted = heapBytes()-before, m.due.bytes
				began := time.Now()
				for m.find(CursorID{Subscription: 10}).ready.GetCardinality() < events {
					at, _ := m.due.next()
					entry := appendSection(appendEntryHeader(nil), clockSection{Wall: max(at, m.wall), Agreed: true})
					m.index++
					one := time.Now()
					if _, err := m.Apply(m.index, 1, entry); err != nil {
						b.Fatal(err)
					}
					most = max(most, time.Since(one))
				}
				falling += time.Since(began)
			}
			b.ReportMetric(float64(held)/events, "B/event")
			b.ReportMetric(float64(counted)/events, "counted-B/event")
			b.ReportMetric(float64(falling.Nanoseconds())/float64(b.N)/events, "ns/fall")
			b.ReportMetric(float64(most.Microseconds()), "max-us/entry")
		})
	}
}

// BenchmarkLeased has a million events under lease at a time, in ten queues, and acks and grants a thousand of them in each entry. all-expire is how long the
// entries take together in which their leases end.
func BenchmarkLeased(b *testing.B) {
	const events, queues = 1_000_000, 10
	m := newBenchMachine(b)
	before := heapBytes()
	m.apply(streamSection{Stream: 1})
	for q := range queues {
		m.apply(subscriptionSection{SubscriptionConfig{ID: SubscriptionID(10 + q), Stream: 1, Kind: KindQueue, Visibility: 10_000_000, AttemptsMax: 5}})
		for i := range 8 {
			m.apply(attachSection{
				Session: sessionNamed(fmt.Sprint(q, i)), Cursor: CursorID{Subscription: SubscriptionID(10 + q)}, CreditEvents: CreditEventsMax, CreditBytes: CreditBytesMax,
			})
		}
	}
	raw := testBlock(b, 1_000, 200, block.Producer{})
	var oldest []Grant
	for range events / queues / 1_000 {
		fx := m.apply(blockSection{Stream: 1, SetVersion: queues, Matches: []byte{0}, Block: raw})
		oldest = append(oldest, fx.Grants...)
	}
	leased := uint64(0)
	for q := range queues {
		leased += m.find(CursorID{Subscription: SubscriptionID(10 + q)}).leased
	}
	if leased != events {
		b.Fatalf("%d events are leased", leased)
	}
	held := heapBytes() - before
	sequences := map[SessionID]uint64{}
	b.ResetTimer()
	for b.Loop() {
		secs := []section{blockSection{Stream: 1, SetVersion: queues, Matches: []byte{0}, Block: raw}}
		acked := map[SessionID]*settleSection{}
		for n := 0; n < queues*1_000; oldest = oldest[1:] {
			g := &oldest[0]
			if acked[g.Session] == nil {
				sequences[g.Session]++
				acked[g.Session] = &settleSection{Session: g.Session, Sequence: sequences[g.Session], Received: g.Delivery}
				secs = append(secs, acked[g.Session])
			}
			s := acked[g.Session]
			s.Decisions = append(s.Decisions, Decision{Verb: VerbAck, Leased: []Leased{{Delivery: g.Delivery}}})
			s.Received = g.Delivery
			n += int(eventsOf(g.Runs))
		}
		for i := range secs {
			if s, ok := secs[i].(*settleSection); ok {
				secs[i] = *s
			}
		}
		oldest = append(oldest, m.apply(secs...).Grants...)
	}
	b.StopTimer()
	b.ReportMetric(float64(held)/(1<<20), "MB-held")
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/queues, "us/1000-acked")
}
