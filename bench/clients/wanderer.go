package clients

import (
	"context"
	"math/rand/v2"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	// wanderTake is how many events a wanderer takes at a time, and wanderPause how long it rests then.
	wanderTake  = 3
	wanderPause = 60 * time.Millisecond
)

// wander goes from reader to reader, takes a few events with one-shot requests, and does with them what it likes: acks in time or too late, extends,
// gives back, or forgets.
func (c *Clients) wander(ctx context.Context, readers []*reader, by *client.Client, random *rand.Rand) {
	consumer := c.consumers.Add(1)
	for Pause(ctx, wanderPause) && !c.full.Load() {
		c.takeSome(ctx, readers[random.IntN(len(readers))], by, consumer, random)
	}
}

func (c *Clients) takeSome(ctx context.Context, r *reader, by *client.Client, consumer uint32, random *rand.Rand) {
	bounded, cancel := context.WithTimeout(ctx, c.Visibility)
	defer cancel()
	asked := c.recorder.Now()
	batch, err := c.source(r, by).Receive(bounded, wanderTake, client.WithLease(c.Visibility))
	if err != nil || len(batch.Deliveries) == 0 {
		return // it is away, or has nothing
	}
	from := arrival{consumer: consumer, batch: c.batches.Add(1), asked: asked, got: c.recorder.Now()}
	numbers := make([]int32, len(batch.Deliveries))
	for i, d := range batch.Deliveries {
		if numbers[i], err = c.note(r, d, from); err != nil {
			return
		}
	}
	c.dealWith(ctx, batch, numbers, random)
}

// dealWith does something with a batch.
func (c *Clients) dealWith(ctx context.Context, batch *client.Batch, numbers []int32, random *rand.Rand) {
	each := func(verb history.Verb, say func(context.Context, *client.Delivery) error) {
		for i, d := range batch.Deliveries {
			c.decide(ctx, numbers[i], verb, func(ctx context.Context) error { return say(ctx, d) })
		}
	}
	ack := func(ctx context.Context, d *client.Delivery) error { return d.Ack(ctx) }
	switch random.IntN(6) {
	case 0: // forgets
	case 1:
		each(history.Release, func(ctx context.Context, d *client.Delivery) error {
			return d.Release(ctx, 50*time.Millisecond, "released by its consumer")
		})
	case 2: // too late, at times
		Pause(ctx, c.Visibility-100*time.Millisecond+time.Duration(random.Int64N(int64(200*time.Millisecond))))
		each(history.Ack, ack)
	case 3:
		bounded, cancel := context.WithTimeout(ctx, c.Visibility)
		defer cancel()
		lost, err := batch.Extend(bounded, c.Visibility)
		if err != nil || len(lost) > 0 {
			return // forgets
		}
		for i, d := range batch.Deliveries {
			c.recorder.HeldUntil(numbers[i], c.recorder.At(d.Deadline()))
		}
		Pause(ctx, c.Visibility/2)
		each(history.Ack, ack)
	default:
		each(history.Ack, ack)
	}
}
