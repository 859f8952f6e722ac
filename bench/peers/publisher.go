package main

import (
	"context"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// publishing is what publishers of a run have in common.
type publishing struct {
	work   *work
	shape  *shape
	meter  *meter
	ledger *ledger
	fail   func(error)
}

// subject of an event. Where events are filtered, one subject in ten is a subscription's.
func (p *publishing) subject(stream int, number uint64) string {
	if p.work.filtered {
		return subjects[stream][number%uint64(p.work.subscriptions)]
	}
	return subjects[stream][0]
}

// awaitConsumers waits at full speed while consumers are too far behind, or tells that ctx has ended.
func (p *publishing) awaitConsumers(ctx context.Context) bool {
	copies := int64(p.work.subscriptions)
	if p.work.filtered {
		copies = 1
	}
	for p.work.rate == 0 && copies > 0 && p.meter.published.Load()*copies-p.meter.delivered.Load() > ahead {
		if !pause(ctx, time.Millisecond) {
			return false
		}
	}
	return true
}

// confirm notes that an event is known to be stored.
func (p *publishing) confirm(data []byte) {
	publisher, number, at, err := identity(data)
	if err != nil {
		p.fail(err)
		return
	}
	p.ledger.stored[publisher].set(number)
	p.meter.confirmed(at, p.meter.now())
}

// publisher publishes to one stream. Its run returns when the context has ended and it knows what became of everything.
type publisher interface {
	run(ctx context.Context) error
	close()
}

// answeredWithin is how long a publisher waits for what is under way, in the end.
const answeredWithin = 20 * time.Second

// windowed publishes one by one, with many under way (PublishMsgAsync): as fast as it can, or each event in its moment.
type windowed struct {
	*publishing
	index, stream int
	// every is the time between two events; 0: none.
	every time.Duration
	conn  *nats.Conn
	js    jetstream.JetStream
}

func (w *windowed) close() { w.conn.Close() }

// options are those of its connection.
func (p *publishing) windowOptions() []jetstream.JetStreamOpt {
	return []jetstream.JetStreamOpt{
		jetstream.WithPublishAsyncMaxPending(asyncPending),
		jetstream.WithPublishAsyncAckHandler(func(_ jetstream.JetStream, m *nats.Msg, _ *jetstream.PubAck) { p.confirm(m.Data) }),
		jetstream.WithPublishAsyncErrHandler(func(_ jetstream.JetStream, _ *nats.Msg, err error) { p.meter.failed.Add(1); p.fail(err) }),
	}
}

func (w *windowed) run(ctx context.Context) error {
	due := w.meter.now()
	for number := uint64(0); ctx.Err() == nil && w.awaitConsumers(ctx); number++ {
		at := w.meter.now()
		if w.every > 0 {
			if wait := time.Duration(due - at); wait > 0 && !pause(ctx, wait) {
				break
			}
			at = due // whatever became of those before
			due += int64(w.every)
		}
		event := w.shape.appendTo(make([]byte, 0, eventBytes), w.index, number, at)
		if _, err := w.js.PublishMsgAsync(&nats.Msg{Subject: w.subject(w.stream, number), Data: event}, jetstream.WithStallWait(answeredWithin)); err != nil {
			return err
		}
	}
	select {
	case <-w.js.PublishAsyncComplete():
		return nil
	case <-time.After(answeredWithin):
		return context.DeadlineExceeded
	}
}

// caller publishes one event a call and waits for the answer (Publish), again until it is stored.
type caller struct {
	*publishing
	index, stream int
	conn          *nats.Conn
	js            jetstream.JetStream
	every         time.Duration
	owner         bool // of the connection, which several share
}

func (c *caller) close() {
	if c.owner {
		c.conn.Close()
	}
}

// callWithin is how long a call may take, and callAgain how long until the next attempt: short, so that what is measured is the servers' time to
// recover.
const (
	callWithin = time.Second
	callAgain  = 10 * time.Millisecond
)

func (c *caller) run(ctx context.Context) error {
	ending := context.WithoutCancel(ctx) // what is under way is answered
	due := c.meter.now()
	for number := uint64(0); ctx.Err() == nil; number++ {
		at := c.meter.now()
		if c.every > 0 {
			if wait := time.Duration(due - at); wait > 0 && !pause(ctx, wait) {
				break
			}
			at = due
			due += int64(c.every)
		}
		event := c.shape.appendTo(make([]byte, 0, eventBytes), c.index, number, at)
		for {
			bounded, cancel := context.WithTimeout(ending, callWithin)
			_, err := c.js.Publish(bounded, c.subject(c.stream, number), event, jetstream.WithRetryAttempts(0))
			cancel()
			if err == nil {
				c.confirm(event)
				break
			}
			if !c.work.kill {
				return err
			}
			if !pause(ctx, callAgain) {
				return nil // nobody knows whether it is stored, and nobody says so
			}
		}
	}
	return nil
}
