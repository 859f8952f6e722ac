package broker

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// TestProducersOutliveLeaders: publishers with keys and without, to a topic on eight partitions, while each node in turn is stopped or killed and comes back.
// Nobody is told of an error, nothing is lost or stored twice, and what has a key is stored in its publisher's order.
func TestProducersOutliveLeaders(t *testing.T) {
	const partitions, publishers = 8, 4
	synctest.Test(t, func(t *testing.T) {
		rig := newClusterRig(t)
		rig.adjust = func(o *Options) { o.Partitions = partitions }
		rig.startAll()
		c, err := client.Connect(t.Context(), "n1:7600,n2:7600,n3:7600", client.WithDialer(rig.dial))
		if err != nil {
			t.Fatal(err)
		}
		topic, _, err := c.Admin().CreateTopic(rig.context(), client.TopicConfig{Name: "orders", Partitions: partitions})
		if err != nil || topic.Partitions != partitions {
			t.Fatalf("%+v, %v", topic, err)
		}
		if _, _, err := c.Admin().CreateSubscription(rig.context(), client.SubscriptionConfig{Name: "orders/all", Kind: client.KindQueue}); err != nil {
			t.Fatal(err) // it holds what is stored
		}
		producer, err := c.Producer("orders", client.WithBuffer(500, 4<<20))
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		told := make([]map[string]client.Receipt, publishers)
		var publishing sync.WaitGroup
		for i := range publishers {
			publishing.Go(func() { told[i] = publishUntil(ctx, t, producer, i) })
		}
		for i, m := range rig.members {
			<-time.After(time.Second)
			if i == 1 {
				m.kill()
			} else {
				m.stop()
			}
			<-time.After(4 * time.Second)
			if err := m.start(); err != nil {
				t.Fatal(err)
			}
		}
		<-time.After(time.Second)
		cancel()
		publishing.Wait()
		if err := producer.Close(t.Context()); err != nil {
			t.Error(err)
		}
		checkLog(t, c, told, partitions)
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// publishUntil publishes numbered events in batches until ctx ends, most with keys, and returns where they are stored.
func publishUntil(ctx context.Context, t *testing.T, p *client.Producer, publisher int) map[string]client.Receipt {
	told := map[string]client.Receipt{}
	for n := 0; ctx.Err() == nil; {
		var batch []client.Event
		for range 20 {
			e := client.Event{Data: fmt.Appendf(nil, "%d/%d/%d", publisher, n%5, n), ContentType: "text/plain"}
			if n%5 > 0 {
				e.Key = fmt.Sprintf("%d/%d", publisher, n%5)
			}
			batch = append(batch, e)
			n++
		}
		began := time.Now()
		results, err := p.PublishBatch(t.Context(), batch)
		if took := time.Since(began); took > 10*time.Second { // virtual: two elections and their pauses
			t.Errorf("publisher %d waited for %v", publisher, took)
		}
		if err != nil {
			t.Errorf("publisher %d: %v", publisher, err)
		}
		for i, r := range results {
			told[string(batch[i].Data)] = r.Receipt
		}
		<-time.After(100 * time.Millisecond)
	}
	return told
}

// checkLog holds what the log has against what publishers were told.
func checkLog(t *testing.T, c *client.Client, told []map[string]client.Receipt, partitions int) {
	events, used := 0, map[uint32]int{}
	seen, last := map[string]bool{}, map[string]int{}
	for stored, err := range c.Read(t.Context(), "orders", client.FromEarliest()) {
		if err != nil {
			t.Fatal(err)
		}
		name := string(stored.Event.Data)
		var publisher, key, number int
		if _, err := fmt.Sscanf(name, "%d/%d/%d", &publisher, &key, &number); err != nil {
			t.Fatal(err)
		}
		if seen[name] {
			t.Errorf("%s is stored twice", name)
		}
		seen[name] = true
		if r, known := told[publisher][name]; !known || r.Partition != stored.Partition || r.Offset != stored.Offset {
			t.Errorf("%s is at %d@%d, its publisher was told %d@%d", name, stored.Partition, stored.Offset, r.Partition, r.Offset)
		}
		if before, some := last[stored.Event.Key]; some && stored.Event.Key != "" && number <= before {
			t.Errorf("%s is stored behind %d of its key", name, before)
		}
		last[stored.Event.Key] = number
		used[stored.Partition]++
	}
	for _, receipts := range told {
		events += len(receipts)
	}
	if len(seen) != events || len(used) != partitions {
		t.Errorf("%d events of %d are stored, on %d partitions", len(seen), events, len(used))
	}
	t.Logf("%d events, by partition %v", events, used)
}
