package brokertest

import (
	"sync"
	"time"

	"github.com/freshet-mq/freshet/partition"
)

// Clock is the time of a node: it goes on as time does, and further when it is told to. Leases, delays, deliver-at and ages of events go by it. A client's own
// clock doesn't: one whose lease was ended by Advance learns of it when it acks.
type Clock struct {
	mu struct {
		sync.Mutex
		// ahead is how far it is ahead of the machine's.
		ahead  time.Duration
		timers map[*timer]struct{}
	}
}

// timer fires once, when the clock reaches a time.
type timer struct {
	at    time.Time
	fires chan time.Time
	real  *time.Timer
}

var _ partition.Clock = (*Clock)(nil)

func newClock() *Clock {
	c := &Clock{}
	c.mu.timers = map[*timer]struct{}{}
	return c
}

// Now is what time it is on the node.
func (c *Clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.nowLocked()
}

func (c *Clock) nowLocked() time.Time { return time.Now().Add(c.mu.ahead) }

// Advance lets time pass on the node, at once: what is due by then happens next. Time doesn't go back; a negative d panics.
func (c *Clock) Advance(d time.Duration) {
	if d < 0 {
		panic("brokertest: time doesn't go back")
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.ahead += d
	for t := range c.mu.timers {
		c.armLocked(t)
	}
}

// armLocked has a timer fire when its time has come.
func (c *Clock) armLocked(t *timer) {
	left := t.at.Sub(c.nowLocked())
	if t.real != nil {
		t.real.Stop() // if it is too late for that, it finds itself fired, or armed anew
	}
	t.real = time.AfterFunc(left, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		if _, waits := c.mu.timers[t]; waits && !t.at.After(c.nowLocked()) {
			delete(c.mu.timers, t)
			t.fires <- c.nowLocked() // it has room for one, and fires once
		}
	})
}

// TimerAt implements partition.Clock.
func (c *Clock) TimerAt(at time.Time) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &timer{at: at, fires: make(chan time.Time, 1)}
	c.mu.timers[t] = struct{}{}
	c.armLocked(t)
	return t.fires, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.mu.timers, t)
		t.real.Stop()
	}
}
