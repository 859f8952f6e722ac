package client

import (
	"context"
	"errors"
)

// arrive takes a delivery in: into the books, and for a handler. mu is held.
func (s *session) arrive(p *parcel) {
	if len(p.deliveries) == 0 {
		return
	}
	c, first := s.consumer, p.deliveries[0]
	s.arrivedAt(first.Epoch)
	s.mu.held.add(p)
	deadline := first.lease.deadline
	switch {
	case c.mu.phase != consuming || c.mu.parked:
		for _, d := range p.deliveries {
			s.decideWaiting(d)
		}
	case s.mu.ordered:
		for _, d := range p.deliveries {
			s.enqueue(d)
		}
	default:
		c.mu.waiting.add(p.deliveries...)
	}
	s.noteHeld(c.client.now())
	c.keepBy(deadline - s.extendBefore())
	c.employ()
}

// employ begins handlers for what waits for one. mu is held.
func (c *consumer) employ() {
	for c.mu.workers < c.options.concurrency && c.mu.workers < len(c.mu.running)+c.mu.waiting.len() {
		c.mu.workers++
		c.joining.Go(c.handleAll)
	}
}

// decideWaiting gives back an event that no handler has begun. mu is held.
func (s *session) decideWaiting(d *Delivery) {
	d.lease.work = workOver
	if err := s.decide(d, givenUp); err != nil {
		return // it is lost, or decided by somebody: either way it is off our hands
	}
}

// handleAll is a handler's goroutine: it goes on as long as events wait.
func (c *consumer) handleAll() {
	var h hand
	for c.next(&h) {
		h.result = c.handler(h.context, h.delivery)
	}
}

// hand is a handler's goroutine.
type hand struct {
	delivery *Delivery // that it has, or has had; nil before the first
	context  *handlerContext
	result   error
	contexts []handlerContext // for the next
}

// handContexts is how many contexts share an allocation, of 2 KiB.
const handContexts = 32

// takes gives the hand an event.
func (h *hand) takes(work context.Context, d *Delivery) {
	if len(h.contexts) == 0 {
		h.contexts = make([]handlerContext, handContexts)
	}
	h.delivery, h.context, h.result = d, &h.contexts[0], nil
	h.contexts = h.contexts[1:]
	h.context.work = work
	d.lease.context = h.context
}

// next takes in what a handler returned for an event, if it has had one, and gives it the next, or ends the handler's goroutine: false.
func (c *consumer) next(h *hand) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if h.delivery != nil {
		c.finishHandler(h.delivery, h.result)
	}
	return c.begin(h)
}

// begin takes the next event that a handler can have (S2), false if there is none for this one. mu is held.
func (c *consumer) begin(h *hand) bool {
	now := c.client.now()
	for c.mu.waiting.len() > 0 {
		d := c.mu.waiting.take()
		if d.lease.state != leaseHeld {
			sessionOf(d).passOn(d)
			continue
		}
		if now >= d.lease.deadline {
			s := sessionOf(d)
			d.lease.expired = true
			s.decideWaiting(d)
			s.giveBackBehind(d)
			s.passOn(d)
			continue
		}
		d.lease.work = workRunning
		d.lease.stuckAt = now + c.options.handlerTimeout
		h.takes(c.work, d)
		d.lease.place = int32(len(c.mu.running))
		c.mu.running = append(c.mu.running, d)
		c.keepBy(d.lease.stuckAt)
		return true
	}
	c.mu.workers--
	c.idleHands(now)
	c.checkMilestones()
	return false
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
	if dec.after > 0 && (c.work.Err() != nil || d.lease.expired) {
		if _, asked := errors.AsType[*retryError](err); !asked {
			dec.after = 0 // it was called off: somebody else may try at once
		}
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
