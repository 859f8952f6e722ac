package client

import (
	"context"
	"net"
)

// ExampleNode is a fake node for the examples, which are written as a user would write them. Its topic is "orders".
type ExampleNode struct{ fake *fakeNode }

// NewExampleNode starts one.
func NewExampleNode() ExampleNode {
	n := newFake()
	n.addTopic("orders")
	return ExampleNode{n}
}

// Dial connects to it.
func (n ExampleNode) Dial(ctx context.Context, target string) (net.Conn, error) {
	return n.fake.dial(ctx, target)
}

// Stop ends it.
func (n ExampleNode) Stop() { n.fake.stop() }
