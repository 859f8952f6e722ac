package demo

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// A forgetful consumer takes some events and is never heard of again, like a
// process that dies over its work: their leases run out, and they come to
// somebody else. One has been at every queue and member before the others come,
// and one goes round while they are at work.
const (
	// forgetfulFirst is how many events the first one takes from each, at most,
	// and forgetfulPatience how long it waits for them.
	forgetfulFirst    = 5
	forgetfulPatience = 500 * time.Millisecond
	// forgetfulTake is how many events the other one takes at a time, and
	// forgetfulPause how long it rests then. It doesn't wait for events.
	forgetfulTake  = 3
	forgetfulPause = 10 * time.Millisecond
)

// forgetAround goes round until a share of the run's events is taken, one in a
// hundred, or ctx ends.
func (c *consumers) forgetAround(ctx context.Context, events int) {
	share := int64(events / 100)
	for r := Reader(0); c.forgotten.Load() < share && pause(ctx, forgetfulPause); r = (r + 1) % Reader(len(c.readers)) {
		c.forget(ctx, r, forgetfulTake, 0)
	}
}

// forget takes some events from a reader. It never fails: if the node is away,
// then it has forgotten that, too.
func (c *consumers) forget(ctx context.Context, r Reader, number int, wait time.Duration) {
	from, name, member := c.clients[0], c.fullName(r), c.readers[r].member
	options := []client.ReceiveOption{client.WithLease(visibility), client.WithWait(wait)}
	asked := c.witness.recorder.Now()
	var batch *client.Batch
	var err error
	if member == "" {
		batch, err = from.Queue(name).Receive(ctx, number, options...)
	} else {
		batch, err = from.Fanout(name, member).Receive(ctx, number, options...)
	}
	if err != nil {
		return
	}
	how := handover{consumer: c.witness.consumer(), request: c.witness.request(), asked: asked, got: c.witness.recorder.Now()}
	for _, d := range batch.Deliveries {
		at, digest := Place{Partition: d.Partition, Offset: d.Offset}, DigestOf(d.Event.Data)
		if c.ledger.Arrived(r, at, digest) == 1 {
			c.begins(r, at, d.Event.Key)
		}
		c.witness.came(r, d, digest, how)
		c.forgotten.Add(1)
	}
}
