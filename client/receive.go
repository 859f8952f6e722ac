package client

import (
	"context"
	"errors"
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

// Receive leases up to so many events at once, 1 to 1,000. Without events it returns an empty batch, at once or, with WithWait, when none has
// come in that time. Each delivery is settled by itself or with the batch; what isn't comes again when its lease is over.
func (q *Queue) Receive(ctx context.Context, events int, opts ...ReceiveOption) (*Batch, error) {
	return q.client.receive(ctx, q.full, "", events, opts)
}

// Receive is as Queue.Receive, for the member.
func (f *Fanout) Receive(ctx context.Context, events int, opts ...ReceiveOption) (*Batch, error) {
	if err := checkMember(f.member); err != nil {
		return nil, err
	}
	return f.client.receive(ctx, f.full, f.member, events, opts)
}

func (c *Client) receive(ctx context.Context, full, member string, events int, opts []ReceiveOption) (*Batch, error) {
	name, err := parseSubscription(full)
	if err != nil {
		return nil, err
	}
	var o receiveOptions
	for _, option := range opts {
		option(&o)
	}
	if err := o.validate(events); err != nil {
		return nil, err
	}
	request := &freshetv1.ReceiveRequest{
		Topic: name.topic, Subscription: name.subscription, Member: member,
		MaxEvents: uint32(events), MaxBytes: uint64(o.bytes), VisibilityMs: millis(o.visibility),
	}
	return c.poll(ctx, request, time.Now().Add(o.wait))
}

// poll asks until there is something or the wait is over. A node that can't answer now is asked again as long.
func (c *Client) poll(ctx context.Context, request *freshetv1.ReceiveRequest, until time.Time) (*Batch, error) {
	var again retry
	for {
		asked := time.Now()
		request.WaitMs = millis(min(max(until.Sub(asked), 0), longPollMax))
		response, err := c.consume.Receive(ctx, request)
		if err == nil {
			again.reset()
			if response.GetDelivery() != nil || !time.Now().Before(until) {
				return c.batch(response, asked)
			}
			continue
		}
		err = errorOf(ctx, err)
		if e, ok := errors.AsType[*Error](err); !ok || !e.Retryable || !time.Now().Before(until) || c.context.Err() != nil {
			return nil, err
		}
		if again.pause(ctx) != nil {
			return nil, errorOf(ctx, err)
		}
	}
}

// batch takes a response apart.
func (c *Client) batch(response *freshetv1.ReceiveResponse, asked time.Time) (*Batch, error) {
	b := &Batch{client: c}
	if response.GetDelivery() == nil {
		return b, nil
	}
	// The lease began when it was granted, at the earliest when it was asked for.
	deliveries, err := deliveriesOf(response.GetDelivery(), b, asked)
	if err != nil {
		return nil, err
	}
	if len(response.GetReceipts()) != len(deliveries) {
		return nil, &Error{Code: CodeInternal, Message: "the node sent another number of receipts than of events"}
	}
	for i, d := range deliveries {
		d.lease.receipt = response.GetReceipts()[i]
	}
	b.Deliveries = deliveries
	return b, nil
}

// Ack acks all that isn't settled yet, and waits until that is stored. lost are those whose lease had ended before: nothing was changed
// for them. With an error none of them is known to be settled.
func (b *Batch) Ack(ctx context.Context) (lost []*Delivery, err error) {
	return b.decide(ctx, b.Deliveries, decision{verb: verbAck})
}

// Release gives back all that isn't settled yet, as Delivery.Release does; lost and err are as for Ack.
func (b *Batch) Release(ctx context.Context, after time.Duration, reason string) (lost []*Delivery, err error) {
	if after < 0 || after > visibilityMax {
		return nil, argumentError("after_ms", "a delay of %v: 0 to %v are possible", after, visibilityMax)
	}
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	return b.decide(ctx, b.Deliveries, decision{verb: verbRelease, after: after, reason: reason})
}

// Reject makes dead letters of all that isn't settled yet; lost and err are as for Ack.
func (b *Batch) Reject(ctx context.Context, reason string) (lost []*Delivery, err error) {
	if err := checkReason(reason); err != nil {
		return nil, err
	}
	return b.decide(ctx, b.Deliveries, decision{verb: verbReject, reason: reason})
}

// Extend moves the deadlines of all that isn't settled yet to by from now, 1 s to 12 h; lost and err are as for Ack.
func (b *Batch) Extend(ctx context.Context, by time.Duration) (lost []*Delivery, err error) {
	if by < visibilityMin || by > visibilityMax {
		return nil, argumentError("visibility_ms", "an extension by %v: %v to %v are possible", by, visibilityMin, visibilityMax)
	}
	return b.extendAll(ctx, b.Deliveries, by)
}

// unsettled returns those that aren't settled, and their receipts.
func (b *Batch) unsettled(ds []*Delivery) ([]*Delivery, []string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	var open []*Delivery
	var receipts []string
	for _, d := range ds {
		if d.lease.state != leaseDone {
			open = append(open, d)
			receipts = append(receipts, d.lease.receipt)
		}
	}
	return open, receipts
}

func (b *Batch) decide(ctx context.Context, ds []*Delivery, dec decision) ([]*Delivery, error) {
	open, receipts := b.unsettled(ds)
	if len(open) == 0 {
		return nil, nil
	}
	var response *freshetv1.SettleResponse
	var err error
	switch dec.verb {
	case verbAck:
		response, err = b.client.consume.Ack(ctx, &freshetv1.AckRequest{Receipts: receipts})
	case verbReject:
		response, err = b.client.consume.Reject(ctx, &freshetv1.RejectRequest{Receipts: receipts, Reason: dec.reason})
	case verbRelease, verbNone:
		response, err = b.client.consume.Release(ctx, &freshetv1.ReleaseRequest{Receipts: receipts, AfterMs: millis(dec.after), Reason: dec.reason})
	}
	if err != nil {
		return nil, errorOfSettle(ctx, err)
	}
	lost := lostOf(open, response)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range open {
		d.lease.state, d.lease.decision = leaseDone, dec
	}
	for _, d := range lost {
		d.lease.err = ErrLeaseLost
	}
	return lost, nil
}

func (b *Batch) extendAll(ctx context.Context, ds []*Delivery, by time.Duration) ([]*Delivery, error) {
	open, receipts := b.unsettled(ds)
	if len(open) == 0 {
		return nil, nil
	}
	asked := time.Now()
	response, err := b.client.consume.Extend(ctx, &freshetv1.ExtendRequest{Receipts: receipts, VisibilityMs: millis(by)})
	if err != nil {
		return nil, errorOfSettle(ctx, err)
	}
	lost := lostOf(open, response)
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, d := range open {
		d.lease.deadline = asked.Add(by)
	}
	for _, d := range lost {
		d.lease.state, d.lease.err = leaseDone, ErrLeaseLost
	}
	return lost, nil
}

// errorOfSettle knows that a settle whose answer was lost may be done.
func errorOfSettle(ctx context.Context, err error) error {
	err = errorOf(ctx, err)
	if ctx.Err() != nil {
		return unknown(err)
	}
	return err
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
	case d.lease.err == nil && d.lease.decision.verb != dec.verb:
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
	return d.lease.deadline
}
