package broker_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/broker"
	"github.com/freshet-mq/freshet/client"
)

// patience ends only tests that don't work.
const patience = 60 * time.Second

// server is a node that comes and goes; clients find it wherever it is.
type server struct {
	t   *testing.T
	dir string
	mu  struct {
		sync.Mutex
		addr string
	}
	node *broker.Node
}

func (s *server) start() {
	s.t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		s.t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s.node, err = broker.Start(ctx, broker.Options{Node: "n1", Dir: s.dir, Listener: listener})
	if err != nil {
		s.t.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.addr = s.node.Addr().String()
}

func (s *server) dial(ctx context.Context, _ string) (net.Conn, error) {
	s.mu.Lock()
	addr := s.mu.addr
	s.mu.Unlock()
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr)
}

// seen counts which events a consumer got, and how often.
type seen struct {
	mu struct {
		sync.Mutex
		times map[string]int
	}
	// enough is closed when want different events were seen.
	want   int
	enough chan struct{}
}

func newSeen(want int) *seen {
	s := &seen{want: want, enough: make(chan struct{})}
	s.mu.times = map[string]int{}
	return s
}

func (s *seen) handle(_ context.Context, d *client.Delivery) error {
	envelope, err := d.Event.Envelope()
	if err != nil {
		return client.Permanent(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.times[envelope.ID]++
	if s.mu.times[envelope.ID] == 1 && len(s.mu.times) == s.want {
		close(s.enough)
	}
	return nil
}

// TestClientThroughRestarts publishes and consumes with the real client while the node is stopped twice, once in order and once breaking calls off. Every
// event that was stored reaches whom its pattern says, nothing else does, and all of it is settled in the end.
func TestClientThroughRestarts(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &server{t: t, dir: t.TempDir()}
	s.start()
	c, err := client.Connect(ctx, "node:7600", client.WithDialer(s.dial))
	if err != nil {
		t.Fatal(err)
	}
	admin := c.Admin()
	if _, _, err := admin.CreateTopic(ctx, client.TopicConfig{Name: "orders"}); err != nil {
		t.Fatal(err)
	}
	for _, config := range []client.SubscriptionConfig{
		{Name: "orders/even", Kind: client.KindQueue, Pattern: `{"detail-type":["even"]}`, Visibility: 2 * time.Second, Attempts: 100},
		{Name: "orders/all", Kind: client.KindFanout, Members: []string{"a", "b"}, Visibility: 2 * time.Second, Attempts: 100},
	} {
		if _, _, err := admin.CreateSubscription(ctx, config); err != nil {
			t.Fatal(err)
		}
	}

	const events = 3_000
	consuming, stopConsuming := context.WithCancel(ctx)
	defer stopConsuming()
	consumers := map[string]*seen{"even": newSeen(events / 2), "a": newSeen(events), "b": newSeen(events)}
	ended := make(chan error, 4)
	go func() { ended <- c.Queue("orders/even").Consume(consuming, consumers["even"].handle) }()
	go func() { ended <- c.Queue("orders/even").Consume(consuming, consumers["even"].handle) }()
	go func() { ended <- c.Fanout("orders/all", "a").Consume(consuming, consumers["a"].handle) }()
	go func() { ended <- c.Fanout("orders/all", "b").Consume(consuming, consumers["b"].handle) }()

	s.publishThroughRestarts(ctx, c, events)

	for name, got := range consumers {
		select {
		case <-got.enough:
		case <-ctx.Done():
			got.mu.Lock()
			t.Fatalf("%s saw %d of %d", name, len(got.mu.times), got.want)
		}
	}
	stopConsuming()
	for range 4 {
		if err := <-ended; err != nil {
			t.Errorf("consuming ended with %v", err)
		}
	}
	for name, got := range consumers {
		if len(got.mu.times) != got.want {
			t.Errorf("%s saw %d different events, want %d", name, len(got.mu.times), got.want)
		}
	}
	for sub, err := range admin.Subscriptions(ctx, "orders") {
		if err != nil {
			t.Fatal(err)
		}
		if n := sub.Counts; n.Ready+n.Leased+n.Delayed+n.Dead != 0 {
			t.Errorf("%s still holds %+v", sub.Name, n)
		}
	}
	if err := c.Shutdown(ctx); err != nil {
		t.Error(err)
	}
	if err := s.node.Shutdown(ctx); err != nil {
		t.Error(err)
	}
}

// publishThroughRestarts publishes so many events, and restarts the node after a third and two thirds of them.
func (s *server) publishThroughRestarts(ctx context.Context, c *client.Client, events int) {
	s.t.Helper()
	producer, err := c.Producer("orders")
	if err != nil {
		s.t.Fatal(err)
	}
	var futures []*client.Future
	for i := range events {
		kind := "odd"
		if i%2 == 0 {
			kind = "even"
		}
		futures = append(futures, producer.PublishAsync(ctx, client.Event{ID: fmt.Sprint(i), Source: "test", DetailType: kind, Detail: i}))
		switch i {
		case events / 3:
			if err := s.node.Shutdown(ctx); err != nil {
				s.t.Error(err)
			}
			s.start()
		case 2 * events / 3:
			broken, cancel := context.WithCancel(ctx)
			cancel()
			// It may have been quicker than its context.
			if err := s.node.Shutdown(broken); err != nil && !errors.Is(err, context.Canceled) {
				s.t.Error(err)
			}
			s.start()
		}
	}
	for i, f := range futures {
		if _, err := f.Wait(ctx); err != nil {
			s.t.Fatalf("event %d: %v", i, err)
		}
	}
	if err := producer.Close(ctx); err != nil {
		s.t.Error(err)
	}
}
