package client

import (
	"context"
	"errors"
	"time"
)

// arrive takes deliveries in: into the books, and for a handler. mu is held.
func (s *session) arrive(ds []*Delivery) {
	if len(ds) == 0 {
		return
	}
	c := s.consumer
	s.arrivedAt(ds[0].Epoch)
	for _, d := range ds {
		s.mu.held[d.key()] = d
		s.mu.heldBytes += len(d.Event.Data)
		if c.mu.phase != consuming || c.mu.parked {
			s.decideWaiting(d)
		} else {
			s.enqueue(d)
		}
	}
	s.noteHeld(time.Now())
	c.keepBy(ds[0].lease.deadline.Add(-s.extendBefore()))
	c.employ()
}

// employ begins handlers for what waits for one. mu is held.
func (c *consumer) employ() {
	for c.mu.workers < c.options.concurrency && c.mu.workers < len(c.mu.running)+len(c.mu.waiting) {
		c.mu.workers++
		c.joining.Go(c.handleAll)
	}
}

// decideWaiting gives back an event that no handler has begun. mu is held.
func (s *session) decideWaiting(d *Delivery) {
	d.lease.work = workOver
	if err := s.decide(d, decision{verb: verbRelease, unstarted: true}); err != nil {
		return // it is lost, or decided by somebody: either way it is off our hands
	}
}

// handleAll is a handler's goroutine: it goes on as long as events wait.
func (c *consumer) handleAll() {
	for {
		d, ctx := c.begin()
		if d == nil {
			return
		}
		c.finishHandler(d, c.handler(ctx, d))
	}
}

// begin takes the next event that a handler can have (S2), or ends the handler's goroutine.
func (c *consumer) begin() (*Delivery, context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for len(c.mu.waiting) > 0 {
		d := c.mu.waiting[0]
		c.mu.waiting[0] = nil
		c.mu.waiting = c.mu.waiting[1:]
		if d.lease.state != leaseHeld {
			sessionOf(d).passOn(d)
			continue
		}
		if !now.Before(d.lease.deadline) {
			s := sessionOf(d)
			s.decideWaiting(d)
			s.giveBackBehind(d)
			s.passOn(d)
			continue
		}
		d.lease.work = workRunning
		d.lease.stuckAt = now.Add(c.options.handlerTimeout)
		c.mu.running[d] = struct{}{}
		var ctx context.Context
		ctx, d.lease.cancel = context.WithCancelCause(c.work)
		c.keepBy(d.lease.stuckAt)
		return d, ctx
	}
	c.mu.workers--
	c.idleHands(now)
	c.checkMilestones()
	return nil, nil
}

// finishHandler takes in what a handler returned.
func (c *consumer) finishHandler(d *Delivery, err error) {
	s := sessionOf(d)
	c.mu.Lock()
	defer c.mu.Unlock()
	defer s.passOn(d) // when it is decided
	d.lease.cancel(context.Canceled)
	d.lease.cancel = nil
	d.lease.work = workOver
	delete(c.mu.running, d)
	if d.lease.stuck {
		c.mu.stuck--
		c.park()
	}
	if d.lease.state != leaseHeld {
		return // the handler decided by itself, or the lease is lost
	}
	dec := decide(err, d.Attempt)
	if _, asked := errors.AsType[*retryError](err); !asked && (c.work.Err() != nil || d.lease.expired) {
		dec.after = 0 // it was called off: somebody else may try at once
	}
	if err := s.decide(d, dec); err != nil {
		return // decided meanwhile
	}
	if d.lease.expired { // whatever was decided: what is behind it may be over too
		s.breakLine(d)
	}
}

// park stops the flow of events while all handlers are stuck, since what waits for them would be held for nobody, and lets it go on
// afterwards. mu is held.
func (c *consumer) park() {
	parked := c.mu.stuck >= c.options.concurrency
	if parked == c.mu.parked {
		return
	}
	c.mu.parked = parked
	if parked {
		c.client.options.logger.Warn("all handlers are stuck: no more events are taken", "subscription", c.name.subscription, "handlers", c.mu.stuck)
		c.giveBackWaiting()
	}
	c.pokeTalk() // the credit changes
}
