package transport

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"syscall"
	"time"
)

// Network is a network in one process, for tests and simulations: what Network.Listen returns is Streams, so that a Transport
// over it is the same as over TCP but for the bytes' way. It has no sockets and no goroutines of its own (but for replays
// of installs), so it works inside testing/synctest, and what goes wrong is drawn from a seed. Connections that carry something
// else (HTTP/2, by how they begin, and all to ListenForeign) are only delayed, cut and broken. The order in which goroutines
// run is not part of the seed: the same seed gives the same network, not the same run.
//
// Bytes that are cut off wait, as they do in TCP, and arrive when the cut has ended and the connection still stands. Faults are
// of whole messages (requests and answers, not greetings or parts of a snapshot): a real connection never loses one without
// breaking, but what comes over the next connection may overtake, or repeat, what was sent over the last.
type Network struct {
	mu struct {
		sync.Mutex
		random    *rand.Rand
		changed   chan struct{} // closed when anything about who reaches whom has changed
		listeners map[string]*networkStreams
		links     map[way]*link
		faults    Faults
		paused    map[string]bool
		refused   map[string]bool
		ways      map[*direction]struct{} // of open connections
		installs  []*recordedInstall
		late      map[*time.Timer]struct{}
		closed    bool
	}
	running sync.WaitGroup // replays of installs
}

// way is from where to where.
type way struct{ from, to string }

// link is what is wrong with a way.
type link struct {
	cut    bool
	faults *Faults // nil: the network's
}

// Faults are what becomes of messages, besides arriving once, in order and at once. Probabilities are from 0 to 1, of each
// message by itself.
type Faults struct {
	// DelayMin and DelayMax are between what each message, and each part of a snapshot, takes. Their order is kept.
	DelayMin, DelayMax time.Duration
	// Drop is how likely a message is lost.
	Drop float64
	// Duplicate is how likely it arrives twice, the second time right after the first.
	Duplicate float64
	// Replay is how likely it arrives a second time later, within LateMax, over whatever connection there is then. A snapshot
	// that was sent is sent again as a whole.
	Replay float64
	// Reorder is how likely it arrives late, within LateMax, while later ones arrive before it.
	Reorder float64
	// LateMax bounds Replay and Reorder. Default 1 s.
	LateMax time.Duration
	// Break is how likely the connection breaks in place of the message.
	Break float64
}

// NewNetwork returns a network without faults.
func NewNetwork(seed uint64) *Network {
	n := &Network{}
	n.mu.random = rand.New(rand.NewPCG(seed, 0x66726573686574)) //nolint:gosec // a simulation's
	n.mu.changed = make(chan struct{})
	n.mu.listeners = map[string]*networkStreams{}
	n.mu.links = map[way]*link{}
	n.mu.paused, n.mu.refused = map[string]bool{}, map[string]bool{}
	n.mu.ways = map[*direction]struct{}{}
	n.mu.late = map[*time.Timer]struct{}{}
	return n
}

// Random draws from the network's seed, for Options.Random.
func (n *Network) Random() uint64 {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.random.Uint64()
}

// Listen returns Streams that are reached at an address, which is any text that nobody listens at.
func (n *Network) Listen(address string) (Streams, error) { return n.listen(address, false) }

// ListenForeign is Listen for whoever isn't a Transport: a server of something else, whichever end of it speaks first.
func (n *Network) ListenForeign(address string) (Streams, error) { return n.listen(address, true) }

func (n *Network) listen(address string, foreign bool) (Streams, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.listeners[address] != nil {
		return nil, fmt.Errorf("transport: listening on %s: %w", address, syscall.EADDRINUSE)
	}
	s := &networkStreams{network: n, address: address, foreign: foreign, incoming: make(chan *networkConn, 64), gone: make(chan struct{})}
	n.mu.listeners[address] = s
	n.changedLocked()
	return s, nil
}

// SetFaults says what becomes of messages on all ways that have no faults of their own.
func (n *Network) SetFaults(f Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.faults = f
}

// SetFaultsBetween says what becomes of messages from one address to another, in that direction alone.
func (n *Network) SetFaultsBetween(from, to string, f Faults) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.linkLocked(from, to).faults = &f
}

// Cut stops what is sent from one address to another, in that direction alone, or lets it through again. New connections
// between them are not answered meanwhile.
func (n *Network) Cut(from, to string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.linkLocked(from, to).cut = on
	n.changedLocked()
}

// CutBoth is Cut in both directions.
func (n *Network) CutBoth(a, b string, on bool) {
	n.Cut(a, b, on)
	n.Cut(b, a, on)
}

// Pause stops all that is sent from and to an address, as if its process had been stopped, or lets it through again.
func (n *Network) Pause(address string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.paused[address] = on
	n.changedLocked()
}

// Refuse makes new connections to an address be refused, although somebody listens there, or no longer.
func (n *Network) Refuse(address string, on bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mu.refused[address] = on
	n.changedLocked()
}

// Break breaks all connections between two addresses. Nothing keeps new ones from being made.
func (n *Network) Break(a, b string) {
	n.breakThose(func(d *direction) bool { return d.from == a && d.to == b || d.from == b && d.to == a })
}

// Kill ends whoever listens at an address, as if its process had been killed: its connections break, nothing of it arrives
// any more, and new connections are refused until somebody else listens there.
func (n *Network) Kill(address string) {
	n.mu.Lock()
	if s := n.mu.listeners[address]; s != nil {
		n.removeLocked(s)
	}
	n.mu.Unlock()
	n.breakThose(func(d *direction) bool { return d.from == address || d.to == address })
}

// Close ends replays that are still to come. Connections are their owners' to close.
func (n *Network) Close() {
	n.mu.Lock()
	n.mu.closed = true
	for timer := range n.mu.late {
		if timer.Stop() {
			n.running.Done()
		}
	}
	clear(n.mu.late)
	n.changedLocked()
	n.mu.Unlock()
	n.running.Wait()
}

func (n *Network) breakThose(which func(*direction) bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for d := range n.mu.ways {
		if which(d) {
			d.breakLocked()
		}
	}
}

func (n *Network) linkLocked(from, to string) *link {
	w := way{from, to}
	if n.mu.links[w] == nil {
		n.mu.links[w] = &link{}
	}
	return n.mu.links[w]
}

func (n *Network) faultsLocked(from, to string) Faults {
	f := n.mu.faults
	if own := n.linkLocked(from, to).faults; own != nil {
		f = *own
	}
	if f.LateMax == 0 {
		f.LateMax = time.Second
	}
	return f
}

// stalledLocked says whether nothing gets from one address to another now.
func (n *Network) stalledLocked(from, to string) bool {
	return n.linkLocked(from, to).cut || n.mu.paused[from] || n.mu.paused[to]
}

// changedLocked wakes everybody who waits for the network to change.
func (n *Network) changedLocked() {
	close(n.mu.changed)
	n.mu.changed = make(chan struct{})
	for d := range n.mu.ways {
		d.changedLocked()
	}
}

func (n *Network) removeLocked(s *networkStreams) {
	if n.mu.listeners[s.address] == s {
		delete(n.mu.listeners, s.address)
	}
	if !s.isGone {
		s.isGone = true
		close(s.gone)
	}
	n.changedLocked()
}

// likely draws whether something happens.
func (n *Network) likelyLocked(probability float64) bool {
	return probability > 0 && n.mu.random.Float64() < probability
}

// betweenLocked draws a duration.
func (n *Network) betweenLocked(least, most time.Duration) time.Duration {
	if most <= least {
		return least
	}
	return least + time.Duration(n.mu.random.Int64N(int64(most-least)))
}

// later runs something after a while, on a goroutine that Close joins.
func (n *Network) laterLocked(after time.Duration, run func()) {
	if n.mu.closed {
		return
	}
	n.running.Add(1)
	var timer *time.Timer
	timer = time.AfterFunc(after, func() {
		defer n.running.Done()
		n.mu.Lock()
		delete(n.mu.late, timer)
		n.mu.Unlock()
		run()
	})
	n.mu.late[timer] = struct{}{}
}

// networkStreams implements Streams at one address of a Network.
type networkStreams struct {
	network  *Network
	address  string
	foreign  bool // its connections carry no frames
	incoming chan *networkConn
	gone     chan struct{}
	isGone   bool // guarded by the network's lock
}

// Dial implements Streams.
func (s *networkStreams) Dial(ctx context.Context, address string) (net.Conn, error) {
	n := s.network
	for {
		n.mu.Lock()
		if s.isGone {
			n.mu.Unlock()
			return nil, s.failure("dial", address, net.ErrClosed)
		}
		changed := n.mu.changed
		if !n.stalledLocked(s.address, address) && !n.stalledLocked(address, s.address) {
			there := n.mu.listeners[address]
			if there == nil || n.mu.refused[address] {
				n.mu.Unlock()
				return nil, s.failure("dial", address, syscall.ECONNREFUSED)
			}
			here, yonder := n.connectLocked(s.address, address)
			here.in.foreign, here.out.foreign = there.foreign, there.foreign
			select {
			case there.incoming <- yonder:
				n.mu.Unlock()
				return here, nil
			default: // it does not accept: as good as unreachable
				here.out.breakLocked()
			}
		}
		n.mu.Unlock()
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, s.failure("dial", address, context.Cause(ctx))
		}
	}
}

func (s *networkStreams) failure(op, address string, err error) error {
	return &net.OpError{Op: op, Net: networkName, Source: networkAddr(s.address), Addr: networkAddr(address), Err: err}
}

// Accept implements net.Listener.
func (s *networkStreams) Accept() (net.Conn, error) {
	select {
	case c := <-s.incoming:
		return c, nil
	case <-s.gone:
		return nil, s.failure("accept", s.address, net.ErrClosed)
	}
}

// Close implements net.Listener. Connections stay.
func (s *networkStreams) Close() error {
	s.network.mu.Lock()
	s.network.removeLocked(s)
	s.network.mu.Unlock()
	for {
		select {
		case c := <-s.incoming:
			_ = c.Close() // nobody will accept it
		default:
			return nil
		}
	}
}

// Addr implements net.Listener.
func (s *networkStreams) Addr() net.Addr { return networkAddr(s.address) }

const networkName = "in-process"

type networkAddr string

func (a networkAddr) Network() string { return networkName }
func (a networkAddr) String() string  { return string(a) }
