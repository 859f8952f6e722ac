package clients

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"
)

const (
	// warmUp is traffic before the first fault, coolDown behind the last.
	warmUp   = time.Second
	coolDown = time.Second
)

// Run is load, with faults in it, and then what is left when there are none. breakThings does the faults and returns when the last
// is over; its error ends the run. What the run comes to is the outcome, whether or not it is what was promised; an error means that
// it couldn't be run.
func (c *Clients) Run(ctx context.Context, breakThings func(context.Context) error) (*Outcome, error) {
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	all, consuming := errgroup.WithContext(consuming)
	consume := func(s *subscription) { c.consumeFrom(consuming, all, s) }
	c.consumeAll(consuming, all, consume)
	changing, stay := context.WithCancel(ctx)
	defer stay()
	var coming sync.WaitGroup
	c.comeAndGo(changing, &coming, consume)

	publishing, enough := context.WithCancel(ctx)
	defer enough()
	var sending sync.WaitGroup
	began := c.recorder.Now()
	c.publishAll(publishing, &sending)
	c.nameAll(publishing, &sending)

	Pause(ctx, warmUp)
	err := breakThings(ctx)
	healed := c.recorder.Now()
	if err != nil {
		stay()
		enough()
		stop()
		disconnect(ctx, c.all)
		coming.Wait()
		sending.Wait()
		return nil, errors.Join(err, all.Wait())
	}
	c.Notef("all faults are over")
	Pause(ctx, coolDown)
	c.await(ctx, &coming, comeWithin+c.Patience, "some subscriptions are neither made nor removed", stay)
	enough()
	ended := c.recorder.Now()
	c.await(ctx, &sending, c.Patience, "some publishes have no answer", func() { disconnect(ctx, c.publishing()) })
	outcome := &Outcome{}
	c.drain(ctx, healed, outcome)
	stop()
	if err := all.Wait(); err != nil && ctx.Err() == nil {
		c.Troublef("a consumer ended: %v", err)
	}
	c.agree(ctx)
	c.readLog(ctx)
	outcome.count(c.recorder.History(), began, ended)
	c.judge(outcome)
	return outcome, ctx.Err()
}

// consumeAll starts everybody who consumes what is there from the beginning.
func (c *Clients) consumeAll(ctx context.Context, all *errgroup.Group, consume func(*subscription)) {
	for i := range c.subs {
		if !c.subs[i].late {
			consume(&c.subs[i])
		}
	}
	var wandered []*reader
	for i := range c.readers {
		if one := &c.readers[i]; !one.late && !one.leaving {
			wandered = append(wandered, one)
		}
	}
	all.Go(func() error { c.wander(ctx, wandered, c.consuming()[0], Drawer(c.Seed, "wanderer")); return nil })
}

// consumeFrom has every consuming client consume from a subscription.
func (c *Clients) consumeFrom(ctx context.Context, all *errgroup.Group, s *subscription) {
	for i := range c.readers {
		if one := &c.readers[i]; one.subscription == s {
			for _, by := range c.consuming() {
				all.Go(func() error { return c.consume(ctx, one, by) })
			}
		}
	}
}

// publishAll starts those who publish, each in a way of its own.
func (c *Clients) publishAll(ctx context.Context, sending *sync.WaitGroup) {
	for way, by := range c.publishing() {
		sending.Go(func() {
			if err := c.publish(ctx, by, uint32(way), Drawer(c.Seed, fmt.Sprint("publisher ", way))); err != nil {
				c.Troublef("a publisher ended: %v", err)
			}
		})
	}
}

// nameAll starts those who share names.
func (c *Clients) nameAll(ctx context.Context, sending *sync.WaitGroup) {
	for number := range namers {
		sending.Go(func() { c.nameThings(ctx, number, c.all[number], Drawer(c.Seed, fmt.Sprint("namer ", number))) })
	}
}

// await waits for some, as long as patience allows. Then that is trouble, and they are ended (C4).
func (c *Clients) await(ctx context.Context, some *sync.WaitGroup, patience time.Duration, otherwise string, end func()) {
	done := make(chan struct{})
	go func() {
		some.Wait()
		close(done)
	}()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-done:
		return
	case <-timer.C:
		c.Troublef("%s %v after the last fault", otherwise, patience)
	case <-ctx.Done():
	}
	end()
	<-done
}
