package client

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Producer publishes to one topic. It is safe for concurrent use: one a topic serves a process. What one goroutine publishes with one key, or to a
// topic of one partition, is stored in the order in which it was published. Events without a key and without a DedupID go to the topic's
// partitions in turns: while they are few, to the one that other producers' events go to at the time, so that they share entries of its log.
//
// A producer gathers events into blocks, for each partition its own, and numbers these, so that each event is stored exactly once however often
// its block has to be sent: broken connections, nodes that are busy, starting or lost, and leaders that change are hidden by sending again, 10 ms
// to 1 s apart, for as long as it takes. Publish gives up when its context ends.
//
// It has a goroutine a partition that it has published to (sender), and one that finds the way there (steer).
type Producer struct {
	client  *Client
	topic   string
	options producerOptions

	// Room for events that aren't answered, and for their bytes. Who publishes beyond it waits.
	roomEvents, roomBytes *semaphore.Weighted

	// context ends when Close gives up.
	context context.Context //nolint:containedctx // the producer's own life, not a request's
	abort   context.CancelCauseFunc
	senders sync.WaitGroup
	joined  chan struct{} // closed when all goroutines have ended
	// lost has a value when steer should ask for the route, drained when a move of slots may be over.
	lost, drained chan struct{}

	// mu guards the senders' state too: events go from one to another when slots move.
	mu struct {
		sync.Mutex
		route  *route // that events are placed by; nil: not known yet
		moving *route // not nil while slots move: will be route
		places
		pace pace

		accepted uint64 // number of the last event
		flushTo  uint64 // events up to here don't linger
		flushes  []flush
		trouble  *Error // why there is no route, nil when there is
		dead     error  // why nothing can be published any more
		closed   bool
	}
}

// flush waits until the events up to a number are answered.
type flush struct {
	number uint64
	done   chan struct{}
}

// Producer returns a new producer for a topic. It doesn't look whether the topic is there. End it with Close, or by Client.Shutdown.
func (c *Client) Producer(topic string, opts ...ProducerOption) (*Producer, error) {
	p := &Producer{
		client: c, topic: topic,
		options: producerOptions{
			compression: CompressionS2, linger: lingerDefault,
			bufferEvents: bufferEventsDefault, bufferBytes: bufferBytesDefault,
		},
		joined: make(chan struct{}),
		lost:   make(chan struct{}, 1), drained: make(chan struct{}, 1),
	}
	for _, o := range opts {
		o(&p.options)
	}
	if err := checkName("topic", topic); err != nil {
		return nil, err
	}
	if err := p.options.validate(); err != nil {
		return nil, err
	}
	p.roomEvents = semaphore.NewWeighted(int64(p.options.bufferEvents))
	p.roomBytes = semaphore.NewWeighted(int64(p.options.bufferBytes))

	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return nil, ErrClosed
	}
	c.mu.producers[p] = struct{}{}
	p.context, p.abort = context.WithCancelCause(c.context)
	go p.steer()
	return p, nil
}

// Publish publishes one event and waits until it is stored.
//
// When ctx ends first, the error wraps ctx's, and ErrUnknownOutcome if the event may be on its way: it may be stored or not, and it
// may yet be. Without ErrUnknownOutcome it isn't and won't be. A refusal is an *Error.
func (p *Producer) Publish(ctx context.Context, e Event) (Receipt, error) {
	f := &Future{}
	f.init()
	if err := p.accept(ctx, &e, &f.pending); err != nil {
		return Receipt{}, err
	}
	select {
	case <-f.completion.done:
		return f.result.Receipt, f.result.Err
	case <-ctx.Done():
		r := p.abandon(&f.pending, ctx.Err())
		return r.Receipt, r.Err
	}
}

// PublishAsync publishes one event without waiting for its outcome. It waits for room in the producer's buffer for as long as ctx allows;
// after that ctx has no say. The event's bytes must not be changed until the Future is done. What can be refused at once is found
// in the Future.
func (p *Producer) PublishAsync(ctx context.Context, e Event) *Future {
	f := &Future{}
	f.init()
	if err := p.accept(ctx, &e, &f.pending); err != nil {
		f.pending.refuse(err)
	}
	return f
}

// PublishBatch publishes events in their order and waits until the outcome of each is known. The results are in the events' order; the error
// is nil when all are stored, otherwise it is the first event's that isn't. A batch isn't a transaction: some may be stored and
// others not. When ctx ends, what Publish says goes for each event.
func (p *Producer) PublishBatch(ctx context.Context, es []Event) ([]Result, error) {
	results := make([]Result, len(es))
	if len(es) == 0 {
		return results, nil
	}
	waiting := waitingFor(results)
	p.acceptAll(ctx, es, waiting.events)
	select {
	case <-waiting.completion.done:
		waiting.release()
	case <-ctx.Done():
		// What isn't finished yet goes on, and writes its result some day: the caller gets results of its own.
		results = make([]Result, len(es))
		for i := range waiting.events {
			results[i] = p.abandon(&waiting.events[i], ctx.Err())
		}
	}
	for i := range results {
		if results[i].Err != nil {
			return results, results[i].Err
		}
	}
	return results, nil
}

// Flush waits until the outcome of everything that was published before is known, without lingering, or returns ctx's error. Whether events
// were stored is what their own calls tell.
func (p *Producer) Flush(ctx context.Context) error {
	done := make(chan struct{})
	p.mu.Lock()
	if p.outstanding() > p.mu.accepted {
		p.mu.Unlock()
		return nil
	}
	p.mu.flushTo = p.mu.accepted
	p.mu.flushes = append(p.mu.flushes, flush{p.mu.accepted, done})
	p.pokeSenders()
	p.mu.Unlock()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("freshet: flush: %w", ctx.Err())
	}
}

// outstanding is the number of the first event that isn't answered, beyond accepted if there is none. p.mu is held.
func (p *Producer) outstanding() uint64 {
	first := p.mu.accepted + 1
	for _, s := range p.mu.lines {
		if s == nil {
			continue
		}
		if s.mu.oldest != 0 {
			first = min(first, s.mu.oldest)
		} else if w := s.mu.gathering.first; w != nil {
			first = min(first, w.number)
		}
	}
	for w := p.mu.unplaced.first; w != nil; w = w.next { // in no order when slots move
		first = min(first, w.number)
	}
	return first
}

// wakeFlushes ends the flushes that have nothing more to wait for. p.mu is held.
func (p *Producer) wakeFlushes() {
	if len(p.mu.flushes) == 0 {
		return
	}
	outstanding := p.outstanding()
	kept := p.mu.flushes[:0]
	for _, f := range p.mu.flushes {
		if f.number < outstanding {
			close(f.done)
		} else {
			kept = append(kept, f)
		}
	}
	p.mu.flushes = kept
}

// Close takes no more events, waits until those it has are answered, and ends the producer. When ctx ends first, what isn't answered fails
// with ErrClosed, and ErrUnknownOutcome where it may be on its way, and ctx's error is returned. Calls after the first return ErrClosed.
func (p *Producer) Close(ctx context.Context) error {
	p.mu.Lock()
	if p.mu.closed {
		p.mu.Unlock()
		return ErrClosed
	}
	p.mu.closed = true
	p.mu.Unlock()
	err := p.Flush(ctx)
	p.abort(ErrClosed)
	<-p.joined
	p.client.mu.Lock()
	delete(p.client.mu.producers, p)
	p.client.mu.Unlock()
	return err
}

// join waits until the producer has ended, or gives up with ctx.
func (p *Producer) join(ctx context.Context) error {
	select {
	case <-p.joined:
		return nil
	case <-ctx.Done():
		p.abort(ErrClosed)
		<-p.joined
		return fmt.Errorf("freshet: close: %w", ctx.Err())
	}
}

// accept checks an event, waits for room and takes it in.
func (p *Producer) accept(ctx context.Context, e *Event, w *pending) error {
	if err := p.prepare(ctx, e, w); err != nil {
		return err
	}
	if err := p.enter(ctx, w.size); err != nil {
		return err
	}
	return p.gather(w)
}

// prepare makes an event's record and measures it.
func (p *Producer) prepare(ctx context.Context, e *Event, w *pending) error {
	if err := ctx.Err(); err != nil {
		return fmt.Errorf("freshet: not sent: %w", err)
	}
	if e.plain() {
		w.record = record{data: e.Data, source: e.Source, detailType: e.DetailType}
		if e.Source == "" && e.DetailType == "" {
			w.record.source, w.record.detailType = scanEnvelope(e.Data)
		}
		w.size = plainSize(len(e.Data))
		return checkData(len(e.Data))
	}
	var now time.Time
	if e.Data == nil {
		now = time.Now() // an envelope's time
	}
	full, err := e.record(now)
	if err != nil {
		return err
	}
	w.size, err = checkRecord(&full)
	w.record = recordOf(full)
	return err
}

// gather takes events in, for which there is room.
func (p *Producer) gather(ws ...*pending) error {
	p.mu.Lock()
	if p.mu.closed || p.mu.dead != nil {
		err := p.mu.dead
		p.mu.Unlock()
		p.leave(len(ws), sizeOf(ws))
		if err == nil {
			err = ErrClosed
		}
		return err
	}
	var woken *sender
	for _, w := range ws {
		p.mu.accepted++
		w.number = p.mu.accepted
		if s := p.place(w); s != nil && s != woken {
			if woken != nil {
				poke(woken.wake)
			}
			woken = s
		}
	}
	if p.mu.route == nil {
		poke(p.lost)
	}
	p.mu.Unlock()
	if woken != nil { // a sender that was woken earlier would wait for mu
		poke(woken.wake)
	}
	return nil
}

// acceptAll accepts events together, as far as there is room, so that they share blocks. What can't be accepted is finished with the reason.
func (p *Producer) acceptAll(ctx context.Context, es []Event, ws []pending) {
	together := make([]*pending, 0, len(es))
	for i := range es {
		w := &ws[i]
		if err := p.prepare(ctx, &es[i], w); err != nil {
			w.refuse(err)
			continue
		}
		together = append(together, w)
	}
	if len(together) == 0 {
		return
	}
	if p.tryEnter(len(together), sizeOf(together)) {
		p.gatherAll(together)
		return
	}
	first := 0 // of those that have room and aren't gathered
	for i, w := range together {
		if p.tryEnter(1, w.size) {
			continue
		}
		p.gatherAll(together[first:i]) // those before it go on their way, which makes room
		first = i
		if err := p.enter(ctx, w.size); err != nil {
			w.refuse(err)
			first = i + 1
		}
	}
	p.gatherAll(together[first:])
}

// gatherAll takes events in, or finishes them with the reason why it can't.
func (p *Producer) gatherAll(ws []*pending) {
	if len(ws) == 0 {
		return
	}
	if err := p.gather(ws...); err != nil {
		for _, w := range ws {
			w.refuse(err)
		}
	}
}

// refuse finishes an event that isn't gathered, and is the publisher's again then.
func (w *pending) refuse(err error) {
	w.result.Err, w.state = err, finished
	w.completion.finish(1)
}

// sizeOf is the bytes of events' records.
func sizeOf(ws []*pending) (bytes int) {
	for _, w := range ws {
		bytes += w.size
	}
	return bytes
}

// enter waits for room in the buffer.
func (p *Producer) enter(ctx context.Context, size int) error {
	if p.tryEnter(1, size) {
		return nil
	}
	waiting, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := context.AfterFunc(p.context, func() { cancel(ErrClosed) })
	defer stop()
	if err := p.roomEvents.Acquire(waiting, 1); err != nil {
		return p.noRoom(waiting)
	}
	if err := p.roomBytes.Acquire(waiting, int64(size)); err != nil {
		p.roomEvents.Release(1)
		return p.noRoom(waiting)
	}
	return nil
}

// tryEnter takes room for events of so many bytes together if it is there at once.
func (p *Producer) tryEnter(events, bytes int) bool {
	if !p.roomEvents.TryAcquire(int64(events)) {
		return false
	}
	if !p.roomBytes.TryAcquire(int64(bytes)) {
		p.roomEvents.Release(int64(events))
		return false
	}
	return true
}

func (p *Producer) noRoom(waiting context.Context) error {
	if cause := context.Cause(waiting); errors.Is(cause, ErrClosed) {
		return cause
	}
	return p.troubled(fmt.Errorf("freshet: the buffer of %d events and %d bytes is full: %w",
		p.options.bufferEvents, p.options.bufferBytes, waiting.Err()), nil)
}

// leave gives room back.
func (p *Producer) leave(events, bytes int) {
	p.roomEvents.Release(int64(events))
	p.roomBytes.Release(int64(bytes))
}

// abandon ends the wait for an event whose publisher's context has ended.
func (p *Producer) abandon(w *pending, ended error) Result {
	p.mu.Lock()
	switch w.state {
	case finished:
		defer p.mu.Unlock()
		return *w.result
	case gathered:
		if w.sender != nil {
			w.sender.mu.gathering.remove(w)
		} else {
			p.mu.unplaced.remove(w)
		}
		w.state = finished
		w.result.Err = fmt.Errorf("freshet: not sent: %w", ended)
		w.completion.finish(1)
		p.wakeFlushes()
		p.mu.Unlock()
		p.leave(1, w.size)
		return Result{Err: p.troubled(w.result.Err, w.sender)}
	case sealed:
	}
	s := w.sender
	p.mu.Unlock()
	s.awaitSealing() // the event's bytes are the caller's again when this returns
	return Result{Err: unknown(p.troubled(fmt.Errorf("no answer yet: %w", ended), s))}
}

// troubled adds to an error why a sender's last try failed, or if it is nil any one's, if it did. Whether that try's outcome is known says nothing of this
// event's.
func (p *Producer) troubled(err error, s *sender) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	trouble := p.mu.trouble
	for _, one := range p.mu.lines {
		if one != nil && one.mu.trouble != nil && (s == nil || one == s) {
			trouble = one.mu.trouble
			break
		}
	}
	if trouble == nil {
		return err
	}
	last := &Error{Code: trouble.Code, Message: trouble.Message, Retryable: trouble.Retryable, Metadata: trouble.Metadata}
	return fmt.Errorf("%w; the last try: %w", err, last)
}
