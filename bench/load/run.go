package load

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/client"
)

// errOver is the cause of a run's end when everything is done.
var errOver = errors.New("the run is over")

// Run measures a work, in the order of this file: clients; topics and subscriptions; consumers;
// producers for the warm-up and the measured time; the drain; the report. Whatever happens, the
// topics are deleted and all clients have ended when it returns.
//
// An error means that there was no run to report of: the options are refused, the
// cluster doesn't answer or refuses a topic, or ctx ended. What goes wrong later is
// in the report's faults.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	accounts := o.Producers * o.accountsPerProducer()
	r := &run{Options: o, ledger: newLedger(accounts, o.copies()), keys: newKeys(o.Keys, accounts, o.copies()), watch: newWatch(o.Nodes)}
	r.shape = newShape(&o, rand.Uint64()) //nolint:gosec // so that runs differ, which keeps no secret
	if o.copies() == 0 {
		r.offsets = newOffsets()
	}
	if o.Strike != nil {
		r.published, r.delivered = newGaps(), newGaps()
	}
	r.meter.began = time.Now()
	defer func() { err = errors.Join(err, r.disconnect(ctx)) }()
	for range 1 + o.Producers + o.Consumers {
		connected, err := client.Connect(ctx, o.Target)
		if err != nil {
			return nil, err
		}
		r.clients = append(r.clients, connected)
	}
	defer func() { err = errors.Join(err, r.deleteTopics(ctx)) }()
	if err := r.makeTopics(ctx); err != nil {
		return nil, err
	}
	working, end := context.WithCancelCause(ctx)
	defer end(errOver)
	r.end = end
	m, trouble := r.perform(working)
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	return r.report(m, trouble), nil
}

// run is one of Run's.
type run struct {
	Options
	shape    *shape
	ledger   *ledger
	keys     *keys
	offsets  *offsets // nil where somebody consumes
	meter    meter
	watch    *watch
	timeline *timeline
	// clients: the first asks, then the producers', then the consumers'.
	clients []*client.Client
	// made is how many topics there are to delete, nodes how many the cluster says that it has.
	made, nodes int
	// end ends the run early, and says why.
	end context.CancelCauseFunc

	// Of a run with a strike.
	published, delivered *gaps
	struck               struckNode
	publishingEnded      int64
}

func (r *run) topicName(topic int) string {
	if r.Topics == 1 {
		return r.Topic
	}
	return fmt.Sprintf("%s-%d", r.Topic, topic+1)
}

// subscriptionName is the full name.
func (r *run) subscriptionName(topic, subscription int) string {
	if r.Subscriptions == 1 {
		return r.topicName(topic) + "/" + r.Work.String()
	}
	return fmt.Sprintf("%s/%s-%d", r.topicName(topic), r.Work, subscription+1)
}

func memberName(member int) string { return fmt.Sprintf("m%d", member+1) }

// makingAtOnce is how many subscriptions are made at the same time.
const makingAtOnce = 16

func (r *run) makeTopics(ctx context.Context) error {
	admin := r.clients[0].Admin()
	seen, err := admin.Cluster(ctx)
	if err != nil {
		return err
	}
	r.nodes = len(seen.Nodes)
	for topic := range r.Topics {
		_, created, err := admin.CreateTopic(ctx, client.TopicConfig{Name: r.topicName(topic), Partitions: r.Partitions})
		if err != nil {
			return err
		}
		if !created {
			return fmt.Errorf("topic %s is there already: the run would delete it", r.topicName(topic))
		}
		r.made++
		making, ctx := errgroup.WithContext(ctx)
		making.SetLimit(makingAtOnce)
		for subscription := range r.Subscriptions {
			making.Go(func() error {
				_, _, err := admin.CreateSubscription(ctx, r.subscription(topic, subscription))
				return err
			})
		}
		if err := making.Wait(); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) subscription(topic, subscription int) client.SubscriptionConfig {
	c := client.SubscriptionConfig{
		Name: r.subscriptionName(topic, subscription), Kind: client.KindQueue, Ordered: r.Ordered,
		Pattern: r.shape.classes.pattern(&r.Options, subscription),
	}
	if r.Work == WorkFanout {
		c.Kind = client.KindFanout
		for member := range r.Members {
			c.Members = append(c.Members, memberName(member))
		}
	}
	return c
}

// goodbyeTimeout is how long the end of a run may take, and a look at the cluster.
const goodbyeTimeout = 5 * time.Second

// deleteTopics removes what the run made (B5), also when ctx has ended.
func (r *run) deleteTopics(ctx context.Context) error {
	var errs []error
	for topic := range r.made {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
		if err := r.clients[0].Admin().DeleteTopic(goodbye, r.topicName(topic)); err != nil {
			errs = append(errs, fmt.Errorf("topic %s is left: %w", r.topicName(topic), err))
		}
		cancel()
	}
	return errors.Join(errs...)
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
	consume := func() {
		attachments := r.attachments()
		for _, a := range attachments {
			consumed.Go(func() { r.endOn(a.consume(consuming)) })
		}
		r.endOn(r.awaitAttached(ctx, len(attachments)))
	}
	if r.Backlog == 0 {
		consume()
	}
	r.timeline = newTimeline(&r.meter, r.watch, r.Duration, r.Intervals)
	shown.Go(func() { r.show(consuming) })
	shown.Go(func() { r.timeline.run(consuming) })
	publish, err := r.publishing(ctx, stop)
	r.endOn(err)
	published.Go(publish)
	if r.Backlog > 0 {
		r.timeline.cut(PhaseFill)
		r.fill(ctx)
		consume()
		r.timeline.cut(PhaseWarmUp)
	}
	m := r.measure(ctx)
	stopPublishing()
	published.Wait()
	r.publishingEnded = r.meter.now()
	r.drain(ctx)
	m.putExpired(readCounters(ctx, r.Nodes))
	stopConsuming()
	consumed.Wait()
	shown.Wait()
	r.timeline.tick()
	if ctx.Err() != nil {
		return m, context.Cause(ctx)
	}
	return m, nil
}

// fill waits until as many events wait as are to.
func (r *run) fill(ctx context.Context) {
	for r.meter.published.Load() < int64(r.Backlog) && await(ctx, drainLook) {
		continue
	}
}

// endOn ends the run early if there is an error.
func (r *run) endOn(err error) {
	if err != nil {
		r.end(err)
	}
}

// publishing returns what publishes until stop ends.
func (r *run) publishing(ctx, stop context.Context) (publish func(), err error) {
	publishers, err := r.publishers()
	if err != nil {
		return func() {}, err
	}
	var callers []*unary
	if r.Send == SendUnary {
		for range r.Producers {
			u, err := r.newUnary(ctx)
			if err != nil {
				return func() {}, errors.Join(err, closeUnary(callers))
			}
			callers = append(callers, u)
		}
	}
	return func() {
		var all sync.WaitGroup
		for i, p := range publishers {
			if r.Send != SendUnary {
				all.Go(func() { r.endOn(p.publish(ctx, stop)) })
				continue
			}
			for range r.Flights {
				all.Go(func() { r.endOn(p.call(ctx, stop, callers[i])) })
			}
		}
		all.Wait()
		r.endOn(closeUnary(callers))
	}, nil
}

func closeUnary(callers []*unary) error {
	var errs []error
	for _, u := range callers {
		errs = append(errs, u.close())
	}
	return errors.Join(errs...)
}

// publishers returns the run's, one an account.
func (r *run) publishers() ([]*publisher, error) {
	options := []client.ProducerOption{client.WithCompression(*r.Compression), client.WithBuffer(r.buffer())}
	if r.Linger != 0 {
		options = append(options, client.WithLinger(max(r.Linger, 0)))
	}
	each := r.accountsPerProducer()
	accounts := r.Producers * each
	var all []*publisher
	for i := range r.Producers {
		var producers []*client.Producer
		for topic := range r.Topics {
			producer, err := r.clients[1+i].Producer(r.topicName(topic), options...)
			if err != nil {
				return nil, err
			}
			producers = append(producers, producer)
		}
		latencies, late := r.meter.latencies(publishing), r.meter.latencies(handingOver)
		for account := i * each; account < (i+1)*each; account++ {
			all = append(all, &publisher{
				run: r, account: account, producers: producers, pacer: newPacer(&r.Options, account, accounts, r.meter.now),
				flights: r.Flights / each, latencies: latencies, late: late,
			})
		}
	}
	return all, nil
}

// buffer is what a producer has to hold at most.
func (r *run) buffer() (events, bytes int) {
	events = r.Flights * r.Batch
	if r.Send == SendEach {
		events = min(bufferEachEvents, bufferEachBytes/r.EventBytes)
	}
	events = max(events, 1)
	return events, max(bufferBytesMin, events*(r.EventBytes+eventOverhead))
}

const (
	// bufferBytesMin is the least that the client allows.
	bufferBytesMin = 2 << 20
	// bufferEachEvents and bufferEachBytes are what a producer may have under way that doesn't
	// wait for answers: seconds of a rate, so that a stall is seen in latencies.
	bufferEachEvents = 65_536
	bufferEachBytes  = 64 << 20
)

// measure waits for the warm-up to be over, and measures what comes then.
func (r *run) measure(ctx context.Context) (m measured) {
	r.timeline.expect(r.WarmUp)
	if !await(ctx, r.WarmUp) {
		return m
	}
	ended := r.Measured()
	defer ended()
	counters, errCounters := readCounters(ctx, r.Nodes)
	looked := time.Now()
	m.countersBefore = counters
	var striking sync.WaitGroup
	before := r.timeline.cut(PhaseMeasured)
	r.timeline.expect(r.Duration)
	if r.Strike != nil {
		striking.Go(func() { r.endOn(r.strike(ctx)) })
	}
	await(ctx, r.Duration)
	after := r.timeline.cut(PhaseDrain)
	m.counted, m.took = after.counted.minus(before.counted), after.counted.at.Sub(before.counted.at)
	m.used, m.usedErr = after.used.minus(before.used), errors.Join(before.usedErr, after.usedErr)
	striking.Wait()
	m.countersTook = time.Since(looked)
	countersAfter, errCountersAfter := readCounters(ctx, r.Nodes)
	m.countersErr = errors.Join(errCounters, errCountersAfter)
	for i := range countersAfter {
		if m.countersErr == nil {
			m.counters = append(m.counters, countersAfter[i].minus(counters[i]))
		}
	}
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

// drain waits until everything that was stored has arrived, or is lost: nothing has come for a
// while.
func (r *run) drain(ctx context.Context) {
	last, since := r.meter.delivered.Load(), time.Now()
	for r.ledger.findings().Lost > 0 && time.Since(since) < r.Drain && await(ctx, drainLook) {
		if delivered := r.meter.delivered.Load(); delivered != last {
			last, since = delivered, time.Now()
		}
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
		since := now.minus(before)
		before = now
		r.Progress(Progress{
			Phase: r.timeline.phase(), Elapsed: time.Since(began),
			Published: since.published, Delivered: since.delivered, Acked: since.acked,
		})
	}
}

// firstOf is the first address of a target.
func firstOf(target string) string {
	first, _, _ := strings.Cut(target, ",")
	return first
}
