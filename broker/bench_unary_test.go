package broker

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// benchCallers is how many callers publish one event a call, on benchConnections connections.
const (
	benchCallers     = 64
	benchConnections = 4
)

// bareService answers at once: what is left is gRPC, its client's half included.
type bareService struct {
	freshetv1.UnimplementedPublishServiceServer
}

// Publish implements freshetv1.PublishServiceServer.
func (bareService) Publish(_ context.Context, req *freshetv1.PublishRequest) (*freshetv1.PublishResponse, error) {
	return &freshetv1.PublishResponse{RequestId: req.GetRequestId(), Events: 1}, nil
}

// BenchmarkUnary is a call that publishes one event of 256 bytes, of 64 callers: answered by nobody but gRPC with the codec of a node, and by a node
// with a synced log. The first is the yardstick for the second.
func BenchmarkUnary(b *testing.B) {
	b.Run("bare", func(b *testing.B) {
		listener := benchListener(b)
		server := grpc.NewServer(grpc.ForceServerCodecV2(newCodec()))
		freshetv1.RegisterPublishServiceServer(server, bareService{})
		var serving sync.WaitGroup
		serving.Go(func() {
			if err := server.Serve(listener); err != nil {
				b.Error(err)
			}
		})
		defer serving.Wait()
		defer server.Stop()
		benchUnary(b, listener.Addr().String())
	})
	b.Run("node", func(b *testing.B) {
		listener := benchListener(b)
		node, err := Start(b.Context(), Options{Node: "n1", Dir: b.TempDir(), Listener: listener, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			b.Fatal(err)
		}
		defer func() {
			if err := node.Shutdown(context.Background()); err != nil {
				b.Error(err)
			}
		}()
		benchTopic(b, node.Addr().String())
		benchUnary(b, node.Addr().String())
	})
}

func benchListener(b *testing.B) net.Listener {
	b.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	return listener
}

// benchTopic makes the topic. Without subscriptions it keeps nothing, so the log doesn't fill up.
func benchTopic(b *testing.B, address string) {
	b.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := freshetv1.NewAdminServiceClient(conn).CreateTopic(b.Context(), &freshetv1.CreateTopicRequest{Name: "t"}); err != nil {
		b.Error(err)
	}
	if err := conn.Close(); err != nil {
		b.Error(err)
	}
}

// benchUnary makes the calls, and sees that each is answered with one event stored.
func benchUnary(b *testing.B, address string) {
	b.Helper()
	connections := make([]*grpc.ClientConn, benchConnections)
	for i := range connections {
		conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			b.Fatal(err)
		}
		connections[i] = conn
	}
	defer func() {
		for _, conn := range connections {
			if err := conn.Close(); err != nil {
				b.Error(err)
			}
		}
	}()
	var w block.Writer
	if err := w.Reset(block.Options{}); err != nil {
		b.Fatal(err)
	}
	if err := w.Append(&block.Event{Data: []byte(`{"source":"com.orders","text":"` + strings.Repeat("x", 223) + `"}`)}); err != nil {
		b.Fatal(err)
	}
	raw, err := w.Finish(nil)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportAllocs()
	b.ResetTimer()
	var calls atomic.Int64
	var callers sync.WaitGroup
	for i := range benchCallers {
		callers.Go(func() {
			publish := freshetv1.NewPublishServiceClient(connections[i%benchConnections])
			for calls.Add(1) <= int64(b.N) {
				res, err := publish.Publish(b.Context(), &freshetv1.PublishRequest{Topic: "t", Block: raw})
				if err != nil || res.GetEvents() != 1 {
					b.Errorf("%d events are stored: %v", res.GetEvents(), err)
					return
				}
			}
		})
	}
	callers.Wait()
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "calls/s")
}
