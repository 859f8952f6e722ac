package partition

import (
	"fmt"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	"github.com/freshet-mq/freshet/raftlog"
)

// BenchmarkCheckpoint encodes the state of a partition in which much is going on: as a whole, and what changed when a hundredth of it did. That long
// applying waits. It reports too how long a replica takes to restore it.
func BenchmarkCheckpoint(b *testing.B) {
	for _, c := range []struct {
		name string
		fill func(*benchMachine)
		step func(*benchMachine, int)
	}{
		{"a million leased by sessions", leaseToSessions, ackSome},
		{"a million leased by receipts", takeMany, takeSome},
		{"a backlog of 20 million", backlog, publishSome},
		{"100,000 producers", manyProducers, someProducers},
	} {
		b.Run(c.name, func(b *testing.B) {
			m := newBenchMachine(b)
			c.fill(m)
			var whole, changes, restore time.Duration
			var records []raftlog.Record
			bytes, changed := 0, 0
			for n := 0; b.Loop(); n++ {
				began := time.Now()
				records = m.Checkpoint(true)
				whole += time.Since(began)
				c.step(m, n)
				began = time.Now()
				some := m.Checkpoint(false)
				changes += time.Since(began)
				changed = sizeOf(some)
				bytes = sizeOf(records)
				began = time.Now()
				if _, err := RestoreRecords(all(records)); err != nil {
					b.Fatal(err)
				}
				restore += time.Since(began)
			}
			ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1e3 / float64(b.N) }
			b.ReportMetric(ms(whole), "ms/whole")
			b.ReportMetric(ms(changes), "ms/changes")
			b.ReportMetric(ms(restore), "ms/restore")
			b.ReportMetric(float64(bytes)/(1<<20), "MB-whole")
			b.ReportMetric(float64(changed)/(1<<20), "MB-changes")
			b.ReportMetric(float64(m.leasedEvents()), "leased")
			b.ReportMetric(float64(len(records)), "records")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func (m *benchMachine) leasedEvents() (n uint64) {
	for _, st := range m.streamOrder {
		for _, sub := range st.subscriptions {
			n += sub.cursors[0].leased
		}
	}
	return n
}

func sizeOf(records []raftlog.Record) (n int) {
	for _, r := range records {
		n += len(r.Key) + len(r.Value)
	}
	return n
}

func all(records []raftlog.Record) func(func(raftlog.Record, error) bool) {
	return func(yield func(raftlog.Record, error) bool) {
		for _, r := range records {
			if !yield(r, nil) {
				return
			}
		}
	}
}

// queues makes a stream with n queues of which each has events waiting.
func (m *benchMachine) queues(n, events int) {
	m.apply(streamSection{Stream: 1})
	for i := range n {
		m.apply(subscriptionSection{SubscriptionConfig{ID: SubscriptionID(10 + i), Stream: 1, Kind: KindQueue, Visibility: 43_200_000, AttemptsMax: 5}})
	}
	m.publish(n, events)
}

func (m *benchMachine) publish(version, events int) {
	raw := testBlock(m.b, 1_000, 256, block.Producer{})
	for range events / 1_000 {
		m.apply(blockSection{Stream: 1, SetVersion: uint64(version), Matches: []byte{0}, Block: raw})
	}
}

func leaseToSessions(m *benchMachine) {
	m.queues(10, DeadLettersMax)
	for i := range 20 {
		m.apply(attachSection{
			Session: sessionNamed(fmt.Sprint("s", i)), Cursor: CursorID{Subscription: SubscriptionID(10 + i%10)}, CreditEvents: CreditEventsMax, CreditBytes: CreditBytesMax,
		})
	}
}

// ackSome acks one event in a hundred of each session, here and there, and a block more is leased.
func ackSome(m *benchMachine, n int) {
	for i := range 20 {
		s := m.sessions[sessionNamed(fmt.Sprint("s", i))]
		dec := Decision{Verb: VerbAck}
		for _, l := range s.leases {
			leased := Leased{Delivery: l.delivery}
			for _, r := range l.runs {
				if r.Count > 1 {
					leased.Runs = append(leased.Runs, Run{r.First, 1})
				}
			}
			dec.Leased = append(dec.Leased, leased)
		}
		m.apply(settleSection{Session: s.id, Sequence: s.settled + 1, Received: s.lastDelivery, Decisions: []Decision{dec}})
	}
	m.publish(10, 1_000)
}

func takeMany(m *benchMachine) {
	m.queues(10, DeadLettersMax)
	for i := range 10 {
		for range DeadLettersMax / ReceiptsMax {
			m.apply(takeSection{Cursor: CursorID{Subscription: SubscriptionID(10 + i)}, Events: ReceiptsMax, Bytes: CreditBytesMax})
		}
	}
}

// takeSome settles one receipt in a hundred, and takes as many.
func takeSome(m *benchMachine, _ int) {
	m.publish(10, 1_000)
	for i := range 10 {
		c := m.find(CursorID{Subscription: SubscriptionID(10 + i)})
		sec := returnSection{Decision: Decision{Verb: VerbAck}}
		for l := c.leases.first; len(sec.Receipts) < ReceiptsMax; l = l.after {
			sec.Receipts = append(sec.Receipts, Receipt{Cursor: c.id(), Offset: l.runs[0].First, Epoch: l.epoch})
		}
		m.apply(sec, takeSection{Cursor: c.id(), Events: ReceiptsMax, Bytes: CreditBytesMax})
	}
}

func backlog(m *benchMachine) { m.queues(1, 20_000_000) }

func publishSome(m *benchMachine, _ int) { m.publish(1, 200_000) }

func manyProducers(m *benchMachine) {
	m.apply(streamSection{Stream: 1})
	for i := range ProducersMax {
		m.publishAs(i, 1)
	}
}

func someProducers(m *benchMachine, n int) {
	for i := range ProducersMax / 100 {
		m.publishAs(i, uint64(2+n))
	}
}

func (m *benchMachine) publishAs(producer int, sequence uint64) {
	p := block.Producer{Epoch: 1, Sequence: sequence}
	copy(p.ID[:], fmt.Sprintf("%016d", producer))
	m.apply(blockSection{Stream: 1, Matches: []byte{0}, Block: testBlock(m.b, 1, 100, p)})
}
