package client

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/experimental"
	"google.golang.org/grpc/keepalive"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/proto/freshet/wire"
)

// Bounds of connections. A message may be a whole block at the format's limit. An answer is at most 32 MiB: a node's own bound.
const (
	sendBytesMax      = block.EncodedBytesMax + 64<<10
	receiveMessageMax = 32 << 20

	// A node that doesn't answer a ping is given up after keepaliveTime + keepaliveTimeout. Nodes refuse pings that come more often than
	// every 10 s.
	keepaliveTime    = 15 * time.Second
	keepaliveTimeout = 5 * time.Second

	// Flow control windows: 4 blocks of 256 KiB in flight must not wait for a window. They don't grow: to find out by how much they might, gRPC would
	// ping the node for all that comes, one ping at a time.
	streamWindowBytes     = 4 << 20
	connectionWindowBytes = 8 << 20

	// ioBufferBytes is how much is read from a connection, and written to it, at once. Buffers are shared: what is idle has none.
	ioBufferBytes = 128 << 10
)

// Client is a service's connection to a freshet cluster. It is safe for concurrent use; one serves a whole process. End it with Shutdown.
type Client struct {
	target  string
	options clientOptions
	started time.Time // the zero of the clock that stamps lease beginnings

	nodes  *nodes
	routes *routes
	// What any node can do; to a partition's leader nodes.toLeader has the way.
	consume freshetv1.ConsumeServiceClient
	admin   freshetv1.AdminServiceClient

	// context ends when Shutdown gives up: everything that still goes on ends then.
	context context.Context //nolint:containedctx // the client's own life, not a request's
	abort   context.CancelCauseFunc

	mu struct {
		sync.Mutex
		closed    bool
		producers map[*Producer]struct{}
		consumers map[*consumer]struct{}
		idle      chan struct{} // closed when the last consumer has ended; nil while nobody waits for that
	}
}

// Connect connects to a cluster by the address of a node, "host:port", or of several with commas between them, of which one has to be there, and
// waits until one answers or ctx ends: give it a deadline. A node that is starting is waited for. Other nodes' addresses, and who leads what, the
// client learns from those that it reaches; when one is lost it goes on with another. It returns an error that wraps ctx's and the last that was seen, or at once an *Error that waiting can't help. What ctx carries besides
// its end is passed on to the client's requests; its end doesn't end the client.
func Connect(ctx context.Context, target string, opts ...Option) (*Client, error) {
	c := &Client{target: target, started: time.Now().Add(-1)} // stamps are never 0
	c.options.logger = slog.New(slog.DiscardHandler)
	for _, o := range opts {
		o(&c.options)
	}
	c.mu.producers, c.mu.consumers = map[*Producer]struct{}{}, map[*consumer]struct{}{}
	c.context, c.abort = context.WithCancelCause(context.WithoutCancel(ctx))
	var err error
	if c.nodes, err = newNodes(target, c.dial); err != nil {
		return nil, err
	}
	c.routes = newRoutes(c.nodes)
	c.consume = freshetv1.NewConsumeServiceClient(anyNode{c.nodes, forConsuming})
	c.admin = freshetv1.NewAdminServiceClient(anyNode{c.nodes, forConsuming})
	if err := c.greet(ctx); err != nil {
		c.abort(err)
		return nil, errors.Join(err, c.nodes.close())
	}
	return c, nil
}

// dial makes a connection, which connects when it is first used and again whenever it is broken.
func (c *Client) dial(address string) (*grpc.ClientConn, error) {
	transport := insecure.NewCredentials()
	if c.options.tls != nil {
		transport = credentials.NewTLS(c.options.tls)
	}
	options := []grpc.DialOption{
		grpc.WithTransportCredentials(transport),
		grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: keepaliveTime, Timeout: keepaliveTimeout, PermitWithoutStream: true}),
		grpc.WithDefaultCallOptions(grpc.MaxCallSendMsgSize(sendBytesMax), grpc.MaxCallRecvMsgSize(receiveMessageMax), grpc.ForceCodecV2(wire.NewCodec())),
		grpc.WithWriteBufferSize(ioBufferBytes),
		grpc.WithReadBufferSize(ioBufferBytes),
		experimental.WithBufferPool(&frameBuffers),
		grpc.WithStaticStreamWindowSize(streamWindowBytes),
		grpc.WithStaticConnWindowSize(connectionWindowBytes),
		grpc.WithConnectParams(grpc.ConnectParams{
			Backoff:           backoff.Config{BaseDelay: backoffMin, Multiplier: 2, Jitter: 0.5, MaxDelay: backoffMax},
			MinConnectTimeout: connectTimeout,
		}),
		grpc.WithDisableServiceConfig(), // retries are decided here, not by what DNS says
		grpc.WithDisableRetry(),
	}
	target := address
	if c.options.dialer != nil {
		target = "passthrough:///" + address
		options = append(options, grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) {
			return c.options.dialer(ctx, address)
		}))
	}
	return grpc.NewClient(target, options...)
}

// frameBuffers are all connections', of all clients.
var frameBuffers wire.Buffers

// connectTimeout is how long one attempt to connect may take.
const connectTimeout = 5 * time.Second

// greetTimeout is how long one of several nodes may take to answer before another is asked.
const greetTimeout = 3 * time.Second

// greet waits until a node answers.
func (c *Client) greet(ctx context.Context) error {
	var wait retry
	var last error
	for {
		for _, address := range c.nodes.order() {
			err := c.greetOne(ctx, address)
			if err == nil {
				return nil
			}
			if last == nil || ctx.Err() == nil { // that ctx ended says less than what went wrong before
				last = err
			}
			if ctx.Err() == nil && definite(err) {
				return err
			}
		}
		if ended := wait.pause(ctx); ended != nil {
			return &noAnswerError{asked: c.target, ended: ended, last: last}
		}
	}
}

func (c *Client) greetOne(ctx context.Context, address string) error {
	l, err := c.nodes.link(address, forConsuming)
	if err != nil {
		return err
	}
	if c.nodes.count() > 1 { // a single one may take as long as ctx allows
		limited, cancel := context.WithTimeout(ctx, greetTimeout)
		defer cancel()
		ctx = limited
	}
	cluster, err := freshetv1.NewAdminServiceClient(l).DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{})
	if err != nil {
		return errorOf(c.context, err)
	}
	c.nodes.answered(address)
	c.nodes.learn(convert(cluster.GetNodes(), (*freshetv1.Node).GetApiAddress)...)
	return nil
}

// Shutdown ends the client: it stops taking events, drains consumers as if their contexts had ended, flushes and closes producers, and
// closes the connections. All of the client's goroutines have ended then. When ctx ends before that is done it gives up waiting: handlers'
// contexts end, unanswered publishes fail with ErrUnknownOutcome, and ctx's error is returned; each Consume still returns as soon as
// its handlers do. Calls after the first return ErrClosed.
func (c *Client) Shutdown(ctx context.Context) error {
	c.mu.Lock()
	if c.mu.closed {
		c.mu.Unlock()
		return ErrClosed
	}
	c.mu.closed = true
	var producers []*Producer
	for p := range c.mu.producers {
		producers = append(producers, p)
	}
	idle := make(chan struct{})
	c.mu.idle = idle
	if len(c.mu.consumers) == 0 {
		close(idle)
	}
	for s := range c.mu.consumers {
		s.end()
	}
	c.mu.Unlock()

	closed := make([]error, len(producers))
	var closing sync.WaitGroup
	for i, p := range producers {
		closing.Go(func() {
			if closed[i] = p.Close(ctx); errors.Is(closed[i], ErrClosed) {
				closed[i] = p.join(ctx) // somebody closes it already
			}
		})
	}
	var err error
	select {
	case <-idle:
	case <-ctx.Done():
		err = fmt.Errorf("freshet: shutdown: %w", ctx.Err())
		c.abort(ErrClosed)
	}
	closing.Wait()
	c.abort(ErrClosed)
	return errors.Join(err, errors.Join(closed...), c.nodes.close())
}

// now is the client's own monotonic clock: the time since it began, from 1 ns.
func (c *Client) now() time.Duration { return time.Since(c.started) }

// at is what time it is by everybody's clock when the client's own says so.
func (c *Client) at(moment time.Duration) time.Time { return c.started.Add(moment) }

// elapsed is now, in nanoseconds, as a node is told.
func (c *Client) elapsed() uint64 { return uint64(c.now()) }

// addConsumer notes a consumer that Shutdown has to drain.
func (c *Client) addConsumer(s *consumer) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return ErrClosed
	}
	c.mu.consumers[s] = struct{}{}
	return nil
}

func (c *Client) removeConsumer(s *consumer) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.consumers, s)
	if len(c.mu.consumers) == 0 && c.mu.idle != nil {
		close(c.mu.idle)
	}
}
