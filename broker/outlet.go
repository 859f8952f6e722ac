package broker

import (
	"sync"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// outlet is a consumer's stream as its attachment writes to it. Sending blocks while the consumer doesn't read; its credit bounds
// what can wait here.
type outlet struct {
	stream    freshetv1.ConsumeService_ConsumeServer
	partition uint32

	// mu: a stream takes one message at a time, and both the attachment and the call send.
	mu sync.Mutex
}

var _ partition.Outlet = (*outlet)(nil)

func (o *outlet) send(m *freshetv1.ConsumeResponse) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream.Send(m)
}

// Attached answers the Attach.
func (o *outlet) Attached(a partition.Attached) error {
	return o.send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Attached{Attached: &freshetv1.Attached{
		Resumed: a.Resumed, VisibilityMs: uint32(a.Visibility.Milliseconds()), Settled: a.Settled,
		Kind: freshetv1.SubscriptionKind(a.Kind), Held: wireLeased(a.Held), Ordered: a.Ordered,
		TruncatedBefore: uint64(a.TruncatedBefore), AnswersPings: true,
	}}})
}

// pong answers a ping; where something is being sent, that is answer enough, and what the consumer says next doesn't wait for it.
func (o *outlet) pong() error {
	if !o.mu.TryLock() {
		return nil
	}
	defer o.mu.Unlock()
	return o.stream.Send(&freshetv1.ConsumeResponse{})
}

// Deliver sends leased events.
func (o *outlet) Deliver(d partition.Delivery) error {
	m := &delivery{ConsumeResponse: &freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Delivery{Delivery: wireDelivery(o.partition, &d)}}}
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.stream.SendMsg(m)
}

// Credited answers Credits.
func (o *outlet) Credited(credits uint64) error {
	return o.send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Credited{Credited: &freshetv1.Credited{Credits: credits}}})
}

// Hint tells a parked session about events.
func (o *outlet) Hint(ready bool) error {
	return o.send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Hint{Hint: &freshetv1.Hint{Ready: ready}}})
}

// wireDelivery is a delivery as clients see it.
func wireDelivery(number uint32, d *partition.Delivery) *freshetv1.Delivery {
	runs := make([]*freshetv1.DeliveredRun, len(d.Runs))
	all := make([]freshetv1.DeliveredRun, len(d.Runs)) // a hundred, where events lie apart
	next := uint32(0)
	for i, r := range d.Runs {
		runs[i] = &all[i]
		runs[i].First, runs[i].Count, runs[i].Attempt = uint64(r.First), r.Count, uint32(r.Attempt)
		if d.Number > 0 {
			runs[i].Skipped = uint32(r.Position) - next
			next = uint32(r.Position) + r.Count
		}
	}
	return &freshetv1.Delivery{
		Number: d.Number, Epoch: uint64(d.Epoch), VisibilityMs: uint32(d.Visibility.Milliseconds()), StampNs: d.Stamp,
		Partition: number, Blocks: d.Blocks, Events: runs, TruncatedBefore: uint64(d.TruncatedBefore),
	}
}

// wireLeased is leased events as clients see them.
func wireLeased(list []partition.Leased) []*freshetv1.Leased {
	wire := make([]*freshetv1.Leased, len(list))
	for i, l := range list {
		wire[i] = &freshetv1.Leased{Delivery: l.Delivery}
		if l.ByPosition {
			for _, r := range l.Runs {
				wire[i].Positions = append(wire[i].Positions, &freshetv1.PositionRun{First: uint32(r.First), Count: r.Count})
			}
			continue
		}
		wire[i].Runs = make([]*freshetv1.OffsetRun, len(l.Runs))
		for j, r := range l.Runs {
			wire[i].Runs[j] = &freshetv1.OffsetRun{First: uint64(r.First), Count: r.Count}
		}
	}
	return wire
}
