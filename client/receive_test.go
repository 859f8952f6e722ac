package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"
)

func TestReceive(t *testing.T) {
	withQueue(t, 30*time.Second, 10, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		queue := c.Queue("orders/billing")
		b, err := queue.Receive(t.Context(), 4, WithLease(time.Minute))
		if err != nil || len(b.Deliveries) != 4 {
			t.Fatalf("%+v, %v", b, err)
		}
		if left := time.Until(b.Deliveries[0].Deadline()); left != time.Minute {
			t.Errorf("%v left", left)
		}
		if err := b.Deliveries[0].Reject(t.Context(), "bad"); err != nil {
			t.Error(err)
		}
		if err := b.Deliveries[0].Ack(t.Context()); !errors.Is(err, ErrSettled) {
			t.Errorf("settled twice: %v", err)
		}
		if err := b.Deliveries[1].Extend(t.Context(), time.Hour); err != nil || time.Until(b.Deliveries[1].Deadline()) != time.Hour {
			t.Errorf("%v, %v", err, b.Deliveries[1].Deadline())
		}
		<-time.After(61 * time.Second) // 2 and 3 run out
		lost, err := b.Ack(t.Context())
		if err != nil || fmt.Sprint(offsets(lost)) != "[2 3]" || n.acks(q) != 1 {
			t.Errorf("lost %v, %v, %d acked", offsets(lost), err, n.acks(q))
		}
		if err := b.Deliveries[2].Ack(t.Context()); !errors.Is(err, ErrLeaseLost) {
			t.Errorf("a lost one: %v", err)
		}
		b, err = queue.Receive(t.Context(), 100)
		if err != nil || len(b.Deliveries) != 8 {
			t.Fatalf("%d, %v", len(b.Deliveries), err)
		}
		if lost, err := b.Release(t.Context(), time.Minute, "later"); err != nil || len(lost) != 0 {
			t.Errorf("%v, %v", lost, err)
		}
		n.look(func() {
			if len(q.delayed) != 8 || q.detail[0] != "bad" {
				t.Errorf("%d delayed, %q", len(q.delayed), q.detail[0])
			}
		})
	})
}

func offsets(ds []*Delivery) (list []uint64) {
	for _, d := range ds {
		list = append(list, d.Offset)
	}
	return list
}

// TestReceiveWaits: as long as it was told to, over several polls, and over a node that is away; and no longer.
func TestReceiveWaits(t *testing.T) {
	withQueue(t, 30*time.Second, 0, func(t *testing.T, n *fakeNode, c *Client, _ *fakeQueue) {
		queue := c.Queue("orders/billing")
		began := time.Now()
		b, err := queue.Receive(t.Context(), 1, WithWait(50*time.Second))
		if err != nil || len(b.Deliveries) != 0 || time.Since(began) != 50*time.Second {
			t.Errorf("%v, %v, after %v", b, err, time.Since(began))
		}
		go func() {
			<-time.After(5 * time.Second)
			n.setDown(true)
			<-time.After(5 * time.Second)
			n.setDown(false)
			<-time.After(30 * time.Second)
			if _, err := newProducer(t, c).Publish(t.Context(), raw(0)); err != nil {
				t.Error(err)
			}
		}()
		began = time.Now()
		b, err = queue.Receive(t.Context(), 1, WithWait(time.Minute))
		if err != nil || len(b.Deliveries) != 1 || time.Since(began) > 45*time.Second {
			t.Errorf("%v, %v, after %v", b, err, time.Since(began))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := queue.Receive(ctx, 1, WithWait(time.Minute)); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
	})
}

func TestReceiveIsRefused(t *testing.T) {
	withQueue(t, 30*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, _ *fakeQueue) {
		queue := c.Queue("orders/billing")
		if _, err := c.Queue("orders/biling").Receive(t.Context(), 1); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		for name, o := range map[string]ReceiveOption{
			"wait": WithWait(-1), "bytes": WithMaxBytes(1 << 30), "lease": WithLease(time.Millisecond),
		} {
			if _, err := queue.Receive(t.Context(), 1, o); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		for _, events := range []int{0, 1001} {
			if _, err := queue.Receive(t.Context(), events); err == nil {
				t.Errorf("%d events were taken", events)
			}
		}
		b, err := queue.Receive(t.Context(), 1)
		if err != nil {
			t.Fatal(err)
		}
		d := b.Deliveries[0]
		for name, err := range map[string]error{
			"delay":        d.Release(t.Context(), 13*time.Hour, ""),
			"reason":       d.Release(t.Context(), 0, string(make([]byte, 257))),
			"reason text":  d.Reject(t.Context(), "\xff"),
			"extension":    d.Extend(t.Context(), 0),
			"no member":    func() error { _, err := c.Fanout("orders/news", "").Receive(t.Context(), 1); return err }(),
			"no such name": func() error { _, err := c.Queue("orders").Receive(t.Context(), 1); return err }(),
		} {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
