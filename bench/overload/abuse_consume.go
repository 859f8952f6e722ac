package overload

import (
	"bytes"
	"context"
	"encoding/binary"
	"sync"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// stock publishes something to consume.
func stock(ctx context.Context, node string, blocks int) error {
	event := block.Event{Data: bytes.Repeat([]byte("x"), 10_000), ContentType: "text/plain"}
	raw, err := blockOf(block.CodecNone, event, event, event, event, event, event, event, event, event, event)
	if err != nil {
		return err
	}
	return with(node, func(conn *grpc.ClientConn) error {
		for range blocks {
			if _, err := freshetv1.NewPublishServiceClient(conn).Publish(ctx, &freshetv1.PublishRequest{Topic: abuseTopic, Block: raw}); err != nil {
				if codeOf(err) == "FR3003" { // there is as much as the log holds
					return nil
				}
				return err
			}
		}
		return nil
	})
}

// attach begins a session. Who asks for much gets much.
func attach(ctx context.Context, conn *grpc.ClientConn, n int, credit uint32) (freshetv1.ConsumeService_ConsumeClient, error) {
	stream, err := freshetv1.NewConsumeServiceClient(conn).Consume(ctx)
	if err != nil {
		return nil, err
	}
	session := make([]byte, 16)
	binary.LittleEndian.PutUint64(session, uint64(n)+1)
	return stream, stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: &freshetv1.Attach{
		Topic: abuseTopic, Subscription: abuseQueue, Session: session, Credit: &freshetv1.Credit{Events: credit, Bytes: 64 << 20},
	}}})
}

// unread asks for all that there is, as a consumer and as a reader, and reads nothing of it.
func unread(ctx context.Context, f *field) (string, error) {
	var said answers
	err := f.each(f.Clients, func(node string, n int) error {
		return with(node, func(conn *grpc.ClientConn) error {
			if _, err := attach(ctx, conn, n, 65_536); err != nil {
				said.err(ctx, err)
			}
			for range 7 {
				if _, err := freshetv1.NewConsumeServiceClient(conn).Read(ctx, &freshetv1.ReadRequest{Topic: abuseTopic, From: &freshetv1.ReadRequest_Earliest{Earliest: true}}); err != nil {
					said.err(ctx, err)
				}
			}
			<-ctx.Done()
			return nil
		}, grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(64<<10))
	})
	return said.String(), err
}

// unacked reads what it gets, and settles none of it.
func unacked(ctx context.Context, f *field) (string, error) {
	var said answers
	err := f.each(f.Clients, func(node string, n int) error {
		return with(node, func(conn *grpc.ClientConn) error {
			stream, err := attach(ctx, conn, 1_000+n, 65_536)
			for err == nil {
				var res *freshetv1.ConsumeResponse
				if res, err = stream.Recv(); err == nil && res.GetDelivery() != nil {
					said.add("deliveries")
				}
			}
			said.err(ctx, err)
			return nil
		})
	})
	return said.String(), err
}

// streamsMax is how many calls a connection of ours has: nodes let it have 256.
const streamsMax = 250

// polls parks long polls on a queue that gets nothing.
func polls(ctx context.Context, f *field) (string, error) {
	var said answers
	connections := (f.Polls + streamsMax*len(f.nodes) - 1) / (streamsMax * len(f.nodes))
	perConnection := f.Polls / (connections * len(f.nodes))
	err := f.each(connections, func(node string, _ int) error {
		return with(node, func(conn *grpc.ClientConn) error {
			var parked sync.WaitGroup
			for range perConnection {
				parked.Go(func() {
					for ctx.Err() == nil {
						_, err := freshetv1.NewConsumeServiceClient(conn).Receive(ctx, &freshetv1.ReceiveRequest{Topic: abuseTopic, Subscription: "selective", WaitMs: 20_000})
						said.err(ctx, err)
					}
				})
			}
			parked.Wait()
			return nil
		})
	})
	return said.String(), err
}
