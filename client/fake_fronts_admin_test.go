package client

import (
	"context"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// ListDeadLetters lists a page of one partition, and says where to go on.
func (f *fakeFront) ListDeadLetters(ctx context.Context, r *freshetv1.ListDeadLettersRequest) (*freshetv1.ListDeadLettersResponse, error) {
	if err := f.unwell(); err != nil {
		return nil, err
	}
	response, err := f.partitions[r.GetFromPartition()].ListDeadLetters(ctx, r)
	if err != nil {
		return nil, err
	}
	for _, letter := range response.GetLetters() {
		letter.Partition = r.GetFromPartition()
	}
	response.NextPartition = r.GetFromPartition()
	if next := r.GetFromPartition() + 1; !response.GetMore() && int(next) < len(f.partitions) {
		response.More, response.NextPartition, response.NextOffset = true, next, 0
	}
	return response, nil
}

// RedriveDeadLetters redrives in one partition, and says where to go on.
func (f *fakeFront) RedriveDeadLetters(ctx context.Context, r *freshetv1.RedriveDeadLettersRequest) (*freshetv1.RedriveDeadLettersResponse, error) {
	if err := f.unwell(); err != nil {
		return nil, err
	}
	response, err := f.partitions[r.GetFromPartition()].RedriveDeadLetters(ctx, r)
	if err != nil {
		return nil, err
	}
	response.NextPartition = r.GetFromPartition()
	for _, planned := range response.GetPlanned() {
		planned.Partition = r.GetFromPartition()
	}
	if f.loses() {
		f.breakAll()
		return nil, errFakeBreak
	}
	if next := r.GetFromPartition() + 1; len(r.GetOffsets()) == 0 && !response.GetMore() && int(next) < len(f.partitions) {
		response.More, response.NextPartition, response.NextOffset = true, next, 0
	}
	return response, nil
}

// ListTopics tells which node was asked.
func (f *fakeFront) ListTopics(context.Context, *freshetv1.ListTopicsRequest) (*freshetv1.ListTopicsResponse, error) {
	if err := f.unwell(); err != nil {
		return nil, err
	}
	return &freshetv1.ListTopicsResponse{Topics: []*freshetv1.Topic{{Name: f.name}}}, nil
}

// CreateTopic makes one topic, and breaks its connections likewise.
func (f *fakeFront) CreateTopic(_ context.Context, r *freshetv1.CreateTopicRequest) (*freshetv1.CreateTopicResponse, error) {
	if err := f.unwell(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.mu.made == 0 {
		f.mu.made = r.GetRequest()
	}
	created := f.mu.made == r.GetRequest()
	f.mu.Unlock()
	if f.loses() {
		f.breakAll()
		return nil, errFakeBreak
	}
	return &freshetv1.CreateTopicResponse{Topic: &freshetv1.Topic{Name: r.GetName()}, Created: created}, nil
}

// loses tells whether the answer is to be lost.
func (f *fakeFront) loses() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	lose := f.mu.lose > 0
	f.mu.lose -= min(f.mu.lose, 1)
	return lose
}

// DeleteTopic does it, and breaks its connections before it answers, when the test wants that.
func (f *fakeFront) DeleteTopic(_ context.Context, r *freshetv1.DeleteTopicRequest) (*freshetv1.DeleteTopicResponse, error) {
	if err := f.unwell(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	if f.mu.deleted == 0 {
		f.mu.deleted = r.GetRequest()
	}
	deleted := f.mu.deleted != r.GetRequest() // by another request
	lose := f.mu.loseDelete
	f.mu.loseDelete = false
	f.mu.Unlock()
	switch {
	case deleted:
		return nil, (&Error{Code: CodeTopicNotFound, Message: "topic \"" + r.GetName() + "\" not found"}).GRPCStatus().Err()
	case lose:
		f.breakAll()
		return nil, errFakeBreak
	}
	return &freshetv1.DeleteTopicResponse{}, nil
}

// unwell returns what the node answers in place of what it is asked.
func (f *fakeFront) unwell() error {
	f.conns.Lock()
	defer f.conns.Unlock()
	if f.conns.stopping {
		return (&Error{Code: CodeUnavailable, Message: f.name + " is stopping", Retryable: true}).GRPCStatus().Err()
	}
	return nil
}
