package client

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestConsumeUnderFaults: several consumers under breaking connections, lost answers, a node that is away for longer than leases last,
// handlers that fail, dawdle and get stuck. No handler begins an event whose lease is over by the node's own clock (S2), no event is
// handed out after its ack was confirmed (S4), none is acked for a handler that failed, nothing is held for nobody (S1): in the end every event is acked or dead, and each
// consumer's leases are gone when its Consume has returned.
func TestConsumeUnderFaults(t *testing.T) {
	const events = 300
	var handled, redelivered, lost, unknown int
	eachSeed(t, func(t *testing.T, r *rand.Rand) {
		n := startFake(t)
		q := n.addQueue("orders/billing", kindQueue, 5*time.Second, 1_000)
		c := n.connect(t)
		n.settleFault = randomSettleFaults(r.Uint64())
		w := &consumeWorld{t: t, node: n, queue: q, confirmed: map[uint64]bool{}, began: map[uint64]int{}, failed: map[uint64]uint64{}}

		ctx, cancel := context.WithCancel(t.Context())
		var breaking, consuming sync.WaitGroup
		breaks := rand.New(rand.NewPCG(r.Uint64(), 5))
		breaking.Go(func() { w.breakThings(breaks) })
		for range 3 {
			random := rand.New(rand.NewPCG(r.Uint64(), 6))
			consuming.Go(func() { w.consume(ctx, c, random) })
		}
		p := newProducer(t, c)
		for i := range events {
			p.PublishAsync(t.Context(), raw(i))
			if i%20 == 0 {
				<-time.After(time.Duration(r.IntN(2_000)) * time.Millisecond)
			}
		}
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
		breaking.Wait()
		w.calm(events)
		cancel()
		consuming.Wait()
		n.look(func() {
			if len(q.leases) != 0 {
				t.Errorf("%d leases are left", len(q.leases))
			}
			for epoch, offset := range w.failed {
				if q.ackedBy[offset] == epoch {
					t.Errorf("offset %d, epoch %d: its handler failed, and it is acked", offset, epoch)
				}
			}
		})
		<-time.After(2 * fakeAway) // a connection that broke at the end took the session's Close with it
		n.look(func() {
			if len(q.sessions) != 0 {
				t.Errorf("%d sessions are left", len(q.sessions))
			}
		})
		handled, redelivered, lost, unknown = handled+w.handled, redelivered+w.handled-len(w.began), lost+w.lost, unknown+w.unknown
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
	t.Logf("%d handled, %d of them again, %d leases lost, %d acks unknown", handled, redelivered, lost, unknown)
}

// consumeWorld is what the handlers of all consumers have seen.
type consumeWorld struct {
	t     *testing.T
	node  *fakeNode
	queue *fakeQueue

	mu            sync.Mutex
	confirmed     map[uint64]bool // acks that were confirmed
	began         map[uint64]int
	failed        map[uint64]uint64 // leases whose handlers failed: epoch and offset
	handled, lost int
	unknown       int
}

func (w *consumeWorld) consume(ctx context.Context, c *Client, r *rand.Rand) {
	err := c.Queue("orders/billing").Consume(ctx, w.handler(r),
		WithConcurrency(1+r.IntN(8)), WithWindow(1+r.IntN(60), 1<<20), WithHandlerTimeout(20*time.Second))
	if err != nil {
		w.t.Errorf("consume: %v", err)
	}
}

// handler notes which leases its work has failed with.
func (w *consumeWorld) handler(r *rand.Rand) Handler {
	work := w.work(r)
	return func(ctx context.Context, d *Delivery) error {
		err := work(ctx, d)
		if err != nil {
			w.mu.Lock()
			defer w.mu.Unlock()
			w.failed[d.Epoch] = d.Offset
		}
		return err
	}
}

// work does one of the many things that handlers do.
func (w *consumeWorld) work(r *rand.Rand) Handler {
	var choosing sync.Mutex
	return func(ctx context.Context, d *Delivery) error {
		choosing.Lock()
		choice, pause := r.IntN(20), time.Duration(r.IntN(100))*time.Millisecond
		choosing.Unlock()
		w.begin(d)
		switch choice {
		case 0:
			pause = 12 * time.Second // longer than a lease
		case 1:
			pause = 30 * time.Second // longer than a handler may
		case 2:
			return errors.New("failed")
		case 3:
			return RetryAfter(time.Second, nil)
		case 4:
			return d.Release(ctx, 0, "not mine")
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			if choice != 1 { // that one doesn't listen
				return ctx.Err()
			}
			<-time.After(15 * time.Second)
		}
		if choice%2 == 0 {
			return nil
		}
		err := d.Ack(context.WithoutCancel(ctx))
		w.mu.Lock()
		defer w.mu.Unlock()
		switch {
		case err == nil:
			w.confirmed[d.Offset] = true
		case errors.Is(err, ErrUnknownOutcome):
			w.unknown++
		case errors.Is(err, ErrLeaseLost):
			w.lost++
			w.node.look(func() {
				if w.queue.ackedBy[d.Offset] == d.Epoch {
					w.t.Errorf("offset %d: the ack is said to be lost, and it counts", d.Offset)
				}
			})
		default:
			w.t.Errorf("ack of %d: %v", d.Offset, err)
		}
		return nil
	}
}

// begin checks what has to hold when a handler begins.
func (w *consumeWorld) begin(d *Delivery) {
	if !w.node.holds(w.queue, d.Offset, d.Epoch) {
		w.t.Errorf("offset %d, epoch %d: a handler begins, and the node doesn't think it ours", d.Offset, d.Epoch)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.handled++
	w.began[d.Offset]++
	if w.confirmed[d.Offset] {
		w.t.Errorf("offset %d is handed out after its ack was confirmed", d.Offset)
	}
}

func randomSettleFaults(seed uint64) func(*freshetv1.Settle) fakeFault {
	r := rand.New(rand.NewPCG(seed, 7))
	faults := 60
	return func(*freshetv1.Settle) fakeFault {
		if faults--; faults < 0 {
			return fakeFault{}
		}
		switch r.IntN(12) {
		case 0:
			return fakeFault{breakBefore: true}
		case 1:
			return fakeFault{breakAfter: true}
		case 2:
			return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_BUSY, true, false, "busy")}
		}
		return fakeFault{}
	}
}

// breakThings breaks connections, and takes the node away for a while: sometimes for longer than leases, or sessions, last.
func (w *consumeWorld) breakThings(r *rand.Rand) {
	for range 15 {
		<-time.After(time.Duration(r.IntN(4_000)) * time.Millisecond)
		switch r.IntN(4) {
		case 0:
			w.node.setDown(true)
			<-time.After(time.Duration(r.IntN(20_000)) * time.Millisecond)
			w.node.setDown(false)
		default:
			w.node.breakAll()
		}
	}
}

// calm waits until nothing is left to be done.
func (w *consumeWorld) calm(events int) {
	for range 1_000 {
		done := 0
		w.node.look(func() { done = len(w.queue.acked) + len(w.queue.dead) })
		if done == events {
			return
		}
		<-time.After(time.Second)
	}
	w.node.look(func() {
		w.t.Errorf("%d acked, %d dead of %d; %d ready, %d leased, %d delayed", len(w.queue.acked), len(w.queue.dead), events,
			len(w.queue.ready), len(w.queue.leases), len(w.queue.delayed))
	})
}
