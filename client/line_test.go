package client

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestOrderedQueueHandlesKeysInOrder: of each key one handler runs at a time, other keys don't wait for it; when one fails, those behind it are given
// back unbegun and come again after it.
func TestOrderedQueueHandlesKeysInOrder(t *testing.T) {
	withQueue(t, 30*time.Second, 0, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		n.look(func() { q.ordered = true })
		batch := make([]Event, 9)
		for i := range batch {
			batch[i] = raw(i)
			batch[i].Key = []string{"a", "b", ""}[i%3]
		}
		if _, err := newProducer(t, c).PublishBatch(t.Context(), batch); err != nil {
			t.Fatal(err)
		}
		var mu sync.Mutex
		running, log := map[string]int{}, map[string][]uint64{}
		k := consume(t, c, func(_ context.Context, d *Delivery) error {
			key := d.Event.Key
			mu.Lock()
			log[key] = append(log[key], d.Offset)
			if running[key]++; key != "" && running[key] > 1 {
				t.Errorf("two handlers run for key %s", key)
			}
			mu.Unlock()
			<-time.After(time.Second)
			mu.Lock()
			defer mu.Unlock()
			running[key]--
			if d.Offset == 0 && len(log["a"]) == 1 {
				return RetryAfter(0, errors.New("failed"))
			}
			return nil
		})
		<-time.After(time.Minute)
		k.end(t)
		for key, want := range map[string][]uint64{"a": {0, 0, 3, 6}, "b": {1, 4, 7}} {
			if got := log[key]; !slices.Equal(got, want) {
				t.Errorf("key %s was handled as %v, want %v", key, got, want)
			}
		}
		slices.Sort(log[""])
		if !slices.Equal(log[""], []uint64{2, 5, 8}) {
			t.Errorf("without a key: %v", log[""])
		}
		n.look(func() {
			if len(q.acked) != 9 || q.tries[3]+q.tries[6] != 0 {
				t.Errorf("acked %v, tried %v", q.acked, q.tries)
			}
		})
	})
}

// TestLineOfALeaseThatRanOut: an event whose lease ran out before a handler had it is given back. What was leased behind it meanwhile, and arrives before
// the node has answered, went back with it there, and isn't begun; what is leased after that is.
func TestLineOfALeaseThatRanOut(t *testing.T) {
	c := &consumer{client: &Client{started: time.Now().Add(-time.Hour)}, lookAgain: make(chan struct{}, 1)}
	c.options.concurrency = 1
	c.mu.share = newShare(10, 1<<20, 1, 0, time.Now())
	s := newSession(c, 0, c.mu.share.portions[0])
	s.mu.ordered = true
	c.mu.sessions = []*session{s}
	leased := func(epoch uint64, ends time.Duration) *Delivery {
		d := &Delivery{Event: Event{Key: "a"}, Epoch: epoch, Offset: epoch}
		d.lease.parcel, d.lease.deadline = &parcel{owner: s, deliveries: []*Delivery{d}}, c.client.now()+ends
		s.mu.held.add(d.lease.parcel)
		s.enqueue(d)
		return d
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	first := leased(10, -time.Second)
	c.mu.workers = 1
	var h hand
	if c.begin(&h) {
		t.Fatalf("event %d was begun, of which the lease is over", h.delivery.Offset)
	}
	c.mu.workers = 1 // none is to begin
	second := leased(12, time.Hour)
	s.finish(first, ErrLeaseLost)
	s.settledInLine(first, 20, ErrLeaseLost)
	if slices.Contains(c.mu.waiting.events, second) || second.lease.state != leaseDecided {
		t.Error("an event waits for a handler that went back with the one before it")
	}
	again := leased(21, time.Hour)
	s.finish(second, ErrLeaseLost)
	s.settledInLine(second, 22, ErrLeaseLost)
	if !slices.Contains(c.mu.waiting.events, again) {
		t.Error("what was leased afterwards doesn't wait for a handler")
	}
}

// TestOrderedQueueDrains: what waits behind a handler is given back when the consumer ends, and when the handler is stuck.
func TestOrderedQueueDrains(t *testing.T) {
	for name, opts := range map[string][]ConsumeOption{"ends": nil, "stuck": {WithHandlerTimeout(5 * time.Second), WithConcurrency(2)}} {
		t.Run(name, func(t *testing.T) {
			withQueue(t, 30*time.Second, 0, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
				n.look(func() { q.ordered = true })
				batch := []Event{raw(0), raw(1), raw(2)}
				for i := range batch {
					batch[i].Key = "a"
				}
				if _, err := newProducer(t, c).PublishBatch(t.Context(), batch); err != nil {
					t.Fatal(err)
				}
				release, began := make(chan struct{}), 0
				var mu sync.Mutex
				k := consume(t, c, func(_ context.Context, d *Delivery) error {
					mu.Lock()
					began++
					mu.Unlock()
					<-release
					return nil
				}, opts...)
				<-time.After(8 * time.Second)
				if opts == nil {
					k.stop()
					<-time.After(time.Second)
				}
				n.look(func() {
					if q.uncounted < 2 {
						t.Errorf("%d were given back unbegun", q.uncounted)
					}
				})
				close(release)
				k.end(t)
				if began == 0 {
					t.Error("no handler began")
				}
			})
		})
	}
}
