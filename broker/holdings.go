package broker

import (
	"context"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// What a subscription holds is counted by the leaders of its topic's partitions: this node's own replicas are behind them by a moment, and who has just
// published, acked or rejected would miss it. A leader first makes sure that it is still one, so that nobody is told what was so before another took over.
//
//	ListSubscriptions ──▶ the node that is asked ──▶ each partition's leader: Holdings(ids) ──▶ added up, by subscription
const (
	// holdingsAtOnce is how many partitions one call asks at a time.
	holdingsAtOnce = 16
	// holdingsMax is how many subscriptions one question is about: as many as a list has.
	holdingsMax = listMax
)

// holdings tells what each of some subscriptions of a topic holds, in their order.
func (s *services) holdings(ctx context.Context, topic catalog.Topic, subscriptions []uint64) ([]*peerpb.Holding, error) {
	sums := make([]*peerpb.Holding, len(subscriptions))
	for i := range sums {
		sums[i] = &peerpb.Holding{Counts: &freshetv1.SubscriptionCounts{}}
	}
	if len(subscriptions) == 0 {
		return sums, nil
	}
	on := s.partitions.holding(topic)
	parts := make([][]*peerpb.Holding, len(on))
	asking, asked := errgroup.WithContext(ctx)
	asking.SetLimit(holdingsAtOnce)
	for i, p := range on {
		asking.Go(func() (err error) {
			parts[i], err = s.holdingsOf(asked, p, subscriptions)
			return err
		})
	}
	if err := asking.Wait(); err != nil {
		return nil, err
	}
	for _, part := range parts {
		for i, held := range part[:min(len(part), len(sums))] {
			addHolding(sums[i], held)
		}
	}
	for _, sum := range sums {
		members := sum.GetMembers()
		slices.Sort(members)
		sum.Members = slices.Compact(members)
	}
	return sums, nil
}

// holdingsOf asks a partition's leader.
func (s *services) holdingsOf(ctx context.Context, p hosted, subscriptions []uint64) ([]*peerpb.Holding, error) {
	return atLeader(ctx, s, p, func() ([]*peerpb.Holding, error) { return holdingsHere(ctx, p, subscriptions) },
		func(to grpc.ClientConnInterface) ([]*peerpb.Holding, error) {
			res, err := peerpb.NewPeerServiceClient(to).Holdings(ctx, &peerpb.HoldingsRequest{Partition: p.number, Subscriptions: subscriptions})
			return res.GetHoldings(), err
		})
}

// holdingsHere tells what subscriptions hold in a partition that is led here.
func holdingsHere(ctx context.Context, p hosted, subscriptions []uint64) ([]*peerpb.Holding, error) {
	if err := leadsStill(ctx, p); err != nil {
		return nil, err
	}
	held := make([]*peerpb.Holding, len(subscriptions))
	for i, id := range subscriptions {
		n := p.Counts(partition.SubscriptionID(id))
		held[i] = &peerpb.Holding{Members: p.Members(partition.SubscriptionID(id)), Counts: &freshetv1.SubscriptionCounts{
			Ready: n.Ready, Leased: n.Leased, Delayed: n.Delayed, Dead: n.Dead, Sessions: uint32(n.Sessions), Blocked: n.Blocked, Stalls: n.Stalls,
			Unread: n.Unread, Dropped: n.Dropped, Skipped: n.Skipped,
		}}
	}
	return held, nil
}

// leadsStill makes sure that a partition is led here.
func leadsStill(ctx context.Context, p hosted) error {
	if err := p.Verify(ctx); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return notLeader("partition "+strconv.FormatUint(uint64(p.number), 10), "")
	}
	return nil
}

func addHolding(to, part *peerpb.Holding) {
	n, sum := part.GetCounts(), to.GetCounts()
	sum.Ready += n.GetReady()
	sum.Leased += n.GetLeased()
	sum.Delayed += n.GetDelayed()
	sum.Dead += n.GetDead()
	sum.Sessions += n.GetSessions()
	sum.Blocked += n.GetBlocked()
	sum.Stalls += n.GetStalls()
	sum.Unread += n.GetUnread()
	sum.Dropped += n.GetDropped()
	sum.Skipped += n.GetSkipped()
	to.Members = append(to.Members, part.GetMembers()...)
}

// Holdings tells what subscriptions hold in a partition that is led here.
func (s *peerService) Holdings(ctx context.Context, req *peerpb.HoldingsRequest) (*peerpb.HoldingsResponse, error) {
	if n := len(req.GetSubscriptions()); n > holdingsMax {
		return nil, limitExceeded("subscriptions", holdingsMax, int64(n), "")
	}
	p, err := s.partitions.numbered(req.GetPartition())
	if err != nil {
		return nil, err
	}
	view, allowed := s.metadata.view(), map[string]bool{}
	for _, id := range req.GetSubscriptions() {
		sub, _ := view.SubscriptionByID(id)
		if allowed[sub.Topic] {
			continue
		}
		if err := s.may(ctx, actionDescribe, resource{topic: sub.Topic}); err != nil {
			return nil, err
		}
		allowed[sub.Topic] = true
	}
	held, err := holdingsHere(ctx, p, req.GetSubscriptions())
	return &peerpb.HoldingsResponse{Holdings: held}, err
}
