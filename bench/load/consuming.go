package load

import (
	"context"
	"fmt"

	"github.com/freshet-mq/freshet/client"
)

// attachment is a consumer of one subscription or member, through one of the clients.
type attachment struct {
	run                  *run
	subscription, member int
	name                 string // the subscription's, in full
	through              *client.Client
	window               int
	latencies            *latencies
	// highest offset of each partition, where there are no keys: what comes to one consumer from
	// one partition comes in its order. It has one handler, so nobody else is here.
	highest []uint64
}

// lanes is how many streams of deliveries there are to consume.
func (o *Options) lanes() int {
	members := 1
	if o.Work == WorkFanout {
		members = o.Members
	}
	return o.Topics * o.Subscriptions * members
}

// attachments spreads the lanes over the consumers: each lane has one, and where there are more
// consumers than lanes, lanes have several that compete.
//
//	1 lane, 4 consumers:   lane 1: 1 2 3 4
//	6 lanes, 4 consumers:  lanes 1 and 5: 1   2 and 6: 2   3: 3   4: 4
func (r *run) attachments() []*attachment {
	lanes := r.lanes()
	if lanes == 0 {
		return nil
	}
	members := lanes / r.Topics / r.Subscriptions
	count := max(lanes, r.Consumers)
	window := max(windowLeast, r.Window*r.Consumers/count)
	perClient := make([]*latencies, r.Consumers)
	for i := range perClient {
		perClient[i] = r.meter.latencies(endToEnd)
	}
	all := make([]*attachment, 0, count)
	for i := range count {
		lane := i % lanes
		topic, subscription := lane/members/r.Subscriptions, lane/members%r.Subscriptions
		all = append(all, &attachment{
			run: r, subscription: subscription, member: lane % members, name: r.subscriptionName(topic, subscription),
			through: r.clients[1+r.Producers+i%r.Consumers], window: min(window, r.Window), latencies: perClient[i%r.Consumers],
		})
	}
	return all
}

const (
	// windowBytesMin and windowBytesMax are what the client allows.
	windowBytesMin = 1 << 20
	windowBytesMax = 64 << 20
	// windowLeast is what a consumer holds at least, however many subscriptions share the window.
	windowLeast = 256
	// eventOverhead is what an event has in a window besides its data, at most.
	eventOverhead = 96
)

// consume takes and acks events until ctx ends, and then waits until its acks are confirmed.
func (a *attachment) consume(ctx context.Context) error {
	r := a.run
	options := []client.ConsumeOption{
		// One handler a consumer: it does next to nothing, and several would only wait for one
		// another.
		client.WithConcurrency(1),
		client.WithWindow(a.window, min(windowBytesMax, max(windowBytesMin, a.window*(r.EventBytes+eventOverhead)))),
		client.WithDrainTimeout(r.Drain),
		client.WithAcked(func(events int) { r.meter.acked.Add(int64(events)) }),
	}
	var err error
	if r.Work == WorkFanout {
		err = a.through.Fanout(a.name, memberName(a.member)).Consume(ctx, a.handle, options...)
	} else {
		err = a.through.Queue(a.name).Consume(ctx, a.handle, options...)
	}
	if err != nil {
		return fmt.Errorf("consumer of %s: %w", a.name, err)
	}
	return nil
}

// handle takes down an arrival. An event that shouldn't have come ends the run.
func (a *attachment) handle(_ context.Context, d *client.Delivery) error {
	r := a.run
	account, number, at, err := r.shape.read(d.Event.Data)
	if err != nil {
		r.end(err)
		return nil
	}
	copied, ok := r.shape.classes.copy(mixed(account, number), a.subscription, a.member)
	if !ok {
		r.end(fmt.Errorf("event %d of account %d came to %s, whose pattern it doesn't match", number, account, a.name))
		return nil
	}
	first, err := r.ledger.arrived(account, number, copied)
	if err != nil {
		r.end(err)
		return nil
	}
	now := r.meter.now()
	if first {
		a.checkOrder(d, account, number, copied)
	}
	r.meter.delivered.Add(1)
	r.delivered.note(d.Partition, now)
	a.latencies.record(at, now, 1)
	return nil
}

// checkOrder is told of the first arrival of a delivery.
func (a *attachment) checkOrder(d *client.Delivery, account int, number uint64, copied int) {
	r := a.run
	if r.Keys > 0 {
		r.keys.arrived(account, number, copied)
		return
	}
	for len(a.highest) <= int(d.Partition) {
		a.highest = append(a.highest, 0)
	}
	if d.Offset+1 <= a.highest[d.Partition] {
		r.keys.outOfOrder.Add(1)
	} else {
		a.highest[d.Partition] = d.Offset + 1
	}
}
