package main

import (
	"context"
	"errors"
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
// client keeps its sessions to itself: so this speaks to a node directly, with a
// session for each partition of the topic. The node passes on what others lead.
func (t *takeCommand) look(ctx context.Context, call *invocation, name subscriptionName) (err error) {
	// The client knows best how to say that no node is there.
	if err := call.withClient(ctx, func(*client.Client) error { return nil }); err != nil {
		return err
	}
	address, err := call.probe(ctx)
	if err != nil {
		return err
	}
	// A connection carries 256 calls, which is as many sessions as there may be
	// partitions: questions have their own.
	asking, err := lookConnection(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, asking.Close()) }()
	leasing, err := lookConnection(address)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, leasing.Close()) }()
	interrupted := ctx.Done()
	// Even an interrupted look gives back what it holds.
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), time.Duration(t.Wait)+time.Duration(call.Timeout), errTimeout)
	defer cancel()
	sessions, err := t.attach(ctx, asking, leasing, name)
	if err != nil {
		return err
	}
	seen := &looking{call: call, sessions: sessions, enough: int(t.Number)}
	responses := make(chan lookResponse)
	reading, readers := errgroup.WithContext(ctx)
	for _, session := range sessions {
		reading.Go(func() error { return session.read(readers, responses) })
	}
	ended := make(chan error, 1)
	go func() {
		ended <- reading.Wait()
		close(responses)
	}()
	err = seen.watch(ctx, responses, interrupted, time.Duration(t.Wait))
	if err != nil {
		cancel() // readers may wait for us
	}
	readErr := <-ended
	switch {
	case err != nil:
		return err
	case readErr != nil:
		return answeredError(readErr)
	case seen.events == 0:
		t.nothing(call, name)
	}
	return call.out.err
}

func lookConnection(address string) (*grpc.ClientConn, error) {
	return grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(takeBytesMax+block.EncodedBytesMax)))
}

// attach opens a session on each of the topic's partitions.
func (t *takeCommand) attach(ctx context.Context, asking, leasing *grpc.ClientConn, name subscriptionName) ([]*lookSession, error) {
	routed, err := freshetv1.NewRouteServiceClient(asking).Route(ctx, &freshetv1.RouteRequest{Topic: name.topic})
	if err != nil {
		return nil, answeredError(err)
	}
	sessions := make([]*lookSession, len(routed.GetPartitions()))
	opening, within := errgroup.WithContext(ctx)
	opening.SetLimit(lookOpening)
	for i, p := range routed.GetPartitions() {
		opening.Go(func() (err error) {
			sessions[i] = &lookSession{questions: freshetv1.NewConsumeServiceClient(asking), ready: &freshetv1.ReadyRequest{
				Topic: name.topic, Subscription: name.name, Member: t.Member, Partition: new(p.GetNumber()),
			}}
			sessions[i].expecting = sessions[i].more(within)
			return sessions[i].open(ctx, leasing, &freshetv1.Credit{Events: uint32(t.Number), Bytes: takeBytesMax})
		})
	}
	return sessions, opening.Wait()
}

// lookOpening is how many partitions are asked at a time.
const lookOpening = 16

// looking is a look under way.
type looking struct {
	call     *invocation
	sessions []*lookSession
	enough   int
	events   int
}

// watch writes what comes until there is enough or it is quiet, then has the
// sessions closed. It returns when there are no more responses.
func (l *looking) watch(ctx context.Context, responses <-chan lookResponse, interrupted <-chan struct{}, wait time.Duration) error {
	quiet := time.NewTimer(max(wait, lookQuiet)) // attaching takes a moment too
	defer quiet.Stop()
	closing := false
	for {
		select {
		case response, open := <-responses:
			switch {
			case !open:
				return nil
			case closing:
				// What comes while a session is being closed was never received,
				// as far as the node is told.
				continue
			}
			if err := l.take(response); err != nil {
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
			for _, session := range l.sessions {
				if err := session.giveBack(); err != nil {
					return err
				}
			}
		}
	}
}

// drained reports whether there is nothing more that could come now: what was ready
// at the beginning has come, and nothing else is.
func (l *looking) drained(ctx context.Context) bool {
	for _, session := range l.sessions {
		if session.expecting && session.received == 0 {
			return false
		}
	}
	for _, session := range l.sessions {
		if session.more(ctx) {
			return false
		}
	}
	return true
}

// take writes a delivery's events, as many as are wanted still: each session may
// bring that many.
func (l *looking) take(response lookResponse) error {
	response.session.hold(response.delivery)
	return eachDelivered(response.delivery, func(e block.Event, offset uint64, attempt uint32) {
		if l.events == l.enough {
			return
		}
		l.events++
		event := clientEvent(e)
		answer := eventAnswerOf(&event)
		answer.Partition, answer.Offset, answer.Attempt = response.delivery.GetPartition(), offset, int(attempt)
		l.call.writeEvent(&answer)
	})
}
