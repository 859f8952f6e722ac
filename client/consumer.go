package client

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
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
// Broken connections are hidden: the session is taken up again, with the leases that still run.
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

// consumer is one Consume: a session with the node, what is held in it, and the handlers.
//
//	node ==deliveries==> serve ──> waiting ──> handlers ──decisions──> pending
//	 ^                              |  ^           |                      |
//	 |                              |  keeper: deadlines, extensions      |
//	 +======settles, credit, pings======= talk <──────────────────────────+
//
// The rules that it keeps:
//
//   - S1: an event is in the books (mu.held) from its arrival until the node has said what became of it: settled, or lost. So whatever
//     arrives is decided by somebody, and extending the whole session extends nothing that nobody looks after.
//   - S2: an event whose lease may be over, by the client's clock, is never handed to a handler, and a handler that has one is told.
//   - S3: one Settle is under way at a time. Until it is answered it is sent again, word for word, under its sequence.
//   - S4: nobody is told that an event is acked before the node has said so.
//
// Goroutines: Consume's own; serve, which connects, receives and connects again; talk, one a connection, which sends; keeper; and up to
// WithConcurrency handlers. Consume joins them all.
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
	// ended is closed when Shutdown wants an end, failed when the node refused for good.
	ended  chan struct{}
	failed chan struct{}
	// talkAgain and lookAgain have a value when talk, or the keeper, should look at mu again.
	talkAgain, lookAgain chan struct{}
	joining              sync.WaitGroup

	mu struct {
		sync.Mutex
		phase   phase
		failure error

		session    [16]byte
		attached   bool
		received   uint64 // the highest delivery number that arrived in this session
		visibility time.Duration

		held    map[leaseKey]*Delivery // S1
		waiting []*Delivery            // for a handler; those that are decided meanwhile are passed over
		ordered bool                   // the queue is: events of a key are handled one after the other
		lines   map[lineKey]*line      // then
		epoch   uint64                 // the highest of what has arrived in this session
		// remembered lines have nothing but their epoch
		remembered []lineKey
		workers    int
		running    map[*Delivery]struct{}
		stuck      int  // of running
		parked     bool // all handlers are stuck: nothing more is wanted

		settled    uint64 // sequence of the last Settle that was answered
		inFlight   *settling
		pending    []*Delivery // decided, in the order of their decisions
		extensions []*extension
		extendAll  bool // the keeper wants all leases extended

		wakeAt     time.Time // when the keeper looks next
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

// leaseKey names a lease in a session.
type leaseKey struct{ delivery, offset uint64 }

func (d *Delivery) key() leaseKey { return leaseKey{d.lease.number, d.Offset} }

// milestone is a condition that somebody waits for; mu is held while it is looked at.
type milestone struct {
	reached func() bool
	done    chan struct{}
}

func (c *Client) runConsumer(ctx context.Context, full, member string, kind Kind, handler Handler, opts []ConsumeOption) error {
	name, err := parseSubscription(full)
	if err != nil {
		return err
	}
	name.member = member
	if handler == nil {
		return argumentError("handler", "there is no handler")
	}
	s := &consumer{
		client: c, name: name, kind: kind, handler: handler,
		options: consumeOptions{
			windowEvents: windowEventsDefault, windowBytes: windowBytesDefault, concurrency: concurrencyDefault,
			handlerTimeout: handlerTimeoutDefault, drainTimeout: drainTimeoutDefault,
		},
		ended: make(chan struct{}), failed: make(chan struct{}),
		talkAgain: make(chan struct{}, 1), lookAgain: make(chan struct{}, 1),
	}
	for _, o := range opts {
		o(&s.options)
	}
	if err := s.options.validate(); err != nil {
		return err
	}
	if err := s.newSession(); err != nil {
		return err
	}
	s.mu.held, s.mu.running, s.mu.lines = map[leaseKey]*Delivery{}, map[*Delivery]struct{}{}, map[lineKey]*line{}
	if err := c.addConsumer(s); err != nil {
		return err
	}
	defer c.removeConsumer(s)
	return s.run(ctx)
}

// newSession draws a session's id, a secret. mu is held, or nobody else is there yet.
func (s *consumer) newSession() error {
	if _, err := rand.Read(s.mu.session[:]); err != nil {
		return fmt.Errorf("freshet: no random bytes for a session: %w", err)
	}
	return nil
}

// end has the consumer drain, as the end of its context would.
func (s *consumer) end() { close(s.ended) }

// run consumes until there is an end, and brings it about.
func (s *consumer) run(ctx context.Context) error {
	s.context, s.abort = context.WithCancelCause(s.client.context)
	defer s.abort(ErrClosed)
	// Handlers get what ctx carries, but end on their own terms.
	s.work, s.stop = context.WithCancelCause(context.WithoutCancel(ctx))
	defer s.stop(ErrClosed)
	unlink := context.AfterFunc(s.client.context, func() { s.stop(ErrClosed) })
	defer unlink()

	s.joining.Go(s.serve)
	s.joining.Go(s.keep)
	select {
	case <-ctx.Done():
	case <-s.ended:
	case <-s.failed:
	case <-s.context.Done():
	}
	err := s.drain()
	s.abort(ErrClosed)
	s.joining.Wait()
	return err
}

// drain ends the consumer's work: first what isn't begun, then the handlers, then what they decided, then the session.
func (s *consumer) drain() error {
	s.mu.Lock()
	s.mu.phase = max(s.mu.phase, draining)
	s.giveBackWaiting()
	s.mu.Unlock()
	s.pokeTalk()

	idle := s.milestone(func() bool { return s.mu.workers == 0 })
	if !s.await(idle, s.options.drainTimeout) {
		why := ErrDraining
		if s.context.Err() != nil {
			why = ErrClosed
		}
		s.stop(why)
		<-idle // a handler that ignores the end of its context holds up Consume: nobody else could answer for it
	}
	confirmed := s.await(s.milestone(s.settledAll), s.options.drainTimeout)

	s.mu.Lock()
	failure := s.mu.failure
	unconfirmed := len(s.mu.pending)
	if s.mu.inFlight != nil {
		unconfirmed += len(s.mu.inFlight.items)
	}
	attached := s.mu.attached
	s.mu.phase = closing
	s.mu.Unlock()
	s.pokeTalk()
	if attached && failure == nil {
		s.await(s.milestone(func() bool { return !s.mu.attached }), closeTimeout)
	}
	s.forget()
	switch {
	case failure != nil:
		return failure
	case !confirmed:
		return fmt.Errorf("freshet: the consumer ended before %d events were confirmed: %w", unconfirmed, ErrUnknownOutcome)
	}
	return nil
}

// closeTimeout is how long a session's Close is waited for: if it is lost, leases that are left run out by themselves.
const closeTimeout = 2 * time.Second

// settledAll says that nothing waits to be confirmed. mu is held.
func (s *consumer) settledAll() bool {
	return s.mu.failure != nil || s.mu.inFlight == nil && len(s.mu.pending) == 0
}

// giveBackWaiting releases what no handler has begun, uncounted. mu is held.
func (s *consumer) giveBackWaiting() {
	waiting := s.mu.waiting
	s.mu.waiting = nil
	for _, d := range waiting {
		s.decideWaiting(d)
		s.passOn(d)
	}
	for _, l := range s.mu.lines { // behind one that has a handler, or is to be confirmed
		behind := l.behind
		l.behind = nil
		for _, d := range behind {
			s.decideWaiting(d)
		}
	}
}

// forget ends whoever still waits for an answer.
func (s *consumer) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range s.mu.held {
		switch d.lease.state {
		case leaseSent, leaseDecided:
			s.finish(d, unknown(ErrClosed))
		case leaseHeld, leaseDone:
			s.finish(d, ErrLeaseLost)
		}
	}
	for _, e := range s.mu.extensions {
		e.finish(ErrClosed)
	}
	s.mu.extensions = nil
}

// fail ends the consumer because the node refused for good.
func (s *consumer) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.failure != nil {
		return
	}
	s.mu.failure = err
	s.loseAll()
	s.checkMilestones()
	close(s.failed)
}

// milestone returns a channel that is closed once a condition holds; mu is held while it is looked at.
func (s *consumer) milestone(reached func() bool) <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := milestone{reached, make(chan struct{})}
	s.mu.milestones = append(s.mu.milestones, m)
	s.checkMilestones()
	return m.done
}

// checkMilestones has to follow each change that a milestone could be about. mu is held.
func (s *consumer) checkMilestones() {
	kept := s.mu.milestones[:0]
	for _, m := range s.mu.milestones {
		if m.reached() {
			close(m.done)
		} else {
			kept = append(kept, m)
		}
	}
	s.mu.milestones = kept
}

// await waits for a milestone, for so long at most, and not beyond the client's own end.
func (s *consumer) await(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-s.context.Done():
	}
	select { // both may have come
	case <-done:
		return true
	default:
		return false
	}
}

func (s *consumer) pokeTalk() { poke(s.talkAgain) }
func (s *consumer) pokeKeep() { poke(s.lookAgain) }

func poke(c chan<- struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// deadline is Delivery's way to ask.
func (s *consumer) deadline(d *Delivery) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return d.lease.deadline
}

// settle is Delivery's way to decide.
func (s *consumer) settle(ctx context.Context, d *Delivery, dec decision) error {
	s.mu.Lock()
	if err := s.decide(d, dec); err != nil || d.lease.state == leaseDone {
		s.mu.Unlock()
		return err
	}
	if d.lease.done == nil {
		d.lease.done = make(chan struct{})
	}
	done := d.lease.done
	s.mu.Unlock()
	select {
	case <-done:
		return d.lease.err
	case <-ctx.Done():
		return unknown(fmt.Errorf("%v, not confirmed yet: %w", dec.verb, ctx.Err()))
	}
}

// decide takes a decision, unless there is one. A decision that is the same again is no error. mu is held.
func (s *consumer) decide(d *Delivery, dec decision) error {
	switch {
	case d.lease.state == leaseHeld:
		d.lease.state, d.lease.decision = leaseDecided, dec
		s.mu.pending = append(s.mu.pending, d)
		s.pokeTalk()
		if dec.verb == verbRelease {
			s.breakLine(d)
			if !dec.unstarted {
				s.giveBackBehind(d)
			}
		}
		return nil
	case d.lease.state == leaseDone && d.lease.err != nil:
		return d.lease.err
	case d.lease.decision.unstarted || d.lease.stuck: // the client's own decision
		return ErrLeaseLost
	case d.lease.decision.verb != dec.verb:
		return ErrSettled
	}
	return nil
}

// finish takes an event out of the books: the decision took effect, or err says why not. mu is held.
func (s *consumer) finish(d *Delivery, err error) {
	if d.lease.state == leaseDone {
		return
	}
	d.lease.state, d.lease.err = leaseDone, err
	if d.lease.done != nil {
		close(d.lease.done)
	}
	delete(s.mu.held, d.key())
	if errors.Is(err, ErrLeaseLost) && d.lease.cancel != nil {
		d.lease.cancel(ErrLeaseLost)
	}
}
