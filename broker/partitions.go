package broker

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// hosted is a partition that the node has a replica of.
type hosted struct {
	number uint32
	*partition.Partition
}

// leader is who leads a partition, as far as this node knows.
func (h hosted) leader() partition.Leader {
	l := h.Leader()
	l.Node = nodeOf(l.Node)
	return l
}

// partitions are all of the cluster's, by number: every node has a replica of each.
type partitions struct {
	all []hosted
}

// openPartitions opens every replica that the node has. They may not lead yet, nor know who does.
func openPartitions(o *Options, d *directory, st *storage, count int, agreed func() bool, observer partition.Observer, fatal func(error)) (*partitions, error) {
	ps := &partitions{}
	for number := range uint32(count) {
		p, err := partition.Open(partition.Options{
			Number: number, Log: st.log, Keeper: st.state.Group(partition.GroupOf(number)), Members: o.members(), Joins: d.Generation > 1,
			WallAgreed: agreed, Observer: observer, Clock: o.Clock, Logger: o.Logger, Fatal: fatal,
		})
		if err != nil {
			return nil, errors.Join(err, ps.Close())
		}
		ps.all = append(ps.all, hosted{number, p})
	}
	return ps, nil
}

// at returns the partition that a slot of a topic is on: the topic's partitions have equal runs of slots, in their order.
func (ps *partitions) at(topic catalog.Topic, slot uint16) hosted {
	return ps.all[topic.Partitions[int(slot)*len(topic.Partitions)/block.Slots]]
}

// home returns the partition of a topic's first slot: all of a topic that is on one.
func (ps *partitions) home(topic catalog.Topic) hosted { return ps.at(topic, 0) }

// holding returns the partitions that hold a part of a topic, by number. One that was deleted has none.
func (ps *partitions) holding(topic catalog.Topic) []hosted {
	held := make([]hosted, len(topic.Partitions))
	for i, number := range topic.Partitions {
		held[i] = ps.all[number]
	}
	return held
}

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

// handOn has other nodes lead what this one does, all at once.
func (ps *partitions) handOn(ctx context.Context) error {
	errs := make([]error, len(ps.all))
	var handing sync.WaitGroup
	for i, p := range ps.all {
		handing.Go(func() {
			if err := p.HandOn(ctx); err != nil {
				errs[i] = fmt.Errorf("partition %d: %w", p.number, err)
			}
		})
	}
	handing.Wait()
	return errors.Join(errs...)
}

// Close closes all of them.
func (ps *partitions) Close() error {
	var errs []error
	for _, p := range ps.all {
		errs = append(errs, p.Close())
	}
	return errors.Join(errs...)
}
