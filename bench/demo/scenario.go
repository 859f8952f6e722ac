package demo

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/client"
)

// errDeadline is the cause of a run's end when it takes too long, errOver when
// everything is done.
var (
	errDeadline = errors.New("the deadline has passed")
	errOver     = errors.New("the run is over")
)

// Run runs the demo, in the order of this file: nodes, a topic and subscriptions;
// consumers; publishing with a kill half way; draining; listening for what
// comes again; dead letters; a comparison of all replicas; the report. Whatever
// happens, the nodes' processes have ended and their data are gone when it returns.
//
// An error means that there was no run to report of: the options are refused (a
// file's faults are *DataError), nothing could be started, or ctx ended.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	feed, err := o.feed()
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp(o.Dir, "freshet-demo-")
	if err != nil {
		return nil, fmt.Errorf("no directory for the nodes' data: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	s := &scenario{Options: o, dir: dir, feed: feed, subscriptions: feed.Subscriptions(), witness: newWitness(feed.Len()), began: time.Now()}
	s.readers = readersOf(s.subscriptions)
	if s.ledger, err = NewLedger(len(s.readers)); err != nil {
		return nil, err
	}
	return s.run(ctx)
}

// scenario is one run.
type scenario struct {
	Options
	dir           string // for the cluster
	feed          Feed
	subscriptions []Subscription
	readers       []reader
	ledger        *Ledger
	witness       *witness
	cluster       *cluster.Cluster
	began         time.Time

	// clients: the first publishes and asks, the others consume.
	clients   []*client.Client
	publisher *publisher
	progress  *progressKeeper
	kill      Kill
	// agreed: all replicas of every partition were seen with one state.
	agreed bool
	// released and forgotten are how many deliveries consumers gave back, and
	// left until their leases ran out.
	released, forgotten int
	// disorder is how many events of an ordered queue began after a later one of
	// their key.
	disorder int
}

// clientsMax is how many connections there are: one to publish, two that
// consume.
const clientsMax = 3

func (s *scenario) run(parent context.Context) (_ *Report, err error) {
	bounded, cancel := context.WithTimeoutCause(parent, s.Deadline, errDeadline)
	defer cancel()
	ctx, end := context.WithCancelCause(bounded)
	defer end(errOver)
	s.cluster, err = cluster.New(ctx, cluster.Options{
		Nodes: s.Nodes, Name: "demo", Dir: s.dir, Program: s.Program, LogBytes: s.LogBytes, LogLevel: "warn",
		Died: func(_ *cluster.Node, err error) { end(err) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.cluster.Close()) }()
	if err := s.cluster.Start(ctx); err != nil {
		return nil, interrupted(parent, cause(ctx, err))
	}
	// The clients' own goodbye comes after everything that uses them.
	defer s.disconnect(parent)
	if err := s.prepare(ctx); err != nil {
		return nil, interrupted(parent, cause(ctx, err))
	}
	trouble := s.perform(ctx, end)
	if parent.Err() != nil {
		return nil, parent.Err()
	}
	return s.report(trouble), nil
}

// interrupted is err, or that ctx has ended if that is why.
func interrupted(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return err
}

// prepare connects, and makes the topic and its subscriptions.
func (s *scenario) prepare(ctx context.Context) error {
	for range clientsMax {
		connected, err := client.Connect(ctx, s.cluster.Target())
		if err != nil {
			return err
		}
		s.clients = append(s.clients, connected)
	}
	if err := s.cluster.Await(ctx); err != nil {
		return err
	}
	admin := s.clients[0].Admin()
	if _, _, err := admin.CreateTopic(ctx, client.TopicConfig{Name: topicName, Partitions: s.Partitions}); err != nil {
		return fmt.Errorf("topic %s: %w", topicName, err)
	}
	asked := s.witness.recorder.Now()
	// All at once: each waits until every node has it, and they can wait together.
	making, within := errgroup.WithContext(ctx)
	for _, subscription := range s.subscriptions {
		making.Go(func() error { return makeSubscription(within, admin, subscription) })
	}
	if err := making.Wait(); err != nil {
		return err
	}
	s.witness.made(s.readers, s.subscriptions, asked)
	producer, err := s.clients[0].Producer(topicName)
	if err != nil {
		return err
	}
	s.publisher = newPublisher(s.feed, s.readers, s.ledger, s.witness, producer)
	s.progress = newProgressKeeper(s)
	return nil
}

func makeSubscription(ctx context.Context, admin *client.Admin, s Subscription) error {
	config := client.SubscriptionConfig{
		Name: topicName + "/" + s.Name, Kind: client.KindQueue, Pattern: s.Pattern,
		Visibility: visibility, Attempts: attempts, Members: s.Members, Ordered: s.Ordered,
	}
	if s.Fanout() {
		config.Kind = client.KindFanout
	}
	if _, _, err := admin.CreateSubscription(ctx, config); err != nil {
		return fmt.Errorf("subscription %s: %w", config.Name, err)
	}
	return nil
}

// goodbyeTimeout is how long the clients may take over their end.
const goodbyeTimeout = 3 * time.Second

// disconnect ends the clients. What they complain of then (publishes that were
// given up, a node that is gone) has been reported where it happened.
func (s *scenario) disconnect(parent context.Context) {
	goodbye, cancel := context.WithTimeout(context.WithoutCancel(parent), goodbyeTimeout)
	defer cancel()
	var all sync.WaitGroup
	for _, connected := range s.clients {
		all.Go(func() { _ = connected.Shutdown(goodbye) })
	}
	all.Wait()
}

// perform is the run's middle: what goes on all the time beside what comes one
// after the other. It returns why it ended early, or nil.
func (s *scenario) perform(ctx context.Context, end context.CancelCauseFunc) error {
	consuming := &consumers{seed: s.Seed, ledger: s.ledger, witness: s.witness, sequence: newSequence(), subscriptions: s.subscriptions, readers: s.readers, clients: s.clients[1:]}
	s.progress.phase("publishing")
	open, closing := context.WithCancelCause(ctx)
	var consumed, shown sync.WaitGroup
	shown.Go(func() { s.progress.show(ctx, s.Screen) })
	shown.Go(func() { s.progress.watchLeaders(ctx) })
	consumed.Go(func() {
		if err := consuming.run(open, s.feed.Len()); err != nil {
			end(err) // without consumers the run proves nothing
		}
	})
	err := s.acts(ctx)
	closing(errOver)
	consumed.Wait()
	if err == nil {
		err = s.agree(ctx) // nobody writes any more
	}
	end(errOver)
	shown.Wait()
	s.disorder = consuming.sequence.wrong()
	s.released, s.forgotten = int(consuming.released.Load()), int(consuming.forgotten.Load())
	return err
}

// acts are the parts of a run, one after the other.
func (s *scenario) acts(ctx context.Context) error {
	both, publishing := errgroup.WithContext(ctx)
	both.Go(func() error { return s.publisher.run(publishing) })
	both.Go(func() error { return s.killHalfWay(publishing) })
	if err := both.Wait(); err != nil {
		return cause(ctx, err)
	}
	for _, act := range []struct {
		phase string
		do    func(context.Context) error
	}{
		{"draining", s.drain},
		{"listening", s.listen},
		{"looking at dead letters", s.listDead},
	} {
		s.progress.phase(act.phase)
		if err := act.do(ctx); err != nil {
			return cause(ctx, err)
		}
	}
	return nil
}

// cause is why ctx has ended if it has, else err.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
