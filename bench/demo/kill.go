package demo

import (
	"context"
	"time"
)

// Kill is what is known of a kill.
type Kill struct {
	// Node is whose process it was.
	Node string
	// After is when, counted from the beginning of the run.
	After time.Duration
	// Published and InFlight are how many events were confirmed, and how many
	// deliveries had arrived and not been settled.
	Published, InFlight int
	// Away is how long it took until the node served again.
	Away time.Duration
	// Gap is the longest time without a confirmed publish from then on.
	Gap time.Duration
}

// inFlightWait bounds how long a kill waits for deliveries to be in flight.
const inFlightWait = time.Second

// killHalfWay waits until half of the events are confirmed and deliveries are in
// flight, kills the node and starts it again. While it waits, it watches the node:
// one that ends by itself ends the run.
func (s *scenario) killHalfWay(ctx context.Context) error {
	victim := s.leader()
	select {
	case <-s.publisher.half:
	case <-victim.ended():
		return victim.obituary()
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	before := s.ledger.Figures()
	for asked := time.Now(); before.InFlight() == 0 && time.Since(asked) < inFlightWait; before = s.ledger.Figures() {
		if !pause(ctx, time.Millisecond) {
			return context.Cause(ctx)
		}
	}
	killed := time.Now()
	if err := victim.kill(); err != nil {
		return err
	}
	s.kill = Kill{Node: victim.name, After: killed.Sub(s.began), Published: before.Published, InFlight: before.InFlight()}
	s.progress.killed(victim.name)
	s.publisher.nodeKilled()
	if err := victim.start(ctx); err != nil {
		return err
	}
	s.kill.Away = time.Since(killed)
	return nil
}
