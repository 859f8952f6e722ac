package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"runtime/pprof"
	"sync"

	"github.com/google/uuid"
	"google.golang.org/grpc"
	"google.golang.org/grpc/health"
	healthgrpc "google.golang.org/grpc/health/grpc_health_v1"

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

	api       *grpc.Server
	admin     *http.Server
	health    *health.Server
	listening *limitedListener

	// base is what the node's own contexts come from: Start's, without its end.
	base context.Context //nolint:containedctx // it is the node's own life
	// stop begins to stop; control ends the controller.
	stop, control context.CancelFunc
	joined        sync.WaitGroup

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

// Start starts a node from what its data directory holds, and returns when it serves. The context bounds starting alone. When it fails, the
// listeners are closed all the same.
func Start(ctx context.Context, o Options) (_ *Node, err error) {
	base := context.WithoutCancel(ctx)
	stopping, stop := context.WithCancel(base)
	n := &Node{base: base, stop: stop, health: health.NewServer(), done: make(chan struct{})}
	defer func() {
		if err != nil {
			err = errors.Join(err, n.abandon())
		}
	}()
	o.EnsureDefaults()
	n.options = o
	n.life = &life{stopping: stopping, clock: o.Clock}
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if n.directory, err = openDirectory(o.Dir, o.Node, uuid.NewString); err != nil {
		return nil, err
	}
	if n.metadata, err = openMetadata(&n.options, n.directory, n.fail); err != nil {
		return nil, err
	}
	if n.storage, err = openStorage(&n.options, n.directory, n.fail); err != nil {
		return nil, err
	}
	if n.partitions, err = openPartitions(&n.options, n.storage, n.fail); err != nil {
		return nil, err
	}
	sealed, err := n.recover(ctx)
	if err != nil {
		return nil, err
	}
	n.serve(sealed)
	o.Logger.Info("serving", "node", o.Node, "cluster", o.Cluster, "api", o.Listener.Addr().String(), "version", o.Version)
	return n, nil
}

// recover waits for the groups, and brings the partitions to where the catalog is.
func (n *Node) recover(ctx context.Context) (*sealer, error) {
	if err := n.metadata.ready(ctx); err != nil {
		return nil, err
	}
	cluster, err := n.metadata.found(ctx, n.options.Cluster, n.directory.Cluster)
	if err != nil {
		return nil, err
	}
	if err := n.partitions.ready(ctx); err != nil {
		return nil, err
	}
	n.controller = newController(n.metadata.view, n.metadata.change, n.partitions, n.options.Clock, n.options.Logger)
	view := n.metadata.view()
	n.controller.unmentioned(view)
	control, end := context.WithCancel(n.base)
	n.control = end
	n.goNamed("controller", func() { n.controller.run(control) })
	if err := n.controller.await(ctx, view.Version()); err != nil {
		return nil, fmt.Errorf("bringing the partitions to what the catalog says: %w", err)
	}
	return &sealer{key: cluster.ReceiptKey[:]}, nil
}

// serve starts the services.
func (n *Node) serve(sealed *sealer) {
	o := &n.options
	n.guard = &guard{logger: o.Logger, names: n.metadata}
	n.listening = &limitedListener{Listener: o.Listener, limit: int64(o.Limits.Connections), logger: o.Logger}
	n.api = newServer(n.guard)
	n.services = &services{
		metadata: n.metadata, partitions: n.partitions, controller: n.controller, life: n.life,
		sealer: sealed, guard: n.guard, authorise: openToAll, defaults: o.Defaults,
		self: &freshetv1.Node{Name: o.Node, ApiAddress: o.Advertise, Version: o.Version},
	}
	register(n.api, n.services)
	healthgrpc.RegisterHealthServer(n.api, n.health)
	n.goNamed("api", func() {
		// It ends with Shutdown, or because nobody can connect any more.
		if err := n.api.Serve(n.listening); err != nil && !errors.Is(err, grpc.ErrServerStopped) {
			n.fail(fmt.Errorf("serving %s: %w", o.Listener.Addr(), err))
		}
	})
	if o.Admin != nil {
		n.admin = newAdmin(n)
		n.goNamed("admin", func() {
			if err := n.admin.Serve(o.Admin); err != nil && !errors.Is(err, http.ErrServerClosed) {
				o.Logger.Error("the admin listener ended", "address", o.Admin.Addr().String(), "error", err)
			}
		})
	}
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

// Shutdown stops the node in order: no new calls, streams end with FR5001 (UNAVAILABLE), calls that are under way are answered; then its groups
// are closed. When the context ends before all calls have, they are broken off, and its error is returned; the rest is still done
// in order. It must be called, also after a failure; calls after the first return what the first did.
func (n *Node) Shutdown(ctx context.Context) error {
	n.stopped.Do(func() { n.stopErr = n.shutdown(ctx) })
	return n.stopErr
}

func (n *Node) shutdown(ctx context.Context) error {
	n.options.Logger.Info("stopping", "node", n.options.Node)
	n.health.Shutdown()
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

// stopCalls waits for the calls to end, and breaks them off when the context does.
func (n *Node) stopCalls(ctx context.Context) error {
	graceful := make(chan struct{})
	go func() {
		defer close(graceful)
		n.api.GracefulStop()
	}()
	select {
	case <-graceful:
		return nil
	case <-ctx.Done():
		n.api.Stop()
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
	return errors.Join(append(errs, n.close())...)
}

// close closes controller, groups and directory, in this order: each uses the next.
func (n *Node) close() error {
	var errs []error
	n.stop()
	if n.control != nil {
		n.control()
	}
	if n.partitions != nil {
		errs = append(errs, n.partitions.Close())
	}
	if n.storage != nil {
		errs = append(errs, n.storage.Close())
	}
	if n.metadata != nil {
		errs = append(errs, n.metadata.Close())
	}
	n.joined.Wait()
	if n.directory != nil {
		errs = append(errs, n.directory.Close())
	}
	return errors.Join(errs...)
}

// goNamed starts a goroutine that the node joins, under a name that profiles show.
func (n *Node) goNamed(name string, f func()) {
	n.joined.Go(func() {
		pprof.Do(n.base, pprof.Labels("freshet", name), func(context.Context) { f() })
	})
}
