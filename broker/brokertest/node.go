package brokertest

import (
	"context"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-mq/freshet/broker"
	"github.com/freshet-mq/freshet/client"
)

const (
	// patience bounds what Start, Client and the end of a test wait for, in real time. It only ends tests that don't work.
	patience = 30 * time.Second
	// logBytes is a log for tests: blocks of 1.5 MiB fit into it.
	logBytes = 256 << 20
	// pipeBytes is what a connection holds in each direction.
	pipeBytes = 256 << 10
)

// Node is a node of one, with everything in it.
type Node struct {
	tb      testing.TB
	dir     string
	clock   *Clock
	options []func(*broker.Options)

	node     *broker.Node
	listener *bufconn.Listener
}

// Option changes how a node is started.
type Option func(*Node)

// WithOptions changes the node's own options before it starts: limits, defaults. Node, Dir, Listener and Clock are this package's.
func WithOptions(change func(*broker.Options)) Option {
	return func(n *Node) { n.options = append(n.options, change) }
}

// Start starts a node, and returns when it serves. It ends with the test, which fails when the node does.
func Start(tb testing.TB, opts ...Option) *Node {
	tb.Helper()
	n := &Node{tb: tb, dir: tb.TempDir(), clock: newClock()}
	for _, o := range opts {
		o(n)
	}
	n.start()
	tb.Cleanup(n.stop)
	return n
}

func (n *Node) start() {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.tb.Context()), patience)
	defer cancel()
	n.listener = bufconn.Listen(pipeBytes)
	o := broker.Options{LogBytesMax: logBytes, Logger: slog.New(slog.NewTextHandler(n.tb.Output(), nil))}
	for _, change := range n.options {
		change(&o)
	}
	o.Node, o.Dir, o.Listener, o.Clock = "test", n.dir, n.listener, n.clock
	node, err := broker.Start(ctx, o)
	if err != nil {
		n.tb.Fatalf("brokertest: %v", err)
	}
	n.node = node
}

func (n *Node) stop() {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(n.tb.Context()), patience)
	defer cancel()
	if err := n.node.Err(); err != nil {
		n.tb.Errorf("brokertest: the node failed: %v", err)
	}
	if err := n.node.Shutdown(ctx); err != nil {
		n.tb.Errorf("brokertest: shutting down: %v", err)
	}
}

// Restart stops the node and starts it again on what it has stored. Clients connect again by themselves.
func (n *Node) Restart() {
	n.tb.Helper()
	n.stop()
	n.start()
}

// Clock is the node's.
func (n *Node) Clock() *Clock { return n.clock }

// Dial connects to the node; it is for client.WithDialer, where a test makes its own clients. The address is of no account.
func (n *Node) Dial(ctx context.Context, _ string) (net.Conn, error) {
	return n.listener.DialContext(ctx)
}

// Client returns a client of the node, which is shut down with the test.
func (n *Node) Client(opts ...client.Option) *client.Client {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(n.tb.Context(), patience)
	defer cancel()
	c, err := client.Connect(ctx, "brokertest:1", append([]client.Option{client.WithDialer(n.Dial)}, opts...)...)
	if err != nil {
		n.tb.Fatalf("brokertest: %v", err)
	}
	n.tb.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(n.tb.Context()), patience)
		defer cancel()
		if err := c.Shutdown(ctx); err != nil {
			n.tb.Errorf("brokertest: the client's end: %v", err)
		}
	})
	return c
}

// Topic makes a topic, if it isn't there.
func (n *Node) Topic(name string) {
	n.tb.Helper()
	n.manage(func(ctx context.Context, a *client.Admin) error {
		_, _, err := a.CreateTopic(ctx, client.TopicConfig{Name: name})
		return err
	})
}

// Queue makes a queue, "topic/subscription", and its topic. An empty pattern takes every event.
func (n *Node) Queue(topicSlashSub, pattern string) {
	n.tb.Helper()
	n.subscribe(client.SubscriptionConfig{Name: topicSlashSub, Kind: client.KindQueue, Pattern: pattern})
}

// Fanout makes a fan-out with its members, and its topic.
func (n *Node) Fanout(topicSlashSub, pattern string, members ...string) {
	n.tb.Helper()
	n.subscribe(client.SubscriptionConfig{Name: topicSlashSub, Kind: client.KindFanout, Pattern: pattern, Members: members})
}

func (n *Node) subscribe(config client.SubscriptionConfig) {
	n.tb.Helper()
	n.manage(func(ctx context.Context, a *client.Admin) error {
		topic, _, _ := strings.Cut(config.Name, "/")
		if _, _, err := a.CreateTopic(ctx, client.TopicConfig{Name: topic}); err != nil {
			return err
		}
		_, _, err := a.CreateSubscription(ctx, config)
		return err
	})
}

// manage does something with a client of its own.
func (n *Node) manage(do func(context.Context, *client.Admin) error) {
	n.tb.Helper()
	ctx, cancel := context.WithTimeout(n.tb.Context(), patience)
	defer cancel()
	c, err := client.Connect(ctx, "brokertest:1", client.WithDialer(n.Dial))
	if err != nil {
		n.tb.Fatalf("brokertest: %v", err)
	}
	if err := do(ctx, c.Admin()); err != nil {
		n.tb.Errorf("brokertest: %v", err)
	}
	if err := c.Shutdown(ctx); err != nil {
		n.tb.Errorf("brokertest: %v", err)
	}
}
