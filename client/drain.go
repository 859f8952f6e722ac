package client

import (
	"fmt"
	"time"
)

// closeTimeout is how long sessions' Closes are waited for: if one is lost, leases that are left run out by themselves.
const closeTimeout = 2 * time.Second

// drain ends the consumer's work: first what isn't begun, then the handlers, then what they decided, then the sessions.
func (c *consumer) drain() error {
	c.mu.Lock()
	c.mu.phase = max(c.mu.phase, draining)
	c.giveBackWaiting()
	c.pokeTalk()
	c.mu.Unlock()

	idle := c.milestone(func() bool { return c.mu.workers == 0 })
	if !c.await(idle, c.options.drainTimeout) {
		why := ErrDraining
		if c.context.Err() != nil {
			why = ErrClosed
		}
		c.stop(why)
		<-idle // a handler that ignores the end of its context holds up Consume: nobody else could answer for it
	}
	confirmed := c.await(c.milestone(c.settledAll), c.options.drainTimeout)

	c.mu.Lock()
	failure, unconfirmed, attached := c.mu.failure, 0, false
	for _, s := range c.mu.sessions {
		unconfirmed += s.unconfirmed()
		attached = attached || s.mu.attached
	}
	c.mu.phase = closing
	c.pokeTalk()
	c.mu.Unlock()
	if attached && failure == nil {
		c.await(c.milestone(c.detachedAll), closeTimeout)
	}
	c.forget()
	switch {
	case failure != nil:
		return failure
	case !confirmed:
		return fmt.Errorf("freshet: the consumer ended before %d events were confirmed: %w", unconfirmed, ErrUnknownOutcome)
	}
	return nil
}

// settledAll says that nothing waits to be confirmed. mu is held.
func (c *consumer) settledAll() bool {
	if c.mu.failure != nil {
		return true
	}
	for _, s := range c.mu.sessions {
		if s.mu.inFlight != nil || len(s.mu.pending) > 0 {
			return false
		}
	}
	return true
}

// detachedAll says that no session is attached any more. mu is held.
func (c *consumer) detachedAll() bool {
	for _, s := range c.mu.sessions {
		if s.mu.attached {
			return false
		}
	}
	return true
}

// giveBackWaiting releases what no handler has begun, uncounted. mu is held.
func (c *consumer) giveBackWaiting() {
	for _, d := range c.mu.waiting.takeAll() {
		s := sessionOf(d)
		s.decideWaiting(d)
		s.passOn(d)
	}
	for _, s := range c.mu.sessions {
		for _, l := range s.mu.lines { // behind one that has a handler, or is to be confirmed
			behind := l.behind
			l.behind = nil
			for _, d := range behind {
				s.decideWaiting(d)
			}
		}
	}
}

// forget ends whoever still waits for an answer.
func (c *consumer) forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, s := range c.mu.sessions {
		s.forget()
	}
}

// milestone is a condition that somebody waits for; mu is held while it is looked at.
type milestone struct {
	reached func() bool
	done    chan struct{}
}

// milestone returns a channel that is closed once a condition holds; mu is held while it is looked at.
func (c *consumer) milestone(reached func() bool) <-chan struct{} {
	c.mu.Lock()
	defer c.mu.Unlock()
	m := milestone{reached, make(chan struct{})}
	c.mu.milestones = append(c.mu.milestones, m)
	c.checkMilestones()
	return m.done
}

// checkMilestones has to follow each change that a milestone could be about. mu is held.
func (c *consumer) checkMilestones() {
	kept := c.mu.milestones[:0]
	for _, m := range c.mu.milestones {
		if m.reached() {
			close(m.done)
		} else {
			kept = append(kept, m)
		}
	}
	c.mu.milestones = kept
}

// await waits for a milestone, for so long at most, and not beyond the client's own end.
func (c *consumer) await(done <-chan struct{}, limit time.Duration) bool {
	timer := time.NewTimer(limit)
	defer timer.Stop()
	select {
	case <-done:
		return true
	case <-timer.C:
	case <-c.context.Done():
	}
	select { // both may have come
	case <-done:
		return true
	default:
		return false
	}
}
