package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/pprof"
	"sync"
	"time"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/observe"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Node is one server: its data, its groups, and the services that clients reach.
//
//	Start ──▶ recovering ──▶ serving ──Shutdown──▶ stopping ──▶ stopped
//	               │             │                                 ▲
//	               └─────────────┴── the log fails: Fatal ─────────┘ (Done is closed at once; Shutdown still has to be called)
type Node struct {
	options    Options
	directory  *directory
	metadata   *metadata
	storage    *storage
	partitions *partitions
	controller *controller
	guard      *guard
	life       *life
	services   *services
	metrics    *observe.Metrics
	clocks     *clocks

	port      *peerPort // nil where there are no other nodes
	peers     *peers
	greeter   *greeter
	porch     *grpc.Server // likewise
	roster    *roster
	servers   []*grpc.Server
	admin     *http.Server
	health    *health.Server
	listening *clientListener
	budget    *budget

	// base is what the node's own contexts come from: Start's, without its end.
	base context.Context //nolint:containedctx // it is the node's own life
	// driving is for what the node does by itself, and lasts until its groups are closed.
	driving context.Context //nolint:containedctx // likewise
	// stop begins to stop; rest ends driving.
	stop, rest context.CancelFunc
	joined     sync.WaitGroup

	stopped sync.Once
	stopErr error

	failing sync.Once
	mu      struct {
		sync.Mutex
		err error
	}
	// done is closed when the node has failed, or has stopped.
	done     chan struct{}
	doneOnce sync.Once
}

// Start starts a node from what its data directory holds, and returns when it serves: once it has joined its cluster, for which a majority of the
// nodes has to be there. The context bounds starting alone. When it fails, the listeners are closed all the same.
func Start(ctx context.Context, o Options) (_ *Node, err error) {
	base := context.WithoutCancel(ctx)
	stopping, stop := context.WithCancel(base)
	driving, rest := context.WithCancel(base)
	n := &Node{base: base, driving: driving, stop: stop, rest: rest, health: health.NewServer(), done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.abandon())
		}
	}()
	o.EnsureDefaults()
	n.options = o
	n.life = &life{stopping: stopping, clock: o.Clock}
	n.metrics = newMetrics(n)
	if err := o.Validate(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	forget := context.AfterFunc(stopping, func() { cancel(n.Err()) }) // a node that fails while it starts doesn't wait on
	defer forget()
	if err := n.open(ctx); err != nil {
		return nil, err
	}
	cluster, err := n.join(ctx)
	if err != nil {
		return nil, err
	}
	if err := n.control(ctx); err != nil {
		return nil, err
	}
	n.serve(&sealer{key: cluster.ReceiptKey[:]})
	o.Logger.Info("serving", "node", o.Node, "cluster", o.Cluster, "api", o.Listener.Addr().String(), "peers", len(o.Peers), "version", o.Version)
	return n, nil
}

// open opens the connections to the other nodes, and what the node has on disk, once it may.
func (n *Node) open(ctx context.Context) (err error) {
	o := &n.options
	if n.directory, err = openDirectory(o.Dir, o.Node); err != nil {
		return err
	}
	if o.PeerStreams != nil {
		n.port = openPeerPort(o.PeerStreams, o.Logger)
	}
	if n.peers, err = openPeers(o, n.port); err != nil {
		return err
	}
	n.greeter = &greeter{options: o, directory: n.directory, peers: n.peers, logger: o.Logger}
	if err := n.enter(ctx); err != nil {
		return err
	}
	n.clocks = newClocks(o.Clock, n.peers, o.Logger)
	if n.storage, err = openStorage(o, n.directory, n.port, n.metrics.Synced, n.fail); err != nil {
		return err
	}
	if n.metadata, err = openMetadata(o, n.directory, n.storage, n.peers, n.fail); err != nil {
		return err
	}
	n.greeter.knows(n.metadata)
	id := n.directory.Cluster // it was given one by an earlier release, which did so before it founded anything
	if id == "" {
		id = uuid.NewString()
	}
	n.goNamed("syncs", func() { n.metadata.runSyncs(n.driving) })
	n.goNamed("metadata", func() { n.metadata.run(n.driving, o.Cluster, id, o.Partitions) })
	if n.directory.Partitions > 0 { // it has joined before: what the others have to say of it needn't be waited for
		n.partitions, err = openPartitions(o, n.directory, n.storage, n.directory.Partitions, n.clocks.agree, n.metrics, n.fail)
	}
	return err
}

// enter opens the porch, and waits until the node may take part.
func (n *Node) enter(ctx context.Context) error {
	if n.port == nil {
		return n.greeter.enter(ctx)
	}
	n.porch = newPorch(n.greeter)
	calls := n.port.calls.lend()
	n.goNamed("porch", func() {
		if err := n.porch.Serve(calls); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			n.fail(fmt.Errorf("serving the porch: %w", err))
		}
	})
	// Who has Raft's messages for the node has to wait too: nobody is there yet who could be told them.
	refused := n.port.log.lend()
	n.goNamed("refusals", func() { refused.refuse() })
	err := n.greeter.enter(ctx)
	n.goNamed("place", func() { n.greeter.stays(n.driving, n.fail) })
	return errors.Join(err, refused.Close())
}

// join waits until the node knows the cluster, and opens its replicas of the partitions.
func (n *Node) join(ctx context.Context) (catalog.Cluster, error) {
	o := &n.options
	cluster, err := n.metadata.join(ctx)
	if err != nil {
		return cluster, err
	}
	count := int(cluster.Partitions)
	switch {
	case cluster.Name != o.Cluster:
		return cluster, fmt.Errorf("the data directory belongs to cluster %q, and this node is to be in %q: correct the name, or choose another directory",
			cluster.Name, o.Cluster)
	case o.Partitions != 0 && o.Partitions != count:
		return cluster, fmt.Errorf("cluster %q has %d partitions, and this node is to have %d: it was founded with its number for good, correct Partitions",
			cluster.Name, count, o.Partitions)
	}
	if err := n.metadata.checkNames(o); err != nil {
		return cluster, err
	}
	if err := n.greeter.join(cluster.ID, count); err != nil {
		return cluster, err
	}
	if n.partitions == nil {
		n.partitions, err = openPartitions(o, n.directory, n.storage, count, n.clocks.agree, n.metrics, n.fail)
	}
	return cluster, err
}

// control begins to bring the partitions to where the catalog is. A node that is all of its cluster waits until they are.
func (n *Node) control(ctx context.Context) error {
	o := &n.options
	n.controller = newController(n.metadata, n.partitions, o.Logger)
	n.roster = newRoster(n.metadata, n.partitions, n.peers, n.directory.raftName(), o.Logger)
	n.goNamed("controller", func() { n.controller.run(n.driving) })
	n.goNamed("clocks", func() { n.clocks.run(n.driving) })
	n.goNamed("announcement", func() { n.announce(n.driving) })
	if len(o.Peers) > 1 {
		return nil
	}
	if err := n.partitions.ready(ctx); err != nil {
		return err
	}
	if err := n.controller.await(ctx, n.metadata.view().Version()); err != nil {
		return fmt.Errorf("bringing the partitions to what the catalog says: %w", err)
	}
	return nil
}

// announce tells the cluster where this node is reached, and what it runs.
func (n *Node) announce(ctx context.Context) {
	o := &n.options
	told := catalog.PutNode{Name: o.Node, APIAddress: o.Advertise, PeerAddress: o.peerAddress(), Version: o.Version}
	known, ok := n.metadata.view().Node(o.Node)
	if ok && known.APIAddress == told.APIAddress && known.PeerAddress == told.PeerAddress && known.Version == told.Version {
		return
	}
	if _, err := n.metadata.change(ctx, told); err != nil && ctx.Err() == nil {
		o.Logger.Error("the cluster doesn't take where this node is reached", "node", o.Node, "error", err)
	}
}

// serve starts the services.
func (n *Node) serve(sealed *sealer) {
	o := &n.options
	n.guard = &guard{logger: o.Logger, names: n.metadata}
	n.budget = newBudget(n.base, o.Limits.Memory, o.Logger)
	n.listening = newClientListener(o.Listener, o.Limits.Connections, n.budget, o.Logger)
	n.goNamed("watch", func() { n.budget.watch(n.driving) })
	n.services = &services{
		metadata: n.metadata, partitions: n.partitions, controller: n.controller, life: n.life,
		sealer: sealed, guard: n.guard, authorise: o.authorise, defaults: o.Defaults, peers: n.peers, metrics: n.metrics, budget: n.budget,
		greeter: n.greeter, roster: n.roster,
		self: &freshetv1.Node{Name: o.Node, ApiAddress: o.Advertise, PeerAddress: o.peerAddress(), Version: o.Version, Reached: true},
	}
	api := newClientServer(n.guard, n.budget)
	register(api, n.services)
	healthgrpc.RegisterHealthServer(api, n.health)
	n.serveCalls("api", api, n.listening)
	if n.port != nil {
		n.porch.Stop()
		n.serveCalls("peer", newPeerServer(n.services), n.port.calls)
		n.goNamed("members", func() { n.roster.run(n.driving) })
	}
	if o.Admin != nil {
		n.admin = newAdmin(n)
		n.goNamed("admin", func() {
			if err := n.admin.Serve(o.Admin); err != nil && !errors.Is(err, http.ErrServerClosed) {
				o.Logger.Error("the admin listener ended", "address", o.Admin.Addr().String(), "error", err)
			}
		})
	}
}

// serveCalls serves calls on a listener until Shutdown. That it ends by itself means that nobody can connect any more.
func (n *Node) serveCalls(name string, server *grpc.Server, listener net.Listener) {
	n.servers = append(n.servers, server)
	n.goNamed(name, func() {
		pprof.SetGoroutineLabels(pprof.WithLabels(n.base, pprof.Labels("role", name, "stage", "connection"))) // its connections inherit them
		if err := server.Serve(listener); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			n.fail(fmt.Errorf("serving %s: %w", listener.Addr(), err))
		}
	})
}

// Addr is where clients reach the node.
func (n *Node) Addr() net.Addr { return n.options.Listener.Addr() }

// Done is closed when the node can't go on, and when it has stopped.
func (n *Node) Done() <-chan struct{} { return n.done }

// Err is why the node couldn't go on; nil while it does, and when it was shut down.
func (n *Node) Err() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.mu.err
}

// fail is told, by whatever part, that the node can't go on. It doesn't wait for anything: callers are what has to be joined.
func (n *Node) fail(err error) {
	n.failing.Do(func() {
		n.mu.Lock()
		n.mu.err = err
		n.mu.Unlock()
		n.options.Logger.Error("the node can't go on", "node", n.options.Node, "error", err)
		n.doneOnce.Do(func() { close(n.done) })
		n.health.Shutdown()
		n.stop()
		n.options.Fatal(err)
	})
}

// Shutdown stops the node in order: other nodes take over what it leads; then there are no new calls, streams end with FR5001 (UNAVAILABLE), calls
// that are under way are answered; then its groups are closed. When the context ends before all calls have, they are broken off, and its error is returned; the rest is still done
// in order. It must be called, also after a failure; calls after the first return what the first did.
func (n *Node) Shutdown(ctx context.Context) error {
	n.stopped.Do(func() { n.stopErr = n.shutdown(ctx) })
	return n.stopErr
}

func (n *Node) shutdown(ctx context.Context) error {
	n.options.Logger.Info("stopping", "node", n.options.Node)
	n.health.Shutdown()
	n.handOn(ctx)
	n.stop()
	errs := []error{n.stopCalls(ctx)}
	if n.admin != nil {
		errs = append(errs, n.admin.Close())
	}
	n.life.readers.Wait()
	errs = append(errs, n.close())
	if panics := n.guard.panics.Load(); panics > 0 {
		n.options.Logger.Warn("calls panicked in this run", "panics", panics)
	}
	n.doneOnce.Do(func() { close(n.done) })
	return errors.Join(errs...)
}

// handOnWithin bounds how long the other nodes may take over taking over. A leader whose followers are gone gives up before.
const handOnWithin = 5 * time.Second

// handOn has the other nodes lead what this one does, so that its clients find a leader when their calls end. Where nobody takes over, they will when
// it is gone.
func (n *Node) handOn(ctx context.Context) {
	if len(n.options.Peers) < 2 || n.Err() != nil || ctx.Err() != nil {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, handOnWithin)
	defer cancel()
	var handing sync.WaitGroup
	for _, hand := range []func(context.Context) error{n.metadata.handOn, n.partitions.handOn} {
		handing.Go(func() {
			if err := hand(ctx); err != nil {
				n.options.Logger.Info("leadership wasn't handed on", "node", n.options.Node, "error", err)
			}
		})
	}
	handing.Wait()
}

// stopCalls waits for the calls to end, and breaks them off when the context does.
func (n *Node) stopCalls(ctx context.Context) error {
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		var stopping sync.WaitGroup
		for _, server := range n.servers {
			stopping.Go(server.GracefulStop)
		}
		stopping.Wait()
	}()
	select {
	case <-graceful:
		return nil
	case <-ctx.Done():
		for _, server := range n.servers {
			server.Stop()
		}
		<-graceful
		return fmt.Errorf("calls were broken off: %w", context.Cause(ctx))
	}
}

// abandon closes what a start that failed had opened.
func (n *Node) abandon() error {
	var errs []error
	for _, l := range []net.Listener{n.options.Listener, n.options.Admin} {
		if l != nil {
			errs = append(errs, l.Close())
		}
	}
	if n.port == nil && n.options.PeerStreams != nil {
		errs = append(errs, n.options.PeerStreams.Close())
	}
	return errors.Join(append(errs, n.close())...)
}

// close closes controller, groups, connections and directory, in this order: each uses the next.
func (n *Node) close() error {
	var errs []error
	n.stop()
	n.rest()
	if n.porch != nil {
		n.porch.Stop()
	}
	if n.partitions != nil {
		errs = append(errs, n.partitions.Close())
	}
	if n.metadata != nil {
		errs = append(errs, n.metadata.Close())
	}
	if n.storage != nil {
		errs = append(errs, n.storage.Close())
	}
	if n.peers != nil {
		errs = append(errs, n.peers.Close())
	}
	if n.port != nil {
		errs = append(errs, n.port.Close())
	}
	n.joined.Wait()
	if n.directory != nil {
		errs = append(errs, n.directory.Close())
	}
	return errors.Join(errs...)
}

// goNamed starts a goroutine that the node joins, under a name that profiles show. What it starts itself inherits the name.
func (n *Node) goNamed(role string, f func()) {
	n.joined.Go(func() {
		pprof.Do(n.base, pprof.Labels("role", role, "stage", "node"), func(context.Context) { f() })
	})
}
