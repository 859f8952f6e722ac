package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// benchBlock is a block of 1,000 JSON events of 256 bytes.
func benchBlock(b *testing.B, codec block.Codec) []byte {
	b.Helper()
	var w block.Writer
	if err := w.Reset(block.Options{Codec: codec}); err != nil {
		b.Fatal(err)
	}
	for i := range 1_000 {
		head := fmt.Sprintf(`{"source":"com.orders","detail-type":"order","id":"%d","detail":{"n":%d,"text":"`, i, i)
		if err := w.Append(&block.Event{Data: []byte(head + strings.Repeat("x", 256-len(head)-3) + `"}}`)}); err != nil {
			b.Fatal(err)
		}
	}
	raw, err := w.Finish(nil)
	if err != nil {
		b.Fatal(err)
	}
	return raw
}

// BenchmarkCheckBlock is what the node looks at in a published block of 1,000 events before the partition has it.
func BenchmarkCheckBlock(b *testing.B) {
	topic := catalog.Topic{EventBytesMax: block.DataBytesMax}
	for _, codec := range []block.Codec{block.CodecNone, block.CodecS2} {
		for _, strict := range []bool{false, true} {
			b.Run(fmt.Sprintf("%v/require_json=%t", codec, strict), func(b *testing.B) {
				req := &freshetv1.PublishRequest{Block: benchBlock(b, codec), RequireJson: strict}
				b.ReportAllocs()
				for b.Loop() {
					checked := takeBlock()
					if err := checked.check(req, &topic); err != nil {
						b.Fatal(err)
					}
					checked.giveBack()
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/1_000, "ns/event")
			})
		}
	}
}

// BenchmarkReceipt makes and opens one receipt.
func BenchmarkReceipt(b *testing.B) {
	r := receipt{0, partition.Receipt{Cursor: partition.CursorID{Subscription: 7}, Offset: 1 << 30, Epoch: 1 << 20}}
	b.ReportAllocs()
	for b.Loop() {
		if _, ok := testSealer.open(testSealer.seal(r)); !ok {
			b.Fatal("it doesn't open")
		}
	}
}

// BenchmarkPublishStream is a block of 1,000 events from a client over loopback through a synced log to its answer, with a window of 16.
func BenchmarkPublishStream(b *testing.B) {
	for _, codec := range []block.Codec{block.CodecNone, block.CodecS2} {
		b.Run(codec.String(), func(b *testing.B) {
			listener, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				b.Fatal(err)
			}
			node, err := Start(b.Context(), Options{Node: "n1", Dir: b.TempDir(), Listener: listener, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				b.Fatal(err)
			}
			defer func() {
				if err := node.Shutdown(context.Background()); err != nil {
					b.Error(err)
				}
			}()
			conn, err := grpc.NewClient(node.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
			if err != nil {
				b.Fatal(err)
			}
			defer conn.Close() //nolint:errcheck // the benchmark is over
			publishBlocks(b, conn, benchBlock(b, codec))
		})
	}
}

func publishBlocks(b *testing.B, conn *grpc.ClientConn, raw []byte) {
	b.Helper()
	// A topic without subscriptions keeps nothing, so the log doesn't fill up.
	if _, err := freshetv1.NewAdminServiceClient(conn).CreateTopic(b.Context(), &freshetv1.CreateTopicRequest{Name: "t"}); err != nil {
		b.Fatal(err)
	}
	stream, err := freshetv1.NewPublishServiceClient(conn).PublishStream(b.Context())
	if err != nil {
		b.Fatal(err)
	}
	window := make(chan struct{}, 16)
	received := make(chan error, 1)
	go func() {
		for {
			res, err := stream.Recv()
			if err != nil || res.GetError() != nil {
				received <- err
				return
			}
			<-window
		}
	}()
	b.SetBytes(int64(len(raw)))
	for b.Loop() {
		window <- struct{}{}
		if err := stream.Send(&freshetv1.PublishRequest{Topic: "t", Block: raw}); err != nil {
			b.Fatal(err)
		}
	}
	if err := stream.CloseSend(); err != nil {
		b.Fatal(err)
	}
	if err := <-received; !errors.Is(err, io.EOF) {
		b.Fatal(err)
	}
	b.ReportMetric(1_000*float64(b.N)/b.Elapsed().Seconds(), "events/s")
}
