package client_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// order is what the examples' events are about.
type order struct {
	Number int     `json:"number"`
	Amount float64 `json:"amount"`
}

// must ends an example that doesn't work.
func must[T any](value T, err error) T {
	if err != nil {
		panic(err)
	}
	return value
}

// connect connects to a fake node with the topic "orders" and the queue "orders/billing". A service would write
//
//	c, err := client.Connect(ctx, "broker1.example.org:7600")
func connect(ctx context.Context) (c *client.Client, end func()) {
	node := client.NewExampleNode()
	c = must(client.Connect(ctx, "localhost:7600", client.WithDialer(node.Dial)))
	_, _, err := c.Admin().CreateSubscription(ctx, client.SubscriptionConfig{Name: "orders/billing", Kind: client.KindQueue})
	if err == nil {
		_, _, err = c.Admin().CreateSubscription(ctx, client.SubscriptionConfig{Name: "orders/prices", Kind: client.KindFanout})
	}
	if err != nil {
		panic(err)
	}
	return c, func() {
		if err := c.Shutdown(ctx); err != nil {
			panic(err)
		}
		node.Stop()
	}
}

// publish puts a few orders into the topic.
func publish(ctx context.Context, c *client.Client, orders int) {
	p := must(c.Producer("orders"))
	for i := range orders {
		must(p.Publish(ctx, client.Event{Source: "com.shop", DetailType: "Order Created", Detail: order{Number: i + 1, Amount: 9.5}}))
	}
}

func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	c, end := connect(ctx)
	defer end()

	// Publish: the answer means that it is stored.
	p := must(c.Producer("orders"))
	receipt := must(p.Publish(ctx, client.Event{Source: "com.shop", DetailType: "Order Created", Detail: order{Number: 7, Amount: 24.62}}))
	fmt.Println("stored at offset", receipt.Offset)

	// Consume until the context ends: here, after the first event.
	consuming, stop := context.WithCancel(ctx)
	err := c.Queue("orders/billing").Consume(consuming, func(ctx context.Context, d *client.Delivery) error {
		defer stop()
		var o order
		if err := d.Event.Decode(&o); err != nil {
			return client.Permanent(err) // it won't get better
		}
		fmt.Printf("bill order %d: %.2f\n", o.Number, o.Amount)
		return nil // acks
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// stored at offset 0
	// bill order 7: 24.62
}

func ExampleConnect() {
	node := client.NewExampleNode()
	defer node.Stop()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	// Any of the nodes will do. Tests and tunnels bring their own connections; without WithDialer it is TCP.
	c, err := client.Connect(ctx, "n1.example:7600,n2.example:7600", client.WithDialer(node.Dial))
	if err != nil {
		panic(err)
	}
	fmt.Println("connected")
	if err := c.Shutdown(ctx); err != nil {
		panic(err)
	}
	// Output: connected
}

func ExampleProducer_Publish() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders"))

	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	receipt, err := p.Publish(bounded, client.Event{Source: "com.shop", DetailType: "Order Created", Detail: order{Number: 1}, Key: "customer-7"})
	var refused *client.Error
	switch {
	case err == nil:
		fmt.Println("stored at", receipt.Offset)
	case errors.Is(err, client.ErrUnknownOutcome):
		fmt.Println("perhaps stored")
	case errors.As(err, &refused):
		fmt.Println("refused:", refused.Code)
	}
	// Output: stored at 0
}

func ExampleProducer_PublishAsync() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders"))

	var futures []*client.Future
	for i := range 1000 {
		futures = append(futures, p.PublishAsync(ctx, client.Event{Source: "com.shop", Detail: order{Number: i}}))
	}
	for _, f := range futures {
		must(f.Wait(ctx))
	}
	fmt.Println(len(futures), "stored")
	// Output: 1000 stored
}

func ExampleProducer_PublishBatch() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders", client.WithCompression(client.CompressionZstd)))

	results, err := p.PublishBatch(ctx, []client.Event{
		{Source: "com.shop", Detail: order{Number: 1}},
		{Source: "com.shop", Detail: func() {}}, // can't be marshalled
		{Source: "com.shop", Detail: order{Number: 3}},
	})
	fmt.Println("all stored:", err == nil)
	for i, r := range results {
		fmt.Println(i, r.Err == nil, r.Receipt.Offset)
	}
	// Output:
	// all stored: false
	// 0 true 0
	// 1 false 0
	// 2 true 1
}

func ExampleWithMatches() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders", client.WithMatches()))
	receipt := must(p.Publish(ctx, client.Event{Source: "com.shop", Detail: order{Number: 1}}))
	fmt.Println(receipt.Matched)
	// Output: [billing prices]
}

func ExampleProducer_Flush() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders"))
	f := p.PublishAsync(ctx, client.Event{Source: "com.shop"})
	if err := p.Flush(ctx); err != nil {
		panic(err)
	}
	select {
	case <-f.Done():
		fmt.Println("answered")
	default:
		fmt.Println("not yet")
	}
	// Output: answered
}

func ExampleEventFromJSON() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders"))
	// Raw JSON is sent byte for byte: spaces, unknown members and all.
	must(p.Publish(ctx, client.EventFromJSON([]byte(`{"source": "com.shop", "detail-type": "Order Created", "x-ours": 1, "detail": {}}`))))
	for stored, err := range c.Read(ctx, "orders", client.FromEarliest()) {
		if err != nil {
			panic(err)
		}
		fmt.Printf("%s\n", stored.Event.Data)
	}
	// Output: {"source": "com.shop", "detail-type": "Order Created", "x-ours": 1, "detail": {}}
}

func ExampleEvent_bytes() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	p := must(c.Producer("orders"))
	// What isn't JSON has a content type; patterns see its attributes.
	must(p.Publish(ctx, client.Event{
		Data: []byte{0x08, 0x96, 0x01}, ContentType: "application/x-protobuf",
		Attributes: []client.Attribute{{Name: "country", Value: "NZ"}},
	}))
	for stored, err := range c.Read(ctx, "orders", client.FromEarliest()) {
		if err != nil {
			panic(err)
		}
		country, _ := stored.Event.Attribute("country")
		fmt.Printf("%x %s %s\n", stored.Event.Data, stored.Event.ContentType, country)
	}
	// Output: 089601 application/x-protobuf NZ
}

func ExampleEvent_Envelope() {
	e := client.EventFromJSON([]byte(`{"id":"1","source":"com.shop","detail-type":"Order Created","detail":{"number":7}}`))
	envelope := must(e.Envelope())
	var o order
	if err := json.Unmarshal(envelope.Detail, &o); err != nil {
		panic(err)
	}
	fmt.Println(envelope.Source, envelope.DetailType, o.Number)
	// Output: com.shop Order Created 7
}

func ExampleQueue_Consume() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 3)

	consuming, stop := context.WithCancel(ctx)
	err := c.Queue("orders/billing").Consume(consuming, func(ctx context.Context, d *client.Delivery) error {
		if d.Offset == 2 {
			defer stop()
		}
		fmt.Println("offset", d.Offset, "attempt", d.Attempt)
		return nil
	}, client.WithConcurrency(1), client.WithWindow(100, 1<<20))
	fmt.Println("ended:", err)
	// Output:
	// offset 0 attempt 1
	// offset 1 attempt 1
	// offset 2 attempt 1
	// ended: <nil>
}

func ExampleFanout_Consume() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 1)

	consuming, stop := context.WithCancel(ctx)
	err := c.Fanout("orders/prices", "web-1").Consume(consuming, func(ctx context.Context, d *client.Delivery) error {
		defer stop()
		fmt.Println("web-1 refreshes its prices")
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output: web-1 refreshes its prices
}

func ExampleRetryAfter() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 1)

	consuming, stop := context.WithCancel(ctx)
	err := c.Queue("orders/billing").Consume(consuming, func(ctx context.Context, d *client.Delivery) error {
		if d.Attempt == 1 {
			fmt.Println("the bank is busy")
			return client.RetryAfter(10*time.Millisecond, errors.New("bank: busy"))
		}
		defer stop()
		fmt.Println("billed in attempt", d.Attempt)
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// the bank is busy
	// billed in attempt 2
}

func ExampleQueue_Deliveries() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 3)

	for d, err := range c.Queue("orders/billing").Deliveries(ctx) {
		if err != nil {
			panic(err)
		}
		if d.Offset == 2 {
			break // undecided: it is released, and comes again to whoever consumes then
		}
		if err := d.Ack(ctx); err != nil {
			panic(err)
		}
		fmt.Println("billed", d.Offset)
	}
	// Output:
	// billed 0
	// billed 1
}

func ExampleFanout_Deliveries() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 1)

	looping, stop := context.WithCancel(ctx)
	defer stop()
	for d, err := range c.Fanout("orders/prices", "shop-1").Deliveries(looping, client.WithVisibility(time.Minute)) {
		if err != nil {
			panic(err)
		}
		if err := d.Release(ctx, time.Hour, "the shop is closed"); err != nil {
			panic(err)
		}
		stop() // the loop ends with its context
	}
	fmt.Println("over")
	// Output: over
}

func ExamplePermanent() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 1)

	consuming, stop := context.WithCancel(ctx)
	err := c.Queue("orders/billing").Consume(consuming, func(ctx context.Context, d *client.Delivery) error {
		defer stop()
		return client.Permanent(errors.New("no such customer"))
	})
	if err != nil {
		panic(err)
	}
	for letter, err := range c.Admin().DeadLetters(ctx, "orders/billing", "") {
		if err != nil {
			panic(err)
		}
		fmt.Println(letter.Offset, letter.Reason, letter.Detail)
	}
	// Output: 0 rejected no such customer
}

func ExampleAdmin_Redrive() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 3)

	batch, err := c.Queue("orders/billing").Receive(ctx, 3)
	if err != nil {
		panic(err)
	}
	if _, err := batch.Reject(ctx, "the database is read-only"); err != nil {
		panic(err)
	}
	// It has been repaired; a few at a time, so that what is published meanwhile gets its share.
	redriven, err := c.Admin().Redrive(ctx, "orders/billing", "", client.WithDeadReason(client.DeadRejected), client.WithDeadRate(1_000))
	if err != nil {
		panic(err)
	}
	fmt.Println(redriven)
	// Output: 3
}

func ExampleDelivery_Ack() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 1)

	consuming, stop := context.WithCancel(ctx)
	err := c.Queue("orders/billing").Consume(consuming, func(ctx context.Context, d *client.Delivery) error {
		defer stop()
		// A database that refuses a lower epoch than it has is safe from a consumer that woke up too late.
		fmt.Println("UPDATE invoices SET ... WHERE fence <", d.Epoch)
		if err := d.Ack(ctx); err != nil {
			return err
		}
		fmt.Println("it never comes again")
		return nil
	})
	if err != nil {
		panic(err)
	}
	// Output:
	// UPDATE invoices SET ... WHERE fence < 1
	// it never comes again
}

func ExampleQueue_Receive() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 3)

	batch := must(c.Queue("orders/billing").Receive(ctx, 10, client.WithWait(20*time.Second), client.WithLease(5*time.Minute)))
	if err := batch.Deliveries[0].Release(ctx, time.Minute, "not today"); err != nil {
		panic(err)
	}
	lost := must(batch.Ack(ctx))
	fmt.Println(len(batch.Deliveries), "received,", len(lost), "lost")
	// Output: 3 received, 0 lost
}

func ExampleBatch_Ack() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 4)

	batch := must(c.Queue("orders/billing").Receive(ctx, 10))
	var billed, later []*client.Delivery
	for _, d := range batch.Deliveries {
		if d.Offset%2 == 0 {
			billed = append(billed, d)
		} else {
			later = append(later, d)
		}
	}
	lost := must(batch.Ack(ctx, billed...))
	lost = append(lost, must(batch.Release(ctx, time.Minute, "after lunch", later...))...)
	fmt.Println(len(billed), "billed,", len(later), "later,", len(lost), "lost")
	// Output: 2 billed, 2 later, 0 lost
}

func ExampleClient_Read() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 4)

	for stored, err := range c.Read(ctx, "orders", client.FromOffset(2)) {
		if gap, ok := errors.AsType[*client.TruncatedError](err); ok {
			fmt.Println("nothing is left before", gap.Before)
			continue
		}
		if err != nil {
			panic(err)
		}
		envelope := must(stored.Event.Envelope())
		fmt.Println(stored.Offset, envelope.DetailType)
	}
	// Output:
	// 2 Order Created
	// 3 Order Created
}

func ExampleWithPartition() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 3)

	// A place in a topic is an offset of a partition: where a receipt, or an event that was read before, says that it is.
	for stored, err := range c.Read(ctx, "orders", client.WithPartition(0), client.FromOffset(1)) {
		if err != nil {
			panic(err)
		}
		fmt.Println(stored.Partition, stored.Offset)
	}
	// Output:
	// 0 1
	// 0 2
}

func ExampleWithWindow() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	publish(ctx, c, 3)

	// A handler that takes minutes: what waits for it is kept from other consumers, so one event is held, of whichever partition has one.
	consuming, stop := context.WithCancel(ctx)
	billed := 0
	err := c.Queue("orders/billing").Consume(consuming, func(context.Context, *client.Delivery) error {
		if billed++; billed == 3 {
			stop()
		}
		return nil
	}, client.WithWindow(1, 1<<20), client.WithConcurrency(1))
	if err != nil {
		panic(err)
	}
	fmt.Println(billed, "billed")
	// Output: 3 billed
}

func ExampleAdmin() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()
	admin := c.Admin()

	topic, created, err := admin.CreateTopic(ctx, client.TopicConfig{Name: "payments", Partitions: 4})
	if err != nil {
		panic(err)
	}
	fmt.Println(topic.Name, created, topic.Partitions)
	subscription, _, err := admin.CreateSubscription(ctx, client.SubscriptionConfig{
		Name: "payments/fraud", Kind: client.KindQueue, Visibility: time.Minute,
		Pattern: `{"detail":{"amount":[{"numeric":[">",1000]}]}}`,
	})
	if err != nil {
		panic(err)
	}
	fmt.Println(subscription.Name, subscription.Kind, subscription.Visibility, subscription.Attempts)
	for topic, err := range admin.Topics(ctx) {
		if err != nil {
			panic(err)
		}
		fmt.Println("topic", topic.Name)
	}
	for s, err := range admin.Subscriptions(ctx, "orders") {
		if err != nil {
			panic(err)
		}
		fmt.Println("subscription", s.Name, s.Kind, s.Counts.Ready)
	}
	cluster := must(admin.Cluster(ctx))
	fmt.Println(len(cluster.Nodes), "node")
	// Output:
	// payments true 4
	// payments/fraud queue 1m0s 5
	// topic orders
	// topic payments
	// subscription orders/billing queue 0
	// subscription orders/prices fanout 0
	// 1 node
}

func ExampleError() {
	ctx := context.Background()
	c, end := connect(ctx)
	defer end()

	err := c.Queue("orders/biling").Consume(ctx, func(context.Context, *client.Delivery) error { return nil })
	if refused, ok := errors.AsType[*client.Error](err); ok {
		fmt.Println(refused.Code, refused.Message)
		fmt.Println("did you mean", refused.Metadata["closest"])
	}
	fmt.Println(errors.Is(err, client.ErrNotFound))
	// Output:
	// FR1004 subscription "orders/biling" not found
	// did you mean billing
	// true
}

func ExampleClient_Shutdown() {
	ctx := context.Background()
	node := client.NewExampleNode()
	defer node.Stop()
	c := must(client.Connect(ctx, "localhost:7600", client.WithDialer(node.Dial)))
	f := must(c.Producer("orders")).PublishAsync(ctx, client.Event{Source: "com.shop"})

	bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	fmt.Println("shutdown:", c.Shutdown(bounded))
	_, err := f.Wait(ctx)
	fmt.Println("published:", err)
	// Output:
	// shutdown: <nil>
	// published: <nil>
}
