package clients

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// agree waits until every node has applied the same entries of every partition, and writes the hashes of their states down.
func (c *Clients) agree(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	var asked []*client.Client
	defer func() { disconnect(ctx, asked) }()
	for _, n := range c.Nodes {
		one, err := c.Connect(bounded, n.Target)
		if err != nil {
			c.Troublef("node %s can't be asked: %v", n.Name, err)
			return
		}
		asked = append(asked, one)
	}
	for {
		together, err := c.compare(bounded, asked)
		if together {
			return
		}
		if !Pause(bounded, drainInterval) {
			if ctx.Err() == nil {
				c.Troublef("the replicas have not come together: %v", err)
			}
			return
		}
	}
}

// compare asks each node for its replicas, all at once. Those at the same entry are written down.
func (c *Clients) compare(ctx context.Context, asked []*client.Client) (together bool, err error) {
	states := make([]*client.NodeState, len(asked))
	all, within := errgroup.WithContext(ctx)
	for i, one := range asked {
		all.Go(func() (err error) {
			bounded, cancel := context.WithTimeout(within, answerTimeout)
			defer cancel()
			states[i], err = one.Admin().NodeState(bounded, true)
			return err
		})
	}
	if err := all.Wait(); err != nil {
		return false, err
	}
	applied := map[uint32][]history.Applied{}
	for _, s := range states {
		for _, p := range s.Partitions {
			for _, replica := range p.Replicas {
				if replica.StateHash == 0 || replica.Debt != 0 {
					err = fmt.Errorf("partition %d of %s lacks %d entries", p.Number, replica.Node, replica.Debt)
					continue
				}
				applied[p.Number] = append(applied[p.Number], history.Applied{Node: replica.Node, Partition: p.Number, Index: replica.Applied, Hash: replica.StateHash})
			}
		}
	}
	for number := range uint32(c.Partitions) {
		of := applied[number]
		if len(of) != len(c.Nodes) && err == nil {
			err = fmt.Errorf("partition %d has %d replicas that can be compared", number, len(of))
		}
		for _, a := range of {
			if a.Index != of[0].Index {
				err = fmt.Errorf("partition %d: %s has applied %d, %s %d", number, of[0].Node, of[0].Index, a.Node, a.Index)
			}
			if noteErr := c.recorder.Applied(a); noteErr != nil {
				return true, noteErr
			}
		}
	}
	return err == nil, err
}
