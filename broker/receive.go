package broker

import (
	"context"
	"slices"
	"time"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

const (
	// receiveBytesDefault and receiveBytesMax are how many bytes of events one Receive gets.
	receiveBytesDefault = 1 << 20
	receiveBytesMax     = 16 << 20
	// receiveWaitMax is the longest poll.
	receiveWaitMax = 20 * time.Second
)

// Receive leases events once. While there are none it waits without an entry in the log: an idle poll costs memory and nothing else.
func (s *consumeService) Receive(ctx context.Context, req *freshetv1.ReceiveRequest) (*freshetv1.ReceiveResponse, error) {
	sub, err := s.subscription(ctx, actionConsume, req.GetTopic(), req.GetSubscription())
	if err != nil {
		return nil, err
	}
	command, err := takeCommand(sub, req)
	if err != nil {
		return nil, err
	}
	if err := checkWait(req.GetWaitMs()); err != nil {
		return nil, err
	}
	topic := s.topicOf(sub)
	if req.Partition == nil && len(topic.Partitions) > 1 {
		return s.receiveAnywhere(ctx, topic, req)
	}
	p, err := s.partitionOf(topic, req.Partition)
	if err != nil {
		return nil, err
	}
	return atLeader(ctx, s.services, p, func() (*freshetv1.ReceiveResponse, error) {
		return s.receiveHere(ctx, p, sub, command, req.GetWaitMs())
	},
		func(to grpc.ClientConnInterface) (*freshetv1.ReceiveResponse, error) {
			return freshetv1.NewConsumeServiceClient(to).Receive(ctx, req)
		})
}

// receiveHere leases events of a partition that is led here.
func (s *consumeService) receiveHere(ctx context.Context, p hosted, sub catalog.Subscription, command partition.TakeCommand, waitMs uint32) (*freshetv1.ReceiveResponse, error) {
	bound, release := s.life.bind(ctx)
	defer release()
	waiting, release := s.life.within(bound, time.Duration(waitMs)*time.Millisecond)
	defer release()
	// A member that isn't there yet is made by its first take; until then there is nothing to wait for.
	known := isMember(p, sub, command.Cursor.Member)
	for {
		if known {
			ready, err := waitReady(bound, waiting, p, command.Cursor)
			if err != nil || !ready {
				return &freshetv1.ReceiveResponse{}, err
			}
		}
		taken, err := p.Take(ctx, command)
		if err != nil {
			return nil, err
		}
		if len(taken.Runs) > 0 {
			return s.received(p, command.Cursor, &taken), nil
		}
		known = true // somebody else was quicker
	}
}

// waitReady waits until a cursor has something to lease; false when the time for that is over. bound ends with the call, or the node.
func waitReady(bound, waiting context.Context, p hosted, cursor partition.CursorID) (bool, error) {
	err := p.WaitReady(waiting, cursor)
	switch {
	case err == nil:
		return true, nil
	case bound.Err() != nil:
		return false, context.Cause(bound)
	case waiting.Err() != nil:
		return false, nil //nolint:nilerr // that the time is over is the answer
	}
	return false, err
}

// Ready waits until there is something to lease, and leases nothing.
func (s *consumeService) Ready(ctx context.Context, req *freshetv1.ReadyRequest) (*freshetv1.ReadyResponse, error) {
	sub, err := s.subscription(ctx, actionConsume, req.GetTopic(), req.GetSubscription())
	if err != nil {
		return nil, err
	}
	cursor, err := cursorOf(sub, "member", req.GetMember())
	if err != nil {
		return nil, err
	}
	if err := checkWait(req.GetWaitMs()); err != nil {
		return nil, err
	}
	p, err := s.partitionOf(s.topicOf(sub), req.Partition)
	if err != nil {
		return nil, err
	}
	return atLeader(ctx, s.services, p, func() (*freshetv1.ReadyResponse, error) {
		bound, release := s.life.bind(ctx)
		defer release()
		waiting, release := s.life.within(bound, time.Duration(req.GetWaitMs())*time.Millisecond)
		defer release()
		ready, err := waitReady(bound, waiting, p, cursor)
		return &freshetv1.ReadyResponse{Ready: ready}, err
	}, func(to grpc.ClientConnInterface) (*freshetv1.ReadyResponse, error) {
		return freshetv1.NewConsumeServiceClient(to).Ready(ctx, req)
	})
}

// checkWait bounds how long a call may wait.
func checkWait(ms uint32) error {
	if int64(ms) > receiveWaitMax.Milliseconds() {
		return limitExceeded("wait_ms", receiveWaitMax.Milliseconds(), int64(ms), "")
	}
	return nil
}

// takeCommand checks what a request asks for.
func takeCommand(sub catalog.Subscription, req *freshetv1.ReceiveRequest) (c partition.TakeCommand, err error) {
	if c.Cursor, err = cursorOf(sub, "member", req.GetMember()); err != nil {
		return c, err
	}
	c.Events = max(req.GetMaxEvents(), 1)
	if c.Events > partition.ReceiptsMax {
		return c, limitExceeded("max_events", partition.ReceiptsMax, int64(c.Events), "")
	}
	if c.Bytes = req.GetMaxBytes(); c.Bytes == 0 {
		c.Bytes = receiveBytesDefault
	}
	if c.Bytes > receiveBytesMax {
		return c, limitExceeded("max_bytes", receiveBytesMax, clampInt64(c.Bytes), "")
	}
	c.Visibility, err = visibilityOf("visibility_ms", req.GetVisibilityMs())
	return c, err
}

// isMember tells whether the partition knows the cursor already.
func isMember(p hosted, sub catalog.Subscription, member string) bool {
	if member == "" {
		return true
	}
	return slices.Contains(p.Members(partition.SubscriptionID(sub.ID)), member)
}

// received is the answer: the events, and a receipt for each.
func (s *consumeService) received(p hosted, cursor partition.CursorID, taken *partition.Delivery) *freshetv1.ReceiveResponse {
	res := &freshetv1.ReceiveResponse{Delivery: wireDelivery(p.number, taken)}
	for _, run := range taken.Runs {
		for i := range run.Count {
			res.Receipts = append(res.Receipts, s.sealer.seal(receipt{p.number, partition.Receipt{
				Cursor: cursor, Offset: run.First + partition.Offset(i), Epoch: taken.Epoch,
			}}))
		}
	}
	return res
}
