package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// GroupTransport carries one group's messages, and is the library's raft.Transport for it. Addresses are host and port,
// as Streams.Dial takes them. Calls block until there is an answer, the peer can't be reached, a timeout has passed, or the
// group is closed.
type GroupTransport struct {
	t        *Transport
	number   GroupNumber
	consumer chan raft.RPC
	reuse    atomic.Bool
	vouch    atomic.Pointer[func() error]
	sums     atomic.Pointer[sums]
	hasty    atomic.Int64 // who wants heartbeats answered soon

	life      context.Context //nolint:containedctx // dials end with the group
	end       context.CancelFunc
	closed    <-chan struct{} // life's end
	closeOnce sync.Once
	calls     sync.WaitGroup // goroutines of pipelines
	mu        struct {
		sync.Mutex
		closed    bool
		closables map[io.Closer]struct{} // pipelines, and connections that carry a snapshot
	}
}

var (
	_ raft.Transport   = (*GroupTransport)(nil)
	_ raft.WithPreVote = (*GroupTransport)(nil)
	_ raft.WithClose   = (*GroupTransport)(nil)
)

func newGroupTransport(t *Transport, number GroupNumber) *GroupTransport {
	g := &GroupTransport{t: t, number: number, consumer: make(chan raft.RPC)}
	g.life, g.end = context.WithCancel(context.Background()) //nolint:forbidigo // no caller's: it ends with Close
	g.closed = g.life.Done()
	g.mu.closables = map[io.Closer]struct{}{}
	return g
}

// ReuseBuffers lets the transport use memory again that AppendEntries were received in, once Consumer's side has answered them: the
// entries' bytes, the entries, and the request. It is right where the group's raft.LogStore copies what StoreLogs is given,
// as one on disk does; raft.InmemStore and raft.LogCache keep the entries themselves. The library keeps nothing else: it
// decodes a configuration to strings of its own. Without it the memory is left to the garbage collector.
func (g *GroupTransport) ReuseBuffers() { g.reuse.Store(true) }

// Vouch has a function called before an answer to AppendEntries goes out. Its error is answered instead.
func (g *GroupTransport) Vouch(vouch func() error) { g.vouch.Store(&vouch) }

// Consumer implements raft.Transport. The channel has no buffer, and each request of a peer waits for the one before.
func (g *GroupTransport) Consumer() <-chan raft.RPC { return g.consumer }

// LocalAddr implements raft.Transport.
func (g *GroupTransport) LocalAddr() raft.ServerAddress { return g.t.options.LocalAddress }

// EncodePeer implements raft.Transport.
func (g *GroupTransport) EncodePeer(_ raft.ServerID, address raft.ServerAddress) []byte {
	return []byte(address)
}

// DecodePeer implements raft.Transport.
func (g *GroupTransport) DecodePeer(b []byte) raft.ServerAddress { return raft.ServerAddress(b) }

// SetHeartbeatHandler implements raft.Transport by doing nothing: a heartbeat that is handled beside the library's main loop can
// make logs of one index and term differ (raft issue 695), so all go through Consumer.
func (g *GroupTransport) SetHeartbeatHandler(func(raft.RPC)) {}

// Close implements raft.WithClose: calls on their way fail with ErrClosed, and messages for the group are refused until
// Transport.Group is called again. Requests that Consumer's side has not answered are refused as well.
func (g *GroupTransport) Close() error {
	g.closeOnce.Do(func() {
		g.end()
		g.mu.Lock()
		g.mu.closed = true
		closables := g.mu.closables
		g.mu.closables = nil
		g.mu.Unlock()
		for c := range closables {
			_ = c.Close() // neither a pipeline nor a connection given up has anything to say
		}
		g.t.removeGroup(g)
	})
	g.calls.Wait()
	return nil
}

// hold makes Close close something; it is false when the group is closed.
func (g *GroupTransport) hold(c io.Closer) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.mu.closed {
		return false
	}
	g.mu.closables[c] = struct{}{}
	return true
}

func (g *GroupTransport) letGo(c io.Closer) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.mu.closables, c)
}

// mayspeak fails while this node must not speak as a leader or candidate.
func (g *GroupTransport) mayspeak() error {
	if g.t.options.Withhold() {
		g.t.counters.withheld.Add(1)
		return ErrWithheld
	}
	return nil
}

// reach returns a connection to a node. An id is what must answer at the address; none: whoever does.
func (t *Transport) reach(id raft.ServerID, address raft.ServerAddress, kind laneKind, cancelled <-chan struct{}) (*caller, error) {
	for {
		p, err := t.peer(address)
		if err != nil {
			return nil, err
		}
		p.lanes[laneControl].keep() // it notices when the peer is gone, whatever lane is used
		c, err := p.lanes[kind].connection(cancelled)
		if errors.Is(err, errIdle) {
			continue // it was closed for not being used, just now; the next is another
		}
		if err == nil && id != "" && c.peer.id != id {
			err = fmt.Errorf("%w: %s is %q; expected %q", ErrOtherNode, address, c.peer.id, id)
		}
		return c, err
	}
}

// waiter is a call that blocks until its answer is there.
type waiter[R any] struct {
	done     chan struct{}
	response R
	err      error
}

// answer implements awaiting.
func (w *waiter[R]) answer(payload []byte, n *names, err error) error {
	if err == nil {
		err = decodeAnswer(payload, any(&w.response), n)
	}
	w.err = err
	close(w.done)
	if errors.Is(err, ErrCorrupt) {
		return err
	}
	return nil
}

// call sends a request over a connection and waits for the answer. The window has room for the exchange's bytes already.
func call[R any](c *caller, f *frame, e *exchange, cancelled <-chan struct{}, response *R) error {
	w := &waiter[R]{done: make(chan struct{})}
	e.waiting = w
	if err := c.submit(f, e); err != nil {
		return err
	}
	select {
	case <-w.done:
	case <-cancelled:
		if c.forget(e) {
			return ErrClosed
		}
		<-w.done // it is being settled
	}
	if w.err == nil {
		*response = w.response
	}
	return w.err
}

// Hasten has heartbeats go at once, also those that wait for others just now, until the function is called that it returns.
func (g *GroupTransport) Hasten() (enough func()) {
	g.hasty.Add(1)
	g.t.heartbeats.release(func(b heldHeartbeat) bool { return b.group == g.number })
	return sync.OnceFunc(func() { g.hasty.Add(-1) })
}

// request makes a call of the control lane.
func request[R any](g *GroupTransport, id raft.ServerID, target raft.ServerAddress, e *exchange, f *frame, response *R) error {
	c, err := g.t.reach(id, target, laneControl, g.closed)
	if err != nil {
		g.t.buffers.free(f)
		return err
	}
	return call(c, f, e, g.closed, response)
}

// RequestVote implements raft.Transport.
func (g *GroupTransport) RequestVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestVoteRequest, resp *raft.RequestVoteResponse) error {
	if err := g.mayspeak(); err != nil {
		return err
	}
	f, err := voteFrame(&g.t.buffers, args)
	if err != nil {
		return err
	}
	return request(g, id, target, &exchange{group: g.number, kind: kindVote}, f, resp)
}

// RequestPreVote implements raft.WithPreVote.
func (g *GroupTransport) RequestPreVote(id raft.ServerID, target raft.ServerAddress, args *raft.RequestPreVoteRequest, resp *raft.RequestPreVoteResponse) error {
	if err := g.mayspeak(); err != nil {
		return err
	}
	f, err := preVoteFrame(&g.t.buffers, args)
	if err != nil {
		return err
	}
	return request(g, id, target, &exchange{group: g.number, kind: kindPreVote}, f, resp)
}

// TimeoutNow implements raft.Transport. It is not withheld: a leader whose disk hangs does well to hand over.
func (g *GroupTransport) TimeoutNow(id raft.ServerID, target raft.ServerAddress, args *raft.TimeoutNowRequest, resp *raft.TimeoutNowResponse) error {
	f, err := timeoutNowFrame(&g.t.buffers, args)
	if err != nil {
		return err
	}
	return request(g, id, target, &exchange{group: g.number, kind: kindTimeoutNow}, f, resp)
}

// AppendEntries implements raft.Transport. Of entries beyond Options.AppendBytes only the first are sent, and args.Entries is cut
// down to them: the library reads from there, after the call, how far the follower is, and sends the rest at once
// (replicateTo in its replication.go). Without entries it is a heartbeat or as good as one, and overtakes entries.
func (g *GroupTransport) AppendEntries(id raft.ServerID, target raft.ServerAddress, args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) error {
	if err := g.mayspeak(); err != nil {
		return err
	}
	if len(args.Entries) == 0 {
		f, err := appendFrame(&g.t.buffers, args, g.sums.Load())
		if err != nil {
			return err
		}
		held := isHeartbeat(args) && g.t.options.HeartbeatEvery > 0 && g.hasty.Load() == 0
		return request(g, id, target, &exchange{group: g.number, kind: kindAppend, held: held}, f, resp)
	}
	c, err := g.t.reach(id, target, laneData, g.closed)
	if err != nil {
		return err
	}
	count, bytes, err := g.takeRoom(c, args.Entries, g.closed)
	if err != nil {
		return err
	}
	if count < len(args.Entries) {
		g.t.counters.shortened.Add(1)
		args.Entries = args.Entries[:count]
	}
	e := &exchange{group: g.number, kind: kindAppend, bytes: bytes}
	f, err := appendFrame(&g.t.buffers, args, g.sums.Load())
	if err != nil {
		c.window.give(g.number, bytes)
		return err
	}
	return call(c, f, e, g.closed, resp)
}

// takeRoom waits until the first of some entries may be sent, and says how many. It waits no longer than for an answer.
func (g *GroupTransport) takeRoom(c *caller, entries []*raft.Log, ended <-chan struct{}) (count, bytes int, err error) {
	limit := min(g.t.options.AppendBytes, c.limit-messageOverheadMax)
	count, bytes, again := c.window.take(g.number, entries, limit)
	if again == nil {
		return count, bytes, nil
	}
	timer := time.NewTimer(g.t.options.AnswerTimeout)
	defer timer.Stop()
	for again != nil {
		select {
		case <-again:
		case <-timer.C:
			return 0, 0, fmt.Errorf("%w: %s has not answered what was sent before", ErrTimeout, c.peer.address)
		case <-c.failed:
			return 0, 0, c.err()
		case <-ended:
			return 0, 0, ErrClosed
		}
		count, bytes, again = c.window.take(g.number, entries, limit)
	}
	return count, bytes, nil
}
