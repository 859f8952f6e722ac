package demo

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// The way the run consumes.
const (
	// topicName is the run's only topic.
	topicName = "demo"
	// visibility is how long a lease lasts: short, so that what is left to
	// expire comes back within the run.
	visibility = 2 * time.Second
	// attempts is far beyond what the run needs, so that nothing becomes a dead
	// letter by the way.
	attempts = 50
	// consumerWindow and consumerHandlers are how much one consumer holds and
	// works on. The window is small so that consumers compete, and so that there
	// is something left for the forgetful.
	consumerWindow   = 64
	consumerBytes    = 4 << 20
	consumerHandlers = 32
	// drainTimeout is how long a consumer waits for its handlers at the end.
	drainTimeout = 2 * time.Second
)

// fate is what a consumer does with an event that it gets for the first time.
type fate uint8

const (
	fateAck fate = iota
	fateSlowAck
	fateRelease
	fateReject
)

// fateOf draws a fate: of a thousand, 20 are released, 4 rejected, and 50 take
// their time. The same run with the same places draws the same.
func fateOf(seed uint64, r Reader, at Place) fate {
	var key [28]byte
	binary.LittleEndian.PutUint64(key[:], seed)
	binary.LittleEndian.PutUint64(key[8:], uint64(r))
	binary.LittleEndian.PutUint64(key[16:], at.Offset)
	binary.LittleEndian.PutUint32(key[24:], at.Partition)
	hash := fnv.New64a()
	_, _ = hash.Write(key[:]) // a hash takes everything
	switch drawn := hash.Sum64() >> 16 % 1000; {
	case drawn < 20:
		return fateRelease
	case drawn < 24:
		return fateReject
	case drawn < 74:
		return fateSlowAck
	default:
		return fateAck
	}
}

// consumers are all that consume: two or three that compete for each queue, two
// for each member, spread over some clients as over some processes.
type consumers struct {
	seed          uint64
	ledger        *Ledger
	witness       *witness
	subscriptions []Subscription
	readers       []reader
	clients       []*client.Client
	// sequence is told of what begins at ordered queues.
	sequence *sequence
	// released counts confirmed releases, forgotten what was taken and left.
	released, forgotten atomic.Int64
}

// run consumes until ctx ends.
func (c *consumers) run(ctx context.Context, events int) error {
	all, ctx := errgroup.WithContext(ctx)
	all.Go(func() error {
		c.forgetAround(ctx, events)
		return nil
	})
	for i := range c.readers {
		all.Go(func() error { return c.compete(ctx, Reader(i)) })
	}
	return all.Wait()
}

// compete runs a reader's consumers.
func (c *consumers) compete(ctx context.Context, r Reader) error {
	c.forget(ctx, r, forgetfulFirst, forgetfulPatience)
	competing, ctx := errgroup.WithContext(ctx)
	for i := range 2 + int(r)%2 {
		competing.Go(func() error { return c.consume(ctx, r, c.clients[i%len(c.clients)]) })
	}
	return competing.Wait()
}

func (c *consumers) consume(ctx context.Context, r Reader, from *client.Client) error {
	options := []client.ConsumeOption{
		client.WithWindow(consumerWindow, consumerBytes), client.WithConcurrency(consumerHandlers), client.WithDrainTimeout(drainTimeout),
	}
	reader, name, handler := c.readers[r], c.fullName(r), c.handler(r, c.witness.consumer())
	var err error
	if reader.member == "" {
		err = from.Queue(name).Consume(ctx, handler, options...)
	} else {
		err = from.Fanout(name, reader.member).Consume(ctx, handler, options...)
	}
	if ctx.Err() == nil {
		return fmt.Errorf("the consumer of %s ended: %w", reader.name(c.subscriptions), err)
	}
	return nil // it was to end, and what it says of that is no news
}

// fullName is what the client calls a subscription.
func (c *consumers) fullName(r Reader) string {
	return topicName + "/" + c.subscriptions[c.readers[r].subscription].Name
}

// handler works on one event: it writes down that it began, and after the client
// has confirmed an ack, that.
func (c *consumers) handler(r Reader, consumer uint32) client.Handler {
	return func(ctx context.Context, d *client.Delivery) error {
		at := Place{Partition: d.Partition, Offset: d.Offset}
		now, digest := c.witness.recorder.Now(), DigestOf(d.Event.Data)
		times, number := c.ledger.Arrived(r, at, digest), c.witness.came(r, d, digest, handover{consumer: consumer, asked: now, got: now})
		fate := fateAck
		if times == 1 {
			c.begins(r, at, d.Event.Key)
			fate = fateOf(c.seed, r, at)
		}
		switch fate {
		case fateRelease:
			// An error means that the lease is over or the run is: then
			// there is nothing left to release.
			release := func() error { return d.Release(ctx, 100*time.Millisecond, "released by the demo") }
			if c.witness.decide(number, d, history.Release, release) == nil {
				c.released.Add(1)
			}
			return nil
		case fateReject:
			reject := func() error { return d.Reject(ctx, "rejected by the demo") }
			if c.witness.decide(number, d, history.Reject, reject) == nil {
				c.ledger.Rejected(r, at)
			}
			return nil
		case fateSlowAck:
			pause(ctx, 30*time.Millisecond)
		case fateAck:
		}
		if c.witness.decide(number, d, history.Ack, func() error { return d.Ack(ctx) }) == nil {
			c.ledger.Acked(r, at)
		}
		// Without a confirmed ack the event may come again, and nobody may
		// complain about that.
		return nil
	}
}

// begins is told of a first time.
func (c *consumers) begins(r Reader, at Place, key string) {
	if c.subscriptions[c.readers[r].subscription].Ordered && key != "" {
		c.sequence.began(r, at, key)
	}
}

// pause waits, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
