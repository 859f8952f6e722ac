package partition

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/freshet-mq/freshet/proto/block"
)

// benchMachine is a machine that a benchmark feeds.
type benchMachine struct {
	*Machine
	b     *testing.B
	index Index
	raw   []byte
}

func newBenchMachine(b *testing.B) *benchMachine {
	b.Helper()
	return &benchMachine{Machine: NewMachine(), b: b}
}

func (m *benchMachine) apply(secs ...section) *Effects {
	m.index++
	m.raw = appendSection(appendEntryHeader(m.raw[:0]), clockSection{Delta: 1, Wall: Wall(m.index)})
	for _, s := range secs {
		m.raw = appendSection(m.raw, s)
	}
	fx, err := m.Apply(m.index, 1, m.raw)
	if err != nil {
		m.b.Fatal(err)
	}
	return fx
}

// BenchmarkManySubscriptions applies blocks of 1,000 events that 5 subscriptions match, where 5 and where 10,000 are there, and where besides 10,000 far
// ones without a pattern want everything: the others must cost nothing.
func BenchmarkManySubscriptions(b *testing.B) {
	for _, c := range []struct {
		name           string
		selective, far int
	}{{"5", 5, 0}, {"10000", 10_000, 0}, {"10000 far", 5, 9_995}} {
		b.Run(c.name, func(b *testing.B) {
			m := newBenchMachine(b)
			m.apply(streamSection{Stream: 1})
			for i := range c.far {
				m.apply(subscriptionSection{SubscriptionConfig{ID: SubscriptionID(100_000 + i), Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5}})
			}
			if c.far > 0 {
				m.nearEventsMax, m.waitingBytesMax = 0, 0
				for range 2 { // one that finds room, and one that doesn't
					m.apply(blockSection{Stream: 1, SetVersion: uint64(c.far), Matches: []byte{0}, Block: testBlock(b, 1, 1, block.Producer{})})
				}
				m.nearEventsMax, m.waitingBytesMax = NearEventsMax, WaitingBytesMax
			}
			var hits []matched
			words := make([]uint64, 16)
			for i := range 1_000 {
				words[i/64] |= 1 << (i % 64) * uint64(i%2)
			}
			for i := range c.selective {
				id := SubscriptionID(10 + i)
				m.apply(subscriptionSection{SubscriptionConfig{
					ID: id, Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5, Pattern: fmt.Sprintf(`{"n":[%d]}`, i),
				}})
				if i < 5 {
					m.apply(attachSection{
						Session: sessionNamed(fmt.Sprint(id)), Cursor: CursorID{Subscription: id}, CreditEvents: 1_000, CreditBytes: CreditBytesMax,
					})
					hits = append(hits, matched{Subscription: id, Words: words})
				}
			}
			sec := blockSection{
				Stream: 1, SetVersion: uint64(c.selective + c.far), Matches: appendMatchIndex(nil, 1_000, hits),
				Block: testBlock(b, 1_000, 256, block.Producer{}),
			}
			secs := []section{sec}
			settles := uint64(0)
			b.ReportAllocs()
			for b.Loop() {
				fx := m.apply(secs...)
				settles++
				secs = secs[:0]
				for _, g := range fx.Grants {
					secs = append(secs, settleSection{Session: g.Session, Sequence: settles, Received: g.Delivery, Decisions: []Decision{
						{Verb: VerbAck, Leased: []Leased{{Delivery: g.Delivery}}},
					}})
				}
				if len(fx.Grants) != len(hits) {
					b.Fatalf("%d grants, want %d", len(fx.Grants), len(hits))
				}
				secs = append(secs, sec)
			}
		})
	}
}

// BenchmarkBacklog stores events that nobody consumes, and reports the memory that the state takes when there are so many: near as the bounds have it, and all
// in memory, which they wouldn't allow.
func BenchmarkBacklog(b *testing.B) {
	const events = 20_000_000
	for _, perBlock := range []int{1_000, 10} {
		for _, c := range []struct {
			name          string
			nearEventsMax uint64
		}{{"far", NearEventsMax}, {"near", 1 << 40}} {
			b.Run(fmt.Sprintf("%s/%d a block", c.name, perBlock), func(b *testing.B) {
				raw := make([][]byte, 3)
				for i := range raw {
					raw[i] = testBlock(b, perBlock, 200+i*100, block.Producer{})
				}
				var held, state uint64
				for b.Loop() {
					before := heapBytes()
					m := newBenchMachine(b)
					m.nearEventsMax, m.waitingBytesMax = c.nearEventsMax, max(WaitingBytesMax, c.nearEventsMax)
					m.apply(streamSection{Stream: 1}, subscriptionSection{SubscriptionConfig{
						ID: 10, Stream: 1, Kind: KindQueue, Visibility: 30_000, AttemptsMax: 5,
					}})
					for i := range events / perBlock {
						m.apply(blockSection{Stream: 1, SetVersion: 1, Matches: []byte{0}, Block: raw[i%len(raw)]})
					}
					held = heapBytes() - before
					state = uint64(len(m.Snapshot()))
					runtime.KeepAlive(m)
				}
				b.ReportMetric(float64(held)/(1<<20), "MB-held")
				b.ReportMetric(float64(state)/(1<<20), "MB-snapshot")
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/events, "ns/event")
			})
		}
	}
}

// heapBytes returns the bytes that are in use.
func heapBytes() uint64 {
	runtime.GC()
	var s runtime.MemStats
	runtime.ReadMemStats(&s)
	return s.HeapAlloc
}

// BenchmarkCatchUp has a queue that begins at the earliest event read a backlog of 100,000 events of 256 bytes from the log, half of which match, and ack them.
func BenchmarkCatchUp(b *testing.B) {
	const blocks, perBlock = 100, 1_000
	p, err := openLeading(b, Options{Log: testNode(b, b.TempDir(), nil)})
	if err != nil {
		b.Fatal(err)
	}
	defer func() {
		if err := p.Close(); err != nil {
			b.Error(err)
		}
	}()
	if err := errors.Join(p.PutStream(b.Context(), 1), p.PutSubscription(b.Context(), queue(10, ""))); err != nil {
		b.Fatal(err)
	}
	var w block.Writer
	if err := w.Reset(block.Options{Codec: block.CodecS2}); err != nil {
		b.Fatal(err)
	}
	for i := range perBlock {
		data := fmt.Appendf(nil, `{"id":"%d","source":"bench","detail-type":"t%d","detail":{"text":"%s"}}`, i, i%2, strings.Repeat("x", 180))
		if err := w.Append(&block.Event{Data: data}); err != nil {
			b.Fatal(err)
		}
	}
	raw, err := w.Finish(nil)
	if err != nil {
		b.Fatal(err)
	}
	for range blocks {
		if _, err := p.Publish(b.Context(), Publication{Stream: 1, Block: raw}); err != nil {
			b.Fatal(err)
		}
	}
	id := SubscriptionID(11)
	for b.Loop() {
		c := queue(id, `{"detail-type":["t1"]}`)
		c.From = FromEarliest
		if err := p.PutSubscription(b.Context(), c); err != nil {
			b.Fatal(err)
		}
		catchUp(b, p, CursorID{Subscription: id}, blocks*perBlock/2)
		id++
	}
	b.ReportMetric(blocks*perBlock*float64(b.N)/b.Elapsed().Seconds(), "events-read/s")
}

// catchUp consumes so many events.
func catchUp(b *testing.B, p *Partition, id CursorID, n int) {
	b.Helper()
	in := newInbox()
	a, err := p.Attach(b.Context(), AttachCommand{
		Session: sessionNamed(id.String()), Cursor: id, CreditEvents: 8_000, CreditBytes: 16 << 20,
	}, in)
	if err != nil {
		b.Fatal(err)
	}
	for sequence := uint64(1); n > 0; sequence++ {
		d := <-in.deliveries
		n -= int(eventsOf(d.Runs))
		_, err := a.Settle(b.Context(), SettleCommand{
			Sequence: sequence, Received: d.Number, Decisions: []Decision{{Verb: VerbAck, Leased: []Leased{{Delivery: d.Number}}}},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Close(b.Context(), 1<<40, nil); err != nil {
		b.Fatal(err)
	}
}
