package client

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// benchNode costs as little as a node can: blocks are answered unread, and deliveries are all the same block.
type benchNode struct {
	freshetv1.UnimplementedAdminServiceServer
	freshetv1.UnimplementedPublishServiceServer
	freshetv1.UnimplementedConsumeServiceServer
	freshetv1.UnimplementedRouteServiceServer

	delivery   *freshetv1.Delivery
	partitions int
}

func (n *benchNode) DescribeCluster(context.Context, *freshetv1.DescribeClusterRequest) (*freshetv1.DescribeClusterResponse, error) {
	return &freshetv1.DescribeClusterResponse{}, nil
}

func (n *benchNode) Route(context.Context, *freshetv1.RouteRequest) (*freshetv1.RouteResponse, error) {
	response := &freshetv1.RouteResponse{Epoch: 1}
	for i := range n.partitions {
		first, next := block.Slots*i/n.partitions, block.Slots*(i+1)/n.partitions
		response.Partitions = append(response.Partitions, &freshetv1.RoutedPartition{
			Number: uint32(i), Slots: []*freshetv1.SlotRange{{First: uint32(first), Count: uint32(next - first)}},
		})
	}
	return response, nil
}

func (n *benchNode) PublishStream(stream freshetv1.PublishService_PublishStreamServer) error {
	for {
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		b, err := block.Open(r.GetBlock())
		if err != nil {
			return err
		}
		if err := stream.Send(&freshetv1.PublishResponse{RequestId: r.GetRequestId(), Events: uint32(b.Len())}); err != nil {
			return err
		}
	}
}

// Consume keeps a session's credit used.
func (n *benchNode) Consume(stream freshetv1.ConsumeService_ConsumeServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	if err := stream.Send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Attached{Attached: &freshetv1.Attached{VisibilityMs: 30_000}}}); err != nil {
		return err
	}
	credit, held, credits := int(first.GetAttach().GetCredit().GetEvents()), 0, uint64(0)
	stamp, number := first.GetStampNs(), uint64(0)
	events := int(n.delivery.GetEvents()[0].GetCount())
	for {
		for ; credit-held >= events; held += events {
			number++
			d := &freshetv1.Delivery{
				Number: number, Epoch: number, VisibilityMs: 30_000, StampNs: stamp, Blocks: n.delivery.GetBlocks(),
				Events: []*freshetv1.DeliveredRun{{First: number * uint64(events), Count: uint32(events), Attempt: 1}},
			}
			if err := stream.Send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Delivery{Delivery: d}}); err != nil {
				return err
			}
		}
		r, err := stream.Recv()
		if err != nil {
			return err
		}
		stamp = r.GetStampNs()
		switch r := r.GetRequest().(type) {
		case *freshetv1.ConsumeRequest_Settle:
			for _, list := range [][]*freshetv1.Leased{r.Settle.GetAcks(), releasedOf(r.Settle)} {
				for _, l := range list {
					for _, run := range l.GetPositions() {
						held -= int(run.GetCount())
					}
				}
			}
			if err := stream.Send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Settled{Settled: &freshetv1.Settled{Sequence: r.Settle.GetSequence()}}}); err != nil {
				return err
			}
		case *freshetv1.ConsumeRequest_Credit:
			credit, credits = int(r.Credit.GetEvents()), credits+1
			if err := stream.Send(&freshetv1.ConsumeResponse{Response: &freshetv1.ConsumeResponse_Credited{Credited: &freshetv1.Credited{Credits: credits}}}); err != nil {
				return err
			}
		case *freshetv1.ConsumeRequest_Close:
			return nil
		}
	}
}

func releasedOf(s *freshetv1.Settle) (list []*freshetv1.Leased) {
	for _, r := range s.GetReleases() {
		list = append(list, r.GetLeased())
	}
	return list
}

func benchClient(b *testing.B, partitions int) *Client {
	n := &benchNode{partitions: partitions, delivery: &freshetv1.Delivery{Events: []*freshetv1.DeliveredRun{{Count: 500}}}}
	var w block.Writer
	for i := range 500 {
		e := benchEvent(i)
		if err := w.Append(&block.Event{Data: e.Data}); err != nil {
			b.Fatal(err)
		}
	}
	encoded, err := w.Finish(nil)
	if err != nil {
		b.Fatal(err)
	}
	n.delivery.Blocks = [][]byte{encoded}
	listener := bufconn.Listen(4 << 20)
	server := grpc.NewServer(grpc.InitialConnWindowSize(8<<20), grpc.InitialWindowSize(4<<20))
	freshetv1.RegisterAdminServiceServer(server, n)
	freshetv1.RegisterPublishServiceServer(server, n)
	freshetv1.RegisterConsumeServiceServer(server, n)
	freshetv1.RegisterRouteServiceServer(server, n)
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	c, err := Connect(b.Context(), "bench", WithDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := c.Shutdown(context.WithoutCancel(b.Context())); err != nil {
			b.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			b.Error(err)
		}
	})
	return c
}

// benchEvent is 256 bytes of raw JSON.
func benchEvent(i int) Event {
	data := fmt.Appendf(nil, `{"version":"0","id":"%08x","source":"com.shop.orders","detail-type":"Order Created","detail":{"order":%d,"note":"`, i, i)
	for len(data) < 256-3 {
		data = append(data, byte('a'+(i+len(data)*7)%26))
	}
	return EventFromJSON(append(data, `"}}`...))
}

// BenchmarkPublish is what an event of 256 bytes costs the client, gRPC and a node that does nothing, all on one machine.
func BenchmarkPublish(b *testing.B) {
	for name, event := range map[string]func(i int) Event{
		"raw": benchEvent,
		"bytes": func(i int) Event {
			e := benchEvent(i)
			e.ContentType = "text/plain"
			return e
		},
		"fields": func(i int) Event {
			return Event{Source: "com.shop.orders", DetailType: "Order Created", Detail: map[string]int{"order": i}}
		},
	} {
		for _, compression := range []Compression{CompressionNone, CompressionS2} {
			b.Run(name+"/"+compression.String(), func(b *testing.B) {
				events := []Event{}
				for i := range 1000 {
					events = append(events, event(i))
				}
				c := benchClient(b, 1)
				p, err := c.Producer("orders", WithCompression(compression))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					p.PublishAsync(b.Context(), events[i%len(events)])
					i++
				}
				if err := p.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkPublishBatch is what an event of 256 bytes costs in a batch of 1,000, as BenchmarkPublish.
func BenchmarkPublishBatch(b *testing.B) {
	for _, compression := range []Compression{CompressionNone, CompressionS2} {
		b.Run(compression.String(), func(b *testing.B) {
			batch := make([]Event, 1000)
			for i := range batch {
				batch[i] = benchEvent(i)
				batch[i].Source, batch[i].DetailType = "com.shop.orders", "Order Created"
			}
			p, err := benchClient(b, 1).Producer("orders", WithCompression(compression))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			b.ResetTimer()
			for left := b.N; left > 0; left -= len(batch) {
				if _, err := p.PublishBatch(b.Context(), batch[:min(left, len(batch))]); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkPublishPartitions is what it costs to spread events over partitions, with keys and without.
func BenchmarkPublishPartitions(b *testing.B) {
	for _, partitions := range []int{1, 8} {
		for _, keys := range []int{0, 100} {
			b.Run(fmt.Sprintf("partitions=%d/keys=%d", partitions, keys), func(b *testing.B) {
				var events []Event
				for i := range 1000 {
					e := benchEvent(i)
					if keys > 0 {
						e.Key = fmt.Sprint("customer-", i%keys)
					}
					events = append(events, e)
				}
				p, err := benchClient(b, partitions).Producer("orders", WithCompression(CompressionNone))
				if err != nil {
					b.Fatal(err)
				}
				b.ReportAllocs()
				i := 0
				for b.Loop() {
					p.PublishAsync(b.Context(), events[i%len(events)])
					i++
				}
				if err := p.Flush(b.Context()); err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkConsume is what an event of 256 bytes costs from delivery to its confirmed ack.
func BenchmarkConsume(b *testing.B) {
	for _, partitions := range []int{1, 8} {
		for _, concurrency := range []int{1, 16} {
			b.Run(fmt.Sprintf("partitions=%d/handlers=%d", partitions, concurrency), func(b *testing.B) {
				c := benchClient(b, partitions)
				ctx, cancel := context.WithCancel(b.Context())
				var handled atomic.Int64
				b.ReportAllocs()
				b.ResetTimer()
				err := c.Queue("orders/billing").Consume(ctx, func(context.Context, *Delivery) error {
					if handled.Add(1) == int64(b.N) {
						cancel()
					}
					return nil
				}, WithWindow(10_000, 64<<20), WithConcurrency(concurrency))
				if err != nil {
					b.Fatal(err)
				}
			})
		}
	}
}

// BenchmarkSharePlan is what moving credit costs: eight partitions, one of them short, and nothing to give.
func BenchmarkSharePlan(b *testing.B) {
	now := time.Now()
	s := newShare(1_000, 1<<20, 8, 0, now)
	for _, p := range s.portions {
		s.hold(p, p.credit, 0, now)
	}
	s.portions[0].hungry = now
	b.ReportAllocs()
	for b.Loop() {
		s.plan(now)
	}
}
