package broker

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
)

// clientListener gives every client's connection its bounds. Those beyond the limit it closes as soon as they come. (netutil.LimitListener would
// let them wait, and their clients not know why.)
type clientListener struct {
	net.Listener
	limit  int64
	budget *budget
	logger *slog.Logger

	open    atomic.Int64
	refused atomic.Uint64
}

// Accept returns the next connection that there is room for.
func (l *clientListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		if l.open.Add(1) <= l.limit {
			return newConnection(conn, l.budget, func() { l.open.Add(-1) }), nil
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

// connection is a client's, with what it makes the node hold. It gives everything back when it is closed, which grpc does when it has done with it, and
// the node when the client doesn't read (budget.watch).
type connection struct {
	net.Conn
	budget *budget
	// unsent bounds the bytes of answers that this connection is yet to take.
	unsent *semaphore.Weighted
	// placeless gives the connection's place back.
	placeless func()
	// taken is when the client's connection last took an answer, in nanoseconds since 1970.
	taken atomic.Int64
	// arriving is what has come of requests that aren't whole.
	arriving *arrivals
	// resets is how fast the client may give calls up.
	resets *rate.Limiter
	// life ends with the connection.
	life context.Context //nolint:containedctx // the connection's own
	end  context.CancelFunc

	mu struct {
		sync.Mutex
		closed bool
		// partial is what the budget counts for requests that aren't whole, and small what of that it counts as such.
		partial, small int64
		// answers are those that aren't sent, and streams those that are open.
		answers map[*answerHold]struct{}
		streams map[*boundedStream]struct{}
	}
}

const (
	// unsentBytesMax is how many bytes of answers wait for a client to read them. A larger one waits alone.
	unsentBytesMax = 16 << 20
	// stallMax is how long a client may take nothing while something waits for it.
	stallMax = 10 * time.Second
	// resetsBurst is how many calls a client may give up at once, and resetsPerSecond how many in the long run: a call that is begun and reset costs the client
	// two small frames and the node a goroutine, and doesn't count as one under way (CVE-2023-44487).
	resetsBurst     = 2_000
	resetsPerSecond = 500
)

func newConnection(conn net.Conn, b *budget, placeless func()) *connection {
	c := &connection{Conn: conn, budget: b, unsent: semaphore.NewWeighted(unsentBytesMax), placeless: placeless, arriving: newArrivals(),
		resets: rate.NewLimiter(resetsPerSecond, resetsBurst)}
	c.life, c.end = context.WithCancel(b.base)
	c.mu.answers, c.mu.streams = map[*answerHold]struct{}{}, map[*boundedStream]struct{}{}
	b.connected(c)
	return c
}

// Read reads what the client sends, and goes on when the node has room for what of it is no whole request, and when the client hasn't given up
// too many calls of late.
func (c *connection) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 && !(c.count(c.arriving.came(p[:n], time.Now())) && c.pace(c.arriving.givenUp())) {
		return n, net.ErrClosed
	}
	return n, err
}

// pace waits when the client gives up calls faster than it may: it isn't cut off, since it would only connect again, and other calls of the
// connection may be sound. False when the connection is closed meanwhile.
func (c *connection) pace(resets int) bool {
	for resets > 0 {
		n := min(resets, resetsBurst)
		resets -= n
		if c.resets.AllowN(time.Now(), n) {
			continue
		}
		if slowed := c.budget.slowed.Add(1); slowed&(slowed-1) == 0 {
			c.budget.logger.Warn("a client is read more slowly, since it gives up calls as fast as it makes them", "peer", addressOf(c),
				"per_second", resetsPerSecond, "in_all", slowed)
		}
		if c.resets.WaitN(c.life, n) != nil {
			return false
		}
	}
	return true
}

// Write writes, or fails when the client's machine takes nothing for too long.
func (c *connection) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(stallMax)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.budget.cut.unread.Add(1)
	}
	c.arriving.went(p[:n]) // what that makes free is counted when the client says something
	return n, err
}

// count has the budget count what of requests isn't whole. It waits for room, for as long as the connection lives.
func (c *connection) count(bytes int64) bool {
	c.mu.Lock()
	if c.mu.closed {
		c.mu.Unlock()
		return false
	}
	more := bytes - c.mu.partial
	if more <= 0 {
		c.giveParts(-more)
		c.mu.Unlock()
		return true
	}
	if small := min(more, smallMax-c.mu.small); small > 0 && c.budget.smallRequests.try(small) {
		c.mu.small += small
		c.mu.partial += small
		more -= small
	}
	c.mu.Unlock()
	if more == 0 {
		return true
	}
	if !c.budget.arrived(c, more) {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		c.budget.requests.give(more)
		return false
	}
	c.mu.partial = bytes
	return true
}

// giveParts gives back what was counted for requests that have become whole, or have ended: first what isn't small. mu is held.
func (c *connection) giveParts(bytes int64) {
	large := min(bytes, c.mu.partial-c.mu.small)
	if large > 0 {
		c.budget.requests.give(large)
	}
	if small := bytes - large; small > 0 {
		c.budget.smallRequests.give(small)
		c.mu.small -= small
	}
	c.mu.partial -= bytes
}

// large tells whether unfinished requests have some of the room that isn't for small ones.
func (c *connection) large() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.partial > c.mu.small
}

// Close closes the connection, and gives back what it held. Calls after the first do nothing.
func (c *connection) Close() error {
	c.mu.Lock()
	if c.mu.closed {
		c.mu.Unlock()
		return nil
	}
	c.mu.closed = true
	answers := c.mu.answers
	c.mu.answers = nil
	c.giveParts(c.mu.partial)
	c.mu.Unlock()
	c.end()
	for a := range answers {
		c.giveBack(a)
	}
	c.budget.disconnected(c)
	c.placeless()
	return c.Conn.Close()
}

// hold notes an answer for which there is room; false when the connection is closed.
func (c *connection) hold(a *answerHold) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.mu.closed {
		return false
	}
	c.mu.answers[a] = struct{}{}
	return true
}

// release gives an answer's room back, once.
func (c *connection) release(a *answerHold) {
	c.mu.Lock()
	_, held := c.mu.answers[a]
	delete(c.mu.answers, a)
	c.mu.Unlock()
	if held {
		c.taken.Store(time.Now().UnixNano())
		c.giveBack(a)
	}
}

func (c *connection) giveBack(a *answerHold) {
	c.unsent.Release(a.own())
	c.budget.answers.give(a.bytes)
}

// beginStream and endStream keep the list of open streams.
func (c *connection) beginStream(s *boundedStream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mu.streams[s] = struct{}{}
}

func (c *connection) endStream(s *boundedStream) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.mu.streams, s)
}

// stalled tells whether the client has taken nothing since a time although it should have: what it consumes, and what became of what it publishes. A
// reader of a topic may take its time, and whoever asked for much at once, unless the node is short of room: then nobody may.
func (c *connection) stalled(since time.Time, short bool) bool {
	idle := c.taken.Load() <= since.UnixNano()
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.mu.streams {
		if began := s.sending.Load(); began != 0 && began <= since.UnixNano() && (short || idle && !s.patient) {
			return true
		}
	}
	if short {
		for a := range c.mu.answers {
			if !a.since.After(since) {
				return true
			}
		}
	}
	return false
}

// clientCredentials are those of the clients' port: nobody has to show any yet. They make the connection known to its calls.
type clientCredentials struct {
	credentials.TransportCredentials
}

func newClientCredentials() clientCredentials { return clientCredentials{insecure.NewCredentials()} }

// ServerHandshake implements credentials.TransportCredentials.
func (clientCredentials) ServerHandshake(raw net.Conn) (net.Conn, credentials.AuthInfo, error) {
	conn, _ := raw.(*connection)
	return raw, clientInfo{credentials.CommonAuthInfo{SecurityLevel: credentials.NoSecurity}, conn}, nil
}

// Clone implements credentials.TransportCredentials.
func (c clientCredentials) Clone() credentials.TransportCredentials { return c }

// clientInfo is what a call knows of its connection.
type clientInfo struct {
	credentials.CommonAuthInfo
	conn *connection
}

// AuthType implements credentials.AuthInfo.
func (clientInfo) AuthType() string { return "insecure" }

// connectionOf is the connection that a call came by; nil for what another node passed on, which has bounds where it came from.
func connectionOf(ctx context.Context) *connection {
	p, ok := peer.FromContext(ctx)
	if !ok {
		return nil
	}
	info, _ := p.AuthInfo.(clientInfo)
	return info.conn
}
