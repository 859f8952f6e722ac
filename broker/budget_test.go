package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/connectivity"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// unused waits until nothing is counted at a node any more.
func (m *clusterMember) unused() {
	t := m.rig.t
	t.Helper()
	for _, p := range []*pool{m.node.budget.smallRequests, m.node.budget.requests, m.node.budget.calls, m.node.budget.smallBlocks, m.node.budget.blocks, m.node.budget.answers} {
		ctx := m.rig.context()
		if err := p.room.Acquire(ctx, p.bytes); err != nil {
			t.Errorf("something is still counted among %s's %s", m.name, p.name)
			continue
		}
		p.room.Release(p.bytes)
	}
}

// largeBytes is about what a block may have in a log as small as the rig's.
const largeBytes = 256 << 10

// publishLarge stores large events at a topic's leader.
func (c *clusterRig) publishLarge(topic string, events int) {
	c.t.Helper()
	var w block.Writer
	if err := w.Append(&block.Event{Data: make([]byte, largeBytes)}); err != nil {
		c.t.Fatal(err)
	}
	raw, err := w.Finish(nil)
	if err != nil {
		c.t.Fatal(err)
	}
	for range events {
		if _, err := c.leader(c.home(topic)).publish.Publish(c.context(), &freshetv1.PublishRequest{Topic: topic, Block: raw}); err != nil {
			c.t.Fatal(err)
		}
	}
}

// connected is another client's connection to a member. It takes little that isn't read.
func (m *clusterMember) connected() *grpc.ClientConn {
	t := m.rig.t
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+m.api(), grpc.WithContextDialer(m.rig.dial), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithStaticStreamWindowSize(64<<10), grpc.WithStaticConnWindowSize(1<<20))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Log(err)
		}
	})
	return conn
}

// TestClientThatNeverReads: a consumer that asks for events and doesn't read them is cut off after a while, at the leader and where it is passed on from, and what
// it made the nodes hold is free again. Whoever reads isn't concerned.
func TestClientThatNeverReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		leader := c.leader(c.home("orders"))
		other := c.running()[0]
		if other == leader {
			other = c.running()[1]
		}
		for _, at := range []*clusterMember{leader, other} {
			c.publishLarge("orders", 12)
			conn := at.connected()
			stream, err := freshetv1.NewConsumeServiceClient(conn).Consume(c.context())
			if err != nil {
				t.Fatal(err)
			}
			attach := &freshetv1.Attach{
				Topic: "orders", Subscription: "billing", Session: []byte(at.name + "-session-------")[:16], Credit: &freshetv1.Credit{Events: 100, Bytes: 64 << 20},
			}
			if err := stream.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: attach}}); err != nil {
				t.Fatal(err)
			}
			began := time.Now()
			conn.WaitForStateChange(c.context(), connectivity.Ready) // nothing is read
			if took := time.Since(began); took < stallMax || took > 2*stallMax {
				t.Errorf("%s was cut off after %v", at.name, took)
			}
			if cut := at.node.budget.cut.unread.Load(); cut != 1 {
				t.Errorf("%s has cut off %d", at.name, cut)
			}
			at.unused()
			if _, err := at.consume.Ready(c.context(), &freshetv1.ReadyRequest{Topic: "orders", Subscription: "billing"}); err != nil {
				t.Errorf("another client of %s: %v", at.name, err)
			}
		}
	})
}

// TestReadersWait: who reads a topic slowly may, until the node is short of room for those who don't.
func TestReadersWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.adjust = func(o *Options) { o.Limits.Memory = memoryMin }
		c.startAll()
		c.create("orders", "billing")
		c.publishLarge("orders", 4)
		leader := c.leader(c.home("orders"))
		slow := func(streams int) (all []grpc.ServerStreamingClient[freshetv1.ReadResponse]) {
			client := freshetv1.NewConsumeServiceClient(leader.connected())
			for range streams {
				stream, err := client.Read(c.t.Context(), &freshetv1.ReadRequest{Topic: "orders", From: &freshetv1.ReadRequest_Earliest{Earliest: true}})
				if err != nil {
					t.Fatal(err)
				}
				all = append(all, stream)
			}
			return all
		}
		readers := slow(2)
		<-time.After(6 * stallMax)
		if cut := leader.node.budget.cut.unread.Load(); cut > 0 {
			t.Errorf("%d readers were cut off", cut)
		}
		for range 3 { // each connection may have 16 MiB unread, and all of them 32
			slow(40)
		}
		synctest.Wait()
		if leader.node.budget.answers.waiting.Load() == 0 {
			t.Error("there is room for all")
		}
		res, err := leader.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "billing"})
		if err != nil || len(res.GetReceipts()) != 1 {
			t.Errorf("a client that reads: %v", err)
		}
		if cut := leader.node.budget.cut.unread.Load(); cut == 0 {
			t.Error("nobody was cut off")
		}
		for err = nil; err == nil; {
			_, err = readers[0].Recv()
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("a slow reader ends with %v", err)
		}
	})
}

// TestBudgetRefusals: calls and blocks beyond what the node has room for are refused, and a stream of blocks waits.
func TestBudgetRefusals(t *testing.T) {
	r := newRig(t)
	r.start()
	r.create("t", "q")
	b := r.node.budget
	raw := blockOf(t, block.Options{}, []string{`{"n":1}`})
	stream, err := r.publish.PublishStream(r.context())
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Send(&freshetv1.PublishRequest{Topic: "t", Block: raw}); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); err != nil {
		t.Fatal(err)
	}
	if err := b.blocks.room.Acquire(r.context(), b.blocks.bytes); err != nil {
		t.Fatal(err)
	}
	for _, send := range []func() error{
		func() error {
			_, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: "t", Block: raw})
			return err
		},
		func() error {
			if err := stream.Send(&freshetv1.PublishRequest{Topic: "t", Block: raw}); err != nil {
				return err
			}
			_, err := stream.Recv()
			return err
		},
	} {
		if err := send(); err != nil {
			t.Errorf("a small block beside large ones: %v", err)
		}
	}
	if err := b.smallBlocks.room.Acquire(r.context(), b.smallBlocks.bytes); err != nil {
		t.Fatal(err)
	}
	if _, err := r.publish.Publish(r.context(), &freshetv1.PublishRequest{Topic: "t", Block: raw}); showError(err)[:6] != "FR3004" {
		t.Errorf("a block without room: %v", err)
	}
	if err := stream.Send(&freshetv1.PublishRequest{Topic: "t", Block: raw}); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(patience); b.smallBlocks.waiting.Load() == 0; {
		if time.Now().After(deadline) {
			t.Fatal("the stream's block doesn't wait")
		}
	}
	b.smallBlocks.give(b.smallBlocks.bytes)
	if res, err := stream.Recv(); err != nil || res.GetError() != nil || res.GetFirstOffset() != 3 {
		t.Errorf("the block that waited: %v, %v", res, err)
	}

	if !b.calls.room.TryAcquire(b.calls.bytes - callBytes) { // the stream's own
		t.Fatal("calls are counted that aren't")
	}
	if _, err := r.admin.ListTopics(r.context(), &freshetv1.ListTopicsRequest{}); showError(err)[:6] != "FR3004" {
		t.Errorf("a call without room: %v", err)
	}
	refused, err := r.consume.Consume(r.context())
	if err == nil {
		_, err = refused.Recv()
	}
	if showError(err)[:6] != "FR3004" {
		t.Errorf("a stream without room: %v", err)
	}
	b.calls.room.Release(b.calls.bytes - callBytes)
	if err := stream.CloseSend(); err != nil {
		t.Fatal(err)
	}
	if _, err := stream.Recv(); showError(err) != "ended: OK\n" {
		t.Errorf("the stream ends with %v", err)
	}
}

// TestWriteDeadline: a machine that takes nothing doesn't hold up the node for good, and loses its connection.
func TestWriteDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer far.Close() //nolint:errcheck // it was never read
		c := newConnection(near, nil, newBudget(t.Context(), memoryMin, slog.New(slog.DiscardHandler)), newNewcomers(t.Context(), time.Now()), func() {})
		began := time.Now()
		if _, err := c.Write([]byte("hello")); !errors.Is(err, os.ErrDeadlineExceeded) || time.Since(began) != stallMax {
			t.Errorf("after %v: %v", time.Since(began), err)
		}
		if c.life.Err() == nil {
			t.Error("the connection is open")
		}
		if err := errors.Join(c.Close(), c.Close()); err != nil {
			t.Error(err)
		}
	})
}

// TestConnectionAge: a connection is asked to make place for another after an hour or so; what it was used for has some minutes more.
func TestConnectionAge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		logger := slog.New(slog.DiscardHandler)
		b := newBudget(t.Context(), memoryMin, logger)
		server := newClientServer(&guard{logger: logger, names: &metadata{}}, b)
		checks := health.NewServer()
		healthgrpc.RegisterHealthServer(server, checks)
		pipe := bufconn.Listen(1 << 10)
		served := make(chan error, 1)
		go func() { served <- server.Serve(newClientListener(pipe, 1, b, logger)) }()
		conn, err := grpc.NewClient("passthrough:///a", grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return pipe.DialContext(ctx) }))
		if err != nil {
			t.Fatal(err)
		}
		watching, err := healthgrpc.NewHealthClient(conn).Watch(t.Context(), &healthgrpc.HealthCheckRequest{})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := watching.Recv(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		conn.WaitForStateChange(t.Context(), connectivity.Ready)
		if age := time.Since(began); age < connectionAgeMax*9/10 || age > connectionAgeMax*11/10+time.Second {
			t.Errorf("it was asked after %v", age)
		}
		_, err = watching.Recv()
		if age := time.Since(began); status.Code(err) != codes.Unavailable || age > connectionAgeMax*11/10+connectionAgeGrace+time.Second {
			t.Errorf("its stream ended after %v with %v", age, err)
		}
		if err := conn.Close(); err != nil {
			t.Error(err)
		}
		server.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}
