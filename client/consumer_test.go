package client

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

const (
	kindQueue  = freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE
	kindFanout = freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT
)

// withQueue runs a test against a fake node with a queue that has some events.
func withQueue(t *testing.T, visibility time.Duration, events int, test func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue)) {
	t.Helper()
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		q := n.addQueue("orders/billing", kindQueue, visibility, 5)
		if events > 0 {
			p := newProducer(t, c)
			batch := make([]Event, events)
			for i := range batch {
				batch[i] = raw(i)
			}
			if _, err := p.PublishBatch(t.Context(), batch); err != nil {
				t.Fatal(err)
			}
		}
		test(t, n, c, q)
	})
}

// consumption runs Consume beside a test.
type consumption struct {
	stop context.CancelFunc
	done chan error
}

func consume(t *testing.T, c *Client, h Handler, opts ...ConsumeOption) *consumption {
	ctx, cancel := context.WithCancel(t.Context())
	k := &consumption{stop: cancel, done: make(chan error, 1)}
	go func() { k.done <- c.Queue("orders/billing").Consume(ctx, h, opts...) }()
	return k
}

// end stops it and wants no error.
func (k *consumption) end(t *testing.T) {
	t.Helper()
	k.stop()
	if err := <-k.done; err != nil {
		t.Errorf("consume: %v", err)
	}
}

func (n *fakeNode) acks(q *fakeQueue) (acked int) {
	n.look(func() { acked = len(q.acked) })
	return acked
}

func TestConsumeAcksInOrder(t *testing.T) {
	withQueue(t, 30*time.Second, 3_000, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var got []uint64
		k := consume(t, c, func(_ context.Context, d *Delivery) error {
			if want := fmt.Sprintf(`{"source":"test","n":%d}`, d.Offset); string(d.Event.Data) != want || d.Attempt != 1 || d.Epoch == 0 {
				t.Errorf("offset %d: %s, attempt %d, epoch %d", d.Offset, d.Event.Data, d.Attempt, d.Epoch)
			}
			got = append(got, d.Offset)
			return nil
		}, WithConcurrency(1), WithWindow(100, 1<<20))
		synctest.Wait()
		k.end(t)
		if len(got) != 3_000 || !slices.IsSorted(got) || n.acks(q) != 3_000 {
			t.Errorf("%d handled, %d acked", len(got), n.acks(q))
		}
	})
}

// TestAckIsConfirmed: Ack returns when the node has said that it is stored, not before.
func TestAckIsConfirmed(t *testing.T) {
	withQueue(t, 30*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		confirmed := make(chan error, 1)
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			if err := d.Ack(ctx); err != nil {
				return err
			}
			confirmed <- d.Ack(ctx) // the same again is no error
			return errors.New("too late to matter")
		})
		if err := <-confirmed; err != nil || n.acks(q) != 1 {
			t.Errorf("%v, %d acked", err, n.acks(q))
		}
		k.end(t)
	})
}

func TestHandlersErrorsDecide(t *testing.T) {
	withQueue(t, 30*time.Second, 3, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var mu sync.Mutex
		starts := map[uint64][]time.Time{}
		k := consume(t, c, func(_ context.Context, d *Delivery) error {
			mu.Lock()
			defer mu.Unlock()
			starts[d.Offset] = append(starts[d.Offset], time.Now())
			switch {
			case d.Attempt > 1:
				return nil
			case d.Offset == 0:
				return fmt.Errorf("wrapped: %w", RetryAfter(time.Minute, errors.New("busy")))
			case d.Offset == 1:
				return Permanent(errors.New(strings.Repeat("é", 200)))
			}
			return errors.New("failed")
		})
		<-time.After(2 * time.Minute)
		k.end(t)
		if again := starts[0][1].Sub(starts[0][0]); again < time.Minute || again > time.Minute+time.Second {
			t.Errorf("retried after %v", again)
		}
		if again := starts[2][1].Sub(starts[2][0]); again < failureDelayMin || again > time.Second {
			t.Errorf("a failure is retried after %v", again)
		}
		n.look(func() {
			if q.dead[1] != freshetv1.DeadReason_DEAD_REASON_REJECTED || q.detail[1] != strings.Repeat("é", 128) || len(q.acked) != 2 {
				t.Errorf("dead %v %q, acked %v", q.dead, q.detail[1], q.acked)
			}
		})
	})
}

// TestLeaseIsExtendedWhileTheHandlerRuns, and while an event waits for a handler.
func TestLeaseIsExtendedWhileTheHandlerRuns(t *testing.T) {
	withQueue(t, 10*time.Second, 3, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			select {
			case <-time.After(time.Minute):
				return nil
			case <-ctx.Done():
				t.Errorf("the handler's context ended: %v", context.Cause(ctx))
				return ctx.Err()
			}
		}, WithConcurrency(1))
		<-time.After(5 * time.Minute)
		k.end(t)
		n.look(func() {
			if len(q.acked) != 3 || len(q.tries) != 0 {
				t.Errorf("acked %v, tries %v", q.acked, q.tries)
			}
		})
	})
}

// TestLostLeaseEndsTheHandlersContext: nothing comes through for longer than the lease, and the handler is told in time.
func TestLostLeaseEndsTheHandlersContext(t *testing.T) {
	withQueue(t, 10*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		began := make(chan struct{})
		var attempt atomic.Int32
		var cause error
		var after, ack time.Duration
		var ackErr error
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			if attempt.Add(1) > 1 {
				return nil
			}
			start := time.Now()
			close(began)
			<-ctx.Done()
			cause, after = context.Cause(ctx), time.Since(start)
			ackErr = d.Ack(t.Context())
			ack = time.Since(start)
			return nil
		})
		<-began
		n.setDown(true)
		<-time.After(30 * time.Second)
		n.setDown(false)
		<-time.After(10 * time.Second)
		k.end(t)
		if !errors.Is(cause, ErrLeaseLost) || after > 10*time.Second || after < 9*time.Second {
			t.Errorf("told %v after %v", cause, after)
		}
		if !errors.Is(ackErr, ErrLeaseLost) || ack < 30*time.Second {
			t.Errorf("acked %v after %v", ackErr, ack)
		}
		if attempt.Load() != 2 || n.acks(q) != 1 {
			t.Errorf("%d attempts, %d acked", attempt.Load(), n.acks(q))
		}
	})
}

// TestReconnectKeepsLeases: a short break costs nothing; the handler doesn't notice, and its ack counts.
func TestReconnectKeepsLeases(t *testing.T) {
	withQueue(t, 10*time.Second, 10, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			select {
			case <-time.After(5 * time.Second):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}, WithConcurrency(4))
		for range 20 {
			<-time.After(700 * time.Millisecond)
			n.breakAll()
		}
		<-time.After(30 * time.Second)
		k.end(t)
		n.look(func() {
			if len(q.acked) != 10 || len(q.tries) != 0 {
				t.Errorf("acked %v, tries %v", q.acked, q.tries)
			}
		})
	})
}

// TestLostSettledIsAskedAgain: the answer to a Settle is lost, it is sent again under its sequence, and done once.
func TestLostSettledIsAskedAgain(t *testing.T) {
	withQueue(t, 10*time.Second, 100, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		settles := 0
		n.settleFault = func(*freshetv1.Settle) fakeFault {
			settles++
			switch settles % 4 {
			case 1:
				return fakeFault{breakAfter: true}
			case 2:
				return fakeFault{breakBefore: true}
			case 3:
				return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_BUSY, true, false, "busy")}
			}
			return fakeFault{}
		}
		k := consume(t, c, func(ctx context.Context, d *Delivery) error { return d.Ack(ctx) }, WithConcurrency(3))
		<-time.After(time.Minute)
		k.end(t)
		n.look(func() {
			for offset, times := range q.acked {
				if times != 1 {
					t.Errorf("offset %d acked %d times", offset, times)
				}
			}
			if len(q.acked) != 100 || len(q.tries) != 0 {
				t.Errorf("%d acked, tries %v", len(q.acked), q.tries)
			}
		})
	})
}

// TestSupersededConnection: a connection that was thought dead attaches late and takes the session over. It is taken back, with its leases.
func TestSupersededConnection(t *testing.T) {
	withQueue(t, 10*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			select {
			case <-time.After(15 * time.Second):
				return nil
			case <-ctx.Done():
				t.Errorf("the handler's context ended: %v", context.Cause(ctx))
				return ctx.Err()
			}
		})
		<-time.After(5 * time.Second)
		n.look(func() {
			for _, s := range q.sessions {
				s.stream = &fakeStream{changed: make(chan struct{}, 1)}
			}
		})
		<-time.After(time.Minute)
		k.end(t)
		n.look(func() {
			if len(q.acked) != 1 || len(q.tries) != 0 {
				t.Errorf("acked %v, tries %v", q.acked, q.tries)
			}
		})
	})
}

// TestGhostSession: the session was forgotten, and one of its id begun by an attach that had been on its way for all that time. The consumer doesn't take it for its own.
func TestGhostSession(t *testing.T) {
	withQueue(t, 10*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(context.Context, *Delivery) error { return nil })
		<-time.After(5 * time.Second)
		var ghosts []*fakeSession
		n.look(func() {
			for _, s := range q.sessions {
				s.attached = 0
				ghosts = append(ghosts, s)
			}
		})
		n.breakAll()
		<-time.After(time.Minute)
		n.look(func() {
			if len(q.sessions) != 1 || len(ghosts) != 1 || ghosts[0].attached != 0 {
				t.Errorf("%d sessions, %d ghosts, the first last attached at %d", len(q.sessions), len(ghosts), ghosts[0].attached)
			}
			for id := range q.sessions {
				if id == ghosts[0].id {
					t.Error("the session is the ghost's")
				}
			}
		})
		k.end(t)
	})
}

// TestForgottenSession: the node was away for so long that it forgot the session. Everything comes again, to a session that begins anew.
func TestForgottenSession(t *testing.T) {
	withQueue(t, time.Minute, 5, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var handled atomic.Int32
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			handled.Add(1)
			if d.Attempt == 1 {
				<-ctx.Done()
				return ctx.Err()
			}
			return nil
		})
		<-time.After(time.Second)
		n.setDown(true)
		<-time.After(20 * time.Second) // more than fakeAway
		n.setDown(false)
		<-time.After(2 * time.Minute)
		k.end(t)
		if handled.Load() != 10 || n.acks(q) != 5 {
			t.Errorf("%d handled, %d acked", handled.Load(), n.acks(q))
		}
	})
}

// TestForgottenUnknowing: a Settle got no answer, the session is forgotten, and so is the answer to the Attach that would have told. What that Settle names of the
// old session's first delivery is done to nothing of the new one's, whose events nobody has handled.
func TestForgottenUnknowing(t *testing.T) {
	withQueue(t, 10*time.Minute, 10, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		handled := map[uint64]bool{} // under n's mu
		attaches := 0
		n.attachFault = func(*freshetv1.Attach) bool {
			attaches++
			return attaches == 2
		}
		n.settleFault = func(*freshetv1.Settle) fakeFault {
			n.mu.down = attaches == 1
			return fakeFault{breakBefore: attaches == 1}
		}
		k := consume(t, c, func(_ context.Context, d *Delivery) error {
			n.look(func() { handled[d.Offset] = true })
			return nil
		}, WithWindow(5, 1<<20))
		check := func() {
			n.look(func() {
				for offset := range q.acked {
					if !handled[offset] {
						t.Errorf("offset %d is acked, and was not handled", offset)
					}
				}
			})
		}
		<-time.After(20 * time.Second) // more than fakeAway
		n.setDown(false)
		for range 30 {
			<-time.After(time.Minute)
			check()
		}
		k.end(t)
		if n.acks(q) != 10 || attaches < 3 {
			t.Errorf("%d acked, %d attaches", n.acks(q), attaches)
		}
	})
}

// TestDrain: at the end what isn't begun is given back uncounted, what runs may finish, and its acks are confirmed.
func TestDrain(t *testing.T) {
	withQueue(t, 10*time.Second, 50, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			<-time.After(8 * time.Second)
			return ctx.Err()
		}, WithConcurrency(4))
		<-time.After(time.Second)
		k.end(t)
		n.look(func() {
			if len(q.acked) != 4 || len(q.ready) != 46 || len(q.tries) != 0 || len(q.sessions) != 0 {
				t.Errorf("acked %v, %d ready, tries %v, %d sessions", q.acked, len(q.ready), q.tries, len(q.sessions))
			}
		})
	})
}

// TestDrainTimeout: a handler that doesn't finish in time is told, and its event comes again at once.
func TestDrainTimeout(t *testing.T) {
	withQueue(t, 10*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var cause error
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			<-ctx.Done()
			cause = context.Cause(ctx)
			return ctx.Err()
		}, WithDrainTimeout(5*time.Second))
		<-time.After(time.Second)
		began := time.Now()
		k.end(t)
		if !errors.Is(cause, ErrDraining) || time.Since(began) != 5*time.Second {
			t.Errorf("told %v, after %v", cause, time.Since(began))
		}
		n.look(func() {
			if len(q.ready) != 1 || q.tries[0] != 1 {
				t.Errorf("%d ready, tries %v", len(q.ready), q.tries)
			}
		})
	})
}

// TestDrainWithoutNode: nobody is there to confirm; Consume ends all the same, and says what it doesn't know.
func TestDrainWithoutNode(t *testing.T) {
	withQueue(t, 10*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, _ *fakeQueue) {
		k := consume(t, c, func(context.Context, *Delivery) error {
			n.setDown(true)
			return nil
		})
		<-time.After(time.Second)
		k.stop()
		if err := <-k.done; !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("error %v", err)
		}
		n.setDown(false)
	})
}

// TestStuckHandler: its event is released, and it can't settle it any more.
func TestStuckHandler(t *testing.T) {
	withQueue(t, 10*time.Second, 1, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var attempts atomic.Int32
		var cause, ackErr error
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			if attempts.Add(1) > 1 {
				return nil
			}
			<-ctx.Done()
			cause = context.Cause(ctx)
			<-time.After(time.Minute) // it doesn't listen
			ackErr = d.Ack(t.Context())
			return nil
		}, WithHandlerTimeout(15*time.Second))
		<-time.After(5 * time.Minute)
		k.end(t)
		if !errors.Is(cause, ErrHandlerTimeout) || !errors.Is(ackErr, ErrLeaseLost) {
			t.Errorf("told %v, ack %v", cause, ackErr)
		}
		if attempts.Load() != 2 || n.acks(q) != 1 {
			t.Errorf("%d attempts, %d acked", attempts.Load(), n.acks(q))
		}
	})
}

// TestAllHandlersStuck: what waits for them is given back, others get it, and the flow goes on when one returns.
func TestAllHandlersStuck(t *testing.T) {
	withQueue(t, 10*time.Second, 10, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		release := make(chan struct{})
		stuck := consume(t, c, func(ctx context.Context, d *Delivery) error {
			<-release
			return ctx.Err()
		}, WithConcurrency(2), WithHandlerTimeout(15*time.Second))
		<-time.After(30 * time.Second)
		n.look(func() {
			if len(q.ready) != 10 || len(q.leases) != 0 {
				t.Errorf("%d ready, %d leased", len(q.ready), len(q.leases))
			}
		})
		other := consume(t, c, func(context.Context, *Delivery) error { return nil })
		<-time.After(time.Second)
		other.end(t)
		if n.acks(q) != 10 {
			t.Errorf("%d acked", n.acks(q))
		}
		close(release)
		if _, err := newProducer(t, c).Publish(t.Context(), raw(10)); err != nil {
			t.Fatal(err)
		}
		<-time.After(time.Second)
		stuck.end(t)
		if n.acks(q) != 11 {
			t.Errorf("%d acked", n.acks(q))
		}
	})
}

// TestExplicitExtension outlasts the automatic one, and bounds what a lease lasts in all.
func TestExplicitExtension(t *testing.T) {
	withQueue(t, 10*time.Second, 2, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			if d.Offset == 0 {
				if err := d.Extend(ctx, time.Hour); err != nil {
					t.Error(err)
				}
			}
			<-time.After(time.Minute)
			if left := time.Until(d.Deadline()); d.Offset == 0 && left < 58*time.Minute || d.Offset == 1 && left > 10*time.Second {
				t.Errorf("offset %d: %v left", d.Offset, left)
			}
			n.look(func() {
				if l := q.leases[d.Offset]; l == nil || l.deadline.Before(d.Deadline()) {
					t.Errorf("offset %d: the node's lease is shorter than the client's", d.Offset)
				}
			})
			return nil
		})
		<-time.After(2 * time.Minute)
		k.end(t)
		if n.acks(q) != 2 {
			t.Errorf("%d acked", n.acks(q))
		}
	})
}

func TestConsumeIsRefused(t *testing.T) {
	withQueue(t, 10*time.Second, 0, func(t *testing.T, n *fakeNode, c *Client, _ *fakeQueue) {
		nothing := func(context.Context, *Delivery) error { return nil }
		if err := c.Queue("orders/biling").Consume(t.Context(), nothing); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		n.addQueue("orders/news", freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT, time.Minute, 5)
		for name, err := range map[string]error{
			"a fan-out as a queue": c.Queue("orders/news").Consume(t.Context(), nothing),
			"no handler":           c.Queue("orders/billing").Consume(t.Context(), nil),
			"no slash":             c.Queue("orders").Consume(t.Context(), nothing),
			"no member":            c.Fanout("orders/news", "").Consume(t.Context(), nothing),
			"window":               c.Queue("orders/billing").Consume(t.Context(), nothing, WithWindow(0, 1)),
			"window bytes":         c.Queue("orders/billing").Consume(t.Context(), nothing, WithWindow(1, 1<<30)),
			"concurrency":          c.Queue("orders/billing").Consume(t.Context(), nothing, WithConcurrency(0)),
			"visibility":           c.Queue("orders/billing").Consume(t.Context(), nothing, WithVisibility(time.Millisecond)),
			"handler timeout":      c.Queue("orders/billing").Consume(t.Context(), nothing, WithHandlerTimeout(0)),
			"drain timeout":        c.Queue("orders/billing").Consume(t.Context(), nothing, WithDrainTimeout(-1)),
		} {
			if _, ok := errors.AsType[*Error](err); !ok {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestShutdownDrains: Shutdown does what the end of Consume's context does.
func TestShutdownDrains(t *testing.T) {
	withQueue(t, 10*time.Second, 3, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		k := consume(t, c, func(context.Context, *Delivery) error {
			<-time.After(5 * time.Second)
			return nil
		})
		<-time.After(time.Second)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
		if err := <-k.done; err != nil || n.acks(q) != 3 {
			t.Errorf("%v, %d acked", err, n.acks(q))
		}
		if err := c.Queue("orders/billing").Consume(t.Context(), func(context.Context, *Delivery) error { return nil }); !errors.Is(err, ErrClosed) {
			t.Errorf("after shutdown: %v", err)
		}
		if err := c.Shutdown(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("twice: %v", err)
		}
		k.stop()
	})
}

// TestShutdownCutShort: when its context ends, handlers' contexts end, and nothing is left behind.
func TestShutdownCutShort(t *testing.T) {
	withQueue(t, 10*time.Second, 3, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var cause atomic.Value
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			<-ctx.Done()
			cause.Store(context.Cause(ctx))
			return ctx.Err()
		}, WithDrainTimeout(time.Hour))
		<-time.After(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
		defer cancel()
		if err := c.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("shutdown: %v", err)
		}
		if err := <-k.done; err != nil && !errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("consume: %v", err)
		}
		k.stop()
		if err, _ := cause.Load().(error); !errors.Is(err, ErrClosed) {
			t.Errorf("told %v", err)
		}
	})
}

// TestHeldIsBelieved: what the node doesn't list as held any more when the session is taken up again is lost, whatever its deadline.
func TestHeldIsBelieved(t *testing.T) {
	withQueue(t, time.Minute, 2, func(t *testing.T, n *fakeNode, c *Client, q *fakeQueue) {
		var lost []uint64
		k := consume(t, c, func(ctx context.Context, d *Delivery) error {
			if d.Attempt > 1 {
				return nil
			}
			select {
			case <-ctx.Done():
				lost = append(lost, d.Offset)
				return ctx.Err()
			case <-time.After(10 * time.Second):
				return nil
			}
		})
		<-time.After(time.Second)
		n.look(func() { q.giveBack(1, true, 0, freshetv1.DeadReason_DEAD_REASON_EXPIRED, "") })
		n.breakAll()
		<-time.After(5 * time.Second)
		if len(lost) != 1 || lost[0] != 1 {
			t.Errorf("lost %v", lost)
		}
		<-time.After(time.Minute)
		k.end(t)
		if n.acks(q) != 2 {
			t.Errorf("%d acked", n.acks(q))
		}
	})
}

// TestExpiredEventIsNotBegun: a handler that gets free finds an event whose lease is over, before the keeper has.
func TestExpiredEventIsNotBegun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &consumer{client: &Client{started: time.Now().Add(-time.Hour)}, lookAgain: make(chan struct{}, 1), work: t.Context()}
		c.mu.share = newShare(10, 10, 1, 0, time.Now())
		s := newSession(c, 0, c.mu.share.portions[0])
		now, p := c.client.now(), &parcel{owner: s}
		late := &Delivery{lease: lease{parcel: p, deadline: now}}
		good := &Delivery{lease: lease{parcel: p, deadline: now + 1}}
		c.mu.waiting.add(late, good)
		var h hand
		if !c.next(&h) || h.delivery != good {
			t.Errorf("began %+v", h.delivery)
		}
		if late.lease.state != leaseDecided || !late.lease.decision().unstarted {
			t.Errorf("the late one is %+v", late.lease)
		}
	})
}
