package broker

import (
	"context"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/observe"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// services are what clients call. Each handler goes the same way: resolve names, authorise what they resolved to, check every
// field, and only then ask the partition.
type services struct {
	metadata   *metadata
	partitions *partitions
	controller *controller
	life       *life
	peers      *peers
	sealer     *sealer
	guard      *guard
	metrics    *observe.Metrics
	authorise  authorise
	defaults   Defaults
	// self is the node as it tells of itself.
	self *freshetv1.Node
}

type (
	publishService struct {
		freshetv1.UnimplementedPublishServiceServer
		*services
	}
	consumeService struct {
		freshetv1.UnimplementedConsumeServiceServer
		*services
	}
	adminService struct {
		freshetv1.UnimplementedAdminServiceServer
		*services
	}
	routeService struct {
		freshetv1.UnimplementedRouteServiceServer
		*services
	}
)

// register puts the services on a server.
func register(server *grpc.Server, s *services) {
	freshetv1.RegisterPublishServiceServer(server, &publishService{services: s})
	freshetv1.RegisterConsumeServiceServer(server, &consumeService{services: s})
	freshetv1.RegisterAdminServiceServer(server, &adminService{services: s})
	freshetv1.RegisterRouteServiceServer(server, &routeService{services: s})
}

// may asks whether the caller may do something with what their request was resolved to.
func (s *services) may(ctx context.Context, a action, r resource) error {
	return s.authorise(ctx, principalOf(ctx), a, r)
}

// topic resolves a topic that the caller may do something with.
func (s *services) topic(ctx context.Context, a action, name string) (catalog.Topic, error) {
	t, err := s.metadata.topic("topic", name)
	if err == nil {
		err = s.may(ctx, a, resource{topic: t.Name})
	}
	return t, err
}

// topicOf is a subscription's topic; one without partitions where it was deleted meanwhile.
func (s *services) topicOf(sub catalog.Subscription) catalog.Topic {
	t, _ := s.metadata.view().TopicByID(sub.TopicID)
	return t
}

// home returns the partition of a subscription's topic, which is on one.
func (s *services) home(sub catalog.Subscription) (hosted, error) {
	topic := s.topicOf(sub)
	if len(topic.Partitions) == 0 { // deleted since the subscription was resolved
		return hosted{}, faultf(freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND, "topic %q was deleted", sub.Topic).with("topic", sub.Topic)
	}
	return s.partitions.home(topic), nil
}

// subscription resolves a subscription that the caller may do something with.
func (s *services) subscription(ctx context.Context, a action, topic, name string) (catalog.Subscription, error) {
	sub, err := s.metadata.subscription(topic, name)
	if err == nil {
		err = s.may(ctx, a, resource{topic: sub.Topic, subscription: sub.Name})
	}
	return sub, err
}
