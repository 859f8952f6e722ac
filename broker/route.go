package broker

import (
	"context"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Route tells where a topic's events are.
func (s *routeService) Route(ctx context.Context, req *freshetv1.RouteRequest) (*freshetv1.RouteResponse, error) {
	topic, err := s.topic(ctx, actionDescribe, req.GetTopic())
	if err != nil {
		return nil, err
	}
	res := &freshetv1.RouteResponse{TopicId: topic.ID, Epoch: topic.Epoch}
	view := s.metadata.view()
	for _, p := range s.partitions.holding(topic) {
		routed := &freshetv1.RoutedPartition{Number: p.number}
		if l := p.leader(); l.Node != "" {
			if node, known := view.Node(l.Node); known { // one that hasn't told yet where it is can't be asked
				routed.Leader, routed.ApiAddress, routed.Term = l.Node, node.APIAddress, uint64(l.Term)
			}
		}
		res.Partitions = append(res.Partitions, routed)
	}
	n := len(res.GetPartitions())
	for i, routed := range res.GetPartitions() {
		first := (i*block.Slots + n - 1) / n // the first slot that partitions.at gives to it
		routed.Slots = []*freshetv1.SlotRange{{First: uint32(first), Count: uint32(((i+1)*block.Slots+n-1)/n - first)}}
	}
	return res, nil
}
