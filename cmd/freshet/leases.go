package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// leases are what a take holds: a batch for each time that it asked.
type leases []*client.Batch

// deliveries are all of them, in the order in which they came.
func (l leases) deliveries() []*client.Delivery {
	var all []*client.Delivery
	for _, batch := range l {
		all = append(all, batch.Deliveries...)
	}
	return all
}

// ack acks all. lost are those whose lease had ended before.
func (l leases) ack(ctx context.Context) (lost []*client.Delivery, err error) {
	return l.each(func(b *client.Batch) ([]*client.Delivery, error) { return b.Ack(ctx) })
}

// extend moves the deadlines of those that aren't settled.
func (l leases) extend(ctx context.Context, by time.Duration) (lost []*client.Delivery, err error) {
	return l.each(func(b *client.Batch) ([]*client.Delivery, error) { return b.Extend(ctx, by) })
}

// each does something with every batch, whatever became of those before it.
func (l leases) each(do func(*client.Batch) ([]*client.Delivery, error)) (lost []*client.Delivery, err error) {
	for _, batch := range l {
		of, batchErr := do(batch)
		lost, err = append(lost, of...), errors.Join(err, batchErr)
	}
	return lost, err
}

// ackAll acks what was printed.
func ackAll(ctx context.Context, call *invocation, taken leases) error {
	ctx, cancel := call.within(ctx)
	defer cancel()
	lost, err := taken.ack(ctx)
	if err != nil {
		return err
	}
	all := len(taken.deliveries())
	if n := len(lost); n > 0 {
		return &failure{
			code: codePartlyDone, what: fmt.Sprintf("acked %d of %d", all-n, all),
			seen: []string{fmt.Sprintf("the lease of %s had ended before; they come again", events(n))},
		}
	}
	if call.perEvent() == formatTable {
		call.notef("acked %s", events(all))
	}
	return nil
}
