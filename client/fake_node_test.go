package client

import (
	"context"
	"errors"
	"net"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/keepalive"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// fakeNode is a node in memory that keeps the protocol's rules and breaks connections when a test wants it. Its time is the test's, so tests
// run it inside a synctest bubble.
type fakeNode struct {
	freshetv1.UnimplementedAdminServiceServer
	freshetv1.UnimplementedPublishServiceServer
	freshetv1.UnimplementedConsumeServiceServer
	freshetv1.UnimplementedRouteServiceServer

	listener *bufconn.Listener
	server   *grpc.Server
	served   chan error
	stopped  chan struct{}
	ticking  sync.WaitGroup

	mu struct {
		sync.Mutex
		conns     map[net.Conn]struct{}
		down      bool // connections are refused
		topics    map[string]*fakeTopic
		producers map[block.ProducerID]*fakeProducer
		ghosts    []*freshetv1.PublishRequest // requests of broken connections which may still be carried out
		queues    map[string]*fakeQueue
		// deletedMember was deleted last.
		deletedMember string
		epoch         uint64
		describes     []error // answers to DescribeCluster, before it succeeds
	}
	// publishFault decides what happens to a block, before and after it is looked at; nil: nothing. It is called with mu held.
	publishFault func(r *freshetv1.PublishRequest) fakeFault
	// refuses tells whether a block is refused; nil: none is. It is called with mu held.
	refuses func(b *block.Block) bool
	// ackFault does the same for an Ack by receipts, but for breaking the connection before.
	ackFault func(r *freshetv1.AckRequest) fakeFault
	// settleFault does the same for a Settle.
	settleFault func(s *freshetv1.Settle) fakeFault
	// attachFault tells whether an Attach's answer is lost; nil: none is. It is called with mu held.
	attachFault func(a *freshetv1.Attach) bool
}

// fakeTopic is a stream: the stored events in their order.
type fakeTopic struct {
	events   []fakeEvent
	appended chan struct{} // closed and replaced with each block
	held     uint64        // first offset that is still there
	bytesMax int
	// partitions is what was asked for; it is on one all the same.
	partitions uint32
	ids        map[string]uint64 // where an event with the dedup id is
}

type fakeEvent struct {
	event  block.Event
	stored time.Time
}

// fakeFault is what goes wrong with a request.
type fakeFault struct {
	refuse      *freshetv1.Error // answered in place of doing it
	breakBefore bool             // the connection breaks, and nothing is done
	breakAfter  bool             // the connection breaks after it was done: the answer is lost
	ghost       bool             // the connection breaks, and it is done at some later time
	delay       time.Duration    // the answer comes later, behind others perhaps
}

var errFakeBreak = errors.New("the fake broke the connection")

// startFake starts a fake which the test stops.
func startFake(t testing.TB) *fakeNode {
	n := newFake()
	t.Cleanup(n.stop)
	return n
}

func newFake() *fakeNode {
	n := &fakeNode{listener: bufconn.Listen(1 << 20), server: newFakeServer(), served: make(chan error, 1), stopped: make(chan struct{})}
	n.mu.conns = map[net.Conn]struct{}{}
	n.mu.topics = map[string]*fakeTopic{}
	n.mu.producers = map[block.ProducerID]*fakeProducer{}
	n.mu.queues = map[string]*fakeQueue{}
	freshetv1.RegisterAdminServiceServer(n.server, n)
	freshetv1.RegisterPublishServiceServer(n.server, n)
	freshetv1.RegisterConsumeServiceServer(n.server, n)
	freshetv1.RegisterRouteServiceServer(n.server, n)
	go func() { n.served <- n.server.Serve(n.listener) }()
	n.ticking.Go(n.tick)
	return n
}

// newFakeServer bounds pings as a real node does.
func newFakeServer() *grpc.Server {
	return grpc.NewServer(grpc.MaxRecvMsgSize(8<<20), grpc.MaxConcurrentStreams(256),
		grpc.KeepaliveEnforcementPolicy(keepalive.EnforcementPolicy{MinTime: 10 * time.Second, PermitWithoutStream: true}))
}

func (n *fakeNode) stop() {
	close(n.stopped)
	n.ticking.Wait()
	n.server.Stop()
	if err := <-n.served; err != nil && !errors.Is(err, grpc.ErrServerStopped) {
		panic(err)
	}
}

// connect returns a client of the node, which the test shuts down.
func (n *fakeNode) connect(t testing.TB, opts ...Option) *Client {
	c, err := Connect(t.Context(), "fake:7600", append([]Option{WithDialer(n.dial)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (n *fakeNode) dial(ctx context.Context, _ string) (net.Conn, error) {
	n.mu.Lock()
	down := n.mu.down
	n.mu.Unlock()
	if down {
		return nil, errors.New("connection refused by the fake")
	}
	conn, err := n.listener.DialContext(ctx)
	if err != nil {
		return nil, err
	}
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.conns[conn] = struct{}{}
	return conn, nil
}

// breakAll breaks every connection.
func (n *fakeNode) breakAll() {
	n.mu.Lock()
	conns := n.mu.conns
	n.mu.conns = map[net.Conn]struct{}{}
	n.mu.Unlock()
	for conn := range conns {
		conn.Close() //nolint:errcheck // it is to be broken
	}
}

// setDown refuses connections from now on, or takes them again.
func (n *fakeNode) setDown(down bool) {
	n.mu.Lock()
	n.mu.down = down
	n.mu.Unlock()
	if down {
		n.breakAll()
	}
}

// topic returns a topic, which it makes if need be. mu is held.
func (n *fakeNode) topicLocked(name string) *fakeTopic {
	t := n.mu.topics[name]
	if t == nil {
		t = &fakeTopic{appended: make(chan struct{}), bytesMax: block.DataBytesMax, ids: map[string]uint64{}}
		n.mu.topics[name] = t
	}
	return t
}

// addTopic makes a topic.
func (n *fakeNode) addTopic(name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.topicLocked(name)
}

// stored returns what a topic holds.
func (n *fakeNode) stored(name string) []block.Event {
	n.mu.Lock()
	defer n.mu.Unlock()
	var list []block.Event
	for _, e := range n.topicLocked(name).events {
		list = append(list, e.event)
	}
	return list
}

// tick moves the node's clock: leases end in steps of 100 ms, as on a real one.
func (n *fakeNode) tick() {
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
		case <-n.stopped:
			return
		}
		n.mu.Lock()
		for _, q := range n.mu.queues {
			q.expire(time.Now())
			q.assign(n)
		}
		n.mu.Unlock()
	}
}

func wireFault(code freshetv1.ErrorCode, retryable, unknown bool, message string) *freshetv1.Error {
	return &freshetv1.Error{Code: code, Message: message, Retryable: retryable, OutcomeUnknown: unknown}
}

// Route says that all is here.
func (n *fakeNode) Route(context.Context, *freshetv1.RouteRequest) (*freshetv1.RouteResponse, error) {
	return &freshetv1.RouteResponse{Epoch: 1, Partitions: []*freshetv1.RoutedPartition{{Slots: []*freshetv1.SlotRange{{Count: block.Slots}}}}}, nil
}
