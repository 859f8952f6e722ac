package broker

import (
	"cmp"
	"context"
	"strconv"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// CreateSubscription makes a subscription. When it answers, every partition of the topic holds it: whatever is published from then on is
// routed by it.
func (s *adminService) CreateSubscription(ctx context.Context, req *freshetv1.CreateSubscriptionRequest) (*freshetv1.CreateSubscriptionResponse, error) {
	wanted := req.GetSubscription()
	if wanted == nil {
		return nil, argumentRefused("subscription", "is missing; it is required")
	}
	if err := s.mayMake(ctx, wanted, req.GetRequest() != 0); err != nil {
		return nil, err
	}
	if text := wanted.GetPattern(); text != "" {
		if _, err := parsePattern("pattern", text); err != nil {
			return nil, err
		}
	}
	res, err := atMetadata(ctx, s.services, func() (*freshetv1.CreateSubscriptionResponse, error) {
		res, err := s.metadata.proposeOnce(ctx, req.GetRequest(), s.creation(wanted))
		if err != nil {
			return nil, s.metadata.named(err, wanted.GetTopic(), "")
		}
		if err := s.controller.created(ctx, s.topicOf(res.Subscription), res.Subscription.ID); err != nil {
			return nil, err
		}
		return &freshetv1.CreateSubscriptionResponse{Subscription: wireSubscription(res.Subscription), Created: res.Created}, nil
	}, func(to grpc.ClientConnInterface) (*freshetv1.CreateSubscriptionResponse, error) {
		return freshetv1.NewAdminServiceClient(to).CreateSubscription(ctx, req)
	})
	if err != nil || res.GetCreated() || passedOn(ctx) {
		return res, err
	}
	there, ok := s.metadata.view().SubscriptionByID(res.GetSubscription().GetId())
	if !ok { // it was deleted meanwhile
		return res, nil
	}
	held, err := s.holdings(ctx, s.topicOf(there), []uint64{there.ID}) // it was there already, and may hold something
	if err != nil {
		return nil, err
	}
	res.Subscription.Counts, res.Subscription.Members = held[0].GetCounts(), held[0].GetMembers()
	return res, nil
}

// mayMake checks the names of a subscription that is wanted, and who wants it. A request with a number may have been carried out when the topic was there:
// whether it is the catalog says.
func (s *adminService) mayMake(ctx context.Context, wanted *freshetv1.Subscription, numbered bool) error {
	err := catalog.CheckName("topic", wanted.GetTopic())
	if err != nil {
		return catalogFault(err)
	}
	if !numbered {
		if _, err = s.resolve(ctx, wanted.GetTopic()); err != nil {
			return err
		}
	}
	if err = catalog.CheckName("name", wanted.GetName()); err != nil {
		return catalogFault(err)
	}
	return s.may(ctx, actionManage, resource{topic: wanted.GetTopic(), subscription: wanted.GetName()})
}

// creation fills in what the request leaves to the node. The catalog checks the rest.
func (s *adminService) creation(wanted *freshetv1.Subscription) catalog.CreateSubscription {
	c := catalog.CreateSubscription{
		Topic: wanted.GetTopic(), Name: wanted.GetName(), Kind: wanted.GetKind(), Pattern: wanted.GetPattern(),
		VisibilityMs: wanted.GetVisibilityMs(), AttemptsMax: wanted.GetAttemptsMax(), Ordered: wanted.GetOrdered(), Members: wanted.GetMembers(),
		From: wanted.GetFrom(), CreatedMs: s.life.clock.Now().UnixMilli(),
	}
	if c.VisibilityMs == 0 {
		c.VisibilityMs = uint32(s.defaults.Visibility.Milliseconds())
	}
	if c.AttemptsMax == 0 {
		c.AttemptsMax = uint32(s.defaults.Attempts)
	}
	return c
}

// DeleteSubscription removes a subscription, or a member of one, and answers when every partition has. A request with a number is as DeleteTopic's.
func (s *adminService) DeleteSubscription(ctx context.Context, req *freshetv1.DeleteSubscriptionRequest) (*freshetv1.DeleteSubscriptionResponse, error) {
	if req.GetMember() != "" || req.GetRequest() == 0 {
		sub, err := s.subscription(ctx, actionManage, req.GetTopic(), req.GetSubscription())
		if err != nil {
			return nil, err
		}
		if req.GetMember() != "" {
			return &freshetv1.DeleteSubscriptionResponse{}, s.deleteMember(ctx, sub, req.GetMember())
		}
	} else {
		if err := cmp.Or(catalog.CheckName("topic", req.GetTopic()), catalog.CheckName("subscription", req.GetSubscription())); err != nil {
			return nil, catalogFault(err)
		}
		if err := s.may(ctx, actionManage, resource{topic: req.GetTopic(), subscription: req.GetSubscription()}); err != nil {
			return nil, err
		}
	}
	return atMetadata(ctx, s.services, func() (*freshetv1.DeleteSubscriptionResponse, error) {
		res, err := s.metadata.proposeOnce(ctx, req.GetRequest(), catalog.DeleteSubscription{Topic: req.GetTopic(), Name: req.GetSubscription()})
		if err != nil {
			return nil, s.metadata.named(err, req.GetTopic(), req.GetSubscription())
		}
		return &freshetv1.DeleteSubscriptionResponse{}, s.controller.deleted(ctx, s.topicOf(res.Subscription), res.Subscription.ID)
	}, func(to grpc.ClientConnInterface) (*freshetv1.DeleteSubscriptionResponse, error) {
		return freshetv1.NewAdminServiceClient(to).DeleteSubscription(ctx, req)
	})
}

// deleteMember removes a fan-out's member from every partition. The catalog doesn't know who they are, so each partition's leader is asked.
func (s *adminService) deleteMember(ctx context.Context, sub catalog.Subscription, member string) error {
	if _, err := cursorOf(sub, "member", member); err != nil {
		return err
	}
	held, removals := s.partitions.holding(s.topicOf(sub)), 0
	for _, p := range held {
		removed, err := atLeader(ctx, s.services, p, func() (bool, error) { return s.removeMember(ctx, p, sub, member) },
			func(to grpc.ClientConnInterface) (bool, error) {
				res, err := peerpb.NewPeerServiceClient(to).RemoveMember(ctx, &peerpb.RemoveMemberRequest{Partition: p.number, Subscription: sub.ID, Member: member})
				return res.GetRemoved(), err
			})
		if err != nil {
			return s.partly(removals, len(held), "partitions have removed it", err)
		}
		if removed {
			removals++
		}
	}
	if removals == 0 {
		return faultf(freshetv1.ErrorCode_ERROR_CODE_SUBSCRIPTION_NOT_FOUND, "subscription %q has no member %q", sub.Topic+"/"+sub.Name, member).
			with("field", "member")
	}
	return nil
}

// removeMember removes a member from a partition that is led here. false: it wasn't there.
func (s *services) removeMember(ctx context.Context, p hosted, sub catalog.Subscription, member string) (bool, error) {
	cursor, err := cursorOf(sub, "member", member)
	switch {
	case err != nil:
		return false, err
	case !p.leader().Here:
		return false, notLeader("partition "+strconv.FormatUint(uint64(p.number), 10), p.leader().Node)
	case !isMember(p, sub, member):
		return false, nil
	}
	return true, p.RemoveMember(ctx, partition.StreamID(sub.TopicID), cursor)
}

// ListSubscriptions lists a topic's subscriptions by name, with what they hold.
func (s *adminService) ListSubscriptions(ctx context.Context, req *freshetv1.ListSubscriptionsRequest) (*freshetv1.ListSubscriptionsResponse, error) {
	if err := s.current(ctx); err != nil {
		return nil, err
	}
	topic, err := s.topic(ctx, actionDescribe, req.GetTopic())
	if err != nil {
		return nil, err
	}
	limit, err := listLimit(req.GetMax(), listMax)
	if err != nil {
		return nil, err
	}
	res := &freshetv1.ListSubscriptionsResponse{}
	var ids []uint64
	for sub := range s.metadata.view().Subscriptions(topic.Name, req.GetAfter()) {
		if res.More = len(res.Subscriptions) == limit; res.More {
			break
		}
		ids = append(ids, sub.ID)
		res.Subscriptions = append(res.Subscriptions, wireSubscription(sub))
	}
	held, err := s.holdings(ctx, topic, ids)
	if err != nil {
		return nil, err
	}
	for i, sub := range res.GetSubscriptions() {
		sub.Counts, sub.Members = held[i].GetCounts(), held[i].GetMembers()
	}
	return res, nil
}

// wireSubscription is a subscription as clients see it: what the catalog says it should be.
func wireSubscription(sub catalog.Subscription) *freshetv1.Subscription {
	return &freshetv1.Subscription{
		Topic: sub.Topic, Name: sub.Name, Id: sub.ID, Kind: sub.Kind, Pattern: sub.Pattern, VisibilityMs: sub.VisibilityMs, AttemptsMax: sub.AttemptsMax,
		Ordered: sub.Ordered, Members: sub.Members, From: sub.From, CreatedMs: sub.CreatedMs, Counts: &freshetv1.SubscriptionCounts{},
	}
}
