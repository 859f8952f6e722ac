package client

import (
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// lease is what its owner knows of a delivery. There are as many as events, so it has no more than each needs: what those of a delivery have in common
// is their parcel's.
type lease struct {
	parcel   *parcel
	deadline time.Duration // by the client's clock
	taken    *decision     // from decided on; nil before
	err      error         // when done: nil if the decision took effect
	done     chan struct{} // closed when done; nil until somebody waits
	bytes    int32         // of the event's data

	// place is where it is among those that run, or of one-shot leases in their batch.
	place int32
	state leaseState
	work  workState // of a consumer's, as all that follows
	// held says that it is in the session's books.
	held bool
	// expired says that the deadline has passed by the client's clock. It stays so, whatever is heard later: an extension that was
	// confirmed after the deadline may have come too late.
	expired bool
	// stuck says that the handler has taken too long.
	stuck bool
	// breaks: it was released, and its line waits for the node to confirm that.
	breaks bool
	// position in the delivery, by which it is named on a stream.
	position uint16
	context  *handlerContext // while it runs
	stuckAt  time.Duration   // when the handler has taken too long
}

// decision is what was decided, the zero decision before.
func (l *lease) decision() *decision {
	if l.taken == nil {
		return &noneYet
	}
	return l.taken
}

// parcel is the events of one delivery.
type parcel struct {
	owner    leaseOwner
	number   uint64        // of the delivery, on a stream
	receipts []string      // of one-shot leases
	began    time.Duration // when the leases did, by the client's clock

	deliveries []*Delivery
	bytes      int // of their data
	left       int // that the session holds (holdings)
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

// chunkEvents is how many events share an allocation. Who keeps one keeps its neighbours.
const chunkEvents = 64

// parcelOf takes a delivery apart. Its events have the lease that began then, and nothing of the delivery's blocks.
func parcelOf(wire *freshetv1.Delivery, owner leaseOwner, began time.Duration) (*parcel, error) {
	total, positions := 0, 0
	for _, run := range wire.GetEvents() {
		total += int(run.GetCount())
		positions += int(run.GetSkipped()) + int(run.GetCount())
	}
	if positions > windowEventsMax {
		return nil, &Error{Code: CodeInternal, Message: fmt.Sprintf("the node sent a delivery of %d events", positions)}
	}
	u := unpacking{
		parcel: &parcel{owner: owner, number: wire.GetNumber(), began: began, deliveries: make([]*Delivery, 0, total)},
		wire:   wire, deadline: began + duration(wire.GetVisibilityMs()),
	}
	at := 0
	var r block.Reader
	for _, encoded := range wire.GetBlocks() {
		b, err := block.Open(encoded)
		if err != nil {
			return nil, deliveryError(wire, err)
		}
		if at += b.Len(); at > total {
			return nil, deliveryError(wire, fmt.Errorf("%d events for %d offsets", at, total))
		}
		if err := u.events(&b, &r); err != nil {
			return nil, deliveryError(wire, err)
		}
	}
	if at != total {
		return nil, deliveryError(wire, fmt.Errorf("%d events for %d offsets", at, total))
	}
	return u.parcel, nil
}

// unpacking is a delivery that is taken apart: each event has the next offset of its runs.
type unpacking struct {
	parcel   *parcel
	wire     *freshetv1.Delivery
	deadline time.Duration
	chunk    []Delivery // that aren't used yet
	run      int        // the next of the delivery's
	used     uint32     // of the run before
	position uint32     // of the next event
}

// events adds the events of a block, for which there are offsets.
func (u *unpacking) events(b *block.Block, r *block.Reader) error {
	for r.ResetKept(b); r.Next(); {
		d := u.next()
		if v := r.View(); v.Plain() && b.DeliverAtMillis(r.Index()) == 0 {
			d.Event.Data = v.Data() // most events
		} else {
			d.Event = eventOf(r.Event())
		}
		d.lease.bytes = int32(len(d.Event.Data))
		u.parcel.bytes += len(d.Event.Data)
	}
	return r.Err()
}

// next returns the next event, with all but its data.
func (u *unpacking) next() *Delivery {
	p, runs := u.parcel, u.wire.GetEvents()
	if len(u.chunk) == 0 {
		u.chunk = make([]Delivery, min(chunkEvents, cap(p.deliveries)-len(p.deliveries)))
	}
	d := &u.chunk[0]
	u.chunk = u.chunk[1:]
	for u.used >= runs[u.run].GetCount() {
		u.run, u.used = u.run+1, 0
	}
	run := runs[u.run]
	if u.used == 0 {
		u.position += run.GetSkipped()
	}
	d.Partition, d.Offset = u.wire.GetPartition(), run.GetFirst()+uint64(u.used)
	d.Attempt, d.Epoch = int(run.GetAttempt()), u.wire.GetEpoch()
	d.lease.parcel, d.lease.deadline = p, u.deadline
	d.lease.place = int32(len(p.deliveries))
	d.lease.position = uint16(u.position)
	p.deliveries = append(p.deliveries, d)
	u.used++
	u.position++
	return d
}

func deliveryError(wire *freshetv1.Delivery, err error) error {
	return &Error{
		Code: CodeBlockCorrupt, Retryable: true,
		Message: fmt.Sprintf("delivery %d of partition %d can't be read: %v", wire.GetNumber(), wire.GetPartition(), err),
	}
}
