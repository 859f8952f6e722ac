package broker

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	"github.com/freshet-mq/freshet/partition"
)

// Deliver-at and ages of events go by a leader's wall clock. One that is wrong would deliver early, or drop what is young; so a leader's is believed, where it departs
// from what it was, only if most nodes' clocks say about the same.
const (
	// clocksApart is how far two clocks may be apart and still agree: half of what a partition believes in any case.
	clocksApart = 30 * time.Second
	// clocksEvery is how often they are compared, and clockWithin how long a node may take to answer.
	clocksEvery = 10 * time.Second
	clockWithin = time.Second
)

// clocks compares this node's wall clock with the others'.
type clocks struct {
	clock  partition.Clock
	peers  *peers
	logger *slog.Logger
	agreed atomic.Bool
}

// newClocks knows of no other node's clock yet. One that is alone agrees with itself.
func newClocks(clock partition.Clock, ps *peers, logger *slog.Logger) *clocks {
	c := &clocks{clock: clock, peers: ps, logger: logger}
	c.agreed.Store(len(ps.conns) == 0)
	return c
}

// agree tells whether a majority of the clocks, this one among them, agreed when they were last compared.
func (c *clocks) agree() bool { return c.agreed.Load() }

// run compares them until the context ends.
func (c *clocks) run(ctx context.Context) {
	for len(c.peers.conns) > 0 {
		c.compare(ctx)
		timer, stop := c.clock.TimerAt(c.clock.Now().Add(clocksEvery))
		select {
		case <-timer:
		case <-ctx.Done():
			stop()
			return
		}
	}
}

// compare asks every node what time it is there.
func (c *clocks) compare(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, clockWithin)
	defer cancel()
	var like atomic.Int64
	like.Store(1) // its own
	var asking sync.WaitGroup
	for name, conn := range c.peers.conns {
		asking.Go(func() {
			began := c.clock.Now()
			res, err := peerpb.NewPeerServiceClient(conn).Clock(ctx, &peerpb.ClockRequest{})
			if err != nil {
				c.logger.Debug("a node doesn't tell what time it is", "node", name, "error", err)
				return
			}
			there, now := time.UnixMilli(res.GetWallMs()), c.clock.Now()
			if there.Before(began.Add(-clocksApart)) || there.After(now.Add(clocksApart)) {
				c.logger.Warn("a node's clock is another", "node", name, "there", there.UTC(), "here", now.UTC())
				return
			}
			like.Add(1)
		})
	}
	asking.Wait()
	agreed := 2*like.Load() > int64(len(c.peers.conns)+1)
	if c.agreed.Swap(agreed) && !agreed {
		c.logger.Warn("most other nodes' clocks are others, or don't answer: this one's is believed for a minute", "like", like.Load(), "of", len(c.peers.conns)+1)
	}
}

// Clock tells another node what time it is here.
func (s *peerService) Clock(ctx context.Context, _ *peerpb.ClockRequest) (*peerpb.ClockResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{}); err != nil {
		return nil, err
	}
	return &peerpb.ClockResponse{WallMs: s.life.clock.Now().UnixMilli()}, nil
}
