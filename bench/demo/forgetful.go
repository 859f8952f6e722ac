package demo

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// forgetful is a consumer that takes a few events now and then and is never heard
// of again, like a process that dies over its work: their leases run out, and
// they come to somebody else.
type forgetful struct {
	*consumers
	// share is how many events it takes in all, forgotten how many it has.
	share, forgotten int
}

const (
	// forgetfulTake is how many events it takes at a time.
	forgetfulTake = 3
	// forgetfulWait is how long it waits for some, forgetfulPause how long it
	// rests.
	forgetfulWait  = 100 * time.Millisecond
	forgetfulPause = 10 * time.Millisecond
)

// newForgetful may take one in a hundred events, and at least some.
func newForgetful(c *consumers, events int) *forgetful {
	return &forgetful{consumers: c, share: max(12, events/100)}
}

// run goes round the readers until it has taken its share or ctx ends. It never fails:
// the node may well be away when it asks.
func (f *forgetful) run(ctx context.Context) error {
	for r := Reader(0); f.forgotten < f.share && pause(ctx, forgetfulPause); r = (r + 1) % Reader(len(f.readers)) {
		f.take(ctx, r)
	}
	return nil
}

func (f *forgetful) take(ctx context.Context, r Reader) {
	from, name, member := f.clients[0], f.fullName(r), f.readers[r].member
	options := []client.ReceiveOption{client.WithLease(visibility), client.WithWait(forgetfulWait)}
	number := min(forgetfulTake, f.share-f.forgotten)
	var batch *client.Batch
	var err error
	if member == "" {
		batch, err = from.Queue(name).Receive(ctx, number, options...)
	} else {
		batch, err = from.Fanout(name, member).Receive(ctx, number, options...)
	}
	if err != nil {
		return // the node is away: it has forgotten that, too
	}
	for _, d := range batch.Deliveries {
		f.ledger.Arrived(r, Place{Partition: d.Partition, Offset: d.Offset}, DigestOf(d.Event.Data))
		f.forgotten++
	}
}
