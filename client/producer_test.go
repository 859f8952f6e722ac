package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// withFake runs a test against a fake node in a bubble whose time is fake too.
func withFake(t *testing.T, test func(t *testing.T, n *fakeNode, c *Client)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		n := startFake(t)
		n.addTopic("orders")
		c := n.connect(t)
		test(t, n, c)
		if err := c.Shutdown(t.Context()); err != nil && !errors.Is(err, ErrClosed) {
			t.Errorf("shutdown: %v", err)
		}
	})
}

func newProducer(t *testing.T, c *Client, opts ...ProducerOption) *Producer {
	t.Helper()
	p, err := c.Producer("orders", opts...)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// raw is an event that a test recognises.
func raw(i int) Event { return EventFromJSON(fmt.Appendf(nil, `{"source":"test","n":%d}`, i)) }

func TestPublish(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		for i := range 3 {
			r, err := p.Publish(t.Context(), raw(i))
			if err != nil || r.Offset != uint64(i) {
				t.Fatalf("event %d: %+v, %v", i, r, err)
			}
		}
		stored := n.stored("orders")
		if len(stored) != 3 || string(stored[2].Data) != `{"source":"test","n":2}` || stored[2].Source != "test" {
			t.Errorf("stored %+v", stored)
		}
	})
}

func TestPublishBatchKeepsOrderAndTellsEach(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		events := make([]Event, 40_000) // more than two blocks
		for i := range events {
			events[i] = raw(i)
		}
		events[7] = Event{Key: strings.Repeat("k", 257), Detail: 1}
		results, err := p.PublishBatch(t.Context(), events)
		refusal, ok := errors.AsType[*Error](err)
		if !ok || refusal.Code != CodeLimitExceeded || refusal.Metadata["field"] != "key" || refusal.Metadata["limit"] != "256" || refusal.Metadata["got"] != "257" {
			t.Fatalf("error %v", err)
		}
		for i, r := range results {
			if i == 7 {
				if !errors.Is(r.Err, err) {
					t.Errorf("event 7: %v", r.Err)
				}
				continue
			}
			if want := uint64(i - min(i/8, 1)); r.Err != nil || r.Receipt.Offset != want {
				t.Fatalf("event %d: %+v, want offset %d", i, r, want)
			}
		}
		stored := n.stored("orders")
		if len(stored) != len(events)-1 || !bytes.Equal(stored[len(stored)-1].Data, events[len(events)-1].Data) {
			t.Errorf("%d stored", len(stored))
		}
	})
}

func TestPublishMatches(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		n.addQueue("orders/shipping", freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, time.Minute, 5)
		n.addQueue("orders/billing", freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, time.Minute, 5)
		r, err := newProducer(t, c, WithMatches()).Publish(t.Context(), raw(0))
		if err != nil || fmt.Sprint(r.Matched) != "[billing shipping]" {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// TestLostAnswer: the answer is lost, the block is sent again under its number, and the node answers from memory.
func TestLostAnswer(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		n.publishFault = once(fakeFault{breakAfter: true})
		r, err := newProducer(t, c).Publish(t.Context(), raw(0))
		if err != nil || !r.Duplicate || r.Offset != 0 {
			t.Errorf("%+v, %v", r, err)
		}
		if stored := n.stored("orders"); len(stored) != 1 {
			t.Errorf("stored %d times", len(stored))
		}
	})
}

// once is a fault that happens to the first block alone.
func once(f fakeFault) func(*freshetv1.PublishRequest) fakeFault {
	done := false
	return func(*freshetv1.PublishRequest) fakeFault {
		if done {
			return fakeFault{}
		}
		done = true
		return f
	}
}

// TestContextEndsOnTheWay: what may be on its way has an unknown outcome, and it may be stored later.
func TestContextEndsOnTheWay(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		busy := true
		n.publishFault = func(*freshetv1.PublishRequest) fakeFault {
			if busy {
				return fakeFault{refuse: wireFault(freshetv1.ErrorCode_ERROR_CODE_LOG_FULL, true, false, "the log is full")}
			}
			return fakeFault{}
		}
		p := newProducer(t, c)
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		_, err := p.Publish(ctx, raw(0))
		trouble, ok := errors.AsType[*Error](err)
		if !errors.Is(err, context.DeadlineExceeded) || !errors.Is(err, ErrUnknownOutcome) || !ok || trouble.Code != CodeLogFull {
			t.Errorf("error %v", err)
		}
		n.look(func() { busy = false })
		if err := p.Flush(t.Context()); err != nil || len(n.stored("orders")) != 1 {
			t.Errorf("%v, %d stored", err, len(n.stored("orders")))
		}
	})
}

// TestContextEndsBeforeSealing: what waits behind a full window is taken out again, and never stored.
func TestContextEndsBeforeSealing(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		n.setDown(true)
		p := newProducer(t, c, WithLinger(0))
		var futures []*Future
		for i := range windowBlocks {
			futures = append(futures, p.PublishAsync(t.Context(), raw(i)))
			synctest.Wait() // sealed
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.Publish(ctx, raw(100)); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("error %v", err)
		}
		n.setDown(false)
		for i, f := range futures {
			if r, err := f.Wait(t.Context()); err != nil || r.Offset != uint64(i) {
				t.Errorf("event %d: %+v, %v", i, r, err)
			}
		}
		if stored := n.stored("orders"); len(stored) != windowBlocks {
			t.Errorf("%d stored", len(stored))
		}
	})
}

// TestRefusalKeepsWhatIsBehind: a refused block fails, the blocks in flight behind it are stored.
func TestRefusalKeepsWhatIsBehind(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		n.publishFault = func(*freshetv1.PublishRequest) fakeFault { return fakeFault{delay: 20 * time.Millisecond} }
		n.refuses = func(b *block.Block) bool { return b.HasDedupIDs() }
		p := newProducer(t, c, WithLinger(0))
		var futures []*Future
		for i := range windowBlocks {
			e := raw(i)
			if i == 1 {
				e.DedupID = "refused"
			}
			futures = append(futures, p.PublishAsync(t.Context(), e))
			synctest.Wait()
		}
		for i, f := range futures {
			r, err := f.Wait(t.Context())
			if i == 1 {
				if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Code != CodeUnsupported || errors.Is(err, ErrUnknownOutcome) {
					t.Errorf("event 1: %v", err)
				}
			} else if want := uint64(i - min(i/2, 1)); err != nil || r.Offset != want {
				t.Errorf("event %d: %+v, %v", i, r, err)
			}
		}
	})
}

func TestRepeatedDedupID(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		events := []Event{raw(0), raw(1), raw(2), raw(3)}
		events[1].DedupID, events[3].DedupID = "order-7", "order-7"
		for again := range 2 {
			results, err := p.PublishBatch(t.Context(), events)
			if err != nil {
				t.Fatal(err)
			}
			for i, want := range [2][4]Receipt{
				{{Offset: 0}, {Offset: 1}, {Offset: 2}, {Offset: 1, Repeat: true}},
				{{Offset: 4}, {Offset: 1, Repeat: true}, {Offset: 6}, {Offset: 1, Repeat: true}},
			}[again] {
				if got := results[i].Receipt; got.Offset != want.Offset || got.Repeat != want.Repeat {
					t.Errorf("event %d: %+v, want %+v", i, got, want)
				}
			}
		}
	})
}

func TestForgottenProducerGoesOn(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		for i := range 3 {
			if r, err := p.Publish(t.Context(), raw(i)); err != nil || r.Offset != uint64(i) || r.Duplicate {
				t.Fatalf("event %d: %+v, %v", i, r, err)
			}
			n.forgetProducers()
		}
	})
}

func TestUnknownTopic(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p, err := c.Producer("order")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := p.Publish(t.Context(), raw(0)); !errors.Is(err, ErrNotFound) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("error %v", err)
		}
	})
}

// TestBackPressure: beyond the buffer publishing waits, and goes on when there is room.
func TestBackPressure(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		n.setDown(true)
		p := newProducer(t, c, WithBuffer(10, bufferBytesMin))
		for i := range 10 {
			p.PublishAsync(t.Context(), raw(i))
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.PublishAsync(ctx, raw(10)).Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrUnknownOutcome) {
			t.Errorf("error %v", err)
		}
		waiting := make(chan *Future)
		go func() { waiting <- p.PublishAsync(t.Context(), raw(11)) }()
		synctest.Wait()
		select {
		case <-waiting:
			t.Error("took an event beyond its buffer")
		default:
		}
		n.setDown(false)
		if r, err := (<-waiting).Wait(t.Context()); err != nil || r.Offset != 10 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

func TestBufferBytes(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		n.setDown(true)
		p := newProducer(t, c, WithBuffer(1000, bufferBytesMin))
		large := Event{Data: make([]byte, 1<<20), ContentType: "application/octet-stream"}
		p.PublishAsync(t.Context(), large)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := p.PublishAsync(ctx, large).Wait(t.Context()); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		n.setDown(false)
		if err := p.Flush(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestClose: what was accepted is stored, what comes later is refused; a Close that is cut short says what it leaves.
func TestClose(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		f := p.PublishAsync(t.Context(), raw(0))
		if err := p.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := f.Wait(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := p.Publish(t.Context(), raw(1)); !errors.Is(err, ErrClosed) {
			t.Errorf("after close: %v", err)
		}
		if err := p.Close(t.Context()); !errors.Is(err, ErrClosed) {
			t.Errorf("closed twice: %v", err)
		}

		n.publishFault = func(*freshetv1.PublishRequest) fakeFault { return fakeFault{breakAfter: true} }
		p = newProducer(t, c)
		f = p.PublishAsync(t.Context(), raw(2))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := p.Close(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("cut short: %v", err)
		}
		if _, err := f.Wait(t.Context()); !errors.Is(err, ErrUnknownOutcome) || !errors.Is(err, ErrClosed) {
			t.Errorf("left over: %v", err)
		}
	})
}

// TestFencedProducer: somebody else has the id; nothing can be published any more, and that is said at once.
func TestFencedProducer(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		if _, err := p.Publish(t.Context(), raw(0)); err != nil {
			t.Fatal(err)
		}
		n.look(func() {
			for _, known := range n.mu.producers {
				known.epoch = 9
			}
		})
		for range 2 {
			_, err := p.Publish(t.Context(), raw(1))
			if refusal, ok := errors.AsType[*Error](err); !ok || refusal.Code != CodeProducerFenced {
				t.Errorf("error %v", err)
			}
		}
	})
}

func TestLimitsAreChecked(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		p := newProducer(t, c)
		for _, test := range []struct {
			event Event
			code  ErrorCode
			field string
		}{
			{Event{Data: make([]byte, 1<<20+1)}, CodeLimitExceeded, "data"},
			{Event{Key: strings.Repeat("k", 257)}, CodeLimitExceeded, "key"},
			{Event{Attributes: make([]Attribute, 65)}, CodeLimitExceeded, "attributes"},
			{Event{Attributes: []Attribute{{"a", strings.Repeat("v", 1025)}}}, CodeLimitExceeded, "attributes[0].value"},
			{Event{Data: []byte("x"), ContentType: strings.Repeat("t", 129)}, CodeLimitExceeded, "content_type"},
			{Event{Key: "\xff"}, CodeArgumentRefused, "key"},
			{Event{Source: "\xff"}, CodeArgumentRefused, "source"},
			{Event{Detail: json.RawMessage("{")}, CodeArgumentRefused, "detail"},
			{Event{Detail: func() {}}, CodeArgumentRefused, "detail"},
			{Event{Data: []byte("{}"), ID: "x"}, CodeArgumentRefused, "id"},
			{Event{Data: []byte("x"), ContentType: "text/plain", Source: "s"}, CodeArgumentRefused, "source"},
			{Event{ContentType: "text/plain"}, CodeArgumentRefused, "content_type"},
			{Event{DeliverAt: time.Date(10_000, 1, 1, 0, 0, 0, 0, time.UTC)}, CodeLimitExceeded, "deliver_at_ms"},
		} {
			_, err := p.Publish(t.Context(), test.event)
			refusal, ok := errors.AsType[*Error](err)
			if !ok || refusal.Code != test.code || refusal.Metadata["field"] != test.field {
				t.Errorf("%s: %v", test.field, err)
			}
		}
		if len(n.stored("orders")) != 0 {
			t.Error("something was sent")
		}
	})
}

func TestProducerOptionsAreChecked(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		for _, o := range []ProducerOption{
			WithCompression(3), WithLinger(-1), WithLinger(time.Minute), WithBuffer(0, 1<<24), WithBuffer(1, 1),
		} {
			if _, err := c.Producer("orders", o); err == nil {
				t.Error("a bad option was taken")
			}
		}
		if _, err := c.Producer("or/ders"); err == nil {
			t.Error("a bad name was taken")
		}
	})
}

// TestLinger: with something in flight, events gather for the linger; without, none waits.
func TestLinger(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		blocks := 0
		n.publishFault = func(*freshetv1.PublishRequest) fakeFault {
			blocks++
			return fakeFault{delay: time.Second}
		}
		p := newProducer(t, c, WithLinger(500*time.Millisecond))
		began := time.Now()
		first := p.PublishAsync(t.Context(), raw(0))
		synctest.Wait()
		var last *Future
		for i := range 100 {
			last = p.PublishAsync(t.Context(), raw(1+i))
			<-time.After(time.Millisecond)
		}
		if _, err := first.Wait(t.Context()); err != nil || time.Since(began) != time.Second {
			t.Errorf("the first took %v: %v", time.Since(began), err)
		}
		if _, err := last.Wait(t.Context()); err != nil || time.Since(began) != 1500*time.Millisecond {
			t.Errorf("the last took %v: %v", time.Since(began), err)
		}
		n.look(func() {
			if blocks != 2 {
				t.Errorf("%d blocks", blocks)
			}
		})
	})
}
