package client

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"
)

func TestDeliveriesAreDecidedInTheLoop(t *testing.T) {
	withQueue(t, 10*time.Second, 6, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var got []string
		for d, err := range c.Queue("orders/billing").Deliveries(ctx) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, fmt.Sprintf("%d:%d", d.Offset, d.Attempt))
			switch {
			case d.Attempt > 1 || d.Offset == 0:
				err = d.Ack(ctx)
			case d.Offset == 1:
				err = d.Release(ctx, time.Minute, "later")
			case d.Offset == 2:
				err = d.Reject(ctx, "bad")
			case d.Offset == 3:
				continue // undecided
			case d.Offset == 4:
				<-time.After(35 * time.Second) // the lease is extended
				err = d.Ack(ctx)
			case d.Offset == 5:
				err = d.Ack(ctx)
			}
			if err != nil {
				t.Errorf("%d: %v", d.Offset, err)
			}
			if n.acks(q) == 5 {
				cancel()
			}
		}
		if want := "[0:1 1:1 2:1 3:1 4:1 5:1 3:2 1:2]"; fmt.Sprint(got) != want {
			t.Errorf("got %v, want %s", got, want)
		}
		n.look(func() {
			if q.detail[2] != "bad" || len(q.sessions) != 0 || len(q.leases) != 0 {
				t.Errorf("dead %v, %d sessions, %d leases", q.detail, len(q.sessions), len(q.leases))
			}
		})
	})
}

// TestDeliveriesBrokenOff: what the loop had in its hands is released, what it hadn't come to goes back uncounted, at once, and nothing runs any more.
func TestDeliveriesBrokenOff(t *testing.T) {
	for name, end := range map[string]func(d *Delivery){
		"break": nil,
		"panic": func(*Delivery) { panic("the body's own") },
	} {
		t.Run(name, func(t *testing.T) {
			withQueue(t, 10*time.Second, 20, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
				began := time.Now()
				func() {
					defer func() {
						if p := recover(); (p != nil) != (end != nil) {
							t.Errorf("recovered %v", p)
						}
					}()
					for d, err := range c.Queue("orders/billing").Deliveries(t.Context()) {
						if err != nil {
							t.Fatal(err)
						}
						if d.Offset < 2 {
							if err := d.Ack(t.Context()); err != nil {
								t.Error(err)
							}
							continue
						}
						synctest.Wait() // the next waits for the loop
						if end != nil {
							end(d)
						}
						break
					}
				}()
				if took := time.Since(began); took > time.Second {
					t.Errorf("it took %v", took)
				}
				n.look(func() {
					if len(q.acked) != 2 || len(q.tries) != 1 || q.tries[2] != 1 || len(q.leases) != 0 || len(q.sessions) != 0 {
						t.Errorf("acked %v, tries %v, %d leases, %d sessions", q.acked, q.tries, len(q.leases), len(q.sessions))
					}
				})
			})
		})
	}
}

func TestDeliveriesEndInAnError(t *testing.T) {
	withQueue(t, 10*time.Second, 0, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		n.addQueue("orders/news", kindFanout, time.Minute, 5)
		for name, loop := range map[string]func(func(*Delivery, error) bool){
			"unknown":   c.Queue("orders/biling").Deliveries(t.Context()),
			"no member": c.Fanout("orders/news", "").Deliveries(t.Context()),
			"a window":  c.Queue("orders/billing").Deliveries(t.Context(), WithWindow(0, 1)),
		} {
			var errs []error
			for range 2 { // it can be ranged over again
				for d, err := range loop {
					if d != nil {
						t.Errorf("%s: delivered %v", name, d)
					}
					errs = append(errs, err)
				}
			}
			if _, ok := errors.AsType[*Error](errs[0]); !ok || len(errs) != 2 {
				t.Errorf("%s: %v", name, errs)
			}
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		for d, err := range c.Fanout("orders/news", "ana").Deliveries(ctx) {
			t.Errorf("%v, %v", d, err)
		}
	})
}
