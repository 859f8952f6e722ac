package transport

import (
	"context"
	"net"
	"sync"
)

// gate cuts real connections off: while it is shut, nothing goes through them, and none are made.
type gate struct {
	mu     sync.Mutex
	opened chan struct{} // closed while it is open
}

func newGate() *gate {
	g := &gate{opened: make(chan struct{})}
	close(g.opened)
	return g
}

func (g *gate) shut(on bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	select {
	case <-g.opened:
		if on {
			g.opened = make(chan struct{})
		}
	default:
		if !on {
			close(g.opened)
		}
	}
}

// pass waits until the gate is open; false: what was to pass is over.
func (g *gate) pass(over <-chan struct{}) bool {
	for {
		g.mu.Lock()
		opened := g.opened
		g.mu.Unlock()
		select {
		case <-opened:
			return true
		case <-over:
			return false
		}
	}
}

type gatedStreams struct {
	Streams
	gate *gate
}

func (s *gatedStreams) Dial(ctx context.Context, address string) (net.Conn, error) {
	if !s.gate.pass(ctx.Done()) {
		return nil, context.Cause(ctx)
	}
	c, err := s.Streams.Dial(ctx, address)
	if err != nil {
		return nil, err
	}
	return s.gate.conn(c), nil
}

func (s *gatedStreams) Accept() (net.Conn, error) {
	c, err := s.Streams.Accept()
	if err != nil {
		return nil, err
	}
	return s.gate.conn(c), nil
}

func (g *gate) conn(c net.Conn) net.Conn {
	return &gatedConn{Conn: c, gate: g, over: make(chan struct{})}
}

type gatedConn struct {
	net.Conn
	gate *gate
	once sync.Once
	over chan struct{}
}

func (c *gatedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if !c.gate.pass(c.over) {
		return 0, net.ErrClosed
	}
	return n, err
}

func (c *gatedConn) Write(p []byte) (int, error) {
	if !c.gate.pass(c.over) {
		return 0, net.ErrClosed
	}
	return c.Conn.Write(p)
}

func (c *gatedConn) Close() error {
	c.once.Do(func() { close(c.over) })
	return c.Conn.Close()
}
