package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/client"
)

// errOver is the cause of a run's end when everything is done.
var errOver = errors.New("the run is over")

// Queue measures publishing, delivering and acking through one queue, in the order of
// this file: clients, a topic and its queue; consumers; producers for the warm-up and
// the measured time; the drain; the report. Whatever happens, the topic is deleted and
// all clients have ended when it returns.
//
// An error means that there was no run to report of: the options are refused, the
// cluster doesn't answer or refuses the topic, or ctx ended. What goes wrong later is
// in the report's faults.
func Queue(ctx context.Context, o Options) (_ *Report, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	seed := rand.Uint64() //nolint:gosec // so that runs differ, which keeps no secret
	r := &run{Options: o, shape: newShape(o.EventBytes, seed), ledger: newLedger(o.Producers)}
	r.meter.began = time.Now()
	defer func() { err = errors.Join(err, r.disconnect(ctx)) }()
	for range 1 + o.Producers + o.Consumers {
		connected, err := client.Connect(ctx, o.Target)
		if err != nil {
			return nil, err
		}
		r.clients = append(r.clients, connected)
	}
	if err := r.makeQueue(ctx); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.deleteTopic(ctx)) }()

	working, end := context.WithCancelCause(ctx)
	defer end(errOver)
	r.end = end
	m, trouble := r.perform(working)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return r.report(m, trouble), nil
}

// run is one of Queue's.
type run struct {
	Options
	shape  *shape
	ledger *ledger
	meter  meter
	// clients: the first asks, then the producers', then the consumers'.
	clients []*client.Client
	// nodes is how many the cluster says that it has.
	nodes int
	// end ends the run early, and says why.
	end context.CancelCauseFunc
}

// subscription is the queue's full name.
func (r *run) subscription() string { return r.Topic + "/queue" }

func (r *run) makeQueue(ctx context.Context) error {
	admin := r.clients[0].Admin()
	seen, err := admin.Cluster(ctx)
	if err != nil {
		return err
	}
	r.nodes = len(seen.Nodes)
	if _, created, err := admin.CreateTopic(ctx, client.TopicConfig{Name: r.Topic, Partitions: r.Partitions}); err != nil {
		return err
	} else if !created {
		return fmt.Errorf("topic %s is there already: the run would delete it", r.Topic)
	}
	if _, _, err := admin.CreateSubscription(ctx, client.SubscriptionConfig{Name: r.subscription(), Kind: client.KindQueue}); err != nil {
		return errors.Join(err, r.deleteTopic(ctx))
	}
	return nil
}

// goodbyeTimeout is how long the end of a run may take.
const goodbyeTimeout = 5 * time.Second

// deleteTopic removes what the run made (B5), also when ctx has ended.
func (r *run) deleteTopic(ctx context.Context) error {
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	if err := r.clients[0].Admin().DeleteTopic(goodbye, r.Topic); err != nil {
		return fmt.Errorf("topic %s is left: %w", r.Topic, err)
	}
	return nil
}

// disconnect ends the clients.
func (r *run) disconnect(ctx context.Context) error {
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
	defer cancel()
	var all errgroup.Group
	for _, connected := range r.clients {
		all.Go(func() error { return connected.Shutdown(goodbye) })
	}
	return all.Wait()
}

// perform is the run's middle. It returns why it ended early, or nil.
func (r *run) perform(ctx context.Context) (measured, error) {
	consuming, stopConsuming := context.WithCancel(ctx)
	defer stopConsuming()
	stop, stopPublishing := context.WithCancel(ctx)
	defer stopPublishing()
	var consumed, published, shown sync.WaitGroup
	for i, connected := range r.clients[1+r.Producers:] {
		consumed.Go(func() {
			if err := r.consume(consuming, i, connected); err != nil {
				r.end(err)
			}
		})
	}
	shown.Go(func() { r.show(consuming) })
	publishers, err := r.publishers()
	if err != nil {
		r.end(err)
	}
	for _, p := range publishers {
		published.Go(func() {
			if err := p.publish(ctx, stop); err != nil {
				r.end(err)
			}
		})
	}
	m := r.measure(ctx)
	stopPublishing()
	published.Wait()
	r.drain(ctx)
	stopConsuming()
	consumed.Wait()
	shown.Wait()
	if ctx.Err() != nil {
		return m, context.Cause(ctx)
	}
	return m, nil
}

// publishers returns the run's.
func (r *run) publishers() ([]*publisher, error) {
	var all []*publisher
	for i := range r.Producers {
		// The events' random half is there so that nothing is gained by compression.
		producer, err := r.clients[1+i].Producer(r.Topic, client.WithCompression(client.CompressionNone), client.WithBuffer(r.buffer()))
		if err != nil {
			return nil, err
		}
		all = append(all, &publisher{run: r, index: i, producer: producer, pacer: newPacer(&r.Options, i, r.meter.now)})
	}
	return all, nil
}

// buffer is what a producer has to hold at most.
func (r *run) buffer() (events, bytes int) {
	events = r.Flights * r.Batch
	return events, max(bufferBytesMin, events*(r.EventBytes+eventOverhead))
}

// bufferBytesMin is the least that the client allows.
const bufferBytesMin = 2 << 20

// measure waits for the warm-up to be over, and measures what comes then.
func (r *run) measure(ctx context.Context) (m measured) {
	if !await(ctx, r.WarmUp) {
		return m
	}
	ended := r.Measured()
	defer ended()
	used, err := readUsage(r.Processes)
	counted := r.meter.tally()
	r.meter.measuring.Store(true)
	await(ctx, r.Duration)
	r.meter.measuring.Store(false)
	after := r.meter.tally()
	m.counted, m.took = after.minus(counted), after.at.Sub(counted.at)
	usedAfter, errAfter := readUsage(r.Processes)
	m.used, m.usedErr = usedAfter.minus(used), errors.Join(err, errAfter)
	return m
}

// await waits, and reports whether the time is over, not ctx.
func await(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// drainLook is how often the drain looks whether it is over.
const drainLook = 20 * time.Millisecond

// drain waits until everything that was stored has arrived, or is lost.
func (r *run) drain(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, r.Drain)
	defer cancel()
	for r.ledger.findings().Lost > 0 && await(bounded, drainLook) {
		continue
	}
}

// show tells of progress once a second.
func (r *run) show(ctx context.Context) {
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	before, began := r.meter.tally(), time.Now()
	for {
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
		now := r.meter.tally()
		since, elapsed := now.minus(before), time.Since(began)
		before = now
		phase := "drain"
		switch {
		case r.meter.measuring.Load():
			phase = "measured"
		case elapsed < r.WarmUp+r.Duration:
			phase = "warm-up"
		}
		r.Progress(Progress{Phase: phase, Elapsed: elapsed, Published: since.published, Delivered: since.delivered, Acked: since.acked})
	}
}
