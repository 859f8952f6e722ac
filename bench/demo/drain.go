package demo

import (
	"context"
	"fmt"
	"time"
)

const (
	// drainInterval is how often the node is asked what it still holds.
	drainInterval = 200 * time.Millisecond
	// drainLooks is how many times in a row nothing may be held: a node counts what
	// its own replicas have applied, which may be half a second behind.
	drainLooks = 4
	// listenTime is how long the run listens for events that come again when
	// nothing is left: longer than any lease lasts, so that one which was not
	// ended by its ack has time to run out.
	listenTime = visibility + time.Second
	// answerTimeout bounds one question to the node.
	answerTimeout = 5 * time.Second
)

// drain waits until the node holds nothing any more that has to be delivered: not
// only until the ledger is content, since an ack whose answer was lost is settled
// all the same. Whether anything is missing then is for the ledger to say.
func (s *scenario) drain(ctx context.Context) error {
	for empty := 0; ; {
		held, err := s.held(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err == nil && held == 0:
			if empty++; empty == drainLooks {
				return nil
			}
		default:
			empty = 0
		}
		// A question that failed is asked again: the node may be busy.
		if !pause(ctx, drainInterval) {
			return context.Cause(ctx)
		}
	}
}

// held is how many events the node has ready, leased or delayed, by its own count.
func (s *scenario) held(ctx context.Context) (uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	var sum uint64
	for subscription, err := range s.clients[0].Admin().Subscriptions(ctx, topicName) {
		if err != nil {
			return 0, err
		}
		sum += subscription.Counts.Ready + subscription.Counts.Leased + subscription.Counts.Delayed
	}
	return sum, nil
}

// listen lets the time pass in which an event that was acked could come again.
func (s *scenario) listen(ctx context.Context) error {
	if !pause(ctx, listenTime) {
		return context.Cause(ctx)
	}
	s.witness.recorder.Drained()
	return nil
}

// listDead tells the ledger which events the node lists as dead letters.
func (s *scenario) listDead(ctx context.Context) error {
	admin := s.clients[0].Admin()
	for i, r := range s.readers {
		name := topicName + "/" + s.subscriptions[r.subscription].Name
		for letter, err := range admin.DeadLetters(ctx, name, r.member) {
			if err != nil {
				return fmt.Errorf("dead letters of %s: %w", r.name(s.subscriptions), err)
			}
			at := Place{Partition: letter.Partition, Offset: letter.Offset}
			s.ledger.Dead(Reader(i), at)
			s.witness.dead(Reader(i), at)
		}
	}
	return nil
}
