package broker

import (
	"context"
	"errors"
	"strconv"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/observe"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
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
	greeter    *greeter
	roster     *roster
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
	if missing(err) {
		if err = s.hear(ctx, "topic "+strconv.Quote(name)); err == nil {
			t, err = s.metadata.topic("topic", name)
		}
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

// missing tells whether an error says that the catalog doesn't have a thing.
func missing(err error) bool {
	f, ok := errors.AsType[*fault](err)
	return ok && (f.code == freshetv1.ErrorCode_ERROR_CODE_TOPIC_NOT_FOUND || f.code == freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND)
}

// hear brings this node's replica of the catalog up to date before it says of a thing that it isn't there: another node may have been asked to make it a moment
// ago, and a node that has just started knows what was so when it stopped. When that can't be done the node doesn't know, and says so.
func (s *services) hear(ctx context.Context, what string) error {
	err := s.metadata.sync(ctx)
	if err == nil || ctx.Err() != nil {
		return context.Cause(ctx)
	}
	s.guard.logger.Debug("the catalog isn't up to date", "error", err)
	return faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "this node doesn't know %s, and the metadata has no leader now that could say whether it is there; nothing was done, try again", what)
}

// current brings this node's replica of the catalog as far as the catalog was when it was called, for lists: who has made a thing, at whatever node, finds it
// in them. It costs no entry where the replica is there already.
func (s *services) current(ctx context.Context) error {
	version, err := passOn(ctx, s, s.metadataLeader, func() (uint64, error) { return s.metadata.versionHere(ctx) },
		func(to grpc.ClientConnInterface) (uint64, error) {
			res, err := peerpb.NewPeerServiceClient(to).Change(ctx, &peerpb.ChangeRequest{Look: true})
			return res.GetVersion(), err
		})
	if err != nil || s.metadata.view().Version() >= version {
		return err
	}
	return s.hear(ctx, "all that was made")
}

// subscription resolves a subscription that the caller may do something with.
func (s *services) subscription(ctx context.Context, a action, topic, name string) (catalog.Subscription, error) {
	sub, err := s.metadata.subscription(topic, name)
	if missing(err) {
		if err = s.hear(ctx, "subscription "+strconv.Quote(topic+"/"+name)); err == nil {
			sub, err = s.metadata.subscription(topic, name)
		}
	}
	if err == nil {
		err = s.may(ctx, a, resource{topic: sub.Topic, subscription: sub.Name})
	}
	return sub, err
}
