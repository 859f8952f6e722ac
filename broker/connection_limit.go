package broker

import (
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
)

// limitedListener closes connections beyond a limit as soon as they come. (netutil.LimitListener would let them wait, and their
// clients not know why.)
type limitedListener struct {
	net.Listener
	limit  int64
	logger *slog.Logger

	open    atomic.Int64
	refused atomic.Uint64
}

// Accept returns the next connection that there is room for.
func (l *limitedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			return &countedConn{Conn: conn, closed: sync.OnceFunc(func() { l.open.Add(-1) })}, nil
		}
		l.open.Add(-1)
		// Powers of two: a storm of connections isn't one of log lines.
		if n := l.refused.Add(1); n&(n-1) == 0 {
			l.logger.Warn("connection refused: as many are open as may be", "limit", l.limit, "refused", n, "peer", conn.RemoteAddr().String())
		}
		if err := conn.Close(); err != nil {
			l.logger.Debug("closing a refused connection", "error", err)
		}
	}
}

// countedConn gives its place back when it is closed.
type countedConn struct {
	net.Conn
	closed func()
}

// Close closes the connection.
func (c *countedConn) Close() error {
	defer c.closed()
	return c.Conn.Close()
}
