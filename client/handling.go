package client

import (
	"context"
	"errors"
	"time"
)

// arrive takes deliveries in: into the books, and for a handler. mu is held.
func (s *consumer) arrive(ds []*Delivery) {
	if len(ds) == 0 {
		return
	}
	s.arrivedAt(ds[0].Epoch)
	for _, d := range ds {
		s.mu.held[d.key()] = d
		if s.mu.phase != consuming || s.mu.parked {
			s.decideWaiting(d)
		} else {
			s.enqueue(d)
		}
	}
	s.keepBy(ds[0].lease.deadline.Add(-s.extendBefore()))
	s.employ()
}

// employ begins handlers for what waits for one. mu is held.
func (s *consumer) employ() {
	for s.mu.workers < s.options.concurrency && s.mu.workers < len(s.mu.running)+len(s.mu.waiting) {
		s.mu.workers++
		s.joining.Go(s.handleAll)
	}
}

// decideWaiting gives back an event that no handler has begun. mu is held.
func (s *consumer) decideWaiting(d *Delivery) {
	d.lease.work = workOver
	if err := s.decide(d, decision{verb: verbRelease, unstarted: true}); err != nil {
		return // it is lost, or decided by somebody: either way it is off our hands
	}
}

// handleAll is a handler's goroutine: it goes on as long as events wait.
func (s *consumer) handleAll() {
	for {
		d, ctx := s.begin()
		if d == nil {
			return
		}
		s.finishHandler(d, s.handler(ctx, d))
	}
}

// begin takes the next event that a handler can have (S2), or ends the handler's goroutine.
func (s *consumer) begin() (*Delivery, context.Context) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	for len(s.mu.waiting) > 0 {
		d := s.mu.waiting[0]
		s.mu.waiting[0] = nil
		s.mu.waiting = s.mu.waiting[1:]
		if d.lease.state != leaseHeld {
			s.passOn(d)
			continue
		}
		if !now.Before(d.lease.deadline) {
			s.decideWaiting(d)
			s.giveBackBehind(d)
			s.passOn(d)
			continue
		}
		d.lease.work = workRunning
		d.lease.stuckAt = now.Add(s.options.handlerTimeout)
		s.mu.running[d] = struct{}{}
		var ctx context.Context
		ctx, d.lease.cancel = context.WithCancelCause(s.work)
		s.keepBy(d.lease.stuckAt)
		return d, ctx
	}
	s.mu.workers--
	s.checkMilestones()
	return nil, nil
}

// finishHandler takes in what a handler returned.
func (s *consumer) finishHandler(d *Delivery, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	defer s.passOn(d) // when it is decided
	d.lease.cancel(context.Canceled)
	d.lease.cancel = nil
	d.lease.work = workOver
	delete(s.mu.running, d)
	if d.lease.stuck {
		s.mu.stuck--
		s.park()
	}
	if d.lease.state != leaseHeld {
		return // the handler decided by itself, or the lease is lost
	}
	dec := decide(err, d.Attempt)
	if _, asked := errors.AsType[*retryError](err); !asked && (s.work.Err() != nil || d.lease.expired) {
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
func (s *consumer) park() {
	parked := s.mu.stuck >= s.options.concurrency
	if parked == s.mu.parked {
		return
	}
	s.mu.parked = parked
	if parked {
		s.client.options.logger.Warn("all handlers are stuck: no more events are taken", "subscription", s.name.subscription, "handlers", s.mu.stuck)
		s.giveBackWaiting()
	}
	s.pokeTalk() // the credit changes
}
