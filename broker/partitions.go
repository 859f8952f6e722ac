package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// hosted is a partition that the node has a replica of.
type hosted struct {
	number uint32
	*partition.Partition
}

// partitions are all of them, by number. Today there is one, and every topic is on it.
type partitions struct {
	all []hosted
}

// partitionCount is how many there are in the cluster.
const partitionCount = 1

// openPartitions opens every replica that the node has. They may not lead yet.
func openPartitions(o *Options, st *storage, fatal func(error)) (*partitions, error) {
	ps := &partitions{}
	for number := range uint32(partitionCount) {
		p, err := partition.Open(partition.Options{
			Number: number, Log: st.log, Keeper: st.state.Group(partition.GroupOf(number)), Clock: o.Clock, Logger: o.Logger, Fatal: fatal,
		})
		if err != nil {
			return nil, errors.Join(err, ps.Close())
		}
		ps.all = append(ps.all, hosted{number, p})
	}
	return ps, nil
}

// home returns the partition that a topic is published to.
func (ps *partitions) home(catalog.Topic) hosted { return ps.all[0] }

// holding returns the partitions that hold a part of a topic.
func (ps *partitions) holding(topic uint64) []hosted { return ps.all } //nolint:unparam // with one partition, every topic is on it

// of returns the partition that a subscription is consumed from. With more than one, a consumer has a session on each.
func (ps *partitions) of(catalog.Subscription) hosted { return ps.all[0] }

// numbered returns a partition by its number.
func (ps *partitions) numbered(number uint32) (hosted, error) {
	if int(number) >= len(ps.all) {
		return hosted{}, faultf(freshetv1.ErrorCode_ERROR_CODE_PARTITION_NOT_FOUND, "this node has no partition %d", number).
			with("partition", strconv.FormatUint(uint64(number), 10))
	}
	return ps.all[number], nil
}

// ready waits until the node leads each of them.
func (ps *partitions) ready(ctx context.Context) error {
	for _, p := range ps.all {
		if err := p.Ready(ctx); err != nil {
			return fmt.Errorf("partition %d: %w", p.number, err)
		}
	}
	return nil
}

// Close closes all of them.
func (ps *partitions) Close() error {
	var errs []error
	for _, p := range ps.all {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
