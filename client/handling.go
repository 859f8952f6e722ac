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
	s.mu.held.add(ds)
	for _, d := range ds {
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
	var handled *Delivery
	var result error
	for {
		d, ctx := c.next(handled, result)
		if d == nil {
			return
		}
		handled, result = d, c.handler(ctx, d)
	}
}

// next takes in what a handler returned for an event, if it has had one, and returns the next, or ends the handler's goroutine.
func (c *consumer) next(handled *Delivery, result error) (*Delivery, context.Context) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if handled != nil {
		c.finishHandler(handled, result)
	}
	d := c.begin()
	if d == nil {
		return nil, nil
	}
	return d, d.lease.context
}

// begin takes the next event that a handler can have (S2), nil if there is none for this one. mu is held.
func (c *consumer) begin() *Delivery {
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
			d.lease.expired = true
			s.decideWaiting(d)
			s.giveBackBehind(d)
			s.passOn(d)
			continue
		}
		d.lease.work = workRunning
		d.lease.stuckAt = now.Add(c.options.handlerTimeout)
		d.lease.context = &handlerContext{work: c.work}
		d.lease.place = len(c.mu.running)
		c.mu.running = append(c.mu.running, d)
		c.keepBy(d.lease.stuckAt)
		return d
	}
	c.mu.workers--
	c.idleHands(now)
	c.checkMilestones()
	return nil
}

// finishHandler takes in what a handler returned. mu is held.
func (c *consumer) finishHandler(d *Delivery, err error) {
	s := sessionOf(d)
	defer s.passOn(d) // when it is decided
	d.lease.context.end(context.Canceled)
	d.lease.context = nil
	d.lease.work = workOver
	last := len(c.mu.running) - 1
	moved := c.mu.running[last]
	c.mu.running[d.lease.place], moved.lease.place = moved, d.lease.place
	c.mu.running[last] = nil
	c.mu.running = c.mu.running[:last]
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
