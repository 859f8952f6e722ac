package client

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// A session's books: what it holds, and what was decided of it (S1).

// deadline is Delivery's way to ask.
func (s *session) deadline(d *Delivery) time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.consumer.client.at(d.lease.deadline)
}

// settle is Delivery's way to decide.
func (s *session) settle(ctx context.Context, d *Delivery, dec decision) error {
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
func (s *session) decide(d *Delivery, dec decision) error {
	switch {
	case d.lease.state == leaseHeld:
		s.decided(d, dec)
		if dec.verb == verbRelease {
			s.breakLine(d)
			if !dec.unstarted {
				s.giveBackBehind(d)
			}
		}
		return nil
	case d.lease.state == leaseDone && d.lease.err != nil:
		return d.lease.err
	case d.lease.decision().unstarted || d.lease.stuck: // the client's own decision
		return ErrLeaseLost
	case d.lease.decision().verb != dec.verb:
		return ErrSettled
	}
	return nil
}

// decided has a decision told. mu is held.
func (s *session) decided(d *Delivery, dec decision) {
	d.lease.state, d.lease.taken = leaseDecided, dec.kept()
	s.mu.pending = append(s.mu.pending, d)
	if s.mu.inFlight == nil { // otherwise its answer pokes
		poke(s.talkAgain)
	}
}

// finish takes an event out of the books: the decision took effect, or err says why not. mu is held.
func (s *session) finish(d *Delivery, err error) {
	if d.lease.state == leaseDone {
		return
	}
	d.lease.state, d.lease.err = leaseDone, err
	if d.lease.done != nil {
		close(d.lease.done)
	}
	s.mu.held.remove(d)
	if err != nil && d.lease.context != nil && errors.Is(err, ErrLeaseLost) {
		d.lease.context.end(ErrLeaseLost)
	}
}

// undone leaves out what is finished.
func undone(ds []*Delivery) []*Delivery {
	kept := ds[:0]
	for _, d := range ds {
		if d.lease.state != leaseDone {
			kept = append(kept, d)
		}
	}
	return kept
}

// loseAll empties the books: the node doesn't know the session any more. What was being settled may be done. mu is held.
func (s *session) loseAll() {
	if f := s.mu.inFlight; f != nil {
		s.mu.inFlight = nil
		for _, d := range f.items {
			s.finish(d, unknown(fmt.Errorf("%v, but the session ended: %w", d.lease.decision().verb, ErrLeaseLost)))
		}
		for _, e := range f.extensions {
			e.finish(ErrLeaseLost)
		}
	}
	for _, e := range s.mu.extensions {
		e.finish(ErrLeaseLost)
	}
	s.mu.extensions, s.mu.extendAll = nil, false
	s.mu.pending = nil
	c := s.consumer
	c.mu.waiting.drop(func(d *Delivery) bool { return sessionOf(d) == s })
	s.loseLines()
	for d := range s.mu.held.all() {
		s.lost(d)
	}
	s.noteHeld(c.client.now())
}

// forget ends whoever still waits for an answer. mu is held.
func (s *session) forget() {
	for d := range s.mu.held.all() {
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

// unconfirmed is how many decisions the node has yet to confirm. mu is held.
func (s *session) unconfirmed() int {
	n := len(s.mu.pending)
	if s.mu.inFlight != nil {
		n += len(s.mu.inFlight.items)
	}
	return n
}
