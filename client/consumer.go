package client

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

// Queue is a queue subscription: its consumers compete.
type Queue struct {
	client *Client
	full   string
}

// Queue returns a queue by its full name, "topic/subscription". Nothing is looked up until it is used.
func (c *Client) Queue(topicSlashSub string) *Queue { return &Queue{client: c, full: topicSlashSub} }

// Fanout is a member of a fan-out subscription: each member gets every event, with its own progress. Several consumers of one member compete.
type Fanout struct {
	client *Client
	full   string
	member string
}

// Fanout returns a member, 1 to 128 bytes, of a fan-out by its full name, "topic/subscription". Nothing is looked up until it is used. A member
// that isn't there yet is made by the first use, and gets what is published from then on.
func (c *Client) Fanout(topicSlashSub, member string) *Fanout {
	return &Fanout{client: c, full: topicSlashSub, member: member}
}

// Consume has handler work on the queue's events until ctx ends, each under a lease that is extended while the handler has it or will have it.
// Events are handed out in the order in which they arrive, to as many handlers at a time as WithConcurrency says; of an ordered queue's those of one key
// one after the other, the next when the handler before it has returned. When one fails, those behind it come again after it. An event may
// come more than once: see Delivery.Epoch.
//
// A topic's partitions share one window (WithWindow), which is moved to where events are. Broken connections, and changes of leaders, are hidden: a
// session is taken up again where its partition is led, with the leases that still run.
//
// When ctx ends, or the client is shut down, what no handler has begun is given back, handlers may finish (WithDrainTimeout), and what they
// decided is confirmed. Consume returns nil then, not ctx's error; or an error that is ErrUnknownOutcome when decisions couldn't be
// confirmed in time. It always waits for its handlers to return. A refusal, such as ErrNotFound, ends it with an *Error.
func (q *Queue) Consume(ctx context.Context, handler Handler, opts ...ConsumeOption) error {
	return q.client.runConsumer(ctx, q.full, "", KindQueue, handler, opts)
}

// Consume is as Queue.Consume, for the member.
func (f *Fanout) Consume(ctx context.Context, handler Handler, opts ...ConsumeOption) error {
	if err := checkMember(f.member); err != nil {
		return err
	}
	return f.client.runConsumer(ctx, f.full, f.member, KindFanout, handler, opts)
}

// consumer is one Consume: a window that it shares out, the handlers, and a session with each partition's leader.
//
//	partition 0 <=====> session --\                       /--decisions--> the event's session
//	partition 1 <=====> session ---+--> waiting --> handlers
//	partition 2 <=====> session --/        ^
//	                       ^               |
//	     share: credit ----+     keeper: deadlines, extensions, turns of credit
//
// A session, and what it says and hears:
//
//	node ==deliveries==> serve ---> waiting          pending <---decisions
//	 ^ ^=========settles, credit, pings========= talk ---+
//
// The rules that it keeps:
//
//   - S1: an event is in its session's books (session.mu.held) from its arrival until the node has said what became of it: settled, or lost. So
//     whatever arrives is decided by somebody, and extending the whole session extends nothing that nobody looks after.
//   - S2: an event whose lease may be over, by the client's clock, is never handed to a handler, and a handler that has one is told.
//   - S3: a session has one Settle under way at a time. Until it is answered it is sent again, word for word, under its sequence, to whoever leads
//     the partition.
//   - S4: nobody is told that an event is acked before a node has said so.
//   - C1 to C3 (share.go): the window is never exceeded, and no partition waits for ever.
//
// Events of all sessions wait for handlers in one line, as they come: one that arrives is handled behind at most a window of others.
//
// Goroutines: Consume's own; route, which finds the partitions; of each session serve, which connects, receives and connects again, and two a
// connection: talk, which sends, and way.better; keeper; and up to WithConcurrency handlers. Consume joins them all.
type consumer struct {
	client  *Client
	name    subscriptionName
	kind    Kind
	options consumeOptions
	handler Handler

	// context ends when everything is over, work when handlers have to end.
	context context.Context //nolint:containedctx // the consumer's own life, not a request's
	abort   context.CancelCauseFunc
	work    context.Context //nolint:containedctx // what handlers' contexts are made of
	stop    context.CancelCauseFunc
	// ended is closed when Shutdown wants an end, failed when a node refused for good.
	ended  chan struct{}
	failed chan struct{}
	// lookAgain has a value when the keeper should look at mu again.
	lookAgain chan struct{}
	joining   sync.WaitGroup

	// mu guards the sessions' state too: handlers' line, books and window change together.
	mu struct {
		sync.Mutex
		phase   phase
		failure error

		sessions []*session // none until the topic's partitions are known
		share    *share     // of sessions, in their order

		waiting waitingLine // for a handler; those that are decided meanwhile are passed over
		workers int
		running []*Delivery
		stuck   int  // of running
		parked  bool // all handlers are stuck: nothing more is wanted

		wakeAt     time.Duration // when the keeper looks next, by the client's clock; never, if it is zero
		milestones []milestone
	}
}

// phase is a consumer's life.
//
//	consuming ---ctx ended, Shutdown---> draining ---all confirmed---> closing
//	    \______________________refused____________________________/
type phase uint8

const (
	consuming phase = iota
	draining
	closing
)

func (c *Client) runConsumer(ctx context.Context, full, member string, kind Kind, handler Handler, opts []ConsumeOption) error {
	name, err := parseSubscription(full)
	if err != nil {
		return err
	}
	name.member = member
	if handler == nil {
		return argumentError("handler", "there is no handler")
	}
	n := &consumer{
		client: c, name: name, kind: kind, handler: handler,
		options: consumeOptions{
			windowEvents: windowEventsDefault, windowBytes: windowBytesDefault, concurrency: concurrencyDefault,
			handlerTimeout: handlerTimeoutDefault, drainTimeout: drainTimeoutDefault,
			acked: func(int) {},
		},
		ended: make(chan struct{}), failed: make(chan struct{}), lookAgain: make(chan struct{}, 1),
	}
	for _, o := range opts {
		o(&n.options)
	}
	if err := n.options.validate(); err != nil {
		return err
	}
	if err := c.addConsumer(n); err != nil {
		return err
	}
	defer c.removeConsumer(n)
	return n.run(ctx)
}

// end has the consumer drain, as the end of its context would.
func (c *consumer) end() { close(c.ended) }

// run consumes until there is an end, and brings it about.
func (c *consumer) run(ctx context.Context) error {
	c.context, c.abort = context.WithCancelCause(c.client.context)
	defer c.abort(ErrClosed)
	// Handlers get what ctx carries, but end on their own terms.
	c.work, c.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer c.stop(ErrClosed)
	unlink := context.AfterFunc(c.client.context, func() { c.stop(ErrClosed) })
	defer unlink()

	c.joining.Go(c.route)
	c.joining.Go(c.keep)
	select {
	case <-ctx.Done():
	case <-c.ended:
	case <-c.failed:
	case <-c.context.Done():
	}
	err := c.drain()
	c.abort(ErrClosed)
	c.joining.Wait()
	return err
}

// route finds the topic's partitions and begins a session on each.
func (c *consumer) route() {
	partitions, err := c.client.partitions(c.context, c.name.topic)
	switch {
	case err == nil:
		c.openSessions(partitions)
	case definite(err):
		c.fail(err)
	}
}

// openSessions begins a session on each partition.
func (c *consumer) openSessions(partitions []uint32) {
	first := rand.IntN(len(partitions)) //nolint:gosec // a choice that keeps no secret
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.phase != consuming {
		return // the end came first
	}
	c.mu.share = newShare(c.options.windowEvents, c.options.windowBytes, len(partitions), first, time.Now())
	for i, partition := range partitions {
		s := newSession(c, partition, c.mu.share.portions[i])
		c.mu.sessions = append(c.mu.sessions, s)
		c.joining.Go(s.serve)
	}
}

// fail ends the consumer because a node refused for good.
func (c *consumer) fail(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.failure != nil {
		return
	}
	c.mu.failure = err
	for _, s := range c.mu.sessions {
		s.loseAll()
	}
	c.checkMilestones()
	close(c.failed)
}

func (c *consumer) pokeKeep() { poke(c.lookAgain) }

// pokeTalk has all sessions look at what there is to say. mu is held.
func (c *consumer) pokeTalk() {
	for _, s := range c.mu.sessions {
		poke(s.talkAgain)
	}
}

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
