package load

import (
	"context"
	"fmt"

	"github.com/freshet-mq/freshet/client"
)

// windowBytesMax is what a consumer's window is in bytes; the client allows no more.
const windowBytesMax = 64 << 20

// consume has a consumer take and ack events until ctx ends, and then waits until its
// acks are confirmed.
func (r *run) consume(ctx context.Context, index int, through *client.Client) error {
	latencies := r.meter.latencies(endToEnd)
	handle := func(_ context.Context, d *client.Delivery) error {
		producer, number, at, err := r.shape.read(d.Event.Data)
		if err != nil {
			r.end(err)
			return nil
		}
		if _, err := r.ledger.arrived(producer, number); err != nil {
			r.end(err)
			return nil
		}
		r.meter.delivered.Add(1)
		r.meter.record(latencies, at, r.meter.now(), 1)
		return nil
	}
	// One handler a consumer: it does next to nothing, and several would only wait for one
	// another.
	err := through.Queue(r.subscription()).Consume(ctx, handle,
		client.WithConcurrency(1),
		client.WithWindow(r.Window, min(windowBytesMax, max(windowBytesMin, r.Window*(r.EventBytes+eventOverhead)))),
		client.WithDrainTimeout(r.Drain),
		client.WithAcked(func(events int) { r.meter.acked.Add(int64(events)) }),
	)
	if err != nil {
		return fmt.Errorf("consumer %d: %w", index+1, err)
	}
	return nil
}

const (
	// windowBytesMin is the least that the client allows.
	windowBytesMin = 1 << 20
	// eventOverhead is what an event has in a window besides its data, at most.
	eventOverhead = 64
)
