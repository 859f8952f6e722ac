package overload

import (
	"context"
	"errors"
	"io"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// raw has connections on which something is written until the node ends it; then another is made, until the context ends.
func raw(ctx context.Context, f *field, write func(w *wire) error) (string, error) {
	var said answers
	err := f.each(f.Clients, func(node string, _ int) error {
		for ctx.Err() == nil {
			w, err := dialWire(ctx, node)
			if err != nil {
				said.add("no connection")
				if !pause(ctx, goodEvery) {
					break
				}
				continue
			}
			for err == nil && ctx.Err() == nil {
				if err = w.writeWithin(time.Second); err == nil {
					err = write(w)
				}
			}
			if errors.Is(err, context.DeadlineExceeded) || isTimeout(err) {
				said.add("isn't read on")
			}
			_ = w.close() // the node has closed it, as a rule
			if ctx.Err() == nil || w.said() != "connection closed" {
				said.add(w.said())
			}
		}
		return nil
	})
	return said.String(), err
}

func isTimeout(err error) bool {
	timeout, ok := errors.AsType[net.Error](err)
	return ok && timeout.Timeout()
}

// resets opens streams and resets them, as fast as it can.
func resets(ctx context.Context, f *field) (string, error) {
	call := headers(freshetv1.ConsumeService_Receive_FullMethodName)
	return raw(ctx, f, func(w *wire) error {
		stream, err := w.open(call)
		if err != nil {
			return err
		}
		return w.framer.WriteRSTStream(stream, http2.ErrCodeCancel)
	})
}

// endlessHeaders begins a call and never comes to the end of its headers.
func endlessHeaders(ctx context.Context, f *field) (string, error) {
	call := headers(freshetv1.ConsumeService_Receive_FullMethodName)
	return raw(ctx, f, func(w *wire) error {
		err := w.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: call})
		for err == nil && ctx.Err() == nil {
			if err = w.writeWithin(time.Second); err == nil {
				err = w.framer.WriteContinuation(1, false, call)
			}
		}
		return err
	})
}

// pings pings, and changes its settings, without a pause.
func pings(ctx context.Context, f *field) (string, error) {
	return raw(ctx, f, func(w *wire) error {
		return errors.Join(w.framer.WritePing(false, [8]byte{1}), w.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}))
	})
}

// connections opens many, and keeps them.
func connections(ctx context.Context, f *field, open func(node string) (io.Closer, error)) (string, error) {
	var opened, refused atomic.Int64
	var said answers
	err := f.each(1, func(node string, _ int) error {
		var all []io.Closer
		for len(all) < f.Connections/len(f.nodes) && ctx.Err() == nil {
			conn, err := open(node)
			if err != nil {
				refused.Add(1)
				break
			}
			all = append(all, conn)
			opened.Add(1)
		}
		<-ctx.Done()
		for _, conn := range all {
			_ = conn.Close() // the node may have closed it
		}
		return nil
	})
	if n := opened.Load(); n < int64(f.Connections/len(f.nodes)*len(f.nodes)) {
		said.add("not all could be opened in time")
	}
	if refused.Load() > 0 {
		said.add("no connection")
	}
	return said.String(), err
}

// idleConnections are such that speak HTTP/2, and say nothing more.
func idleConnections(ctx context.Context, f *field) (string, error) {
	return connections(ctx, f, func(node string) (io.Closer, error) {
		w, err := dialWire(ctx, node)
		if err != nil {
			return nil, err
		}
		return closer(w.close), nil
	})
}

type closer func() error

func (c closer) Close() error { return c() }

// silentConnections never say anything, or only the beginning of what a client has to say first.
func silentConnections(ctx context.Context, f *field) (string, error) {
	return connections(ctx, f, func(node string) (io.Closer, error) {
		var dialer net.Dialer
		conn, err := dialer.DialContext(ctx, "tcp", node)
		if err == nil {
			_, err = io.WriteString(conn, http2.ClientPreface[:10])
		}
		return conn, err
	})
}

// storm opens connections and closes them.
func storm(ctx context.Context, f *field) (string, error) {
	var said answers
	err := f.each(f.Clients, func(node string, _ int) error {
		var dialer net.Dialer
		for ctx.Err() == nil {
			conn, err := dialer.DialContext(ctx, "tcp", node)
			if err != nil {
				said.add("no connection")
				pause(ctx, goodEvery)
				continue
			}
			_, _ = io.WriteString(conn, http2.ClientPreface) // whether it is taken is of no account
			if tcp, ok := conn.(*net.TCPConn); ok {
				_ = tcp.SetLinger(0) // likewise: else this machine runs out of ports before the node does of anything
			}
			_ = conn.Close()
		}
		return nil
	})
	return said.String(), err
}

// unfinished sends many large requests at once, and no more when three quarters of them are sent.
func unfinished(ctx context.Context, f *field) (string, error) {
	const each = 64
	part := block.Event{Data: make([]byte, 1_000_000), ContentType: "text/plain"}
	large, err := blockOf(block.CodecNone, part, part, part, part)
	if err != nil {
		return "", err
	}
	request, err := encode(&freshetv1.PublishRequest{Topic: pouredTopic, Block: large})
	if err != nil {
		return "", err
	}
	var said answers
	err = f.each(f.Clients, func(node string, _ int) error {
		for ctx.Err() == nil {
			err := with(node, func(conn *grpc.ClientConn) error {
				calls, end := context.WithCancel(ctx)
				defer end()
				done := make(chan error, each)
				for range each {
					go func() { done <- publish(calls, conn, request) }()
				}
				for range each {
					err := <-done
					said.err(ctx, err)
				}
				return nil
			}, grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) {
				var dialer net.Dialer
				conn, err := dialer.DialContext(ctx, "tcp", address)
				return &stopping{Conn: conn, left: each * len(request) * 3 / 4, closed: make(chan struct{})}, err
			}))
			if err != nil {
				return err
			}
		}
		return nil
	})
	return said.String(), err
}

// stopping is a connection that takes so many bytes, and then no more.
type stopping struct {
	net.Conn
	left   int
	closed chan struct{}
	ending atomic.Bool
}

// Write implements net.Conn.
func (c *stopping) Write(b []byte) (int, error) {
	if len(b) > c.left {
		<-c.closed
		return 0, net.ErrClosed
	}
	c.left -= len(b)
	return c.Conn.Write(b)
}

// Read implements net.Conn. That the node has closed it ends what waits to be written, too.
func (c *stopping) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	if err != nil && c.ending.CompareAndSwap(false, true) {
		close(c.closed)
	}
	return n, err
}

// Close implements net.Conn.
func (c *stopping) Close() error {
	if c.ending.CompareAndSwap(false, true) {
		close(c.closed)
	}
	return c.Conn.Close()
}
