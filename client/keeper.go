package client

import "time"

// extendBefore is how long before a deadline the leases are extended: when a third of them is over. mu is held.
func (s *session) extendBefore() time.Duration { return s.mu.visibility * 2 / 3 }

// keepBy has the keeper look at a time, if not before. mu is held.
func (c *consumer) keepBy(t time.Duration) {
	if c.mu.wakeAt == 0 || t < c.mu.wakeAt {
		c.mu.wakeAt = t
		c.pokeKeep()
	}
}

// keep watches deadlines: it has leases extended in time, tells handlers whose lease is over (S2), gives back what waited too long, and
// takes events from handlers that are stuck.
func (c *consumer) keep() {
	timer := stoppedTimer()
	defer timer.Stop()
	for {
		c.mu.Lock()
		now := c.client.now()
		c.mu.wakeAt = 0
		for _, s := range c.mu.sessions {
			s.expire(now)
		}
		c.unstick(now)
		next := earlier(c.planCredit(now), c.nextUnstick())
		for _, s := range c.mu.sessions {
			next = earlier(next, s.nextLook(now))
		}
		c.mu.wakeAt = next
		c.mu.Unlock()
		if next == 0 {
			timer.Stop()
		} else {
			timer.Reset(max(next-c.client.now(), time.Nanosecond))
		}
		select {
		case <-timer.C:
		case <-c.lookAgain:
		case <-c.context.Done():
			return
		}
	}
}

// expire tells that leases are over by our own clock. What is decided is left alone: the node has the last word on it. mu is held.
func (s *session) expire(now time.Duration) {
	for d := range s.mu.held.all() {
		if d.lease.state != leaseHeld || d.lease.expired || now < d.lease.deadline {
			continue
		}
		d.lease.expired = true
		if d.lease.work == workRunning {
			d.lease.context.end(ErrLeaseLost)
		} else {
			s.decideWaiting(d) // if the node still has it as ours, others get it sooner
		}
		s.giveBackBehind(d)
	}
}

// unstick releases events whose handlers take too long. Extending is for the whole session, so it can't just be left out for these. mu
// is held.
func (c *consumer) unstick(now time.Duration) {
	for _, d := range c.mu.running {
		if d.lease.stuck || now < d.lease.stuckAt {
			continue
		}
		d.lease.stuck = true
		c.mu.stuck++
		d.lease.context.end(ErrHandlerTimeout)
		if d.lease.state == leaseHeld {
			s := sessionOf(d)
			s.decided(d, decision{verb: verbRelease, reason: "the handler took too long"})
			s.breakLine(d)
			s.giveBackBehind(d)
		}
	}
	c.park()
}

// nextUnstick is when the next handler takes too long; never, if it is zero. mu is held.
func (c *consumer) nextUnstick() (next time.Duration) {
	for _, d := range c.mu.running {
		if !d.lease.stuck {
			next = earlier(next, d.lease.stuckAt)
		}
	}
	return next
}

// nextLook asks for an extension if it is time, and returns when there is something to do next; never, if it is zero. mu is held.
func (s *session) nextLook(now time.Duration) time.Duration {
	var first time.Duration // deadline
	for d := range s.mu.held.all() {
		if d.lease.state == leaseHeld && !d.lease.expired {
			first = earlier(first, d.lease.deadline)
		}
	}
	if first == 0 || s.extending() {
		return first
	}
	if due := first - s.extendBefore(); now < due {
		return due
	}
	s.mu.extendAll = true
	poke(s.talkAgain)
	return first
}

// extending says that an extension of all is asked for or under way. mu is held.
func (s *session) extending() bool {
	return s.mu.extendAll || s.mu.inFlight != nil && s.mu.inFlight.extendsAll
}

// earlier returns the earlier of two times; zero means never.
func earlier(a, b time.Duration) time.Duration {
	if a == 0 || b != 0 && b < a {
		return b
	}
	return a
}
