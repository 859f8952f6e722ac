package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestBatchSettlesSome: those that are named, once, and then the rest.
func TestBatchSettlesSome(t *testing.T) {
	withQueue(t, 30*time.Second, 8, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		b, err := c.Queue("orders/billing").Receive(t.Context(), 8)
		if err != nil || len(b.Deliveries) != 8 {
			t.Fatalf("%+v, %v", b, err)
		}
		d := b.Deliveries
		if lost, err := b.Ack(t.Context(), d[0], d[2], d[0]); err != nil || lost != nil || n.acks(q) != 2 {
			t.Errorf("lost %v, %v, %d acked", lost, err, n.acks(q))
		}
		if lost, err := b.Reject(t.Context(), "bad", d[2], d[3]); err != nil || lost != nil {
			t.Errorf("%v, %v", lost, err)
		}
		if lost, err := b.Extend(t.Context(), time.Hour, d[4]); err != nil || lost != nil || time.Until(d[4].Deadline()) != time.Hour {
			t.Errorf("%v, %v, %v left", lost, err, time.Until(d[4].Deadline()))
		}
		if lost, err := b.Release(t.Context(), time.Minute, "later", d[4], d[5]); err != nil || lost != nil {
			t.Errorf("%v, %v", lost, err)
		}
		other, err := c.Queue("orders/billing").Receive(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		for name, some := range map[string][]*Delivery{"none": {nil}, "another's": {d[6], {lease: lease{parcel: &parcel{owner: other}}}}, "nobody's": {d[6], {}}} {
			if _, err := b.Ack(t.Context(), some...); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		if lost, err := b.Ack(t.Context()); err != nil || lost != nil {
			t.Errorf("%v, %v", lost, err)
		}
		n.look(func() {
			if fmt.Sprint(q.acked) != "map[0:1 1:1 2:1 6:1 7:1]" || q.detail[3] != "bad" || len(q.delayed) != 2 {
				t.Errorf("acked %v, dead %v, delayed %v", q.acked, q.detail, q.delayed)
			}
		})
	})
}

// TestBatchIsAskedAgain: while no node can do it, as long as the leases run. An ack whose answer was lost isn't told to be lost.
func TestBatchIsAskedAgain(t *testing.T) {
	withQueue(t, 30*time.Second, 3, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		b, err := c.Queue("orders/billing").Receive(t.Context(), 3)
		if err != nil {
			t.Fatal(err)
		}
		d := b.Deliveries
		n.setDown(true)
		time.AfterFunc(5*time.Second, func() { n.setDown(false) })
		began := time.Now()
		if err := d[0].Ack(t.Context()); err != nil || time.Since(began) < 5*time.Second {
			t.Errorf("%v, after %v", err, time.Since(began))
		}
		asked := 0
		n.ackFault = func(*freshetv1.AckRequest) fakeFault {
			switch asked++; asked {
			case 1:
				return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER, true, false, "no leader")}
			case 2:
				return fakeFault{breakAfter: true}
			}
			return fakeFault{}
		}
		if err := d[1].Ack(t.Context()); !errors.Is(err, ErrUnknownOutcome) || n.acks(q) != 2 || asked != 3 {
			t.Errorf("%v, %d acked, asked %d times", err, n.acks(q), asked)
		}
		if err := d[1].Ack(t.Context()); !errors.Is(err, ErrUnknownOutcome) || asked != 3 {
			t.Errorf("again: %v, asked %d times", err, asked)
		}
		n.ackFault = nil
		n.setDown(true)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := d[2].Ack(ctx); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("with a context that ends: %v", err)
		}
		if _, err := b.Ack(t.Context()); !errors.Is(err, ErrUnavailable) || time.Now().Before(d[2].Deadline()) {
			t.Errorf("until the lease is over: %v", err)
		}
		n.setDown(false)
	})
}
