package clients

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

const (
	// comeWithin is when subscriptions come and go at the latest, if they can.
	comeWithin = 6 * time.Second
	// insistFor is how long one try takes at most, insistEvery how long the next one waits.
	insistFor   = 10 * time.Second
	insistEvery = 200 * time.Millisecond
)

// make makes a subscription, and writes down since when its readers are there.
func (c *Clients) make(ctx context.Context, s *subscription) error {
	asked := c.recorder.Now()
	c.change(s, func(i *history.ReaderInfo) { i.Asked = min(i.Asked, asked) }) // an earlier try may count
	if _, _, err := c.Admin().CreateSubscription(ctx, c.config(s)); err != nil {
		return fmt.Errorf("subscription %s: %w", s.name, err)
	}
	made := c.recorder.Now()
	c.change(s, func(i *history.ReaderInfo) { i.Made = made })
	c.Notef("subscription %s is made", s.name)
	return nil
}

// remove removes a subscription, likewise.
func (c *Clients) remove(ctx context.Context, s *subscription) error {
	asked := c.recorder.Now()
	c.change(s, func(i *history.ReaderInfo) {
		if i.Removing == 0 {
			i.Removing = asked // an earlier try may count
		}
	})
	err := c.Admin().DeleteSubscription(ctx, c.fullName(s))
	if err != nil && !errors.Is(err, client.ErrNotFound) { // an earlier try may have done it
		return fmt.Errorf("removing subscription %s: %w", s.name, err)
	}
	done := c.recorder.Now()
	c.change(s, func(i *history.ReaderInfo) { i.Removed = done })
	c.Notef("subscription %s is removed", s.name)
	return nil
}

// change changes what the history knows of a subscription's readers.
func (c *Clients) change(s *subscription, change func(*history.ReaderInfo)) {
	for i := range c.readers {
		if c.readers[i].subscription == s {
			c.recorder.Change(c.readers[i].number, change)
		}
	}
}

// comeAndGo makes and removes subscriptions while things break, each at a time of its own, and has those that are made consumed from.
// What a client can't do now it does later.
func (c *Clients) comeAndGo(ctx context.Context, coming *sync.WaitGroup, consume func(*subscription)) {
	random := Drawer(c.Seed, "subscriptions")
	for i := range c.subs {
		s := &c.subs[i]
		if !s.late && !s.leaving {
			continue
		}
		at := warmUp/2 + time.Duration(random.Int64N(int64(comeWithin-warmUp/2)))
		coming.Go(func() {
			Pause(ctx, at)
			if s.leaving {
				c.insist(ctx, func(ctx context.Context) error { return c.remove(ctx, s) })
			} else if c.insist(ctx, func(ctx context.Context) error { return c.make(ctx, s) }) {
				consume(s)
			}
		})
	}
}

// insist tries until it works or ctx ends.
func (c *Clients) insist(ctx context.Context, do func(context.Context) error) bool {
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, insistFor)
		err := do(bounded)
		cancel()
		if err == nil {
			return true
		}
		c.Notef("%v", err)
		Pause(ctx, insistEvery)
	}
	return false
}
