package overload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/client"
)

const (
	goodTopic = "good"
	goodQueue = goodTopic + "/work"
	// goodEvery is how far apart the good client's events are.
	goodEvery = 10 * time.Millisecond
	// goodPending is how many of them may be unanswered; then it waits.
	goodPending = 512
	// goodDrain is how long the last of them may take to arrive.
	goodDrain = time.Minute
)

// good is a client that does what clients do: it publishes an event every so often, and consumes and acks what it published.
type good struct {
	client   *client.Client
	producer *client.Producer
	stop     context.CancelFunc
	// publishing and joined are its goroutines, that which publishes and the other.
	publishing, joined sync.WaitGroup

	mu struct {
		sync.Mutex
		// stored are the events that it was told are, and arrived those that it got.
		stored, arrived map[int]bool
		samples         []sample
		failed          []error
	}
}

// sample is how long an event took to be stored, that was published at a moment.
type sample struct {
	at   time.Time
	took time.Duration
}

// newGood makes the good client's topic and queue, and begins.
func newGood(ctx context.Context, target string, partitions int) (*good, error) {
	c, err := client.Connect(ctx, target)
	if err != nil {
		return nil, err
	}
	g := &good{client: c}
	g.mu.stored, g.mu.arrived = map[int]bool{}, map[int]bool{}
	if _, _, err = c.Admin().CreateTopic(ctx, client.TopicConfig{Name: goodTopic, Partitions: partitions}); err == nil {
		_, _, err = c.Admin().CreateSubscription(ctx, client.SubscriptionConfig{Name: goodQueue, Kind: client.KindQueue})
	}
	if err == nil {
		g.producer, err = c.Producer(goodTopic)
	}
	if err != nil {
		return nil, errors.Join(err, c.Shutdown(ctx))
	}
	working, stop := context.WithCancel(ctx)
	g.stop = stop
	g.publishing.Go(func() { g.publish(ctx, working) })
	g.joined.Go(func() { g.consume(ctx) })
	return g, nil
}

// publish publishes until working ends, and waits for what is under way.
func (g *good) publish(ctx, working context.Context) {
	var pending sync.WaitGroup
	defer pending.Wait()
	room := make(chan struct{}, goodPending)
	ticker := time.NewTicker(goodEvery)
	defer ticker.Stop()
	for n := 0; ; n++ {
		select {
		case <-ticker.C:
		case <-working.Done():
			return
		}
		select {
		case room <- struct{}{}:
		case <-working.Done():
			return
		}
		pending.Go(func() {
			defer func() { <-room }()
			g.publishOne(ctx, n)
		})
	}
}

func (g *good) publishOne(ctx context.Context, n int) {
	began := time.Now()
	_, err := g.producer.Publish(ctx, client.Event{Source: "good", DetailType: "n", Detail: json.RawMessage(fmt.Sprintf(`{"n":%d}`, n))})
	g.mu.Lock()
	defer g.mu.Unlock()
	if err != nil {
		g.mu.failed = append(g.mu.failed, err)
		return
	}
	g.mu.stored[n] = true
	g.mu.samples = append(g.mu.samples, sample{began, time.Since(began)})
}

// consume takes events until the client is shut down.
func (g *good) consume(ctx context.Context) {
	err := g.client.Queue(goodQueue).Consume(ctx, func(_ context.Context, d *client.Delivery) error {
		var detail struct{ N int }
		if err := d.Event.Decode(&detail); err != nil {
			return err
		}
		g.mu.Lock()
		defer g.mu.Unlock()
		g.mu.arrived[detail.N] = true
		return nil
	})
	if err != nil && ctx.Err() == nil {
		g.mu.Lock()
		defer g.mu.Unlock()
		g.mu.failed = append(g.mu.failed, err)
	}
}

// missing are the events that were stored and haven't arrived.
func (g *good) missing() (events []int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for event := range g.mu.stored {
		if !g.mu.arrived[event] {
			events = append(events, event)
		}
	}
	return events
}

// without returns which of some events still haven't.
func (g *good) without(events []int) []int {
	g.mu.Lock()
	defer g.mu.Unlock()
	return slices.DeleteFunc(events, func(event int) bool { return g.mu.arrived[event] })
}

// latency is what publishing took in a time: the median, and what one of a hundred took at least.
func (g *good) latency(from, to time.Time) (p50, p99 time.Duration) {
	var took []time.Duration
	g.mu.Lock()
	for _, s := range g.mu.samples {
		if !s.at.Before(from) && s.at.Before(to) {
			took = append(took, s.took)
		}
	}
	g.mu.Unlock()
	if len(took) == 0 {
		return 0, 0
	}
	slices.Sort(took)
	return took[len(took)/2], took[len(took)*99/100]
}

// latencySince is that until now. Where nothing was published meanwhile it waits until something is, for a while.
func (g *good) latencySince(ctx context.Context, from time.Time) (p50, p99 time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, goodDrain)
	defer cancel()
	for p50 == 0 && ctx.Err() == nil {
		if p50, p99 = g.latency(from, time.Now()); p50 == 0 {
			pause(ctx, goodEvery)
		}
	}
	return p50, p99
}

// settled waits until all that was stored so far has arrived, and returns how many events haven't after a while.
func (g *good) settled(ctx context.Context) int {
	ctx, cancel := context.WithTimeout(ctx, goodDrain)
	defer cancel()
	missing := g.missing()
	for len(missing) > 0 && pause(ctx, goodEvery) {
		missing = g.without(missing)
	}
	return len(missing)
}

// end has the client stop, and returns what of its work failed.
func (g *good) end(ctx context.Context) (lost, stored int, err error) {
	g.stop()
	ctx, cancel := context.WithTimeout(ctx, goodDrain)
	defer cancel()
	published := make(chan struct{})
	go func() {
		defer close(published)
		g.publishing.Wait()
	}()
	select {
	case <-published: // before there is nobody to publish with
	case <-ctx.Done(): // what waits ends with the producer
	}
	err = g.producer.Close(ctx)
	<-published
	lost = g.settled(ctx)
	err = errors.Join(err, g.client.Shutdown(ctx))
	g.joined.Wait()
	g.mu.Lock()
	defer g.mu.Unlock()
	return lost, len(g.mu.stored), errors.Join(append(g.mu.failed, err)...)
}

// pause waits; false when the context ends first.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
