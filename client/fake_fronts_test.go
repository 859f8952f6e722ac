package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// fakeFronts is a cluster for consumers: each partition is a fake node that nobody reaches directly, and in front of them are nodes that come and go, and
// lead partitions for a while. What a partition knows it knows whoever leads it, as if it were replicated.
type fakeFronts struct {
	partitions []*fakeNode
	fronts     []*fakeFront

	mu struct {
		sync.Mutex
		leaders []*fakeFront // by partition; nil: none now
		terms   []uint64
		changed []chan struct{} // closed and replaced when a partition's leader changes
		detours int             // sessions that are with another node than the leader

		// For producers (fake_fronts_publish_test.go).
		epoch  uint64
		slots  [block.Slots]uint32 // partition, by slot
		stored []string            // the data of all events in the order in which they were stored, wherever
		ghosts []*freshetv1.PublishRequest
		passed int // blocks that another node than the leader got

		// The number of the request that deleted the topic; and the answer to that is lost.
		deleted    uint64
		loseDelete bool
		// How many of the next answers to what makes and redrives are lost, and the number of the request that made a topic.
		lose int
		made uint64
	}
	// publishFault decides what happens to a block; nil: nothing. It is called with mu held.
	publishFault func(r *freshetv1.PublishRequest) fakeFault
	// passesOn says that a node that doesn't lead hands blocks to who does; otherwise it says that it doesn't lead.
	passesOn bool
}

// fakeFront is a node that clients reach.
type fakeFront struct {
	freshetv1.UnimplementedAdminServiceServer
	freshetv1.UnimplementedConsumeServiceServer
	freshetv1.UnimplementedPublishServiceServer
	freshetv1.UnimplementedRouteServiceServer

	*fakeFronts
	name     string
	listener *bufconn.Listener
	server   *grpc.Server
	served   chan error

	conns struct {
		sync.Mutex
		down     bool
		stopping bool // it says so to all that it is asked
		open     map[net.Conn]struct{}
	}
	// frozen is not nil while the node takes nothing and says nothing, and closed when it goes on.
	frozen atomic.Pointer[chan struct{}]
}

func (f *fakeFront) address() string { return f.name + ":7600" }

// startFronts starts a cluster that the test stops. All partitions have the topic "orders" and the queue "orders/billing".
func startFronts(t *testing.T, nodes, partitions int, visibility time.Duration) *fakeFronts {
	f := &fakeFronts{}
	for range partitions {
		p := startFake(t)
		p.addTopic("orders")
		p.addQueue("orders/billing", kindQueue, visibility, 1_000)
		f.partitions = append(f.partitions, p)
		f.mu.changed = append(f.mu.changed, make(chan struct{}))
	}
	f.mu.leaders, f.mu.terms = make([]*fakeFront, partitions), make([]uint64, partitions)
	for i := range nodes {
		n := &fakeFront{fakeFronts: f, name: fmt.Sprint("n", i+1), listener: bufconn.Listen(1 << 20), server: newFakeServer(), served: make(chan error, 1)}
		n.conns.open = map[net.Conn]struct{}{}
		freshetv1.RegisterAdminServiceServer(n.server, n)
		freshetv1.RegisterConsumeServiceServer(n.server, n)
		freshetv1.RegisterPublishServiceServer(n.server, n)
		freshetv1.RegisterRouteServiceServer(n.server, n)
		go func() { n.served <- n.server.Serve(n.listener) }()
		t.Cleanup(func() {
			n.server.Stop()
			if err := <-n.served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
				t.Error(err)
			}
		})
		f.fronts = append(f.fronts, n)
	}
	for i := range partitions {
		f.lead(i, f.fronts[i%nodes])
	}
	f.passesOn = true
	f.moveSlots(func(slot int) int { return slot * partitions / block.Slots })
	return f
}

// connect returns a client that knows the first node's address.
func (f *fakeFronts) connect(t *testing.T) *Client {
	c, err := Connect(t.Context(), f.fronts[0].address(), WithDialer(f.dial))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (f *fakeFronts) dial(ctx context.Context, address string) (net.Conn, error) {
	i := slices.IndexFunc(f.fronts, func(n *fakeFront) bool { return n.address() == address })
	if i < 0 {
		return nil, fmt.Errorf("nobody is at %s", address)
	}
	n := f.fronts[i]
	n.conns.Lock()
	defer n.conns.Unlock()
	if n.conns.down {
		return nil, errors.New("connection refused by the fake")
	}
	conn, err := n.listener.DialContext(ctx)
	if err == nil {
		n.conns.open[conn] = struct{}{}
	}
	return conn, err
}

// lead changes a partition's leader; nil: it has none.
func (f *fakeFronts) lead(partition int, leader *fakeFront) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.mu.leaders[partition] = leader
	f.mu.terms[partition]++
	close(f.mu.changed[partition])
	f.mu.changed[partition] = make(chan struct{})
}

// breakAll breaks a node's connections.
func (f *fakeFront) breakAll() {
	f.conns.Lock()
	defer f.conns.Unlock()
	for conn := range f.conns.open {
		conn.Close() //nolint:errcheck // it is to be broken
	}
	clear(f.conns.open)
}

// setDown takes a node away, and what it leads after a while to others; or brings it back.
func (f *fakeFront) setDown(down bool) {
	f.conns.Lock()
	f.conns.down = down
	f.conns.Unlock()
	if down {
		f.breakAll()
	}
}

// put stores events in a partition.
func (f *fakeFronts) put(partition int, events ...Event) {
	n := f.partitions[partition]
	n.mu.Lock()
	defer n.mu.Unlock()
	topic := n.topicLocked("orders")
	for _, e := range events {
		offset := uint64(len(topic.events))
		topic.events = append(topic.events, fakeEvent{block.Event{Data: e.Data, Key: e.Key}, time.Now()})
		for _, q := range n.mu.queues {
			q.ready = append(q.ready, offset)
		}
	}
	close(topic.appended)
	topic.appended = make(chan struct{})
	for _, q := range n.mu.queues {
		q.assign(n)
	}
}

func (f *fakeFronts) queue(partition int) *fakeQueue {
	return f.partitions[partition].mu.queues["orders/billing"]
}

func (f *fakeFront) DescribeCluster(context.Context, *freshetv1.DescribeClusterRequest) (*freshetv1.DescribeClusterResponse, error) {
	response := &freshetv1.DescribeClusterResponse{Name: "fronts"}
	for _, n := range f.fronts {
		response.Nodes = append(response.Nodes, &freshetv1.Node{Name: n.name, ApiAddress: n.address()})
	}
	return response, nil
}

// Route tells who leads what.
func (f *fakeFront) Route(ctx context.Context, r *freshetv1.RouteRequest) (*freshetv1.RouteResponse, error) {
	if r.GetTopic() != "orders" {
		return nil, (&Error{Code: CodeTopicNotFound, Message: "no such topic"}).GRPCStatus().Err()
	}
	if err := f.awaitThaw(ctx); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	response := &freshetv1.RouteResponse{TopicId: 1, Epoch: f.mu.epoch}
	for i, leader := range f.mu.leaders {
		p := &freshetv1.RoutedPartition{Number: uint32(i), Term: f.mu.terms[i], Slots: f.slotsOf(i)}
		if leader != nil {
			p.Leader, p.ApiAddress = leader.name, leader.address()
		}
		response.Partitions = append(response.Partitions, p)
	}
	return response, nil
}

// find waits for a leader, as a node does that passes a call on, and returns what tells that it leads no more.
func (f *fakeFront) find(ctx context.Context, partition uint32) (*fakeNode, <-chan struct{}, error) {
	patience := time.After(3 * time.Second)
	for {
		f.mu.Lock()
		leader, changed := f.mu.leaders[partition], f.mu.changed[partition]
		f.mu.Unlock()
		if leader != nil {
			leader.conns.Lock()
			down := leader.conns.down
			leader.conns.Unlock()
			if !down {
				return f.partitions[partition], changed, nil
			}
		}
		select {
		case <-changed:
		case <-patience:
			return nil, nil, notLeading(partition)
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		}
	}
}

func notLeading(partition uint32) error {
	e := &Error{Code: CodeNotLeader, Message: fmt.Sprintf("nobody leads partition %d", partition), Retryable: true}
	return e.GRPCStatus().Err()
}

// Consume serves the session at its partition, until that has another leader.
func (f *fakeFront) Consume(stream freshetv1.ConsumeService_ConsumeServer) error {
	first, err := stream.Recv()
	if err != nil {
		return err
	}
	number := first.GetAttach().GetPartition()
	partition, changed, err := f.find(stream.Context(), number)
	if err != nil {
		return err
	}
	f.mu.Lock()
	if f.mu.changed[number] == changed && f.mu.leaders[number] != f {
		f.mu.detours++
		defer func() {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.mu.detours--
		}()
	}
	f.mu.Unlock()
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	led := &ledStream{ConsumeService_ConsumeServer: stream, ctx: ctx, front: f, partition: number, changed: changed, in: make(chan *freshetv1.ConsumeRequest)}
	go led.receive(first)
	err = partition.Consume(led)
	if frozen := f.awaitThaw(stream.Context()); frozen != nil {
		return frozen
	}
	return err
}

// ledStream is a stream to a partition's leader. It ends when the leader changes.
type ledStream struct {
	freshetv1.ConsumeService_ConsumeServer
	ctx       context.Context //nolint:containedctx // the stream's own
	front     *fakeFront
	partition uint32
	changed   <-chan struct{}
	in        chan *freshetv1.ConsumeRequest
}

func (s *ledStream) Context() context.Context { return s.ctx }

func (s *ledStream) receive(m *freshetv1.ConsumeRequest) {
	defer close(s.in)
	for {
		if s.front.awaitThaw(s.ctx) != nil {
			return
		}
		select {
		case s.in <- m:
		case <-s.ctx.Done():
			return
		}
		var err error
		if m, err = s.ConsumeService_ConsumeServer.Recv(); err != nil {
			return
		}
	}
}

func (s *ledStream) Recv() (*freshetv1.ConsumeRequest, error) {
	select {
	case <-s.changed: // whatever waits, it is a leader no more
		return nil, notLeading(s.partition)
	default:
	}
	select {
	case m, open := <-s.in:
		if !open {
			return nil, io.EOF
		}
		return m, nil
	case <-s.changed:
		return nil, notLeading(s.partition)
	}
}

func (s *ledStream) Send(m *freshetv1.ConsumeResponse) error {
	select {
	case <-s.changed:
		return notLeading(s.partition)
	default:
	}
	if d := m.GetDelivery(); d != nil {
		d.Partition = s.partition
	}
	if frozen := s.front.frozen.Load(); frozen != nil {
		select {
		case <-*frozen:
		case <-s.changed:
			return notLeading(s.partition)
		case <-s.ctx.Done():
			return s.ctx.Err()
		}
	}
	return s.ConsumeService_ConsumeServer.Send(m)
}

// Read reads a partition's log.
func (f *fakeFront) Read(r *freshetv1.ReadRequest, stream freshetv1.ConsumeService_ReadServer) error {
	partition, changed, err := f.find(stream.Context(), r.GetPartition())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancel(stream.Context())
	defer cancel()
	go func() {
		select {
		case <-changed:
			cancel()
		case <-ctx.Done():
		}
	}()
	err = partition.Read(r, &ledRead{stream, ctx, r.GetPartition()})
	if ctx.Err() != nil && stream.Context().Err() == nil {
		return notLeading(r.GetPartition())
	}
	return err
}

type ledRead struct {
	freshetv1.ConsumeService_ReadServer
	ctx       context.Context //nolint:containedctx // the stream's own
	partition uint32
}

func (s *ledRead) Context() context.Context { return s.ctx }

func (s *ledRead) Send(m *freshetv1.ReadResponse) error {
	m.Partition = s.partition
	return s.ConsumeService_ReadServer.Send(m)
}
