package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"
)

// peer is NATS JetStream with some settings.
type peer struct {
	title   string
	program string
	// synced: each write is synced before it is answered. batched: publishers at full speed publish in batches.
	synced, batched bool
	// always: it is measured at every work.
	always bool
}

func (p *peer) name() string { return p.title }

func (p *peer) measures(w *work) bool { return p.always || !p.synced || w.synced }

// subjects are those of streams, and of a stream's subscriptions where events are filtered.
var subjects = func() (list [16][10]string) {
	for stream := range list {
		for i := range list[stream] {
			list[stream][i] = fmt.Sprintf("s%d.%d", stream, i)
		}
	}
	return list
}()

// run measures a work on servers of its own.
func (p *peer) run(ctx context.Context, w *work, t times) (_ *result, err error) {
	c, err := startCluster(ctx, p.program, p.synced)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, c.close()) }()
	r := &trial{peer: p, cluster: c, times: t}
	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	r.publishing = &publishing{work: w, shape: newShape(uint64(time.Now().UnixNano())), meter: newMeter(), fail: func(err error) { fail(err) }}
	defer r.close()
	if err := r.prepare(running); err != nil {
		return nil, err
	}
	return r.measure(running)
}

// trial is one run of a work.
type trial struct {
	*publishing
	peer    *peer
	cluster *cluster
	times   times

	streams    []jetstream.Stream
	leaders    []*server
	publishers []publisher
	consumings []*consuming
	consumers  []jetstream.Consumer
	admin      *nats.Conn
}

func (r *trial) close() {
	for _, p := range r.publishers {
		p.close()
	}
	for _, c := range r.consumings {
		c.close()
	}
	if r.admin != nil {
		r.admin.Close()
	}
}

// prepare makes streams, consumers, and who uses them.
func (r *trial) prepare(ctx context.Context) error {
	publishers := max(r.work.unary, r.work.streams, loadConnections)
	r.ledger = newLedger(publishers, max(r.work.subscriptions, 0), func(subscription, publisher int, number uint64) bool {
		return !r.work.filtered || number%uint64(r.work.subscriptions) == uint64(subscription)
	})
	var js jetstream.JetStream
	var err error
	if r.admin, js, err = r.cluster.connect(r.cluster.servers[0].url); err != nil {
		return err
	}
	for i := range r.work.streams {
		stream, err := js.CreateStream(ctx, jetstream.StreamConfig{
			Name: fmt.Sprintf("s%d", i), Subjects: []string{fmt.Sprintf("s%d.*", i)}, Storage: jetstream.FileStorage, Replicas: peerServers,
			AllowBatchPublish: r.peer.batched,
		})
		if err != nil {
			return fmt.Errorf("making a stream: %w", err)
		}
		leader, err := r.cluster.leader(ctx, stream)
		if err != nil {
			return err
		}
		r.streams, r.leaders = append(r.streams, stream), append(r.leaders, leader)
	}
	if err := r.prepareConsumers(ctx); err != nil {
		return err
	}
	return r.preparePublishers(publishers)
}

// at is where a client of a stream connects to.
func (r *trial) at(stream, client int) string {
	if r.work.kill {
		return r.cluster.servers[client%peerServers].url
	}
	return r.leaders[stream].url
}

func (r *trial) prepareConsumers(ctx context.Context) error {
	for stream := range r.streams {
		for subscription := range r.work.subscriptions {
			config := jetstream.ConsumerConfig{
				Durable: fmt.Sprintf("c%d", subscription), AckPolicy: jetstream.AckExplicitPolicy, MaxAckPending: ackPending,
				FilterSubject: fmt.Sprintf("s%d.*", stream),
			}
			if r.work.filtered {
				config.FilterSubject = subjects[stream][subscription]
			}
			consumer, err := r.streams[stream].CreateConsumer(ctx, config)
			if err != nil {
				return fmt.Errorf("making a consumer: %w", err)
			}
			r.consumers = append(r.consumers, consumer)
		}
	}
	// A lone consumer has several clients; of several, each has one.
	each := max(1, loadConnections/max(len(r.consumers), 1))
	for i := range r.consumers {
		for client := range each {
			stream := i / r.work.subscriptions
			conn, js, err := r.cluster.connect(r.at(stream, client))
			if err != nil {
				return err
			}
			c := &consuming{publishing: r.publishing, subscription: i % r.work.subscriptions, conn: conn}
			r.consumings = append(r.consumings, c)
			if c.consumer, err = js.Consumer(ctx, fmt.Sprintf("s%d", stream), fmt.Sprintf("c%d", c.subscription)); err != nil {
				return err
			}
			if err := c.start(); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *trial) preparePublishers(many int) error {
	every := time.Duration(0)
	if r.work.rate > 0 {
		every = time.Duration(many) * time.Second / time.Duration(r.work.rate)
	}
	var shared []*caller // callers share connections
	for i := range many {
		stream := i % r.work.streams
		switch {
		case r.work.unary > 0:
			one := &caller{publishing: r.publishing, index: i, stream: stream, every: every}
			if i < loadConnections {
				one.owner = true
				var err error
				if one.conn, one.js, err = r.cluster.connect(r.at(stream, i)); err != nil {
					return err
				}
				shared = append(shared, one)
			} else {
				one.conn, one.js = shared[i%loadConnections].conn, shared[i%loadConnections].js
			}
			r.publishers = append(r.publishers, one)
		case r.peer.batched && every == 0:
			conn, _, err := r.cluster.connect(r.at(stream, i))
			if err != nil {
				return err
			}
			one, err := newBatched(r.publishing, i, stream, conn)
			if err != nil {
				return err
			}
			r.publishers = append(r.publishers, one)
		default:
			conn, js, err := r.cluster.connect(r.at(stream, i), r.windowOptions()...)
			if err != nil {
				return err
			}
			r.publishers = append(r.publishers, &windowed{publishing: r.publishing, index: i, stream: stream, every: every, conn: conn, js: js})
		}
	}
	return nil
}

// measure runs the load, and puts together what came of it.
func (r *trial) measure(ctx context.Context) (*result, error) {
	loading, stop := context.WithCancel(ctx)
	defer stop()
	var load errgroup.Group
	for _, p := range r.publishers {
		load.Go(func() error { return p.run(loading) })
	}
	pause(ctx, r.times.warmUp)
	before, used, err := r.mark()
	if err != nil {
		return nil, err
	}
	r.meter.measuring.Store(true)
	if r.work.kill {
		r.strike(ctx)
	} else {
		pause(ctx, r.times.measured)
	}
	r.meter.measuring.Store(false)
	now := r.meter.now()
	after, usedAfter, err := r.mark()
	if err != nil {
		return nil, err
	}
	out := &result{System: r.peer.title, Work: r.work.name}
	if r.work.kill {
		out.PublishGap, out.DeliveryGap = r.meter.publishes.milliseconds(now), r.meter.deliveries.milliseconds(now)
	}
	stop()
	if err := load.Wait(); err != nil {
		out.Faults = append(out.Faults, err.Error())
	}
	if cause := context.Cause(ctx); cause != nil {
		out.Faults = append(out.Faults, cause.Error())
	}
	r.drain(ctx, out)
	r.fill(out, before, after, used, usedAfter)
	return out, nil
}

// mark is what was counted and used up to now.
func (r *trial) mark() (tally, usage, error) {
	u, err := readUsage(r.cluster.processes())
	return r.meter.tally(), u, err
}

// strike kills the stream's leader, and waits.
func (r *trial) strike(ctx context.Context) {
	pause(ctx, r.times.before)
	leader, err := r.cluster.leader(ctx, r.streams[0])
	if err != nil {
		r.fail(err)
		return
	}
	now := r.meter.now()
	r.meter.publishes.begin(now)
	r.meter.deliveries.begin(now)
	leader.kill()
	ctx, cancel := context.WithTimeout(ctx, r.times.gone)
	defer cancel()
	for pause(ctx, 20*time.Millisecond) {
		if r.meter.publishes.over() && r.meter.deliveries.over() {
			pause(ctx, afterwards)
			return
		}
	}
}

// afterwards is how long it is still measured once events flow again: they may stop once more.
const afterwards = 2 * time.Second

// drainWithin is how long what was confirmed may take to arrive, once nothing is published any more.
const drainWithin = 60 * time.Second

// drain waits until everything has arrived and is acked, or says what hasn't.
func (r *trial) drain(ctx context.Context, out *result) {
	ctx, cancel := context.WithTimeout(ctx, drainWithin)
	defer cancel()
	if err := settled(ctx, r.consumers); err != nil {
		out.Faults = append(out.Faults, err.Error())
	}
	out.Sent, out.Received, out.Lost = r.ledger.findings()
	for out.Lost > 0 && pause(ctx, 100*time.Millisecond) { // the last may be on their way to the handler
		out.Sent, out.Received, out.Lost = r.ledger.findings()
	}
}

func (r *trial) fill(out *result, before, after tally, used, usedAfter usage) {
	seconds := after.at.Sub(before.at).Seconds()
	published, acked := float64(after.published-before.published), float64(after.acked-before.acked)
	out.PublishedPerSecond, out.AckedPerSecond = published/seconds, acked/seconds
	out.DeliveredPerSecond = float64(after.delivered-before.delivered) / seconds
	out.Publish, out.EndToEnd = r.meter.publish.latency(), r.meter.endToEnd.latency()
	out.Repeated, out.Errors = r.meter.repeated.Load(), r.meter.failed.Load()
	events := acked
	if r.work.subscriptions == 0 {
		events = published
	}
	if events > 0 && !r.work.kill { // who was killed takes its figures along
		out.CPUServers = (usedAfter.servers - used.servers).Seconds() / events * 1e6
		out.CPULoad = (usedAfter.load - used.load).Seconds() / events * 1e6
		out.DiskBytes = float64(usedAfter.written-used.written) / peerServers / (published * eventBytes)
	}
	out.ResidentMiB = float64(usedAfter.resident) / (1 << 20)
	if out.Sent == 0 {
		out.Faults = append(out.Faults, "nothing was stored")
	}
	if out.Lost > 0 {
		out.Faults = append(out.Faults, fmt.Sprintf("%d events that were confirmed have not arrived", out.Lost))
	}
	if out.Repeated > 0 && !r.work.kill {
		out.Faults = append(out.Faults, fmt.Sprintf("%d arrivals were repeated, or of events that nobody sent there", out.Repeated))
	}
	if out.Errors > 0 {
		out.Faults = append(out.Faults, fmt.Sprintf("%d events were not stored", out.Errors))
	}
}
