package client

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/connectivity"
)

// purpose is what a connection is for. Publishing has connections of its own, so that neither it nor consuming waits behind the other's bytes.
type purpose uint8

const (
	forPublishing purpose = iota
	forConsuming          // and for all else
	purposes
)

// String is "publishing" or "consuming".
func (p purpose) String() string {
	if p == forPublishing {
		return "publishing"
	}
	return "consuming"
}

const (
	// nodesMax bounds how many addresses have connections. A cluster has a few; more come to be known only when nodes move, and then the ones
	// that were used least lately are forgotten.
	nodesMax = 64
	// reachTimeout is how long a node may take to be connected to before another is asked. A node on the other side of the earth takes 0.3 s.
	reachTimeout = time.Second
	// avoidMin is for how long a node that failed is asked only when no other can be. One that can't even be connected to is avoided for twice as long
	// each time, up to avoidMax, since finding that out takes reachTimeout.
	avoidMin = time.Second
	avoidMax = 30 * time.Second
)

// nodes are the connections to a cluster: one an address and purpose, and more where it has many calls (pool.go), opened when first needed, kept until Shutdown. It knows the addresses that
// Connect was given, those of the cluster that answered then, and those that routes name. It is safe for concurrent use.
//
// Whom to ask: for a partition its leader, who does it himself; for all else, or when the leader is missing or can't be reached, any node, since
// each passes on what another has to do. Of those the one that answered last, so that a client stays with one node while that lives.
type nodes struct {
	dial func(address string) (*grpc.ClientConn, error)
	// calls are those under way.
	calls sync.WaitGroup

	mu struct {
		sync.Mutex
		list    []*node // targets first
		targets int
		uses    uint64 // counts uses, to know which was the latest
		closed  bool
	}
}

// node is an address. nodes.mu guards it.
type node struct {
	address  string
	pools    [purposes]pool
	used     uint64
	answered uint64 // as used, of the last answer
	doubted  bool   // nothing has come from it for some time
	failures int    // to connect in time, since the last answer
	avoid    time.Time
}

// link is the way to a node: the connection whose state says whether the node is there, and, for each call, one of the pool's that has room for it.
type link struct {
	*grpc.ClientConn
	nodes   *nodes
	address string
	purpose purpose
}

// newNodes returns the nodes of a target: addresses with commas between them.
func newNodes(target string, dial func(address string) (*grpc.ClientConn, error)) (*nodes, error) {
	n := &nodes{dial: dial}
	for address := range strings.SplitSeq(target, ",") {
		if address = strings.TrimSpace(address); address == "" {
			return nil, argumentError("target", "target %q has an empty address: one or more of host:port are possible, with commas between them", target)
		}
		if n.find(address) == nil {
			n.mu.list = append(n.mu.list, &node{address: address})
		}
	}
	if n.mu.targets = len(n.mu.list); n.mu.targets > nodesMax {
		return nil, argumentError("target", "a target of %d addresses: at most %d are possible", n.mu.targets, nodesMax)
	}
	return n, nil
}

// find returns the node at an address, nil if there is none. mu is held.
func (n *nodes) find(address string) *node {
	for _, known := range n.mu.list {
		if known.address == address {
			return known
		}
	}
	return nil
}

// count is how many nodes there are to be asked.
func (n *nodes) count() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return len(n.mu.list)
}

// learn notes addresses that a node named.
func (n *nodes) learn(addresses ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, address := range addresses {
		if address != "" && n.find(address) == nil {
			n.add(address)
		}
	}
}

// add adds a node, and forgets another if there are too many. mu is held.
func (n *nodes) add(address string) *node {
	if len(n.mu.list) >= nodesMax && n.mu.targets < nodesMax {
		learnt := n.mu.list[n.mu.targets:]
		oldest := slices.MinFunc(learnt, func(a, b *node) int { return cmp.Compare(a.used, b.used) })
		n.mu.list = slices.DeleteFunc(n.mu.list, func(known *node) bool { return known == oldest })
		_ = oldest.close() // whoever still uses it connects anew elsewhere
	}
	added := &node{address: address}
	n.mu.list = append(n.mu.list, added)
	return added
}

// link returns the connection to an address, which may not be connected yet.
func (n *nodes) link(address string, p purpose) (link, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.mu.closed {
		return link{}, ErrClosed
	}
	known := n.find(address)
	if known == nil {
		known = n.add(address)
	}
	n.mu.uses++
	known.used = n.mu.uses
	first, err := known.pools[p].first(func() (*grpc.ClientConn, error) { return n.dial(address) })
	if err != nil {
		return link{}, argumentError("target", "address %q: %v", address, err)
	}
	return link{first.ClientConn, n, address, p}, nil
}

// first returns the connection to the first address that Connect was given.
func (n *nodes) first(p purpose) (link, error) {
	n.mu.Lock()
	address := n.mu.list[0].address
	n.mu.Unlock()
	return n.link(address, p)
}

// toLeader returns a connection for what is a partition's: to who leads it by the route, or to another node that passes it on. An error is
// ErrClosed or ctx's, or says that an address can't be one. What is returned may be broken all the same, as its first use tells.
func (n *nodes) toLeader(ctx context.Context, r *route, partition uint32, p purpose) (link, error) {
	if address := r.leader(partition).address; address != "" && !n.avoided(address) {
		if l, err := n.reach(ctx, address, p); err != nil || l.ClientConn != nil {
			return l, err
		}
	}
	return n.any(ctx, p)
}

// any returns a connection to a node that is there, or if none can be reached the first, whose use then tells why not. Errors are as for toLeader.
func (n *nodes) any(ctx context.Context, p purpose) (link, error) {
	order := n.order()
	for _, address := range order {
		if l, err := n.reach(ctx, address, p); err != nil || l.ClientConn != nil {
			return l, err
		}
	}
	return n.link(order[0], p)
}

// order returns the addresses of all nodes in the order in which they are to be asked.
func (n *nodes) order() []string {
	n.mu.Lock()
	defer n.mu.Unlock()
	now := time.Now()
	list := slices.Clone(n.mu.list)
	slices.SortStableFunc(list, func(a, b *node) int {
		if a, b := now.Before(a.avoid), now.Before(b.avoid); a != b {
			if b {
				return -1
			}
			return 1
		}
		if a.doubted != b.doubted {
			if b.doubted {
				return -1
			}
			return 1
		}
		return cmp.Compare(b.answered, a.answered)
	})
	return convert(list, func(known *node) string { return known.address })
}

// reach connects to an address. The link is empty if that fails or takes longer than reachTimeout: another node should be asked.
func (n *nodes) reach(ctx context.Context, address string, p purpose) (link, error) {
	l, err := n.link(address, p)
	if err != nil {
		return link{}, err
	}
	state := l.GetState()
	if state == connectivity.Ready {
		return l, nil
	}
	limited, cancel := context.WithTimeout(ctx, reachTimeout)
	defer cancel()
	for ; ; state = l.GetState() {
		switch state {
		case connectivity.Ready:
			return l, nil
		case connectivity.Idle:
			l.Connect()
		case connectivity.TransientFailure: // gRPC tries again in its own time
			return link{}, nil
		case connectivity.Shutdown: // forgotten meanwhile, or the client is
			return link{}, nil
		case connectivity.Connecting:
		}
		if !l.WaitForStateChange(limited, state) {
			if ctx.Err() != nil {
				return link{}, ctx.Err()
			}
			n.unreachable(address)
			return link{}, nil
		}
	}
}

// avoided says that a node failed lately.
func (n *nodes) avoided(address string) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	known := n.find(address)
	return known != nil && time.Now().Before(known.avoid)
}

// doubt has a node asked after all others, until it answers, since nothing comes from it. It isn't avoided: what only it can do it may be doing.
func (n *nodes) doubt(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.find(address); known != nil {
		known.doubted = true
	}
}

// failed notes that a node didn't answer, or couldn't do what any node can.
func (n *nodes) failed(address string) { n.shun(address, 0) }

// unreachable notes that connecting to a node took too long.
func (n *nodes) unreachable(address string) { n.shun(address, 1) }

func (n *nodes) shun(address string, failures int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.find(address); known != nil {
		avoid := time.Now().Add(min(avoidMin<<min(known.failures, 10), avoidMax))
		if failures == 0 {
			avoid = time.Now().Add(avoidMin)
		}
		if avoid.After(known.avoid) {
			known.avoid = avoid
		}
		known.failures += failures
	}
}

// answered notes that a node did what it was asked.
func (n *nodes) answered(address string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if known := n.find(address); known != nil {
		n.mu.uses++
		known.answered, known.doubted, known.failures, known.avoid = n.mu.uses, false, 0, time.Time{}
	}
}

// broken notes that a stream was refused because the node can't do it now. That its connection broke is seen by the connection: the node may be there again
// at once.
func (l link) broken(ctx context.Context, err error) error {
	if e, ok := errors.AsType[*Error](errorOf(ctx, err)); ok && e.Code == CodeUnavailable && !e.OutcomeUnknown {
		l.nodes.failed(l.address)
	}
	return err
}

// linkStream is a stream of a link.
type linkStream struct {
	grpc.ClientStream
	link link
}

// RecvMsg receives a message.
func (s linkStream) RecvMsg(message any) error {
	if err := s.ClientStream.RecvMsg(message); err != nil {
		return s.link.broken(s.Context(), err)
	}
	return nil
}

// close closes all connections, for good, and waits until their calls have ended.
func (n *nodes) close() error {
	n.mu.Lock()
	n.mu.closed = true
	var errs []error
	for _, known := range n.mu.list {
		errs = append(errs, known.close())
	}
	n.mu.Unlock()
	n.calls.Wait()
	return errors.Join(errs...)
}

// close closes a node's connections. nodes.mu is held.
func (n *node) close() error {
	var errs []error
	for p := range n.pools {
		errs = append(errs, n.pools[p].close())
	}
	return errors.Join(errs...)
}
