package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Batch is what a Receive leased. Nothing extends its leases by itself. It is safe for concurrent use.
type Batch struct {
	// Deliveries are the events in the order of their offsets; none when there was nothing.
	Deliveries []*Delivery

	client *Client
	mu     sync.Mutex
}

// Ack acks those of the batch that are named, or all without names, but for what is settled already, and waits until that is stored. lost are those whose
// lease had ended before: nothing was changed for them. With an error none of them is known to be settled.
//
// It is tried again, with other nodes too, while no node can do it, until ctx ends or the leases are over. ErrUnknownOutcome means that an answer was lost
// and that, asked again, the node no longer knew of some of the leases: they were acked, or are over.
func (b *Batch) Ack(ctx context.Context, some ...*Delivery) (lost []*Delivery, err error) {
	return b.decide(ctx, some, decision{verb: verbAck})
}

// Release gives back those that are named, or all, that aren't settled yet, as Delivery.Release does; lost and err are as for Ack.
func (b *Batch) Release(ctx context.Context, after time.Duration, reason string, some ...*Delivery) (lost []*Delivery, err error) {
	if after < 0 || after > visibilityMax {
		return nil, argumentError("after_ms", "a delay of %v: 0 to %v are possible", after, visibilityMax)
	}
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	return b.decide(ctx, some, decision{verb: verbRelease, after: after, reason: reason})
}

// Reject makes dead letters of those that are named, or all, that aren't settled yet; lost and err are as for Ack.
func (b *Batch) Reject(ctx context.Context, reason string, some ...*Delivery) (lost []*Delivery, err error) {
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	return b.decide(ctx, some, decision{verb: verbReject, reason: reason})
}

// Extend moves the deadlines of those that are named, or all, that aren't settled yet to by from now, 1 s to 12 h; lost and err are as for Ack.
func (b *Batch) Extend(ctx context.Context, by time.Duration, some ...*Delivery) (lost []*Delivery, err error) {
	if by < visibilityMin || by > visibilityMax {
		return nil, argumentError("visibility_ms", "an extension by %v: %v to %v are possible", by, visibilityMin, visibilityMax)
	}
	return b.extendAll(ctx, some, by)
}

// open is what a request is about: those that are named, or all, that aren't settled.
type open struct {
	deliveries []*Delivery
	receipts   []string
	deadline   time.Duration // when the last of their leases ends
}

func (b *Batch) open(some []*Delivery) (open, error) {
	if len(some) == 0 {
		some = b.Deliveries
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	var o open
	named := make(map[*Delivery]struct{}, len(some))
	for i, d := range some {
		if d == nil || d.lease.parcel == nil || d.lease.parcel.owner != b {
			return open{}, argumentError("deliveries", "the %d. of those named isn't of this batch", i+1)
		}
		if _, twice := named[d]; twice || d.lease.state == leaseDone {
			continue
		}
		named[d] = struct{}{}
		o.deliveries = append(o.deliveries, d)
		o.receipts = append(o.receipts, d.lease.parcel.receipts[d.lease.place])
		o.deadline = max(o.deadline, d.lease.deadline)
	}
	return o, nil
}

// ask sends a request until there is an answer, or it can't help any more. doubt says that it may have been done before it was answered.
func (b *Batch) ask(ctx context.Context, o *open, send func(freshetv1.ConsumeServiceClient) (*freshetv1.SettleResponse, error)) (lost []*Delivery, doubt bool, err error) {
	var again retry
	for {
		response, err := send(b.client.consume)
		if err == nil {
			return lostOf(o.deliveries, response), doubt, nil
		}
		err = errorOf(ctx, err)
		if ctx.Err() != nil {
			return nil, true, unknown(err)
		}
		e, ok := errors.AsType[*Error](err)
		if !ok || !e.Retryable && !e.OutcomeUnknown {
			return nil, doubt, err
		}
		doubt = doubt || e.OutcomeUnknown
		if b.client.context.Err() != nil || b.client.now() >= o.deadline {
			if doubt {
				err = unknown(err)
			}
			return nil, doubt, err
		}
		if again.pause(ctx) != nil {
			return nil, true, unknown(errorOf(ctx, err))
		}
	}
}

func (b *Batch) decide(ctx context.Context, some []*Delivery, dec decision) ([]*Delivery, error) {
	o, err := b.open(some)
	if err != nil || len(o.deliveries) == 0 {
		return nil, err
	}
	lost, doubt, err := b.ask(ctx, &o, func(node freshetv1.ConsumeServiceClient) (*freshetv1.SettleResponse, error) {
		switch dec.verb {
		case verbAck:
			return node.Ack(ctx, &freshetv1.AckRequest{Receipts: o.receipts})
		case verbReject:
			return node.Reject(ctx, &freshetv1.RejectRequest{Receipts: o.receipts, Reason: dec.reason})
		case verbRelease, verbNone:
		}
		return node.Release(ctx, &freshetv1.ReleaseRequest{Receipts: o.receipts, AfterMs: millis(dec.after), Reason: dec.reason})
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range o.deliveries {
		d.lease.state, d.lease.taken, d.lease.err = leaseDone, dec.kept(), nil
	}
	for _, d := range lost {
		d.lease.err = ErrLeaseLost
		if doubt {
			d.lease.err = unknown(fmt.Errorf("%v, and the answer was lost: %w", dec.verb, ErrLeaseLost))
		}
	}
	if doubt && len(lost) > 0 {
		return nil, lost[0].lease.err
	}
	return lost, nil
}

func (b *Batch) extendAll(ctx context.Context, some []*Delivery, by time.Duration) ([]*Delivery, error) {
	o, err := b.open(some)
	if err != nil || len(o.deliveries) == 0 {
		return nil, err
	}
	var asked time.Duration
	lost, _, err := b.ask(ctx, &o, func(node freshetv1.ConsumeServiceClient) (*freshetv1.SettleResponse, error) {
		asked = b.client.now()
		return node.Extend(ctx, &freshetv1.ExtendRequest{Receipts: o.receipts, VisibilityMs: millis(by)})
	})
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range o.deliveries {
		d.lease.deadline = asked + by
	}
	for _, d := range lost {
		d.lease.state, d.lease.err = leaseDone, ErrLeaseLost
	}
	return lost, nil
}

// lostOf picks those that an answer names.
func lostOf(ds []*Delivery, response *freshetv1.SettleResponse) []*Delivery {
	var lost []*Delivery
	for _, i := range response.GetLost() {
		if int(i) < len(ds) {
			lost = append(lost, ds[i])
		}
	}
	return lost
}

// settle is Delivery's way to decide.
func (b *Batch) settle(ctx context.Context, d *Delivery, dec decision) error {
	if done, err := b.before(d, dec); done {
		return err
	}
	if _, err := b.decide(ctx, []*Delivery{d}, dec); err != nil {
		return err
	}
	_, err := b.before(d, dec)
	return err
}

// before says whether an event is settled, and what became of a decision that is made again.
func (b *Batch) before(d *Delivery, dec decision) (bool, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch {
	case d.lease.state != leaseDone:
		return false, nil
	case d.lease.err == nil && d.lease.decision().verb != dec.verb:
		return true, ErrSettled
	}
	return true, d.lease.err
}

func (b *Batch) extend(ctx context.Context, d *Delivery, by time.Duration) error {
	b.mu.Lock()
	done, err := d.lease.state == leaseDone, d.lease.err
	b.mu.Unlock()
	if done {
		if err == nil {
			err = ErrSettled
		}
		return err
	}
	lost, err := b.extendAll(ctx, []*Delivery{d}, by)
	if err == nil && len(lost) > 0 {
		err = ErrLeaseLost
	}
	return err
}

func (b *Batch) deadline(d *Delivery) time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.client.at(d.lease.deadline)
}
