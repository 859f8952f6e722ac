package client

import "time"

// extendBefore is how long before a deadline the leases are extended: when a third of them is over. mu is held.
func (s *consumer) extendBefore() time.Duration { return s.mu.visibility * 2 / 3 }

// keepBy has the keeper look at a time, if not before. mu is held.
func (s *consumer) keepBy(t time.Time) {
	if s.mu.wakeAt.IsZero() || t.Before(s.mu.wakeAt) {
		s.mu.wakeAt = t
		s.pokeKeep()
	}
}

// keep watches deadlines: it has leases extended in time, tells handlers whose lease is over (S2), gives back what waited too long, and
// takes events from handlers that are stuck.
func (s *consumer) keep() {
	timer := stoppedTimer()
	defer timer.Stop()
	for {
		s.mu.Lock()
		now := time.Now()
		s.mu.wakeAt = time.Time{}
		s.expire(now)
		s.unstick(now)
		next := s.nextLook(now)
		s.mu.wakeAt = next
		s.mu.Unlock()
		if next.IsZero() {
			timer.Stop()
		} else {
			timer.Reset(time.Until(next))
		}
		select {
		case <-timer.C:
		case <-s.lookAgain:
		case <-s.context.Done():
			return
		}
	}
}

// expire tells that leases are over by our own clock. What is decided is left alone: the node has the last word on it. mu is held.
func (s *consumer) expire(now time.Time) {
	for _, d := range s.mu.held {
		if d.lease.state != leaseHeld || d.lease.expired || now.Before(d.lease.deadline) {
			continue
		}
		d.lease.expired = true
		if d.lease.work == workRunning {
			d.lease.cancel(ErrLeaseLost)
		} else {
			s.decideWaiting(d) // if the node still has it as ours, others get it sooner
		}
		s.giveBackBehind(d)
	}
}

// unstick releases events whose handlers take too long. Extending is for the whole session, so it can't just be left out for these. mu
// is held.
func (s *consumer) unstick(now time.Time) {
	for d := range s.mu.running {
		if d.lease.stuck || now.Before(d.lease.stuckAt) {
			continue
		}
		d.lease.stuck = true
		s.mu.stuck++
		d.lease.cancel(ErrHandlerTimeout)
		if d.lease.state == leaseHeld {
			d.lease.state, d.lease.decision = leaseDecided, decision{verb: verbRelease, reason: "the handler took too long"}
			s.mu.pending = append(s.mu.pending, d)
			s.pokeTalk()
			s.breakLine(d)
			s.giveBackBehind(d)
		}
	}
	s.park()
}

// nextLook asks for an extension if it is time, and returns when there is something to do next; never, if it is zero. mu is held.
func (s *consumer) nextLook(now time.Time) time.Time {
	var first time.Time // deadline
	for _, d := range s.mu.held {
		if d.lease.state == leaseHeld && !d.lease.expired && (first.IsZero() || d.lease.deadline.Before(first)) {
			first = d.lease.deadline
		}
	}
	next := first
	if !first.IsZero() && !s.extending() {
		if due := first.Add(-s.extendBefore()); now.Before(due) {
			next = due
		} else {
			s.mu.extendAll = true
			s.pokeTalk()
		}
	}
	for d := range s.mu.running {
		if !d.lease.stuck && (next.IsZero() || d.lease.stuckAt.Before(next)) {
			next = d.lease.stuckAt
		}
	}
	return next
}

// extending says that an extension of all is asked for or under way. mu is held.
func (s *consumer) extending() bool {
	return s.mu.extendAll || s.mu.inFlight != nil && s.mu.inFlight.extendsAll
}
