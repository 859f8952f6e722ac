package client

import (
	"context"
	"errors"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

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

// failoverTime is for how long a request is tried again that nobody can answer now, and that has no time of its own: other nodes are asked meanwhile.
const failoverTime = time.Second

// poll asks until there is something or the wait is over. What can't be answered now is asked again as long, and for failoverTime.
func (c *Client) poll(ctx context.Context, request *freshetv1.ReceiveRequest, until time.Time) (*Batch, error) {
	var again retry
	patience := until.Add(failoverTime)
	for {
		asked := c.now()
		request.WaitMs = millis(min(max(time.Until(until), 0), longPollMax))
		response, err := c.consume.Receive(ctx, request)
		if err == nil {
			again.reset()
			if response.GetDelivery() != nil || !time.Now().Before(until) {
				return c.batch(response, asked)
			}
			continue
		}
		err = errorOf(ctx, err)
		if e, ok := errors.AsType[*Error](err); !ok || !e.Retryable || !time.Now().Before(patience) || c.context.Err() != nil {
			return nil, err
		}
		if again.pause(ctx) != nil {
			return nil, errorOf(ctx, err)
		}
	}
}

// batch takes a response apart.
func (c *Client) batch(response *freshetv1.ReceiveResponse, asked time.Duration) (*Batch, error) {
	b := &Batch{client: c}
	if response.GetDelivery() == nil {
		return b, nil
	}
	// The lease began when it was granted, at the earliest when it was asked for.
	arrived, err := parcelOf(response.GetDelivery(), b, asked)
	if err != nil {
		return nil, err
	}
	if len(response.GetReceipts()) != len(arrived.deliveries) {
		return nil, &Error{Code: CodeInternal, Message: "the node sent another number of receipts than of events"}
	}
	arrived.receipts = response.GetReceipts()
	b.Deliveries = arrived.deliveries
	return b, nil
}
