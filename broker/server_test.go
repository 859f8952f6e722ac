package broker

import (
	"context"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestServerBounds: what is too large for a handler to see is refused before one does.
func TestServerBounds(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	describe := func(header int) error {
		ctx := grpcmetadata.AppendToOutgoingContext(r.context(), "x", strings.Repeat("x", header))
		_, err := r.admin.DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{})
		return err
	}
	if err := describe(headerBytesMax / 2); err != nil {
		t.Errorf("half of what headers may have: %v", err)
	}
	if err := describe(headerBytesMax + 1); err == nil {
		t.Error("larger headers were taken")
	}
	_, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: "t", Block: make([]byte, requestBytesMax+1)})
	if status.Code(err) != codes.ResourceExhausted {
		t.Errorf("a request that is too large: %v", err)
	}
	// The largest block there is fits.
	var w block.Writer
	event := &block.Event{Data: make([]byte, block.DataBytesMax)}
	for range block.BlockBytesMax/block.DataBytesMax - 1 {
		if err := w.Append(event); err != nil {
			t.Fatal(err)
		}
	}
	event.Data = make([]byte, block.BlockBytesMax-w.Size()-10)
	if err := w.Append(event); err != nil {
		t.Fatal(err)
	}
	raw, err := w.Finish(nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: "t", Block: raw}); err != nil {
		t.Errorf("a block of %d bytes: %v", len(raw), err)
	}
}

// TestStreamLimit: a connection has 256 calls under way, and the next waits for one of them to end.
func TestStreamLimit(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	ctx, cancel := context.WithCancel(r.context())
	defer cancel()
	var first grpc.ServerStreamingClient[freshetv1.ReadResponse]
	end := func() {}
	for i := range streamsMax {
		one, stop := context.WithCancel(ctx)
		stream, err := r.consume.Read(one, &freshetv1.ReadRequest{Topic: "t", Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if i == 0 {
			first, end = stream, stop
			if _, err := first.Recv(); err != nil { // where it begins
				t.Fatal(err)
			}
		}
		t.Cleanup(stop)
	}
	answered := make(chan error, 1)
	go func() {
		_, err := r.admin.DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{})
		answered <- err
	}()
	// Another connection is not concerned.
	other := *r
	other.connect()
	if _, err := other.admin.DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{}); err != nil {
		t.Error(err)
	}
	select {
	case err := <-answered:
		t.Errorf("call 257 of a connection was answered: %v", err)
	default:
	}
	end()
	if _, err := first.Recv(); status.Code(err) != codes.Canceled {
		t.Errorf("the first call ended with %v", err)
	}
	if err := <-answered; err != nil {
		t.Error(err)
	}
}
