package broker

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"google.golang.org/protobuf/proto"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// receiveAnywhere leases events from whichever of a topic's partitions has some, as a caller who doesn't care asks for.
//
//	ask each for what is there now, beginning with another each time ──▶ some: done
//	         ▲                          │ none
//	         │ somebody was quicker     ▼
//	         └──── the first that is ready ◀──── wait for all at once (Ready: leases nothing, costs no entry)
//
// So one partition at a time is asked to lease, and what isn't delivered is never leased: `max 1` leases one.
func (s *consumeService) receiveAnywhere(ctx context.Context, topic catalog.Topic, req *freshetv1.ReceiveRequest) (*freshetv1.ReceiveResponse, error) {
	bound, release := s.life.bind(ctx)
	defer release()
	waiting, release := s.life.within(bound, time.Duration(req.GetWaitMs())*time.Millisecond)
	defer release()

	numbers := topic.Partitions
	first := rand.IntN(len(numbers)) //nolint:gosec // so that no partition is always the last to be asked
	for {
		var failed error
		for _, number := range s.turns(numbers, first) {
			res, err := s.receiveFrom(ctx, req, number)
			if len(res.GetReceipts()) > 0 {
				return res, nil
			}
			failed = errors.Join(failed, err)
		}
		if failed != nil { // what has been asked of all others has given nothing
			return nil, firstOf(failed)
		}
		at, err := s.anyReady(waiting, req, numbers)
		switch {
		case bound.Err() != nil:
			return nil, context.Cause(bound)
		case waiting.Err() != nil:
			return &freshetv1.ReceiveResponse{}, nil
		case err != nil:
			return nil, err
		}
		first = at
	}
}

// turns is the order in which partitions are asked, beginning with one of them. Those that nobody leads come last, since each would have to be waited for.
func (s *consumeService) turns(numbers []uint32, first int) []uint32 {
	order := slices.Concat(numbers[first:], numbers[:first])
	slices.SortStableFunc(order, func(a, b uint32) int { return s.leaderless(a) - s.leaderless(b) })
	return order
}

func (s *consumeService) leaderless(number uint32) int {
	if s.partitions.all[number].leader().Node == "" {
		return 1
	}
	return 0
}

// receiveFrom asks one partition for what is there now.
func (s *consumeService) receiveFrom(ctx context.Context, req *freshetv1.ReceiveRequest, number uint32) (*freshetv1.ReceiveResponse, error) {
	one, ok := proto.Clone(req).(*freshetv1.ReceiveRequest)
	if !ok {
		return nil, errors.New("a request's clone is another")
	}
	one.Partition, one.WaitMs = &number, 0
	return s.Receive(ctx, one)
}

// anyReady waits until one of the partitions is ready, and returns which.
func (s *consumeService) anyReady(ctx context.Context, req *freshetv1.ReceiveRequest, numbers []uint32) (at int, err error) {
	asking, stop := context.WithCancel(ctx)
	type answer struct {
		at  int
		err error
	}
	answers := make(chan answer, len(numbers))
	for i, number := range numbers {
		go func() {
			for {
				res, err := s.Ready(asking, &freshetv1.ReadyRequest{
					Topic: req.GetTopic(), Subscription: req.GetSubscription(), Member: req.GetMember(), Partition: &number,
					WaitMs: uint32(receiveWaitMax.Milliseconds()),
				})
				if err != nil || res.GetReady() {
					answers <- answer{i, err}
					return
				}
			}
		}()
	}
	first := <-answers
	stop()
	for range len(numbers) - 1 { // they are joined before the call ends
		<-answers
	}
	return first.at, first.err
}

// firstOf returns the first of joined errors: a caller can do something about one.
func firstOf(err error) error {
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		return firstOf(joined.Unwrap()[0])
	}
	return err
}
