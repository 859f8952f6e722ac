package clients

import (
	"context"
	"errors"
	"math/rand/v2"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	consumerWindow  = 64
	consumerBytes   = 1 << 20
	consumerAtOnce  = 16
	consumerDrain   = 2 * time.Second
	decisionTimeout = 10 * time.Second
)

// consume works on a reader's events until ctx ends, or the reader is removed.
func (c *Clients) consume(ctx context.Context, r *reader, by *client.Client) error {
	err := c.source(r, by).Consume(ctx, c.handler(ctx, r, c.consumers.Add(1)),
		client.WithWindow(consumerWindow, consumerBytes), client.WithConcurrency(consumerAtOnce), client.WithDrainTimeout(consumerDrain))
	if ctx.Err() != nil || r.leaving && errors.Is(err, client.ErrNotFound) {
		return nil //nolint:nilerr // it was to end, and what it says of that is no news
	}
	return err
}

// arrival is how events came: to whom, with which request, asked for and had when.
type arrival struct {
	consumer, batch uint32
	asked, got      history.Time
}

// note writes an arrival down, and sees that nothing comes before it is due.
func (c *Clients) note(r *reader, d *client.Delivery, a arrival) (int32, error) {
	m := read(d.Event.Data)
	if early := m.Detail.Due - time.Now().UnixMilli(); early > 0 {
		c.Troublef("event %d at %d/%d came to %s %d ms before it was due", m.Detail.Message, d.Partition, d.Offset, r.name, early)
	}
	number, err := c.recorder.Deliver(history.Delivery{
		Reader: r.number, Message: history.Message(m.Detail.Message), Digest: digestOf(&d.Event), Place: history.Place{Partition: d.Partition, Offset: d.Offset},
		Attempt: d.Attempt, Epoch: d.Epoch, Consumer: a.consumer, Batch: a.batch, Asked: a.asked, Got: a.got, Held: c.recorder.At(d.Deadline()),
	})
	if err != nil {
		c.full.Store(true)
	}
	return number, err
}

// handler gets an event, takes some time, and decides. It goes on when its lease is lost, as a service does that doesn't look: its word has to be
// refused then (I7).
func (c *Clients) handler(run context.Context, r *reader, consumer uint32) client.Handler {
	return func(_ context.Context, d *client.Delivery) error {
		now := c.recorder.Now()
		number, err := c.note(r, d, arrival{consumer: consumer, asked: now, got: now})
		if err != nil {
			return err // released
		}
		verb, work := c.fateOf(r, d)
		if work > 0 {
			Pause(run, work)
		}
		c.recorder.HeldUntil(number, min(c.recorder.Now(), c.recorder.At(d.Deadline())))
		c.decide(run, number, verb, func(ctx context.Context) error {
			switch verb {
			case history.Release:
				return d.Release(ctx, 100*time.Millisecond, "released by its consumer")
			case history.Reject:
				return d.Reject(ctx, "rejected by its consumer")
			case history.Ack:
			}
			return d.Ack(ctx)
		})
		return nil
	}
}

// fateOf draws what becomes of a delivery, from what it is and not from when it comes: of a thousand, 30 are released, 3 rejected, 60
// take their time, and 6 longer than a lease lasts, so that it has to be extended. Of those with few attempts a third is released.
func (c *Clients) fateOf(r *reader, d *client.Delivery) (history.Verb, time.Duration) {
	from := rand.NewPCG(c.Seed^uint64(r.number)<<56, d.Offset<<16|uint64(d.Partition)<<8|uint64(min(d.Attempt, 255)))
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
		return history.Ack, c.Visibility + 500*time.Millisecond
	}
	return history.Ack, 0
}

// decide says a word on a delivery and writes down what became of it.
func (c *Clients) decide(ctx context.Context, delivery int32, verb history.Verb, say func(context.Context) error) {
	number, err := c.recorder.Decide(delivery, verb)
	if err != nil {
		c.full.Store(true)
		return
	}
	// A run's end isn't the end of what was said.
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
