package broker

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// quietStream is a publishing stream of which the test itself carries the requests and the answers.
type quietStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // a stream has one
}

func (s *quietStream) Context() context.Context                 { return s.ctx }
func (s *quietStream) Recv() (*freshetv1.PublishRequest, error) { panic("nobody receives here") }
func (s *quietStream) Send(*freshetv1.PublishResponse) error    { panic("nobody sends here") }

// TestLeaderlessPartition: on one stream, blocks for a partition whose leader is waited for stay in their order, and those of another, behind them, are
// stored meanwhile.
func TestLeaderlessPartition(t *testing.T) {
	r := newRig(t)
	r.adjust = func(o *Options) { o.Partitions = 2 }
	r.start()
	r.create("dark", "q")
	r.create("light", "q")
	ctx := r.context()
	p := newPublishing(&publishService{services: r.services()}, &quietStream{ctx: ctx})
	data := blockOf(t, block.Options{}, []string{"{}"})
	to, _, err := p.service.admit(ctx, &freshetv1.PublishRequest{Topic: "dark", Block: data})
	if err != nil {
		t.Fatal(err)
	}
	w := &leaderless{to: to}
	p.waits[to.number] = w // somebody waits already
	const blocks = 5
	for i := range uint64(blocks) {
		for at, topic := range []string{"dark", "light"} {
			req := &freshetv1.PublishRequest{RequestId: 100*uint64(at) + i, Topic: topic, Block: data}
			weight, err := p.acquire(ctx, 1000)
			if err != nil {
				t.Fatal(err)
			}
			if err := p.publish(ctx, req, weight); err != nil {
				t.Fatal(err)
			}
		}
	}
	inOrder := func(first uint64) {
		t.Helper()
		p.underWay.Wait()
		got, _ := p.answers.take()
		if len(got) != blocks {
			t.Fatalf("%d answers, want %d", len(got), blocks)
		}
		for i, a := range got {
			if a.response.GetError() != nil || a.response.GetRequestId() != first+uint64(i) || a.response.GetFirstOffset() != uint64(i) {
				t.Errorf("answer %d: %v", i, a.response)
			}
			p.release(a.weight)
		}
	}
	inOrder(100)
	if len(w.blocks) != blocks {
		t.Errorf("%d blocks wait for a leader", len(w.blocks))
	}
	p.waitForLeader(ctx, w)
	inOrder(0)
	if len(p.waits) != 0 {
		t.Error("somebody waits still")
	}
}
