package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"time"

	"golang.org/x/sync/errgroup"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// lookQuiet is how long a look waits for more once it has seen something, where
// the node doesn't say that nothing is left. What is ready comes in one go; this
// only bridges the way.
const lookQuiet = 500 * time.Millisecond

// look prints events and gives them back as never begun, which counts as no
// attempt. Only a session can say that (a one-shot release counts), and the
// client keeps its sessions to itself: so this speaks to the node directly.
func (t *takeCommand) look(ctx context.Context, call *invocation, name subscriptionName) (err error) {
	// The client knows best how to say that no node is there.
	if err := call.withClient(ctx, func(*client.Client) error { return nil }); err != nil {
		return err
	}
	conn, err := grpc.NewClient(call.Server, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(takeBytesMax+block.EncodedBytesMax)))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, conn.Close()) }()
	interrupted := ctx.Done()
	// Even an interrupted look gives back what it holds.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), time.Duration(t.Wait)+time.Duration(call.Timeout), errTimeout)
	defer cancel()
	stream, err := freshetv1.NewConsumeServiceClient(conn).Consume(ctx)
	if err != nil {
		return answeredError(err)
	}
	session := make([]byte, 16)
	if _, err := rand.Read(session); err != nil {
		return err
	}
	err = stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: &freshetv1.Attach{
		Topic: name.topic, Subscription: name.name, Member: t.Member, Session: session,
		Credit: &freshetv1.Credit{Events: uint32(t.Number), Bytes: takeBytesMax},
	}}})
	if err != nil && !errors.Is(err, io.EOF) { // EOF: the reason is what Recv returns
		return answeredError(err)
	}
	responses := make(chan *freshetv1.ConsumeResponse)
	var reading errgroup.Group
	reading.Go(func() error {
		defer close(responses)
		for {
			response, err := stream.Recv()
			if err != nil {
				return err
			}
			select {
			case responses <- response:
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
	})
	seen := &looking{call: call, name: name, admin: freshetv1.NewAdminServiceClient(conn), stream: stream, enough: int(t.Number)}
	err = seen.watch(ctx, responses, interrupted, time.Duration(t.Wait))
	if err != nil {
		cancel() // the reader may wait for us
	}
	ended := reading.Wait()
	switch {
	case err != nil:
		return err
	case !errors.Is(ended, io.EOF): // EOF: the node has closed the session, as it was asked to
		return answeredError(ended)
	case seen.events == 0:
		t.nothing(call, name)
	}
	return call.out.err
}

// looking is a look under way.
type looking struct {
	call     *invocation
	name     subscriptionName
	admin    freshetv1.AdminServiceClient
	stream   grpc.BidiStreamingClient[freshetv1.ConsumeRequest, freshetv1.ConsumeResponse]
	enough   int
	events   int
	received uint64
	held     []*freshetv1.Leased
}

// watch writes what comes until there is enough or it is quiet, then has the
// session closed. It returns when there are no more responses.
func (l *looking) watch(ctx context.Context, responses <-chan *freshetv1.ConsumeResponse, interrupted <-chan struct{}, wait time.Duration) error {
	quiet := time.NewTimer(max(wait, lookQuiet)) // attaching takes a moment too
	defer quiet.Stop()
	closing := false
	for {
		select {
		case response, open := <-responses:
			switch {
			case !open:
				return nil
			case closing || response.GetDelivery() == nil:
				// What comes while the session is being closed was never
				// received, as far as the node is told.
				continue
			}
			if err := l.take(response.GetDelivery()); err != nil {
				return err
			}
			if l.events >= l.enough || l.drained(ctx) {
				quiet.Reset(0)
			} else {
				quiet.Reset(lookQuiet)
			}
		case <-interrupted:
			interrupted = nil
			quiet.Reset(0)
		case <-quiet.C:
			if closing {
				continue
			}
			closing = true
			err := l.stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Close{
				Close: &freshetv1.Close{Received: l.received, Unstarted: l.held},
			}})
			if err != nil && !errors.Is(err, io.EOF) {
				return answeredError(err)
			}
		}
	}
}

// drained reports whether the node has nothing more that could come now. Of a
// fanout it tells the sum over the members, which says nothing of one.
func (l *looking) drained(ctx context.Context) bool {
	listed, err := l.admin.ListSubscriptions(ctx, &freshetv1.ListSubscriptionsRequest{Topic: l.name.topic})
	if err != nil {
		return false // the stream will say what is wrong
	}
	for _, subscription := range listed.GetSubscriptions() {
		if subscription.GetName() == l.name.name {
			return subscription.GetCounts().GetReady() == 0
		}
	}
	return false
}

// take writes a delivery's events.
func (l *looking) take(delivery *freshetv1.Delivery) error {
	l.received = delivery.GetNumber()
	l.held = append(l.held, &freshetv1.Leased{Delivery: delivery.GetNumber()})
	runs := delivery.GetEvents()
	next := uint32(0)
	for _, encoded := range delivery.GetBlocks() {
		opened, err := block.Open(encoded)
		if err != nil {
			return fmt.Errorf("the node sent what is no block: %w", err)
		}
		var reader block.Reader
		for reader.Reset(&opened); reader.Next(); l.events++ {
			for len(runs) > 0 && next >= runs[0].GetCount() {
				runs, next = runs[1:], 0
			}
			if len(runs) == 0 {
				return errors.New("the node sent more events than offsets")
			}
			event := clientEvent(reader.Event())
			answer := eventAnswerOf(&event)
			answer.Partition, answer.Offset, answer.Attempt = delivery.GetPartition(), runs[0].GetFirst()+uint64(next), int(runs[0].GetAttempt())
			l.call.writeEvent(&answer)
			next++
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
