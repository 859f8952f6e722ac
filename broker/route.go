package broker

import (
	"context"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// firstEpoch is the epoch of a route whose slots have never moved.
const firstEpoch = 1

// Route tells where a topic's events are.
func (s *routeService) Route(ctx context.Context, req *freshetv1.RouteRequest) (*freshetv1.RouteResponse, error) {
	topic, err := s.topic(ctx, actionDescribe, req.GetTopic())
	if err != nil {
		return nil, err
	}
	p := s.partitions.home(topic)
	routed := &freshetv1.RoutedPartition{Number: p.number, Slots: []*freshetv1.SlotRange{{Count: block.Slots}}}
	if status := p.Status(); status.Leading {
		routed.Leader, routed.ApiAddress, routed.Term = s.self.GetName(), s.self.GetApiAddress(), uint64(status.Term)
	}
	return &freshetv1.RouteResponse{TopicId: topic.ID, Epoch: firstEpoch, Partitions: []*freshetv1.RoutedPartition{routed}}, nil
}
