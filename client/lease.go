package client

import (
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// lease is what its owner knows of a delivery.
type lease struct {
	number  uint64 // of the delivery that brought it, on a stream
	receipt string // of a one-shot lease

	began    time.Time
	deadline time.Time

	state    leaseState
	decision decision      // from decided on
	err      error         // when done: nil if the decision took effect
	done     chan struct{} // closed when done; nil until somebody waits

	// What follows is a consumer's alone.
	work    workState
	context *handlerContext // while it runs
	// place is where it is among those that run.
	place int
	// parcel is where it is among what the session holds.
	parcel *parcel
	// expired says that the deadline has passed by the client's clock. It stays so, whatever is heard later: an extension that was
	// confirmed after the deadline may have come too late.
	expired bool
	// stuckAt is when the handler has taken too long; stuck says that it has.
	stuckAt time.Time
	stuck   bool
	// breaks: it was released, and its line waits for the node to confirm that.
	breaks bool
}

// leaseState is how far a leased event is on its way to be settled.
//
//	held ----decision----> decided ----sent----> sent ----answer----> done
//	  |                       ^                    |                   ^
//	  |                       +--- refused, again -+                   |
//	  +----------------------------- lost -----------------------------+
type leaseState uint8

const (
	leaseHeld leaseState = iota
	leaseDecided
	leaseSent
	leaseDone
)

// workState is what a consumer's handlers have to do with it.
type workState uint8

const (
	workWaiting workState = iota
	workRunning
	workOver
)

// leaseLongest is the longest that extending makes a lease.
const leaseLongest = 12 * time.Hour

// deliveriesOf takes a delivery apart. Its events have the lease that began then.
func deliveriesOf(wire *freshetv1.Delivery, owner leaseOwner, began time.Time) ([]*Delivery, error) {
	total := 0
	for _, run := range wire.GetEvents() {
		total += int(run.GetCount())
	}
	if total > windowEventsMax {
		return nil, &Error{Code: CodeInternal, Message: fmt.Sprintf("the node sent a delivery of %d events", total)}
	}
	deliveries := make([]*Delivery, 0, total)
	each := make([]Delivery, total)
	deadline := began.Add(duration(wire.GetVisibilityMs()))
	for _, run := range wire.GetEvents() {
		for i := range uint64(run.GetCount()) {
			d := &each[len(deliveries)]
			d.Partition, d.Offset = wire.GetPartition(), run.GetFirst()+i
			d.Attempt, d.Epoch = int(run.GetAttempt()), wire.GetEpoch()
			d.owner = owner
			d.lease = lease{number: wire.GetNumber(), began: began, deadline: deadline}
			deliveries = append(deliveries, d)
		}
	}
	at := 0
	var r block.Reader
	var data copies
	for _, encoded := range wire.GetBlocks() {
		b, err := block.Open(encoded)
		if err != nil {
			return nil, deliveryError(wire, err)
		}
		if at+b.Len() > total {
			return nil, deliveryError(wire, fmt.Errorf("%d events for %d offsets", at+b.Len(), total))
		}
		for r.Reset(&b); r.Next(); at++ {
			if v := r.View(); v.Plain() && b.DeliverAtMillis(r.Index()) == 0 {
				deliveries[at].Event.Data = data.of(v.Data()) // most events
			} else {
				deliveries[at].Event = eventOf(r.Event())
			}
		}
		if err := r.Err(); err != nil {
			return nil, deliveryError(wire, err)
		}
	}
	if at != total {
		return nil, deliveryError(wire, fmt.Errorf("%d events for %d offsets", at, total))
	}
	return deliveries, nil
}

func deliveryError(wire *freshetv1.Delivery, err error) error {
	return &Error{
		Code: CodeBlockCorrupt, Retryable: true,
		Message: fmt.Sprintf("delivery %d of partition %d can't be read: %v", wire.GetNumber(), wire.GetPartition(), err),
	}
}
