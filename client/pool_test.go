package client

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// open is how many connections the client has to the node for consuming.
func (n *nodes) open(address string) int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.find(address).pools[forConsuming])
}

// TestManyStreams: a node takes 256 calls on a connection, and a client may have any number of streams: each more hundreds have a connection of their own,
// which is closed with the last of them.
func TestManyStreams(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := startFronts(t, 1, 1, time.Minute)
		c := f.connect(t)
		at := f.fronts[0].address()
		begin := func(ctx context.Context) {
			l, err := c.nodes.link(at, forConsuming)
			if err != nil {
				t.Fatal(err)
			}
			stream, err := freshetv1.NewConsumeServiceClient(l).Read(ctx, &freshetv1.ReadRequest{Topic: "orders", Follow: true})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := stream.Header(); err != nil { // the node has begun it
				t.Fatal(err)
			}
		}
		early, endEarly := context.WithCancel(t.Context())
		defer endEarly()
		late, endLate := context.WithCancel(t.Context())
		defer endLate()
		for range 3 * callsMax {
			begin(early)
		}
		begin(late)
		if n := c.nodes.open(at); n != 4 {
			t.Errorf("%d connections for %d streams", n, 3*callsMax+1)
		}
		endEarly()
		synctest.Wait()
		if n := c.nodes.open(at); n != 2 {
			t.Errorf("%d connections are left for one stream on the fourth", n)
		}
		begin(late)
		endLate()
		synctest.Wait()
		if n := c.nodes.open(at); n != 1 {
			t.Errorf("%d connections are left without streams", n)
		}
		if err := c.Shutdown(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
