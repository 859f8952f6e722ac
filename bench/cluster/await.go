package cluster

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/freshet-mq/freshet/client"
)

const (
	// awaitInterval is how often nodes are asked whether the cluster is whole.
	awaitInterval = 50 * time.Millisecond
	// goodbyeTimeout bounds the end of the connections that asked.
	goodbyeTimeout = 2 * time.Second
)

// Await waits until every partition has a leader among the nodes, for as long as ctx
// allows. It asks each node for itself, and for what that one leads. All nodes have
// to be running.
func (c *Cluster) Await(ctx context.Context) (err error) {
	asked := make([]*client.Client, 0, len(c.nodes))
	defer func() {
		goodbye, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbyeTimeout)
		defer cancel()
		for _, one := range asked {
			err = errors.Join(err, one.Shutdown(goodbye))
		}
	}()
	for _, n := range c.nodes {
		one, err := client.Connect(ctx, n.API())
		if err != nil {
			return fmt.Errorf("node %s doesn't answer: %w", n.name, err)
		}
		asked = append(asked, one)
	}
	ticker := time.NewTicker(awaitInterval)
	defer ticker.Stop()
	for {
		missing, err := c.leaderless(ctx, asked)
		if err == nil && missing == "" {
			return nil
		}
		if err != nil && ctx.Err() == nil {
			missing = err.Error() // a node may say that it isn't ready
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return fmt.Errorf("the cluster isn't whole: %s: %w", missing, context.Cause(ctx))
		}
	}
}

// leaderless names a partition that no node leads, or nothing.
func (c *Cluster) leaderless(ctx context.Context, asked []*client.Client) (string, error) {
	led := map[uint32]bool{}
	for i, one := range asked {
		state, err := one.Admin().NodeState(ctx, false)
		if err != nil {
			return "", fmt.Errorf("node %s: %w", c.nodes[i].name, err)
		}
		for _, p := range state.Partitions {
			led[p.Number] = led[p.Number] || p.Leader == c.nodes[i].name
		}
	}
	for number, leads := range led {
		if !leads {
			return fmt.Sprintf("partition %d has no leader", number), nil
		}
	}
	return "", nil
}
