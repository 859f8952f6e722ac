package brokertest_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/broker"
	"github.com/freshet-mq/freshet/broker/brokertest"
	"github.com/freshet-mq/freshet/client"
)

func publish(t *testing.T, c *client.Client, detail any, change ...func(*client.Event)) {
	t.Helper()
	p, err := c.Producer("orders")
	if err != nil {
		t.Fatal(err)
	}
	e := client.Event{Source: "com.shop", DetailType: "Order Created", Detail: detail}
	for _, do := range change {
		do(&e)
	}
	if _, err := p.Publish(t.Context(), e); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c *client.Client, wait time.Duration) *client.Batch {
	t.Helper()
	batch, err := c.Queue("orders/billing").Receive(t.Context(), 10, client.WithWait(wait))
	if err != nil {
		t.Fatal(err)
	}
	return batch
}

// TestLeaseRunsOut is what a user's test looks like: an event that was taken and forgotten comes again when its lease has run out.
func TestLeaseRunsOut(t *testing.T) {
	node := brokertest.Start(t)
	node.Queue("orders/billing", `{"detail-type":["Order Created"]}`)
	c := node.Client()
	publish(t, c, map[string]any{"number": 7})

	taken := receive(t, c, 10*time.Second)
	if len(taken.Deliveries) != 1 {
		t.Fatalf("took %d events", len(taken.Deliveries))
	}
	if again := receive(t, c, 0); len(again.Deliveries) != 0 {
		t.Fatal("somebody else got it while the lease ran")
	}
	node.Clock().Advance(31 * time.Second)
	again := receive(t, c, 10*time.Second)
	if len(again.Deliveries) != 1 || again.Deliveries[0].Attempt != 2 {
		t.Fatalf("after the lease: %+v", again)
	}
	if err := taken.Deliveries[0].Ack(t.Context()); !errors.Is(err, client.ErrLeaseLost) {
		t.Errorf("acking what another has: %v", err)
	}
	if err := again.Deliveries[0].Ack(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestDeliverAt: what is to be delivered in an hour is, an hour later.
func TestDeliverAt(t *testing.T) {
	node := brokertest.Start(t)
	node.Queue("orders/billing", "")
	c := node.Client()
	publish(t, c, 1, func(e *client.Event) { e.DeliverAt = node.Clock().Now().Add(time.Hour) })
	if early := receive(t, c, 0); len(early.Deliveries) != 0 {
		t.Fatal("it came early")
	}
	node.Clock().Advance(time.Hour + time.Second)
	if due := receive(t, c, 10*time.Second); len(due.Deliveries) != 1 {
		t.Fatal("it didn't come")
	}
}

// TestRestart: what is stored is there after a restart, and a handler of a client goes on.
func TestRestart(t *testing.T) {
	node := brokertest.Start(t, brokertest.WithOptions(func(o *broker.Options) { o.Defaults.Attempts = 3 }))
	node.Queue("orders/billing", "")
	node.Fanout("orders/prices", "", "web")
	c := node.Client()
	publish(t, c, 1)
	node.Restart()
	ctx, stop := context.WithTimeout(t.Context(), 30*time.Second)
	defer stop()
	got := 0
	err := c.Queue("orders/billing").Consume(ctx, func(context.Context, *client.Delivery) error {
		if got++; got == 2 {
			stop()
		} else {
			publish(t, c, 2)
		}
		return nil
	}, client.WithConcurrency(1))
	if err != nil || got != 2 {
		t.Errorf("%d events, %v", got, err)
	}
}

// TestDefaultRetention: a topic keeps what the node's configuration says, unless it says itself what it keeps, be it nothing.
func TestDefaultRetention(t *testing.T) {
	node := brokertest.Start(t, brokertest.WithOptions(func(o *broker.Options) { o.Defaults.Retention = broker.Retention{Age: time.Hour, Bytes: 1 << 20} }))
	admin := node.Client().Admin()
	for _, c := range []struct {
		name        string
		asked, want client.Retention
	}{
		{"unsaid", client.Retention{}, client.Retention{Age: time.Hour, Bytes: 1 << 20}},
		{"nothing", client.Retention{Settled: true}, client.Retention{}},
		{"itself", client.Retention{Age: time.Minute}, client.Retention{Age: time.Minute}},
	} {
		for _, made := range []bool{true, false} { // the second time it is there, with the same settings
			topic, is, err := admin.CreateTopic(t.Context(), client.TopicConfig{Name: c.name, Retention: c.asked})
			if err != nil || is != made || topic.Retention != c.want {
				t.Errorf("%s: %+v, made %t, %v", c.name, topic, is, err)
			}
		}
	}
	_, _, err := admin.CreateTopic(t.Context(), client.TopicConfig{Name: "both", Retention: client.Retention{Settled: true, Age: time.Minute}})
	if e, ok := errors.AsType[*client.Error](err); !ok || e.Code != client.CodeArgumentRefused {
		t.Errorf("both: %v", err)
	}
}

// TestTimers: a clock's timers fire when it is turned to their time, when time gets there, and not when they were stopped.
func TestTimers(t *testing.T) {
	clock := brokertest.Start(t).Clock()
	began := clock.Now()
	far, _ := clock.TimerAt(began.Add(time.Hour))
	stopped, stop := clock.TimerAt(began.Add(time.Hour))
	near, _ := clock.TimerAt(began.Add(time.Millisecond))
	<-near
	stop()
	select {
	case <-far:
		t.Fatal("fired an hour early")
	default:
	}
	before := clock.Now()
	clock.Advance(time.Hour)
	if at := <-far; at.Sub(before) < time.Hour-time.Second {
		t.Errorf("fired at %v, an hour after %v", at, before)
	}
	select {
	case <-stopped:
		t.Error("fired though it was stopped")
	default:
	}
	// Who took a time before the clock was turned isn't late for having asked for his timer after it.
	past, _ := clock.TimerAt(began.Add(time.Minute))
	<-past
}
