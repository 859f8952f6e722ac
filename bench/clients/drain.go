package clients

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/bench/history"
)

const (
	drainInterval = 200 * time.Millisecond
	// drainLooks is how many times in a row nothing may be held: a node counts what its own replicas have applied.
	drainLooks = 4
	// listenTime is for how long nothing may come again, beyond what any lease lasts.
	listenTime    = time.Second
	answerTimeout = 5 * time.Second
)

// drain waits until the nodes hold nothing any more, as long as patience allows.
func (c *Clients) drain(ctx context.Context, healed history.Time, o *Outcome) {
	bounded, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	for empty := 0; empty < drainLooks; {
		held, err := c.held(bounded)
		if err == nil && held == 0 {
			empty++
		} else {
			empty = 0
		}
		if !Pause(bounded, drainInterval) {
			if ctx.Err() == nil {
				c.Troublef("%d events are still held %v after the last fault (%v)", held, (c.recorder.Now() - healed).Round(time.Second), err)
			}
			return
		}
	}
	o.Recovered = c.recorder.Now() - healed - (drainLooks-1)*drainInterval
	Pause(ctx, c.Visibility+listenTime)
	c.recorder.Drained()
	if err := c.account(ctx); err != nil {
		c.Troublef("dead letters and counts: %v", err)
	}
}

// held is how many events the nodes have ready, leased or delayed, by their own count.
func (c *Clients) held(ctx context.Context) (sum uint64, err error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	for s, err := range c.Admin().Subscriptions(ctx, c.Topic) {
		if err != nil {
			return 0, err
		}
		sum += s.Counts.Ready + s.Counts.Leased + s.Counts.Delayed + s.Counts.Unread
	}
	return sum, nil
}

// account writes down what the nodes hold, and their dead letters. A fan-out's counts are all of its members', and go to the first.
func (c *Clients) account(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	admin := c.Admin()
	others := map[string]uint64{}
	first := map[string]history.Reader{}
	for i := range c.readers {
		one := &c.readers[i]
		if one.leaving {
			continue
		}
		listed := uint64(0)
		for letter, err := range admin.DeadLetters(ctx, c.fullName(one.subscription), one.member) {
			if err != nil {
				return err
			}
			listed++
			if err := c.recorder.Dead(history.Dead{Reader: one.number, Place: history.Place{Partition: letter.Partition, Offset: letter.Offset}}); err != nil {
				return err
			}
		}
		if _, some := first[c.fullName(one.subscription)]; some {
			others[c.fullName(one.subscription)] += listed
		} else {
			first[c.fullName(one.subscription)] = one.number
		}
	}
	for s, err := range admin.Subscriptions(ctx, c.Topic) {
		if err != nil {
			return err
		}
		of, ok := first[s.Name]
		if !ok {
			continue // leaving may not have left
		}
		if err := c.recorder.Held(history.Held{
			Reader: of, Ready: s.Counts.Ready, Leased: s.Counts.Leased, Delayed: s.Counts.Delayed, Dead: s.Counts.Dead - others[s.Name],
		}); err != nil {
			return err
		}
	}
	return nil
}
