package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestPublishStream sends blocks, good ones and bad ones, without waiting: each is answered under its id, the good ones in the
// order in which they were sent, and the bad ones cost nobody anything.
func TestPublishStream(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	stream, err := r.publish.PublishStream(r.context())
	if err != nil {
		t.Fatal(err)
	}
	const blocks = 200
	go func() {
		for id := range uint64(blocks) {
			req := &freshetv1.PublishRequest{Topic: "t", RequestId: id, Block: blockOf(t, block.Options{}, []string{fmt.Sprintf(`{"n":%d}`, id)})}
			switch id % 10 {
			case 3:
				req.Topic = "nowhere"
			case 7:
				req.GetBlock()[len(req.GetBlock())-1]++
			}
			if err := stream.Send(req); err != nil {
				t.Error(err)
				return
			}
		}
		if err := stream.CloseSend(); err != nil {
			t.Error(err)
		}
	}()
	answers := map[uint64]*freshetv1.PublishResponse{}
	for {
		res, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		answers[res.GetRequestId()] = res
	}
	next := uint64(0)
	for id := range uint64(blocks) {
		res := answers[id]
		if res == nil {
			t.Fatalf("request %d wasn't answered", id)
		}
		got := reason(res.GetError().GetCode())
		want := map[uint64]string{3: "FR1003", 7: "FR2005"}[id%10]
		switch {
		case want == "":
			if res.GetError() != nil || res.GetFirstOffset() != next || res.GetEvents() != 1 {
				t.Fatalf("request %d: %v, want offset %d", id, res, next)
			}
			next++
		case got != want:
			t.Errorf("request %d: %s, want %s", id, got, want)
		}
	}
}

// slowClient is a publishing stream whose client sends as fast as the node reads, and reads no answers until it is told to.
type slowClient struct {
	grpc.ServerStream
	ctx   context.Context //nolint:containedctx // a stream has one
	block []byte
	total int64

	received, sent atomic.Int64
	// stuck is closed when the node has read one block more than it has room for.
	stuck chan struct{}
	// reads is closed when the client begins to read.
	reads chan struct{}
}

// roomFor is how many of the client's blocks fit into the bound.
func (c *slowClient) roomFor() int64 {
	return unansweredBytesMax / int64(len(c.block)+unansweredOverhead)
}

func (c *slowClient) Context() context.Context { return c.ctx }

func (c *slowClient) Recv() (*freshetv1.PublishRequest, error) {
	n := c.received.Add(1)
	if n == c.roomFor()+1 {
		close(c.stuck)
	}
	if n > c.total {
		return nil, io.EOF
	}
	return &freshetv1.PublishRequest{Topic: "t", RequestId: uint64(n), Block: c.block}, nil
}

func (c *slowClient) Send(*freshetv1.PublishResponse) error {
	<-c.reads
	c.sent.Add(1)
	return nil
}

// TestPublishStreamHoldsBack: a client that doesn't read its answers makes the node hold 16 MiB of its blocks, and no more. When it reads again
// everything is answered.
func TestPublishStreamHoldsBack(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	c := &slowClient{
		ctx: r.context(), block: blockOf(t, block.Options{}, []string{"text x " + strings.Repeat("x", 1<<20)}), total: 24,
		stuck: make(chan struct{}), reads: make(chan struct{}),
	}
	ended := make(chan error, 1)
	go func() { ended <- (&publishService{services: r.services()}).PublishStream(c) }()
	<-c.stuck
	// Whatever the node would read all the same, it has read by the time that it has stored some more blocks of others.
	for range 20 {
		if _, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: "t", Block: blockOf(t, block.Options{}, []string{"{}"})}); err != nil {
			t.Fatal(err)
		}
	}
	// One waits for room, and one is in hand.
	if got, most := c.received.Load(), c.roomFor()+2; got > most {
		t.Errorf("the node read %d blocks, at most %d", got, most)
	}
	close(c.reads)
	if err := <-ended; err != nil || c.sent.Load() != c.total {
		t.Errorf("%d of %d answered, %v", c.sent.Load(), c.total, err)
	}
}

// TestPublishStreamEndsWithTheNode: what was taken on is answered, then the stream ends with UNAVAILABLE.
func TestPublishStreamEndsWithTheNode(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	stream, err := r.publish.PublishStream(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&freshetv1.PublishRequest{Topic: "t", RequestId: 1, Block: blockOf(t, block.Options{}, []string{"{}"})}); err != nil {
		t.Fatal(err)
	}
	if res, err := stream.Recv(); err != nil || res.GetError() != nil {
		t.Fatal(res, err)
	}
	r.stop(r.node)
	if _, err := stream.Recv(); status.Code(err) != codes.Unavailable {
		t.Errorf("the stream ended with %v", err)
	}
}
