package broker

import (
	"slices"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/partition"
)

// turnedClock is a clock that stands still until a test turns it.
type turnedClock struct {
	mu struct {
		sync.Mutex
		now    time.Time
		timers []*turnedTimer
	}
}

type turnedTimer struct {
	at    time.Time
	fires chan time.Time
}

var _ partition.Clock = (*turnedClock)(nil)

// clockStart is when tests begin.
var clockStart = time.Date(2026, 11, 21, 8, 0, 0, 0, time.UTC)

func newTurnedClock() *turnedClock {
	c := &turnedClock{}
	c.mu.now = clockStart
	return c
}

func (c *turnedClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.now
}

func (c *turnedClock) TimerAt(at time.Time) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &turnedTimer{at: at, fires: make(chan time.Time, 1)}
	c.mu.timers = append(c.mu.timers, t)
	c.fireLocked()
	return t.fires, func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.mu.timers = slices.DeleteFunc(c.mu.timers, func(other *turnedTimer) bool { return other == t })
	}
}

// turn lets time pass.
func (c *turnedClock) turn(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.now = c.mu.now.Add(d)
	c.fireLocked()
}

func (c *turnedClock) fireLocked() {
	c.mu.timers = slices.DeleteFunc(c.mu.timers, func(t *turnedTimer) bool {
		due := !t.at.After(c.mu.now)
		if due {
			t.fires <- c.mu.now
		}
		return due
	})
}
