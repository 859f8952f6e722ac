package broker

import (
	"context"
	"errors"

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
	budget     *budget
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

// resolve resolves a topic's name, whoever asks.
func (s *services) resolve(ctx context.Context, name string) (catalog.Topic, error) {
	t, err := s.metadata.topic("topic", name)
	if err != nil && s.hear(ctx, err) {
		t, err = s.metadata.topic("topic", name)
	}
	return t, err
}

// topic resolves a topic that the caller may do something with.
func (s *services) topic(ctx context.Context, a action, name string) (catalog.Topic, error) {
	t, err := s.resolve(ctx, name)
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

// hear tells whether the catalog is to be looked at again for what it doesn't have: another node may have been asked to make it a moment ago.
func (s *services) hear(ctx context.Context, err error) bool {
	f, ok := errors.AsType[*fault](err)
	if !ok || f.code != freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND && f.code != freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND {
		return false
	}
	before := s.metadata.view().Version()
	if err := s.metadata.sync(ctx); err != nil {
		s.guard.logger.Debug("answering from what this node knows of the catalog", "error", err)
	}
	return s.metadata.view().Version() != before
}

// subscription resolves a subscription that the caller may do something with.
func (s *services) subscription(ctx context.Context, a action, topic, name string) (catalog.Subscription, error) {
	sub, err := s.metadata.subscription(topic, name)
	if err != nil && s.hear(ctx, err) {
		sub, err = s.metadata.subscription(topic, name)
	}
	if err == nil {
		err = s.may(ctx, a, resource{topic: sub.Topic, subscription: sub.Name})
	}
	return sub, err
}
