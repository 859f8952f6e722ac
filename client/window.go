package client

import (
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// What follows is between the share, which knows no time and no connection, and the sessions.

// creditOf is what a session is to hold now. mu is held.
func (c *consumer) creditOf(s *session) int {
	if c.mu.phase != consuming || c.mu.parked {
		return 0
	}
	return s.mu.portion.credit
}

// moveCredit has the share move credit, and sessions tell their nodes. mu is held.
func (c *consumer) moveCredit(now time.Duration) {
	if again := c.planCredit(now); again != 0 {
		c.keepBy(again)
	}
}

// planCredit is moveCredit for the keeper, who is told when to do it again; never, if that is zero. mu is held.
func (c *consumer) planCredit(now time.Duration) time.Duration {
	if c.mu.phase != consuming || c.mu.parked || len(c.mu.sessions) < 2 {
		return 0
	}
	changed, again := c.mu.share.plan(c.client.at(now))
	if changed {
		c.pokeTalk()
	}
	if again.IsZero() {
		return 0
	}
	return again.Sub(c.client.started)
}

// idleHands tells the share that handlers have nothing to do: who holds all that it may could have more. mu is held.
func (c *consumer) idleHands(now time.Duration) {
	if len(c.mu.sessions) < 2 || c.mu.waiting.len() > 0 {
		return
	}
	if c.mu.share.idle(c.client.at(now)) {
		c.moveCredit(now)
	}
}

// noteHeld tells the share what the session holds. The consumer's mu is held.
func (s *session) noteHeld(now time.Duration) {
	if c := s.consumer; len(c.mu.sessions) > 1 {
		c.mu.share.hold(s.mu.portion, s.mu.held.events, s.mu.held.bytes, c.client.at(now))
	}
}

// wireCredit is a credit as the node is told. The consumer's mu is held.
func (s *session) wireCredit(credit int) *freshetv1.Credit {
	return &freshetv1.Credit{Events: uint32(credit), Bytes: uint64(s.consumer.mu.share.creditBytes(credit))}
}

// credited takes in that the node has carried out so many of the connection's Credits.
func (s *session) credited(credits uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.consumer.client.now()
	for s.mu.credits < credits && s.mu.portion.credited(s.consumer.client.at(now)) {
		s.mu.credits++
	}
	s.consumer.moveCredit(now)
}

// hint takes in whether the node has events for the session while it is parked.
func (s *session) hint(ready bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.consumer.client.now()
	s.mu.portion.hint(ready, s.consumer.client.at(now))
	s.consumer.moveCredit(now)
}
