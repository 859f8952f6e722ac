package broker

import (
	"context"
	"errors"
	"io"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// relayConsume has a consumer's session held by the node that leads its partition, and carries what both say. Each message is taken when the one before has
// been handed on, so that who doesn't read holds back whoever sends.
func (s *consumeService) relayConsume(waiting context.Context, stream freshetv1.ConsumeService_ConsumeServer, in *inbound[freshetv1.ConsumeRequest], first *freshetv1.ConsumeRequest, to grpc.ClientConnInterface) error {
	ctx, end := context.WithCancel(waiting)
	defer end()
	there, err := freshetv1.NewConsumeServiceClient(to).Consume(ctx)
	if err != nil {
		return relayError(waiting, err)
	}
	if err := there.Send(first); err != nil {
		return relayError(waiting, recvError(there, err))
	}
	said := make(chan struct{})
	go func() {
		defer close(said)
		for {
			select {
			case m, open := <-in.messages:
				switch {
				case open:
					if there.Send(m) != nil { // Recv says why
						return
					}
				case errors.Is(in.err, io.EOF):
					if there.CloseSend() != nil {
						end()
					}
					return
				default: // the consumer's connection broke, and so does this one: its leases run on
					end()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	}()
	err = relay(there, stream)
	end()
	<-said
	return relayError(waiting, err)
}

// relayRead has a topic read by the node that leads the partition.
func (s *consumeService) relayRead(waiting context.Context, stream freshetv1.ConsumeService_ReadServer, req *freshetv1.ReadRequest, to grpc.ClientConnInterface) error {
	ctx, end := context.WithCancel(waiting)
	defer end()
	there, err := freshetv1.NewConsumeServiceClient(to).Read(ctx, req)
	if err != nil {
		return relayError(waiting, err)
	}
	return relayError(waiting, relay(there, stream))
}

// relay carries messages as they are until the stream ends: nil when it did in order.
func relay(from grpc.ClientStream, to grpc.ServerStream) error {
	for {
		var f frame
		err := from.RecvMsg(&f)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = to.SendMsg(&f)
			f.data.Free()
		}
		if err != nil {
			return err
		}
	}
}

// recvError is why a stream ended on which nothing can be sent any more.
func recvError(stream grpc.ClientStream, err error) error {
	if errors.Is(err, io.EOF) {
		var nothing freshetv1.ConsumeResponse
		if why := stream.RecvMsg(&nothing); why != nil {
			return why
		}
	}
	return err
}

// relayError is what a stream that was passed on ended with. That its leader can't be reached any more is no unknown outcome: what a session has, and where a reader
// is, is known when they are back.
func relayError(waiting context.Context, err error) error {
	if err == nil {
		return nil
	}
	if cause := context.Cause(waiting); cause != nil {
		return cause
	}
	told := peerError(err)
	if f, ok := errors.AsType[*fault](told); ok && f.code == freshetv1.ErrorCode_ERROR_CODE_OUTCOME_UNKNOWN {
		return faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE, "the connection to the node that leads the partition broke; connect again")
	}
	if status.Code(told) == codes.Canceled {
		return context.Canceled
	}
	return told
}

// lead finds where a stream is to go, and looks again for a while where nobody leads.
func (s *services) lead(ctx context.Context, p hosted) (to destination, err error) {
	if to, err = s.leaderOf(ctx, p); err == nil || passedOn(ctx) {
		return to, err
	}
	again := s.search(ctx)
	defer again.end()
	for again.wait() {
		if to, err = s.leaderOf(ctx, p); err == nil {
			return to, nil
		}
	}
	return nil, s.life.ended(again.bound, err)
}
