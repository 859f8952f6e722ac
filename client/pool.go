package client

import (
	"context"
	"errors"
	"slices"
	"sync"

	"google.golang.org/grpc"
)

// callsMax is how many calls a connection carries at once before another is opened to the same node. A node takes 256 on one, and gRPC has those beyond
// wait for one to end, without a word: a consumer's streams don't end.
const callsMax = 200

// pool is a node's connections for a purpose: one, which is kept, and as many more as its calls need, each closed with its last call. nodes.mu guards it.
type pool []*pooled

// pooled is a connection of a pool.
type pooled struct {
	*grpc.ClientConn
	calls int
}

// first returns the connection that is kept.
func (p *pool) first(dial func() (*grpc.ClientConn, error)) (*pooled, error) {
	if len(*p) == 0 {
		conn, err := dial()
		if err != nil {
			return nil, err
		}
		*p = append(*p, &pooled{ClientConn: conn})
	}
	return (*p)[0], nil
}

// free returns a connection that has room for another call.
func (p *pool) free(dial func() (*grpc.ClientConn, error)) (*pooled, error) {
	if at := slices.IndexFunc(*p, func(c *pooled) bool { return c.calls < callsMax }); at >= 0 {
		return (*p)[at], nil
	}
	conn, err := dial()
	if err != nil {
		return nil, err
	}
	c := &pooled{ClientConn: conn}
	*p = append(*p, c)
	return c, nil
}

// leave takes a connection out of the pool that has no calls any more and isn't the first.
func (p *pool) leave(c *pooled) bool {
	at := slices.Index(*p, c)
	if at <= 0 || c.calls > 0 {
		return false
	}
	*p = slices.Delete(*p, at, at+1)
	return true
}

// close closes all of them.
func (p *pool) close() error {
	var errs []error
	for _, c := range *p {
		errs = append(errs, c.Close())
	}
	*p = nil
	return errors.Join(errs...)
}

// begin counts a call to the link's node, and returns the connection that carries it. end is to be called when the call is over.
func (l link) begin() (conn *grpc.ClientConn, end func(), err error) {
	n := l.nodes
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed {
		return nil, nil, ErrClosed
	}
	known := n.find(l.address)
	if known == nil { // forgotten meanwhile: its connections are closed
		return l.ClientConn, func() {}, nil
	}
	pool := &known.pools[l.purpose]
	carrier, err := pool.free(func() (*grpc.ClientConn, error) { return n.dial(l.address) })
	if err != nil {
		return nil, nil, err
	}
	carrier.calls++
	n.calls.Add(1)
	return carrier.ClientConn, sync.OnceFunc(func() {
		defer n.calls.Done()
		n.mu.Lock()
		carrier.calls--
		idle := pool.leave(carrier)
		n.mu.Unlock()
		if idle {
			_ = carrier.Close() // nothing is under way on it
		}
	}), nil
}

// Invoke makes a call with one answer.
func (l link) Invoke(ctx context.Context, method string, request, response any, options ...grpc.CallOption) error {
	conn, end, err := l.begin()
	if err != nil {
		return err
	}
	defer end()
	return conn.Invoke(ctx, method, request, response, options...)
}

// NewStream begins a call of many messages, which tells nodes when it couldn't go on there.
func (l link) NewStream(ctx context.Context, desc *grpc.StreamDesc, method string, options ...grpc.CallOption) (grpc.ClientStream, error) {
	conn, end, err := l.begin()
	if err != nil {
		return nil, err
	}
	stream, err := conn.NewStream(ctx, desc, method, options...)
	if err != nil {
		end()
		return nil, l.broken(ctx, err)
	}
	context.AfterFunc(stream.Context(), end) // gRPC ends it with the stream
	return linkStream{stream, l}, nil
}
