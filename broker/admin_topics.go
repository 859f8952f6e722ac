package broker

import (
	"context"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// listMax is how many names one answer lists.
const listMax = 1_000

// CreateTopic makes a topic, and answers when every partition that will hold a part of it does.
func (s *adminService) CreateTopic(ctx context.Context, req *freshetv1.CreateTopicRequest) (*freshetv1.CreateTopicResponse, error) {
	if err := catalog.CheckName("name", req.GetName()); err != nil {
		return nil, catalogFault(err)
	}
	if err := s.may(ctx, actionManage, resource{topic: req.GetName()}); err != nil {
		return nil, err
	}
	command := catalog.CreateTopic{
		Name: req.GetName(), EventBytesMax: req.GetEventBytesMax(), Partitions: req.GetPartitions(), Retention: retentionOf(req.GetRetention()),
		CreatedMs: s.life.clock.Now().UnixMilli(),
	}
	if req.GetRetention() == nil { // an empty one says that nothing is to be kept
		command.Retention = s.defaults.retention()
	}
	if command.EventBytesMax == 0 {
		command.EventBytesMax = uint32(s.defaults.EventBytesMax)
	}
	return atMetadata(ctx, s.services, func() (*freshetv1.CreateTopicResponse, error) {
		res, err := s.metadata.proposeOnce(ctx, req.GetRequest(), command)
		if err != nil {
			return nil, err
		}
		if err := s.controller.created(ctx, res.Topic, 0); err != nil {
			return nil, err
		}
		return &freshetv1.CreateTopicResponse{Topic: wireTopic(res.Topic), Created: res.Created}, nil
	}, func(to grpc.ClientConnInterface) (*freshetv1.CreateTopicResponse, error) {
		return freshetv1.NewAdminServiceClient(to).CreateTopic(ctx, req)
	})
}

// DeleteTopic removes a topic, and answers when every partition that held a part of it has. Only the catalog knows what became of a request that has a number:
// it may be the topic's maker's next one that is there by now, or nothing, since this very request has removed it.
func (s *adminService) DeleteTopic(ctx context.Context, req *freshetv1.DeleteTopicRequest) (*freshetv1.DeleteTopicResponse, error) {
	if err := catalog.CheckName("name", req.GetName()); err != nil {
		return nil, catalogFault(err)
	}
	if req.GetRequest() == 0 {
		if _, err := s.resolve(ctx, req.GetName()); err != nil {
			return nil, err
		}
	}
	if err := s.may(ctx, actionManage, resource{topic: req.GetName()}); err != nil {
		return nil, err
	}
	return atMetadata(ctx, s.services, func() (*freshetv1.DeleteTopicResponse, error) {
		res, err := s.metadata.proposeOnce(ctx, req.GetRequest(), catalog.DeleteTopic{Name: req.GetName()})
		if err != nil {
			return nil, s.metadata.named(err, req.GetName(), "")
		}
		return &freshetv1.DeleteTopicResponse{}, s.controller.deleted(ctx, res.Topic, 0)
	}, func(to grpc.ClientConnInterface) (*freshetv1.DeleteTopicResponse, error) {
		return freshetv1.NewAdminServiceClient(to).DeleteTopic(ctx, req)
	})
}

// ListTopics lists topics by name.
func (s *adminService) ListTopics(ctx context.Context, req *freshetv1.ListTopicsRequest) (*freshetv1.ListTopicsResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{topic: "*"}); err != nil {
		return nil, err
	}
	limit, err := listLimit(req.GetMax(), listMax)
	if err != nil {
		return nil, err
	}
	if err := s.current(ctx); err != nil {
		return nil, err
	}
	res := &freshetv1.ListTopicsResponse{}
	for t := range s.metadata.view().Topics(req.GetAfter()) {
		if res.More = len(res.Topics) == limit; res.More {
			break
		}
		res.Topics = append(res.Topics, wireTopic(t))
	}
	return res, nil
}

func wireTopic(t catalog.Topic) *freshetv1.Topic {
	return &freshetv1.Topic{
		Name: t.Name, Id: t.ID, EventBytesMax: t.EventBytesMax, CreatedMs: t.CreatedMs, Subscriptions: uint32(t.Subscriptions),
		Partitions: uint32(len(t.Partitions)), Retention: wireRetention(t.Retention),
	}
}

func (d *Defaults) retention() catalog.Retention {
	return catalog.Retention{AgeMs: uint64(d.Retention.Age.Milliseconds()), Bytes: uint64(d.Retention.Bytes)}
}

func retentionOf(r *freshetv1.Retention) catalog.Retention {
	return catalog.Retention{AgeMs: r.GetAgeMs(), Bytes: r.GetBytes(), Drop: r.GetDrop()}
}

func wireRetention(r catalog.Retention) *freshetv1.Retention {
	if r == (catalog.Retention{}) {
		return nil
	}
	return &freshetv1.Retention{AgeMs: r.AgeMs, Bytes: r.Bytes, Drop: r.Drop}
}

// listLimit checks how many a request wants; 0 stands for the default.
func listLimit(asked, otherwise uint32) (int, error) {
	switch {
	case asked == 0:
		return int(otherwise), nil
	case asked > listMax:
		return 0, limitExceeded("max", listMax, int64(asked), "")
	}
	return int(asked), nil
}
