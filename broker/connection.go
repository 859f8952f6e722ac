package broker

import (
	"context"
	"errors"
	"math"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/mem"
	"google.golang.org/grpc/peer"
)

// connection is a client's, with what it makes the node hold. It gives everything back when it is closed, which grpc does when it has done with it, and
// the node when the client doesn't read (budget.watch).
type connection struct {
	net.Conn
	// socket is nil where it isn't one of the system's.
	socket *socket
	budget *budget
	// unsent bounds the bytes of answers that this connection is yet to take.
	unsent *semaphore.Weighted
	// placeless gives the connection's place back. The connection is one of the newcomers until it is known: a call was answered.
	placeless func()
	newcomers *newcomers
	known     atomic.Bool
	// taken is when the client's connection last took an answer, in nanoseconds since 1970.
	taken atomic.Int64
	// arriving is what has come of requests that aren't whole.
	arriving *arrivals
	// strikes is how fast the client may make the node work for nothing, owed what is waited for before more is read, portions that it is read in small ones, and slowSince
	// since when it is waited for. Only Read looks at the latter three.
	strikes   *rate.Limiter
	owed      int
	portions  bool
	slowSince time.Time
	// offended: the client has broken the rules of HTTP/2; forgiven is closed floodHold later.
	offended atomic.Bool
	forgiven chan struct{}
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
	// strikesBurst is how often a client may make the node work for nothing at once, and strikesPerSecond in the long run: a call that is begun and reset costs the client
	// two small frames and the node a goroutine, and doesn't count as one under way (CVE-2023-44487); one that it has the node reset costs as much (CVE-2025-8671).
	// A change of settings is a strike, too. A new connection has strikesFirst: whoever is read slowly might come again and again.
	strikesBurst     = 500
	strikesFirst     = 100
	strikesPerSecond = 500
	// largeStrikes is what a request counts for that is larger than any may be: of each the node takes streamWindowBytes, and throws them away.
	largeStrikes = 50
	// struckMax is how long a client is read slowly; if it goes on then, its connection is closed. What is gone may have left thousands of calls behind, which nobody waits for.
	struckMax = 3 * time.Second
	// portionBytes is how much is read at once of a client that is new, or has made the node work for nothing of late.
	portionBytes = 4 << 10
	// floodHold is how long a client that breaks the rules of HTTP/2 isn't heard, and doesn't learn that its connection ends: else it would only make the next one.
	floodHold = time.Second
)

func newConnection(conn net.Conn, s *socket, b *budget, n *newcomers, placeless func()) *connection {
	c := &connection{Conn: conn, socket: s, budget: b, unsent: semaphore.NewWeighted(unsentBytesMax), newcomers: n, placeless: placeless, arriving: newArrivals(),
		strikes: rate.NewLimiter(strikesPerSecond, strikesBurst), portions: true, forgiven: make(chan struct{})}
	c.strikes.AllowN(time.Now(), strikesBurst-strikesFirst)
	c.life, c.end = context.WithCancel(b.base)
	c.mu.answers, c.mu.streams = map[*answerHold]struct{}{}, map[*boundedStream]struct{}{}
	b.connected(c)
	return c
}

// Read reads what the client sends, and goes on when the node has room for what of it is no whole request. Before, it waits where the client has made the node work
// for nothing too often of late. Of a client that breaks the rules of HTTP/2 no more is heard. The end of one that hasn't made a call waits its turn.
func (c *connection) Read(p []byte) (int, error) {
	if !c.pace() {
		return 0, net.ErrClosed
	}
	n, err := c.Conn.Read(p[:min(len(p), c.portion())])
	return n, c.came(p[:n], err)
}

// ReadOnReady is Read, with a buffer that is taken from a pool only when there is something to be read: a connection on which nothing happens has none. grpc looks for it (its
// internal/transport/readyreader says what it has to do).
func (c *connection) ReadOnReady(size int, pool mem.BufferPool) (buffer *[]byte, n int, err error) {
	if c.socket == nil {
		buffer = pool.Get(size)
		n, err = c.Read(*buffer)
	} else {
		if !c.pace() {
			return nil, 0, net.ErrClosed
		}
		var b []byte
		if buffer, n, err = c.socket.read(size, c.portion(), pool); buffer != nil {
			b = (*buffer)[:n]
		}
		err = c.came(b, err)
	}
	if n == 0 && buffer != nil {
		pool.Put(buffer)
		buffer = nil
	}
	return buffer, n, err
}

// portion is how much is read at once: what is waited for is what came at once.
func (c *connection) portion() int {
	if c.portions {
		return portionBytes
	}
	return math.MaxInt
}

// came notes what was read, and returns what the reader is told beside it.
func (c *connection) came(p []byte, err error) error {
	if len(p) == 0 {
		if err != nil && !c.known.Load() && c.arriving.unused() {
			c.newcomers.leave(c.life)
		}
		return err
	}
	if !c.count(c.arriving.came(p, time.Now())) {
		return net.ErrClosed
	}
	strikes, broken := c.arriving.struck()
	c.owed = strikes
	if c.portions || strikes > 0 {
		c.portions = c.strikes.Tokens()-float64(strikes) < 2*strikesFirst
	}
	if broken || c.offended.Load() {
		c.detain()
	}
	if broken { // grpc would read headers without end, if each frame of them is empty, and note each call that can't be until it can say so
		return errBroken
	}
	return err
}

var errBroken = errors.New("a call's headers have no end, its number can't be, or more are begun than may be under way")

// pace waits when the client makes the node work for nothing faster than it may: it isn't cut off at once, since it would only connect again, and other calls of the
// connection may be sound. False when the connection is closed meanwhile.
func (c *connection) pace() bool {
	if c.owed == 0 {
		return true
	}
	for c.owed > 0 {
		n := min(c.owed, strikesBurst)
		c.owed -= n
		now := time.Now()
		if c.strikes.AllowN(now, n) {
			c.slowSince = time.Time{}
			continue
		}
		if c.slowSince.IsZero() {
			c.slowSince = now
		} else if now.Sub(c.slowSince) > struckMax {
			if n := c.budget.cut.worthless.Add(1); n&(n-1) == 0 {
				c.budget.logger.Warn("a client was cut off that makes the node work for nothing", "peer", addressOf(c), "after", struckMax, "in_all", n)
			}
			c.budget.cutOff(c)
			return false
		}
		c.slowed("it gives up calls as fast as it makes them, changes its settings, or asks for more than there may be", "per_second", strikesPerSecond)
		if c.strikes.WaitN(c.life, n) != nil {
			return false
		}
	}
	return true
}

// detain has a client wait that breaks the rules of HTTP/2: its connection is about to be closed. Whoever comes later waits for the same end.
func (c *connection) detain() {
	if c.offended.CompareAndSwap(false, true) {
		c.slowed("it breaks the rules of HTTP/2", "for", floodHold)
		timer := time.AfterFunc(floodHold, func() { close(c.forgiven) })
		defer timer.Stop() // whoever waits for it as well has a connection that is closed
	}
	select {
	case <-c.forgiven:
	case <-c.life.Done():
	}
}

// slowed counts that the client is read more slowly, and says so now and then.
func (c *connection) slowed(why string, more ...any) {
	if n := c.budget.slowed.Add(1); n&(n-1) == 0 {
		c.budget.logger.Warn("a client is read more slowly", append([]any{"since", why, "peer", addressOf(c), "in_all", n}, more...)...)
	}
}

// Write writes, or fails when the client's machine takes nothing for too long: then it closes the connection, which grpc leaves to whoever reads, and nothing may come.
func (c *connection) Write(p []byte) (int, error) {
	// What that makes free is counted when the client says something.
	_, answered, refused := c.arriving.went(p)
	if answered && c.known.CompareAndSwap(false, true) {
		c.newcomers.isKnown()
	}
	if refused {
		c.detain()
	}
	if err := c.SetWriteDeadline(time.Now().Add(stallMax)); err != nil {
		return 0, err
	}
	n, err := c.Conn.Write(p)
	if errors.Is(err, os.ErrDeadlineExceeded) {
		c.budget.cut.unread.Add(1)
		c.budget.cutOff(c)
	}
	return n, err
}

// count has the budget count what of requests isn't whole, up to all that there is for those. It waits for room, for as long as the connection lives.
func (c *connection) count(bytes int64) bool {
	bytes = min(bytes, c.budget.requests.bytes)
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

// large is how much unfinished requests have of the room that isn't for small ones.
func (c *connection) large() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.partial - c.mu.small
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
