package broker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// TestOrderedQueue has three consumers with several handlers each, some of which fail, work on the keys of an ordered queue. Of each key one
// handler has one event at a time, and what they finish is finished in order (P8). Some events are to be delivered later, and are finished no sooner.
func TestOrderedQueue(t *testing.T) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s := &server{t: t, dir: t.TempDir()}
	s.start()
	c, err := client.Connect(ctx, "node:7600", client.WithDialer(s.dial))
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Admin().CreateTopic(ctx, client.TopicConfig{Name: "accounts"}); err != nil {
		t.Fatal(err)
	}
	config := client.SubscriptionConfig{Name: "accounts/work", Kind: client.KindQueue, Ordered: true, Attempts: 1_000}
	sub, _, err := c.Admin().CreateSubscription(ctx, config)
	if err != nil || !sub.Ordered {
		t.Fatalf("created %+v, %v", sub, err)
	}
	const keys, each = 20, 60
	w := &orderedWork{t: t, want: keys*each + keys, finished: map[string]int{}, busy: map[string]bool{}, done: make(chan struct{})}
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	ended := make(chan error, 3)
	for range cap(ended) {
		go func() {
			ended <- c.Queue("accounts/work").Consume(consuming, w.handle, client.WithConcurrency(8), client.WithWindow(70, 1<<20))
		}()
	}
	w.publish(ctx, c, keys, each)
	select {
	case <-w.done:
	case <-ctx.Done():
		t.Errorf("finished %d of %d", w.count, w.want)
	}
	stop()
	for range cap(ended) {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	if err := errors.Join(c.Shutdown(ctx), s.node.Shutdown(ctx)); err != nil {
		t.Error(err)
	}
}

// orderedWork is what the handlers of all consumers did.
type orderedWork struct {
	t    *testing.T
	want int
	done chan struct{}

	mu       sync.Mutex
	count    int
	finished map[string]int // of each key
	busy     map[string]bool
}

// accountEvent says which of its key's events it is, from 0; one that is to be delivered later isn't counted among them.
type accountEvent struct {
	N     int   `json:"n"`
	Later int64 `json:"later"`
}

func (w *orderedWork) publish(ctx context.Context, c *client.Client, keys, each int) {
	w.t.Helper()
	producer, err := c.Producer("accounts")
	if err != nil {
		w.t.Fatal(err)
	}
	later := time.Now().Add(300 * time.Millisecond)
	for n := range each {
		for key := range keys {
			producer.PublishAsync(ctx, client.Event{Key: fmt.Sprint(key), Source: "test", DetailType: "entry", Detail: accountEvent{N: n}})
			if n == each/2 {
				producer.PublishAsync(ctx, client.Event{
					Key: fmt.Sprint(key), Source: "test", DetailType: "entry", DeliverAt: later, Detail: accountEvent{Later: later.UnixMilli()},
				})
			}
		}
	}
	if err := producer.Close(ctx); err != nil {
		w.t.Error(err)
	}
}

func (w *orderedWork) handle(ctx context.Context, d *client.Delivery) error {
	key := d.Event.Key
	var e accountEvent
	envelope, err := d.Event.Envelope()
	if err == nil {
		err = json.Unmarshal(envelope.Detail, &e)
	}
	if err != nil {
		w.t.Error(err)
		return client.Permanent(err)
	}
	w.mu.Lock()
	if w.busy[key] {
		w.t.Errorf("two handlers have events of key %s", key)
	}
	w.busy[key] = true
	w.mu.Unlock()
	select {
	case <-time.After(time.Duration(rand.IntN(2_000)) * time.Microsecond):
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.busy[key] = false
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case rand.IntN(8) == 0:
		return client.RetryAfter(time.Duration(rand.IntN(2))*time.Millisecond, errors.New("failed"))
	case e.Later > 0:
		if time.Now().UnixMilli() < e.Later {
			w.t.Errorf("key %s: delivered before its time", key)
		}
	case w.finished[key] != e.N:
		w.t.Errorf("key %s: event %d after %d were finished", key, e.N, w.finished[key])
	default:
		w.finished[key]++
	}
	if w.count++; w.count == w.want {
		close(w.done)
	}
	return nil
}
