package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// lookSession is a look's session on one partition. One goroutine reads, another
// does the rest.
type lookSession struct {
	questions freshetv1.ConsumeServiceClient
	ready     *freshetv1.ReadyRequest // names the partition
	// expecting: something was ready before the session was opened.
	expecting bool
	stream    grpc.BidiStreamingClient[freshetv1.ConsumeRequest, freshetv1.ConsumeResponse]
	received  uint64
	held      []*freshetv1.Leased
}

// lookResponse is a delivery, and whose it is.
type lookResponse struct {
	session  *lookSession
	delivery *freshetv1.Delivery
}

// more reports whether the partition has something ready, as far as it answers: if
// not, the stream will say what is wrong.
func (s *lookSession) more(ctx context.Context) bool {
	answer, err := s.questions.Ready(ctx, s.ready)
	return err == nil && answer.GetReady()
}

// open attaches, under a name of its own.
func (s *lookSession) open(ctx context.Context, conn *grpc.ClientConn, credit *freshetv1.Credit) (err error) {
	if s.stream, err = freshetv1.NewConsumeServiceClient(conn).Consume(ctx); err != nil {
		return answeredError(err)
	}
	attach := &freshetv1.Attach{
		Topic: s.ready.GetTopic(), Subscription: s.ready.GetSubscription(), Member: s.ready.GetMember(), Partition: s.ready.Partition,
		Session: make([]byte, 16), Credit: credit,
	}
	if _, err := rand.Read(attach.GetSession()); err != nil {
		return err
	}
	err = s.stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: attach}})
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the reason is what Recv returns
		return answeredError(err)
	}
	return nil
}

// read passes deliveries on until the node has closed the session, as it was asked
// to.
func (s *lookSession) read(ctx context.Context, responses chan<- lookResponse) error {
	for {
		response, err := s.stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return err
		case response.GetDelivery() == nil:
			continue
		}
		select {
		case responses <- lookResponse{session: s, delivery: response.GetDelivery()}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// hold notes what is to be given back.
func (s *lookSession) hold(delivery *freshetv1.Delivery) {
	s.received = delivery.GetNumber()
	s.held = append(s.held, &freshetv1.Leased{Delivery: delivery.GetNumber()})
}

// giveBack has the node close the session: nothing that it holds was begun.
func (s *lookSession) giveBack() error {
	err := s.stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Close{
		Close: &freshetv1.Close{Received: s.received, Unstarted: s.held},
	}})
	if err != nil && !errors.Is(err, io.EOF) {
		return answeredError(err)
	}
	return nil
}

// eachDelivered goes through a delivery's events.
func eachDelivered(delivery *freshetv1.Delivery, do func(e block.Event, offset uint64, attempt uint32)) error {
	runs := delivery.GetEvents()
	next := uint32(0)
	for _, encoded := range delivery.GetBlocks() {
		opened, err := block.Open(encoded)
		if err != nil {
			return fmt.Errorf("the node sent what is no block: %w", err)
		}
		var reader block.Reader
		for reader.Reset(&opened); reader.Next(); next++ {
			for len(runs) > 0 && next >= runs[0].GetCount() {
				runs, next = runs[1:], 0
			}
			if len(runs) == 0 {
				return errors.New("the node sent more events than offsets")
			}
			do(reader.Event(), runs[0].GetFirst()+uint64(next), runs[0].GetAttempt())
		}
		if err := reader.Err(); err != nil {
			return fmt.Errorf("the node sent a block that can't be read: %w", err)
		}
	}
	return nil
}

// clientEvent is what is shown of an event that came in a block.
func clientEvent(e block.Event) client.Event {
	made := client.Event{Data: e.Data, ContentType: e.ContentType, Key: e.Key}
	for _, a := range e.Attributes {
		made.Attributes = append(made.Attributes, client.Attribute(a))
	}
	return made
}
