package chaos

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// consumers are everybody who consumes in a round.
type consumers struct {
	recorder *history.Recorder
	batches  atomic.Uint32
	numbers  atomic.Uint32
	// full is set when the history has no room: then nothing more is decided.
	full atomic.Bool
}

const (
	consumerWindow  = 64
	consumerBytes   = 4 << 20
	consumerAtOnce  = 16
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

// handler gets an event, takes some time, and decides.
func (c *consumers) handler(run context.Context, r *reader, consumer uint32) client.Handler {
	return func(ctx context.Context, d *client.Delivery) error {
		now := c.recorder.Now()
		number, err := c.recorder.Deliver(history.Delivery{
			Reader: r.number, Message: numberOf(d.Event.Data), Digest: digestOf(&d.Event), Place: history.Place{Partition: d.Partition, Offset: d.Offset},
			Attempt: d.Attempt, Epoch: d.Epoch, Consumer: consumer, Asked: now, Got: now, Held: c.recorder.At(d.Deadline()),
		})
		if err != nil {
			c.full.Store(true)
			return err // released
		}
		verb, work := fateOf(d)
		if work > 0 {
			pause(ctx, work)
		}
		c.recorder.HeldUntil(number, min(c.recorder.Now(), c.recorder.At(d.Deadline())))
		c.decide(run, number, verb, func(ctx context.Context) error {
			switch verb {
			case history.Release:
				return d.Release(ctx, 100*time.Millisecond, "released by chaos")
			case history.Reject:
				return d.Reject(ctx, "rejected by chaos")
			case history.Ack:
			}
			return d.Ack(ctx)
		})
		return nil
	}
}

// fateOf draws what becomes of a delivery: of a thousand, 20 are released, 3 rejected, 30 take
// their time, and 4 longer than a lease lasts, so that it has to be extended.
func fateOf(d *client.Delivery) (history.Verb, time.Duration) {
	switch drawn := rand.IntN(1000); { //nolint:gosec // chance that keeps no secret
	case d.Attempt == 1 && drawn < 20:
		return history.Release, 0
	case d.Attempt == 1 && drawn < 23:
		return history.Reject, 0
	case drawn < 53:
		return history.Ack, time.Duration(drawn) * 5 * time.Millisecond
	case drawn < 57:
		return history.Ack, visibility + 500*time.Millisecond
	}
	return history.Ack, 0
}

// decide says a word on a delivery and writes down what became of it.
func (c *consumers) decide(ctx context.Context, delivery int32, verb history.Verb, say func(context.Context) error) {
	number, err := c.recorder.Decide(delivery, verb)
	if err != nil {
		c.full.Store(true)
		return
	}
	// A round's end isn't the end of what was said.
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), decisionTimeout)
	defer cancel()
	c.recorder.Decided(number, outcomeOf(say(bounded)))
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
	// wanderTake is how many events a wanderer takes at a time, and wanderPause how long
	// it rests then.
	wanderTake  = 3
	wanderPause = 60 * time.Millisecond
)

// wander goes from reader to reader, takes a few events with one-shot requests, and does with
// them what it likes: acks in time or too late, extends, gives back, or forgets.
func (c *consumers) wander(ctx context.Context, readers []*reader, from *client.Client) {
	consumer := c.numbers.Add(1)
	for i := 0; pause(ctx, wanderPause) && !c.full.Load(); i++ {
		c.takeSome(ctx, readers[i%len(readers)], from, consumer)
	}
}

func (c *consumers) takeSome(ctx context.Context, r *reader, from *client.Client, consumer uint32) {
	bounded, cancel := context.WithTimeout(ctx, visibility)
	defer cancel()
	asked := c.recorder.Now()
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
	got, together := c.recorder.Now(), c.batches.Add(1)
	numbers := make([]int32, len(batch.Deliveries))
	for i, d := range batch.Deliveries {
		numbers[i], err = c.recorder.Deliver(history.Delivery{
			Reader: r.number, Message: numberOf(d.Event.Data), Digest: digestOf(&d.Event), Place: history.Place{Partition: d.Partition, Offset: d.Offset},
			Attempt: d.Attempt, Epoch: d.Epoch, Consumer: consumer, Batch: together, Asked: asked, Got: got, Held: c.recorder.At(d.Deadline()),
		})
		if err != nil {
			c.full.Store(true)
			return
		}
	}
	c.dealWith(ctx, batch, numbers)
}

// dealWith does something with a batch.
func (c *consumers) dealWith(ctx context.Context, batch *client.Batch, numbers []int32) {
	each := func(verb history.Verb, say func(context.Context, *client.Delivery) error) {
		for i, d := range batch.Deliveries {
			c.decide(ctx, numbers[i], verb, func(ctx context.Context) error { return say(ctx, d) })
		}
	}
	ack := func(ctx context.Context, d *client.Delivery) error { return d.Ack(ctx) }
	switch rand.IntN(6) { //nolint:gosec // chance that keeps no secret
	case 0: // forgets
	case 1:
		each(history.Release, func(ctx context.Context, d *client.Delivery) error {
			return d.Release(ctx, 50*time.Millisecond, "released by chaos")
		})
	case 2: // too late, at times
		pause(ctx, visibility-100*time.Millisecond+rand.N(200*time.Millisecond)) //nolint:gosec // the same
		each(history.Ack, ack)
	case 3:
		bounded, cancel := context.WithTimeout(ctx, visibility)
		defer cancel()
		lost, err := batch.Extend(bounded, visibility)
		if err != nil || len(lost) > 0 {
			return // forgets
		}
		for i, d := range batch.Deliveries {
			c.recorder.HeldUntil(numbers[i], c.recorder.At(d.Deadline()))
		}
		pause(ctx, visibility/2)
		each(history.Ack, ack)
	default:
		each(history.Ack, ack)
	}
}
