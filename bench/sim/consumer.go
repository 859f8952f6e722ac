package sim

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// consumers are everybody who consumes in a run.
type consumers struct {
	world   *world
	batches atomic.Uint32
	numbers atomic.Uint32
	// full is set when the history has no room: then nothing more is decided.
	full atomic.Bool
}

const (
	consumerWindow  = 48
	consumerBytes   = 1 << 20
	consumerAtOnce  = 12
	consumerDrain   = 2 * time.Second
	decisionTimeout = 10 * time.Second
)

// consume works on a reader's events until ctx ends, or the reader is removed.
func (c *consumers) consume(ctx context.Context, r *reader, from *client.Client) error {
	options := []client.ConsumeOption{
		client.WithWindow(consumerWindow, consumerBytes), client.WithConcurrency(consumerAtOnce), client.WithDrainTimeout(consumerDrain),
	}
	handler := c.handler(ctx, r, c.numbers.Add(1))
	var err error
	if r.member == "" {
		err = from.Queue(r.fullName()).Consume(ctx, handler, options...)
	} else {
		err = from.Fanout(r.fullName(), r.member).Consume(ctx, handler, options...)
	}
	if ctx.Err() != nil || r.leaving && errors.Is(err, client.ErrNotFound) {
		return nil //nolint:nilerr // it was to end, and what it says of that is no news
	}
	return err
}

// note writes an arrival down, and sees that nothing comes before it is due, or as something else.
func (c *consumers) note(r *reader, d *client.Delivery, consumer, batch uint32, asked history.Time) (int32, error) {
	m, now := read(d.Event.Data), c.world.recorder.Now()
	if batch == 0 {
		asked = now
	}
	if m.Detail.Due > time.Now().UnixMilli() {
		c.world.troublef("event %d at %d/%d came to %s %d ms before it was due", m.Detail.Message, d.Partition, d.Offset, r.name, m.Detail.Due-time.Now().UnixMilli())
	}
	number, err := c.world.recorder.Deliver(history.Delivery{
		Reader: r.number, Message: history.Message(m.Detail.Message), Digest: digestOf(&d.Event), Place: history.Place{Partition: d.Partition, Offset: d.Offset},
		Attempt: d.Attempt, Epoch: d.Epoch, Consumer: consumer, Batch: batch, Asked: asked, Got: now, Held: c.world.recorder.At(d.Deadline()),
	})
	if err != nil {
		c.full.Store(true)
	}
	return number, err
}

// handler gets an event, takes some time, and decides.
func (c *consumers) handler(run context.Context, r *reader, consumer uint32) client.Handler {
	return func(_ context.Context, d *client.Delivery) error {
		number, err := c.note(r, d, consumer, 0, 0)
		if err != nil {
			return err // released
		}
		verb, work := c.fateOf(r, d)
		if work > 0 {
			pause(run, work)
		}
		c.world.recorder.HeldUntil(number, min(c.world.recorder.Now(), c.world.recorder.At(d.Deadline())))
		c.decide(run, number, verb, func(ctx context.Context) error {
			switch verb {
			case history.Release:
				return d.Release(ctx, 100*time.Millisecond, "released by sim")
			case history.Reject:
				return d.Reject(ctx, "rejected by sim")
			case history.Ack:
			}
			return d.Ack(ctx)
		})
		return nil
	}
}

// fateOf draws what becomes of a delivery, from what it is and not from when it comes: of a thousand, 30 are released, 3 rejected, 60
// take their time, and 6 longer than a lease lasts, so that it has to be extended. Of those with few attempts a third is released.
func (c *consumers) fateOf(r *reader, d *client.Delivery) (history.Verb, time.Duration) {
	from := rand.NewPCG(c.world.Seed^uint64(r.number)<<56, d.Offset<<16|uint64(d.Partition)<<8|uint64(min(d.Attempt, 255)))
	switch drawn := from.Uint64() % 1000; {
	case r.tries && drawn >= 667:
		return history.Release, 0
	case d.Attempt == 1 && drawn < 30:
		return history.Release, 0
	case d.Attempt == 1 && drawn < 33:
		return history.Reject, 0
	case drawn < 93:
		return history.Ack, time.Duration(drawn) * 4 * time.Millisecond
	case drawn < 99:
		return history.Ack, visibility + 500*time.Millisecond
	}
	return history.Ack, 0
}

// decide says a word on a delivery and writes down what became of it.
func (c *consumers) decide(ctx context.Context, delivery int32, verb history.Verb, say func(context.Context) error) {
	number, err := c.world.recorder.Decide(delivery, verb)
	if err != nil {
		c.full.Store(true)
		return
	}
	// A run's end isn't the end of what was said.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), decisionTimeout)
	defer cancel()
	c.world.recorder.Decided(number, outcomeOf(say(bounded)))
}

// outcomeOf is what a client's error proves of a decision.
func outcomeOf(err error) history.Outcome {
	switch {
	case err == nil:
		return history.OK
	case errors.Is(err, client.ErrUnknownOutcome):
		return history.Unknown
	case errors.Is(err, client.ErrLeaseLost):
		return history.Fail
	}
	return history.Unknown
}

const (
	// wanderTake is how many events a wanderer takes at a time, and wanderPause how long it rests then.
	wanderTake  = 3
	wanderPause = 100 * time.Millisecond
)

// wander goes from reader to reader, takes a few events with one-shot requests, and does with them what it likes: acks in time or too late, extends,
// gives back, or forgets.
func (c *consumers) wander(ctx context.Context, readers []*reader, from *client.Client, random *rand.Rand) {
	consumer := c.numbers.Add(1)
	for pause(ctx, wanderPause) && !c.full.Load() {
		c.takeSome(ctx, readers[random.IntN(len(readers))], from, consumer, random)
	}
}

func (c *consumers) takeSome(ctx context.Context, r *reader, from *client.Client, consumer uint32, random *rand.Rand) {
	bounded, cancel := context.WithTimeout(ctx, visibility)
	defer cancel()
	asked := c.world.recorder.Now()
	var batch *client.Batch
	var err error
	if r.member == "" {
		batch, err = from.Queue(r.fullName()).Receive(bounded, wanderTake, client.WithLease(visibility))
	} else {
		batch, err = from.Fanout(r.fullName(), r.member).Receive(bounded, wanderTake, client.WithLease(visibility))
	}
	if err != nil || len(batch.Deliveries) == 0 {
		return // it is away, or has nothing
	}
	together := c.batches.Add(1)
	numbers := make([]int32, len(batch.Deliveries))
	for i, d := range batch.Deliveries {
		if numbers[i], err = c.note(r, d, consumer, together, asked); err != nil {
			return
		}
	}
	c.dealWith(ctx, batch, numbers, random)
}

// dealWith does something with a batch.
func (c *consumers) dealWith(ctx context.Context, batch *client.Batch, numbers []int32, random *rand.Rand) {
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
			return d.Release(ctx, 50*time.Millisecond, "released by sim")
		})
	case 2: // too late, at times
		pause(ctx, visibility-100*time.Millisecond+time.Duration(random.Int64N(int64(200*time.Millisecond))))
		each(history.Ack, ack)
	case 3:
		bounded, cancel := context.WithTimeout(ctx, visibility)
		defer cancel()
		lost, err := batch.Extend(bounded, visibility)
		if err != nil || len(lost) > 0 {
			return // forgets
		}
		for i, d := range batch.Deliveries {
			c.world.recorder.HeldUntil(numbers[i], c.world.recorder.At(d.Deadline()))
		}
		pause(ctx, visibility/2)
		each(history.Ack, ack)
	default:
		each(history.Ack, ack)
	}
}
