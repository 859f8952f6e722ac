package broker

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// peerPort is where other nodes reach this one. Two things are spoken there, each over connections of its own, which are told apart by their
// first bytes:
//
//	                    ┌ "PRI * HTTP/2.0" ──▶ calls: gRPC, what another node passes on
//	streams ──Accept──▶ ┤
//	                    └ anything else ─────▶ log: Raft's messages (raftlog/transport), which refuses what isn't
//
// Either end of a connection may be slow or silent: each is looked at on a goroutine of its own, so many at a time, and for so long.
type peerPort struct {
	streams transport.Streams
	logger  *slog.Logger
	log     *portSide
	calls   *portSide

	// undecided has a token for each connection whose first bytes are waited for.
	undecided chan struct{}
	open      struct {
		sync.Mutex
		closed bool
		conns  map[net.Conn]struct{} // that nobody has taken yet
	}
	closing   chan struct{}
	closeOnce sync.Once
	closeErr  error
	joined    sync.WaitGroup
}

const (
	// undecidedMax is how many connections may be looked at; the next one is closed at once.
	undecidedMax = 128
	// acceptAgain is how long the port waits after its listener has failed, for want of descriptors as a rule.
	acceptAgain = 100 * time.Millisecond
)

// callPreface is how connections begin that carry calls (RFC 9113, section 3.4). No message of raftlog/transport does: it would have half a
// gigabyte.
var callPreface = []byte("PRI * HTTP/2.0")

func openPeerPort(streams transport.Streams, logger *slog.Logger) *peerPort {
	p := &peerPort{streams: streams, logger: logger, undecided: make(chan struct{}, undecidedMax), closing: make(chan struct{})}
	p.open.conns = map[net.Conn]struct{}{}
	p.log, p.calls = newPortSide(p), newPortSide(p)
	p.joined.Go(p.accept)
	return p
}

// accept takes connections until the port closes.
func (p *peerPort) accept() {
	for {
		conn, err := p.streams.Accept()
		if err != nil {
			select {
			case <-p.closing:
				return
			default:
			}
			if errors.Is(err, net.ErrClosed) {
				p.logger.Error("the peer listener ended", "error", err)
				return
			}
			p.logger.Warn("taking a connection of another node", "error", err)
			if !p.pause(acceptAgain) {
				return
			}
			continue
		}
		select {
		case p.undecided <- struct{}{}:
		default:
			p.logger.Warn("too many connections to the peer port have yet to say what they are; one is refused", "limit", undecidedMax, "from", addressOf(conn))
			_ = conn.Close() // nothing was said on it
			continue
		}
		if !p.track(conn) {
			_ = conn.Close() // likewise
			return
		}
		p.joined.Go(func() {
			defer func() { <-p.undecided }()
			p.sort(conn)
		})
	}
}

// pause waits; false when the port closes.
func (p *peerPort) pause(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-p.closing:
		return false
	}
}

// track makes Close close a connection; false when the port is closed.
func (p *peerPort) track(conn net.Conn) bool {
	p.open.Lock()
	defer p.open.Unlock()
	if p.open.closed {
		return false
	}
	p.open.conns[conn] = struct{}{}
	return true
}

func (p *peerPort) untrack(conn net.Conn) {
	p.open.Lock()
	defer p.open.Unlock()
	delete(p.open.conns, conn)
}

// sort reads how a connection begins, and gives it to whom that is for.
func (p *peerPort) sort(conn net.Conn) {
	defer p.untrack(conn)
	to, begun, err := p.look(conn)
	if err == nil && to.give(&begunConn{Conn: conn, begun: begun}) {
		return
	}
	if err != nil && !errors.Is(err, io.EOF) {
		p.logger.Debug("a connection to the peer port said nothing", "from", addressOf(conn), "error", err)
	}
	_ = conn.Close() // nobody wants it
}

// look reads the first bytes, as many as it takes to tell.
func (p *peerPort) look(conn net.Conn) (to *portSide, begun []byte, err error) {
	if err := conn.SetReadDeadline(time.Now().Add(handshakeMax)); err != nil {
		return nil, nil, err
	}
	buf := make([]byte, len(callPreface))
	n := 0
	for n < len(buf) && bytes.HasPrefix(callPreface, buf[:n]) {
		read, err := conn.Read(buf[n:])
		n += read
		if err != nil && read == 0 {
			return nil, nil, err
		}
	}
	to = p.log
	if bytes.Equal(buf[:n], callPreface) {
		to = p.calls
	}
	return to, buf[:n], conn.SetReadDeadline(time.Time{})
}

// Close closes the listener, and connections that nobody has taken.
func (p *peerPort) Close() error {
	p.closeOnce.Do(func() {
		close(p.closing)
		p.closeErr = p.streams.Close()
		if errors.Is(p.closeErr, net.ErrClosed) {
			p.closeErr = nil
		}
		p.open.Lock()
		p.open.closed = true
		for conn := range p.open.conns {
			_ = conn.Close() // it is given up
		}
		p.open.Unlock()
		p.joined.Wait()
	})
	return p.closeErr
}

// portSide is one of the two that connections are for: a net.Listener, and transport.Streams.
type portSide struct {
	port     *peerPort
	incoming chan net.Conn
	gone     chan struct{}
	goneOnce sync.Once
}

var (
	_ transport.Streams    = (*portSide)(nil)
	_ transport.Identifier = (*portSide)(nil)
)

func newPortSide(p *peerPort) *portSide {
	return &portSide{port: p, incoming: make(chan net.Conn), gone: make(chan struct{})}
}

// lend returns a listener for the side's connections that can be closed by itself.
func (s *portSide) lend() *lentSide { return &lentSide{portSide: s, over: make(chan struct{})} }

// lentSide is a side that is listened to for a while.
type lentSide struct {
	*portSide
	over     chan struct{}
	overOnce sync.Once
}

// Accept implements net.Listener.
func (l *lentSide) Accept() (net.Conn, error) {
	select {
	case conn := <-l.incoming:
		return conn, nil
	case <-l.over:
	case <-l.gone:
	case <-l.port.closing:
	}
	return nil, &net.OpError{Op: "accept", Net: "peer", Addr: l.Addr(), Err: net.ErrClosed}
}

// Close implements net.Listener. The side stays open.
func (l *lentSide) Close() error {
	l.overOnce.Do(func() { close(l.over) })
	return nil
}

// refuse closes all connections until the listener is closed.
func (l *lentSide) refuse() {
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		_ = conn.Close() // whoever made it tries again
	}
}

// give hands a connection over; false when nobody accepts any more.
func (s *portSide) give(conn net.Conn) bool {
	select {
	case s.incoming <- conn:
		return true
	case <-s.gone:
	case <-s.port.closing:
	}
	return false
}

// Accept implements net.Listener.
func (s *portSide) Accept() (net.Conn, error) {
	select {
	case conn := <-s.incoming:
		return conn, nil
	case <-s.gone:
	case <-s.port.closing:
	}
	return nil, &net.OpError{Op: "accept", Net: "peer", Addr: s.Addr(), Err: net.ErrClosed}
}

// Close implements net.Listener: this side takes no more connections. The port is closed by itself.
func (s *portSide) Close() error {
	s.goneOnce.Do(func() { close(s.gone) })
	return nil
}

// Addr implements net.Listener.
func (s *portSide) Addr() net.Addr { return s.port.streams.Addr() }

// Dial implements transport.Streams.
func (s *portSide) Dial(ctx context.Context, address string) (net.Conn, error) {
	return s.port.streams.Dial(ctx, address)
}

// Identify implements transport.Identifier, where the streams beneath do.
func (s *portSide) Identify(conn net.Conn, id transport.NodeID, address transport.Address) error {
	identifier, ok := s.port.streams.(transport.Identifier)
	if !ok {
		return nil
	}
	if begun, ok := conn.(*begunConn); ok {
		conn = begun.Conn
	}
	return identifier.Identify(conn, id, address)
}

// begunConn is a connection of which the beginning was read already.
type begunConn struct {
	net.Conn
	begun []byte
}

// Read implements net.Conn.
func (c *begunConn) Read(b []byte) (int, error) {
	if len(c.begun) > 0 {
		n := copy(b, c.begun)
		c.begun = c.begun[n:]
		return n, nil
	}
	return c.Conn.Read(b)
}

// addressOf is where a connection comes from, for people.
func addressOf(conn net.Conn) string {
	if at := conn.RemoteAddr(); at != nil {
		return at.String()
	}
	return "an unknown address"
}
