package broker

import (
	"context"
	"log/slog"
	"net"
	"sync/atomic"
	"time"
)

// clientListener gives every client's connection its bounds. Those beyond the limit it closes as soon as they come. (netutil.LimitListener would
// let them wait, and their clients not know why.) Where too many come that nobody uses, the next wait in the system's queue (newcomers.go).
type clientListener struct {
	net.Listener
	limit     int64
	budget    *budget
	newcomers *newcomers
	logger    *slog.Logger
	// life ends with the listener.
	life context.Context //nolint:containedctx // the listener's own
	end  context.CancelFunc

	open    atomic.Int64
	refused atomic.Uint64
	// paced counts the connections before which Accept waited.
	paced atomic.Uint64
}

func newClientListener(l net.Listener, limit int, b *budget, logger *slog.Logger) *clientListener {
	c := &clientListener{Listener: l, limit: int64(limit), budget: b, logger: logger}
	c.life, c.end = context.WithCancel(b.base)
	c.newcomers = newNewcomers(c.life, time.Now())
	return c
}

// Accept returns the next connection that there is room for.
func (l *clientListener) Accept() (net.Conn, error) {
	for {
		waited, err := l.newcomers.wait(l.life)
		if err != nil {
			return nil, net.ErrClosed
		}
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if waited {
			if n := l.paced.Add(1); n&(n-1) == 0 {
				l.logger.Warn("connections wait to be accepted: too many come on which no call is made", "per_second", newcomersPerSecond, "waited", n,
					"peer", conn.RemoteAddr().String())
			}
		}
		socket := socketOf(conn)
		if socket.hungUp() {
			l.turnAway(conn)
			continue
		}
		if l.open.Add(1) <= l.limit {
			l.newcomers.came(time.Now())
			return newConnection(conn, socket, l.budget, l.newcomers, func() { l.open.Add(-1) }), nil
		}
		l.open.Add(-1)
		// Powers of two: a storm of connections isn't one of log lines.
		if n := l.refused.Add(1); n&(n-1) == 0 {
			l.logger.Warn("connection refused: as many are open as may be", "limit", l.limit, "refused", n, "peer", conn.RemoteAddr().String())
		}
		l.turnAway(conn)
	}
}

// turnAway closes what nobody is given.
func (l *clientListener) turnAway(conn net.Conn) {
	l.newcomers.turnedAway(time.Now())
	if err := conn.Close(); err != nil {
		l.logger.Debug("closing a connection that isn't accepted", "error", err)
	}
}

// Close ends Accept, also while it waits for the next connection's turn.
func (l *clientListener) Close() error {
	l.end()
	return l.Listener.Close()
}
