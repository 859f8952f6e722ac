package transport

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// peersMax bounds whom this node keeps connections to.
const peersMax = 256

// Transport carries the messages of all of a node's groups. Its methods may be called from any goroutine.
//
//	GroupTransport ──▶ peer ──▶ lane ──▶ caller ═══════▶ server ──▶ inbox ──▶ GroupTransport.Consumer
//	 (the library)              (dials)                             (a group's)   (the library)
type Transport struct {
	options  Options
	buffers  bufferPool
	messages sync.Pool // *appendMessage, free
	counters counters
	requests atomic.Uint64 // the last request's number
	fetching chan struct{} // a token for each fetch that is answered
	greeting chan struct{} // a token for each connection that has not said yet who it is

	heartbeats heartbeats

	mu struct {
		sync.Mutex
		closed bool
		groups map[GroupNumber]*GroupTransport
		peers  map[raft.ServerAddress]*peer
		// open are the connections that watch looks at, in either direction, and those that carry a snapshot.
		open map[io.Closer]struct{}
	}
	// groups is read for each message that comes in.
	groups atomic.Pointer[map[GroupNumber]*GroupTransport]

	closing chan struct{}
	running sync.WaitGroup
}

// New starts a transport. Streams belongs to it, also when it fails.
func New(options Options) (*Transport, error) {
	options.EnsureDefaults()
	if err := options.Validate(); err != nil {
		if options.Streams != nil {
			err = errors.Join(err, options.Streams.Close())
		}
		return nil, err
	}
	t := &Transport{
		options:  options,
		fetching: make(chan struct{}, fetchesMax),
		greeting: make(chan struct{}, greetingsMax),
		closing:  make(chan struct{}),
	}
	t.buffers.poison, t.buffers.stats = options.poison, &t.counters
	// A process that starts again uses other numbers, so that an answer to the one before is not taken for its own.
	t.requests.Store(options.Random())
	t.mu.groups = map[GroupNumber]*GroupTransport{}
	t.mu.peers = map[raft.ServerAddress]*peer{}
	t.mu.open = map[io.Closer]struct{}{}
	t.groups.Store(&map[GroupNumber]*GroupTransport{})
	t.heartbeats.t, t.heartbeats.wake = t, make(chan struct{}, 1)
	t.spawn("accept", t.accept)
	t.spawn("watch", t.watch)
	t.spawn("heartbeats", t.heartbeats.run)
	return t, nil
}

// LocalAddress returns where other nodes reach this one.
func (t *Transport) LocalAddress() raft.ServerAddress { return t.options.LocalAddress }

// spawn starts a goroutine that Close joins, under a name that profiles show. What it starts itself inherits the name.
func (t *Transport) spawn(name string, run func()) {
	t.running.Go(func() {
		//nolint:forbidigo // pprof takes labels only with a context; nothing is cancelled by it
		pprof.Do(context.Background(), pprof.Labels("role", "peer-"+name, "stage", "replicate"), func(context.Context) { run() })
	})
}

// messageBytes is how large a message of entries may be that this node takes.
func (t *Transport) messageBytes() int {
	return max(t.options.AppendBytes, t.options.EntryBytesMax) + messageOverheadMax
}

// Group returns the part of the transport that carries one group's messages, the same until it is closed. Before it is first
// called, messages for the group are refused (ErrUnknownGroup).
func (t *Transport) Group(number GroupNumber) *GroupTransport {
	t.mu.Lock()
	defer t.mu.Unlock()
	if g := t.mu.groups[number]; g != nil {
		return g
	}
	g := newGroupTransport(t, number)
	if t.mu.closed {
		g.closeOnce.Do(g.end)
		return g
	}
	t.mu.groups[number] = g
	t.publishGroupsLocked()
	return g
}

// removeGroup makes messages for a group be refused again.
func (t *Transport) removeGroup(g *GroupTransport) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.groups[g.number] == g {
		delete(t.mu.groups, g.number)
		t.publishGroupsLocked()
	}
}

func (t *Transport) publishGroupsLocked() {
	groups := maps.Clone(t.mu.groups)
	t.groups.Store(&groups)
}

// group returns a group of this node, or nil.
func (t *Transport) group(number GroupNumber) *GroupTransport { return (*t.groups.Load())[number] }

// peer returns the connections to an address, and notes that they are used.
func (t *Transport) peer(address raft.ServerAddress) (*peer, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return nil, ErrClosed
	}
	p := t.mu.peers[address]
	if p == nil {
		switch {
		case address == "" || len(address) > addressBytesMax:
			return nil, fmt.Errorf("%w: an address of %d bytes; it must have 1 to %d", ErrTooLarge, len(address), addressBytesMax)
		case len(t.mu.peers) >= peersMax:
			return nil, fmt.Errorf("%w: connections to %d peers; the most is %d", ErrTooLarge, len(t.mu.peers), peersMax)
		}
		p = newPeer(t, address)
		t.mu.peers[address] = p
	}
	p.used.Store(true)
	return p, nil
}

// track makes Close close a connection, and watch look at it. It is false when the transport closes already.
func (t *Transport) track(c io.Closer) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.mu.closed {
		return false
	}
	t.mu.open[c] = struct{}{}
	return true
}

func (t *Transport) untrack(c io.Closer) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.mu.open, c)
}

// watched is a connection that is looked at once a tick.
type watched interface {
	watchOver(now time.Time, tick time.Duration)
}

// watch keeps all deadlines: it is one timer instead of one for each message.
func (t *Transport) watch() {
	tick := t.options.tick()
	timer := time.NewTimer(untilMultiple(time.Now(), tick))
	defer timer.Stop()
	for {
		select {
		case <-timer.C:
		case <-t.closing:
			return
		}
		now := time.Now()
		timer.Reset(untilMultiple(now, tick))
		t.mu.Lock()
		var all []watched
		for c := range t.mu.open {
			if w, ok := c.(watched); ok {
				all = append(all, w)
			}
		}
		t.mu.Unlock()
		for _, w := range all {
			w.watchOver(now, tick)
		}
		t.closeIdle(tick)
	}
}

// closeIdle lets go of peers that nothing was sent to or came from.
func (t *Transport) closeIdle(tick time.Duration) {
	t.mu.Lock()
	var idle []*peer
	for address, p := range t.mu.peers {
		if p.used.Swap(false) {
			p.idle = 0
			continue
		}
		if p.idle += tick; p.idle > t.options.IdleTimeout {
			idle = append(idle, p)
			delete(t.mu.peers, address)
		}
	}
	t.mu.Unlock()
	for _, p := range idle {
		p.stop()
	}
}

// Close ends the transport: calls on their way fail, connections and the listener are closed, and every goroutine is joined.
// It is safe to call it more than once.
func (t *Transport) Close() error {
	t.mu.Lock()
	if t.mu.closed {
		t.mu.Unlock()
		t.running.Wait()
		return nil
	}
	t.mu.closed = true
	groups, peers, open := t.mu.groups, t.mu.peers, t.mu.open
	t.mu.groups, t.mu.peers, t.mu.open = nil, nil, map[io.Closer]struct{}{}
	t.publishGroupsLocked()
	t.mu.Unlock()
	close(t.closing)
	err := t.options.Streams.Close()
	for _, g := range groups {
		err = errors.Join(err, g.Close())
	}
	for _, p := range peers {
		p.stop()
	}
	for c := range open {
		_ = c.Close() // it is given up, not finished
	}
	t.running.Wait()
	return err
}
