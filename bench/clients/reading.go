package clients

import (
	"context"
	"errors"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// readLog reads what is left of the log, twice: each time the same.
func (c *Clients) readLog(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, c.Patience)
	defer cancel()
	for again := range 2 {
		for partition := range c.Partitions {
			session := uint32(again*c.Partitions + partition)
			if err := c.readPartition(bounded, c.all[again], session, uint32(partition)); err != nil && ctx.Err() == nil {
				c.Troublef("reading the log of partition %d: %v", partition, err)
			}
		}
	}
}

// readPartition writes down what a reading of a partition shows.
func (c *Clients) readPartition(ctx context.Context, by *client.Client, session, partition uint32) error {
	for stored, err := range by.Read(ctx, c.Topic, client.WithPartition(partition), client.FromEarliest()) {
		if gone, ok := errors.AsType[*client.TruncatedError](err); ok {
			err = c.recorder.Read(history.Read{Session: session, Place: history.Place{Partition: partition, Offset: gone.Before}, Truncated: true})
			if err == nil {
				continue
			}
		}
		if err == nil {
			err = c.recorder.Read(history.Read{
				Session: session, Place: history.Place{Partition: stored.Partition, Offset: stored.Offset},
				Message: numberOf(stored.Event.Data), Digest: digestOf(&stored.Event),
			})
		}
		if err != nil {
			return err
		}
	}
	return nil
}
