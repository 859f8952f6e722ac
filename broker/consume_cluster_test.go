package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestConsumersOutliveLeaders: a topic on eight partitions, two consumers that compete for it, one with a smaller window than there are partitions, while
// leaders stop, die and come back one after another. Handlers don't notice, not even those that take longer than a lease; everything is consumed, and what was
// acked never comes again.
func TestConsumersOutliveLeaders(t *testing.T) {
	const partitions = 8
	synctest.Test(t, func(t *testing.T) {
		rig := newClusterRig(t)
		rig.adjust = func(o *Options) { o.Partitions = partitions }
		rig.startAll()
		admin := rig.metadataLeader().admin
		if _, err := admin.CreateTopic(rig.context(), &freshetv1.CreateTopicRequest{Name: "orders", Partitions: partitions}); err != nil {
			t.Fatal(err)
		}
		_, err := admin.CreateSubscription(rig.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
			Topic: "orders", Name: "billing", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, VisibilityMs: 10_000,
		}})
		if err != nil {
			t.Fatal(err)
		}
		led := &ledger{t: t, acked: map[eventPlace]int{}, handled: map[eventPlace]int{}}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var consuming sync.WaitGroup
		for _, window := range []int{3, 200} {
			c, err := client.Connect(t.Context(), "n1:7600,n2:7600,n3:7600", client.WithDialer(rig.dial))
			if err != nil {
				t.Fatal(err)
			}
			consuming.Go(func() {
				if err := c.Queue("orders/billing").Consume(ctx, led.handle, client.WithWindow(window, 1<<20)); err != nil {
					t.Errorf("consume: %v", err)
				}
				if err := c.Shutdown(t.Context()); err != nil {
					t.Errorf("shutdown: %v", err)
				}
			})
		}
		published := 0
		publish := func() {
			for number := range uint32(partitions) {
				published += rig.publishTo("orders", number, 5)
			}
		}
		publish()
		for i, m := range rig.members {
			led.await(published - 25) // in the midst of it
			if i == 1 {
				m.kill()
			} else {
				m.stop()
			}
			publish()
			led.await(published)
			if err := m.start(); err != nil {
				t.Fatal(err)
			}
			publish()
		}
		led.await(published)
		cancel()
		consuming.Wait()
		again := 0
		for _, times := range led.handled {
			again += times - 1
		}
		t.Logf("%d events, %d handled more than once", published, again)
	})
}

// TestReceiveAndReadOverPartitions: by a client whose first node is down, what is on any of a topic's partitions.
func TestReceiveAndReadOverPartitions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rig := newClusterRig(t)
		rig.startAll()
		admin := rig.metadataLeader().admin
		if _, err := admin.CreateTopic(rig.context(), &freshetv1.CreateTopicRequest{Name: "orders", Partitions: clusterPartitions}); err != nil {
			t.Fatal(err)
		}
		_, err := admin.CreateSubscription(rig.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
			Topic: "orders", Name: "billing", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE,
		}})
		if err != nil {
			t.Fatal(err)
		}
		c, err := client.Connect(t.Context(), "n1:7600,n2:7600", client.WithDialer(rig.dial))
		if err != nil {
			t.Fatal(err)
		}
		published := 0
		for number := range uint32(clusterPartitions) {
			published += rig.publishTo("orders", number, 5)
		}
		rig.members[0].stop()
		received := 0
		for received < published {
			batch, err := c.Queue("orders/billing").Receive(t.Context(), 3, client.WithWait(10*time.Second))
			if err != nil || len(batch.Deliveries) == 0 {
				t.Fatalf("%+v, %v, after %d", batch, err, received)
			}
			lost, err := batch.Ack(t.Context())
			if err != nil || len(lost) > 0 {
				t.Fatalf("lost %v, %v", lost, err)
			}
			received += len(batch.Deliveries)
		}
		read := map[uint32]uint64{}
		for stored, err := range c.Read(t.Context(), "orders", client.FromEarliest()) {
			if err != nil {
				t.Fatal(err)
			}
			if stored.Offset != read[stored.Partition] {
				t.Errorf("offset %d of partition %d after %d", stored.Offset, stored.Partition, read[stored.Partition])
			}
			read[stored.Partition]++
		}
		if received != published || len(read) != clusterPartitions {
			t.Errorf("%d of %d received, read %v", received, published, read)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// eventPlace is where an event is.
type eventPlace struct {
	partition uint32
	offset    uint64
}

// ledger is what handlers have done.
type ledger struct {
	t *testing.T

	mu      sync.Mutex
	handled map[eventPlace]int
	acked   map[eventPlace]int
}

func (l *ledger) handle(ctx context.Context, d *client.Delivery) error {
	at := eventPlace{d.Partition, d.Offset}
	l.mu.Lock()
	l.handled[at]++
	if l.acked[at] > 0 {
		l.t.Errorf("%+v comes after its ack was confirmed", at)
	}
	l.mu.Unlock()
	takes := 50 * time.Millisecond
	if d.Offset == 7 && d.Partition%4 == 0 {
		takes = 15 * time.Second // longer than a lease
	}
	select {
	case <-time.After(takes):
	case <-ctx.Done():
		l.t.Errorf("%+v: the handler's context ended: %v", at, context.Cause(ctx))
		return ctx.Err()
	}
	if err := d.Ack(ctx); err != nil {
		return err
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.acked[at]++
	return nil
}

// await waits until so many events are acked.
func (l *ledger) await(events int) {
	l.t.Helper()
	patience := time.After(2 * clusterPatience)
	ticker := time.NewTicker(10 * time.Millisecond)
	defer ticker.Stop()
	for {
		l.mu.Lock()
		acked := len(l.acked)
		l.mu.Unlock()
		if acked >= events {
			return
		}
		select {
		case <-ticker.C:
		case <-patience:
			l.t.Fatalf("%d of %d events are acked", acked, events)
		}
	}
}

// publishTo stores events in a partition of a topic, by whichever node takes them. It returns how many.
func (c *clusterRig) publishTo(topic string, number uint32, events int) int {
	c.t.Helper()
	var data []string
	for i := range events {
		data = append(data, fmt.Sprintf(`{"partition":%d,"n":%d}`, number, i))
	}
	id := block.ProducerID{1, byte(number), byte(c.random.Uint32()), byte(c.random.Uint32()), byte(c.random.Uint32())}
	encoded := blockOf(c.t, block.Options{Producer: block.Producer{ID: id, Epoch: 1, Sequence: 1}}, data)
	req := &freshetv1.PublishRequest{Topic: topic, Block: encoded, Partition: &number, Epoch: 1}
	c.eventually("a node that stores events", func(m *clusterMember) bool {
		_, err := m.publish.Publish(c.context(), req)
		return err == nil
	})
	return events
}
