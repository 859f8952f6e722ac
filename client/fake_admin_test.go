package client

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// fakePage is how many entries the fake lists at a time, so that lists have several pages.
const fakePage = 2

// DescribeCluster answers what the test wants first.
func (n *fakeNode) DescribeCluster(context.Context, *freshetv1.DescribeClusterRequest) (*freshetv1.DescribeClusterResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.mu.describes) > 0 {
		err := n.mu.describes[0]
		n.mu.describes = n.mu.describes[1:]
		return nil, err
	}
	return &freshetv1.DescribeClusterResponse{
		Name: "fake", Id: "0001",
		Nodes: []*freshetv1.Node{{Name: "n1", ApiAddress: "fake:7600", PeerAddress: "fake:7601", Version: "test", Reached: true}},
		Partitions: []*freshetv1.Partition{{
			Leader: "n1", Term: 3, Applied: 9, Replicas: []*freshetv1.Replica{{Node: "n1", Applied: 9, Last: 10, Debt: 1}},
		}},
	}, nil
}

// DescribeNode tells of itself, with hashes if they are wanted.
func (n *fakeNode) DescribeNode(_ context.Context, r *freshetv1.DescribeNodeRequest) (*freshetv1.DescribeNodeResponse, error) {
	own := &freshetv1.Replica{Node: "n1", Applied: 9, Last: 10}
	if r.GetStateHashes() {
		own.StateHash = 0xfeed
	}
	return &freshetv1.DescribeNodeResponse{
		Node: &freshetv1.Node{Name: "n1", ApiAddress: "fake:7600"}, Partitions: []*freshetv1.Partition{{Replicas: []*freshetv1.Replica{own}}},
	}, nil
}

func (n *fakeNode) CreateTopic(_ context.Context, r *freshetv1.CreateTopicRequest) (*freshetv1.CreateTopicResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	_, there := n.mu.topics[r.GetName()]
	t := n.topicLocked(r.GetName())
	if !there {
		t.partitions = cmp.Or(r.GetPartitions(), 1)
		t.bytesMax = cmp.Or(int(r.GetEventBytesMax()), block.DataBytesMax)
	} else if t.bytesMax != cmp.Or(int(r.GetEventBytesMax()), block.DataBytesMax) {
		return nil, (&Error{Code: CodeTopicExists, Message: fmt.Sprintf("topic %q is there with other settings", r.GetName())}).GRPCStatus().Err()
	}
	return &freshetv1.CreateTopicResponse{Topic: t.wire(r.GetName()), Created: !there}, nil
}

func (t *fakeTopic) wire(name string) *freshetv1.Topic {
	return &freshetv1.Topic{Name: name, Id: 1, EventBytesMax: uint32(t.bytesMax), Partitions: t.partitions}
}

func (n *fakeNode) ListTopics(_ context.Context, r *freshetv1.ListTopicsRequest) (*freshetv1.ListTopicsResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	response := &freshetv1.ListTopicsResponse{}
	for _, name := range slices.Sorted(maps.Keys(n.mu.topics)) {
		if name <= r.GetAfter() {
			continue
		}
		if len(response.Topics) == fakePage {
			response.More = true
			break
		}
		response.Topics = append(response.Topics, n.mu.topics[name].wire(name))
	}
	return response, nil
}

func (n *fakeNode) CreateSubscription(_ context.Context, r *freshetv1.CreateSubscriptionRequest) (*freshetv1.CreateSubscriptionResponse, error) {
	s := r.GetSubscription()
	full := s.GetTopic() + "/" + s.GetName()
	n.mu.Lock()
	_, topic := n.mu.topics[s.GetTopic()]
	_, there := n.mu.queues[full]
	n.mu.Unlock()
	if !topic {
		return nil, (&Error{Code: CodeTopicNotFound, Message: fmt.Sprintf("topic %q not found", s.GetTopic())}).GRPCStatus().Err()
	}
	visibility := cmp.Or(duration(s.GetVisibilityMs()), 30*time.Second)
	if !there {
		n.addQueue(full, s.GetKind(), visibility, int(cmp.Or(s.GetAttemptsMax(), 5)))
	}
	return &freshetv1.CreateSubscriptionResponse{Created: !there, Subscription: &freshetv1.Subscription{
		Topic: s.GetTopic(), Name: s.GetName(), Kind: s.GetKind(), Pattern: s.GetPattern(),
		VisibilityMs: millis(visibility), AttemptsMax: cmp.Or(s.GetAttemptsMax(), 5),
	}}, nil
}

func (n *fakeNode) ListSubscriptions(_ context.Context, r *freshetv1.ListSubscriptionsRequest) (*freshetv1.ListSubscriptionsResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	response := &freshetv1.ListSubscriptionsResponse{}
	for _, full := range slices.Sorted(maps.Keys(n.mu.queues)) {
		q := n.mu.queues[full]
		if q.topic != n.mu.topics[r.GetTopic()] || q.name <= r.GetAfter() {
			continue
		}
		if len(response.Subscriptions) == fakePage {
			response.More = true
			break
		}
		response.Subscriptions = append(response.Subscriptions, &freshetv1.Subscription{
			Topic: r.GetTopic(), Name: q.name, Kind: q.kind, VisibilityMs: millis(q.visibility),
			Counts: &freshetv1.SubscriptionCounts{Ready: uint64(len(q.ready)), Leased: uint64(len(q.leases)), Dead: uint64(len(q.dead))},
		})
	}
	return response, nil
}

func (n *fakeNode) ListDeadLetters(_ context.Context, r *freshetv1.ListDeadLettersRequest) (*freshetv1.ListDeadLettersResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q, err := n.queueOf(r.GetTopic(), r.GetSubscription(), r.GetMember())
	if err != nil {
		return nil, err
	}
	response := &freshetv1.ListDeadLettersResponse{}
	for _, offset := range slices.Sorted(maps.Keys(q.dead)) {
		if offset < r.GetFromOffset() {
			continue
		}
		if len(response.Letters) == min(fakePage, int(r.GetMax())) {
			response.More, response.NextOffset = true, offset
			break
		}
		if r.GetReason() != 0 && q.dead[offset] != r.GetReason() {
			continue
		}
		var w block.Writer
		if err := w.Append(&q.topic.events[offset].event); err != nil {
			return nil, err
		}
		encoded, err := w.Finish(nil)
		if err != nil {
			return nil, err
		}
		response.Letters = append(response.Letters, &freshetv1.DeadLetter{
			Offset: offset, Reason: q.dead[offset], Detail: q.detail[offset], Attempts: q.tries[offset], Block: encoded,
		})
	}
	return response, nil
}

func (n *fakeNode) DeleteTopic(_ context.Context, r *freshetv1.DeleteTopicRequest) (*freshetv1.DeleteTopicResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.topics[r.GetName()] == nil {
		return nil, (&Error{Code: CodeTopicNotFound, Message: fmt.Sprintf("topic %q not found", r.GetName())}).GRPCStatus().Err()
	}
	delete(n.mu.topics, r.GetName())
	maps.DeleteFunc(n.mu.queues, func(full string, _ *fakeQueue) bool { return strings.HasPrefix(full, r.GetName()+"/") })
	return &freshetv1.DeleteTopicResponse{}, nil
}

// DeleteSubscription removes the subscription; a member of it isn't modelled, and only noted.
func (n *fakeNode) DeleteSubscription(_ context.Context, r *freshetv1.DeleteSubscriptionRequest) (*freshetv1.DeleteSubscriptionResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if _, err := n.queueOf(r.GetTopic(), r.GetSubscription(), r.GetMember()); err != nil {
		return nil, err
	}
	if r.GetMember() == "" {
		delete(n.mu.queues, r.GetTopic()+"/"+r.GetSubscription())
	} else {
		n.mu.deletedMember = r.GetMember()
	}
	return &freshetv1.DeleteSubscriptionResponse{}, nil
}

// RedriveDeadLetters redrives fakePage at a time, whatever is asked for.
func (n *fakeNode) RedriveDeadLetters(_ context.Context, r *freshetv1.RedriveDeadLettersRequest) (*freshetv1.RedriveDeadLettersResponse, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	q, err := n.queueOf(r.GetTopic(), r.GetSubscription(), r.GetMember())
	if err != nil {
		return nil, err
	}
	response := &freshetv1.RedriveDeadLettersResponse{}
	for _, offset := range slices.Sorted(maps.Keys(q.dead)) {
		if offset < r.GetFromOffset() || r.GetReason() != 0 && q.dead[offset] != r.GetReason() {
			continue
		}
		if len(r.GetOffsets()) > 0 && !slices.Contains(r.GetOffsets(), offset) {
			continue
		}
		if response.Redriven == min(fakePage, r.GetMax()) {
			response.More, response.NextOffset = true, offset
			break
		}
		response.Redriven++
		if r.GetDryRun() {
			response.Planned = append(response.Planned, &freshetv1.DeadOffsets{Runs: []*freshetv1.OffsetRun{{First: offset, Count: 1}}})
		} else {
			delete(q.dead, offset)
			q.tries[offset] = 0
			q.ready = append(q.ready, offset)
		}
	}
	return response, nil
}

// Read sends each event in a block of its own.
func (n *fakeNode) Read(r *freshetv1.ReadRequest, stream freshetv1.ConsumeService_ReadServer) error {
	n.mu.Lock()
	t := n.mu.topics[r.GetTopic()]
	n.mu.Unlock()
	if t == nil {
		return (&Error{Code: CodeTopicNotFound, Message: "no such topic"}).GRPCStatus().Err()
	}
	n.mu.Lock()
	next := uint64(len(t.events))
	switch from := r.GetFrom().(type) {
	case *freshetv1.ReadRequest_Earliest:
		next = t.held
	case *freshetv1.ReadRequest_Offset:
		next = from.Offset
	case *freshetv1.ReadRequest_TimeMs:
		next = uint64(slices.IndexFunc(append(t.events, fakeEvent{stored: time.Now().Add(time.Hour)}),
			func(e fakeEvent) bool { return e.stored.UnixMilli() >= from.TimeMs }))
	}
	n.mu.Unlock()
	if r.GetFrom() == nil {
		if err := stream.Send(&freshetv1.ReadResponse{Begins: &next}); err != nil {
			return err
		}
	}
	for {
		n.mu.Lock()
		held, head, appended := t.held, uint64(len(t.events)), t.appended
		var response *freshetv1.ReadResponse
		switch {
		case next < held:
			response, next = &freshetv1.ReadResponse{TruncatedBefore: held}, held
		case next < head:
			var w block.Writer
			if err := w.Append(&t.events[next].event); err != nil {
				panic(err)
			}
			encoded, err := w.Finish(nil)
			if err != nil {
				panic(err)
			}
			response = &freshetv1.ReadResponse{
				StoredMs: t.events[next].stored.UnixMilli(), Block: encoded, Events: []*freshetv1.OffsetRun{{First: next, Count: 1}},
			}
			next++
		}
		n.mu.Unlock()
		if response != nil {
			if err := stream.Send(response); err != nil {
				return err
			}
			continue
		}
		if !r.GetFollow() {
			return nil
		}
		select {
		case <-appended:
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	}
}
