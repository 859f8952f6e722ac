package sim

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/bench/trial"
	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// world is a run on its way: a cluster, its network and disks, and its clients.
type world struct {
	Options
	network  *transport.Network
	nodes    []*node
	dialers  []transport.Streams // of clients, each of which has an address
	clients  *clients.Clients
	journal  *journal
	result   *Result
	joining  sync.WaitGroup // supervisors
	troubles trial.Troubles
	// replacing has one token: who holds it has taken a disk, which the cluster survives once at a time.
	replacing chan struct{}
}

const (
	// foundWithin bounds the start of a cluster.
	foundWithin = time.Minute
	// visibility is how long leases last: short, so that they run out while things break.
	visibility = 3 * time.Second
)

// Run runs one seed: a cluster is founded, broken, healed, and judged. It has to be called inside a bubble of testing/synctest, which has to be
// left once it has returned. An error means that it couldn't be run; what was found is in the result.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w := &world{
		Options: o, network: transport.NewNetwork(o.Seed), journal: newJournal(o.Log), replacing: make(chan struct{}, 1),
		result: &Result{Result: *trial.NewResult(o.Seed), Steps: o.Steps, Only: o.Only},
	}
	for i := range nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	if w.clients, err = clients.New(w.using()); err != nil {
		return nil, err
	}
	began := time.Now()
	defer func() {
		w.result.Virtual, w.result.Trouble, w.result.Last = time.Since(began), w.troubles.All(), w.journal.last()
	}()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err := w.found(ctx); err != nil {
		return w.result, err
	}
	return w.result, w.perform(ctx)
}

// drawer is the seed's randomness for one purpose.
func (w *world) drawer(purpose string) *rand.Rand { return clients.Drawer(w.Seed, purpose) }

// using is what the clients are told of the cluster.
func (w *world) using() clients.Options {
	o := clients.Options{
		Topic: "sim", Partitions: partitions, Connect: w.connect, Seed: w.Seed, Rate: w.Rate, Visibility: visibility, Patience: w.Patience,
		Troublef: w.troublef, Notef: w.journal.notef,
	}
	for _, n := range w.nodes {
		o.Nodes = append(o.Nodes, clients.Node{Name: n.name, Target: n.api()})
	}
	return o
}

// troublef notes what is wrong besides what the history proves.
func (w *world) troublef(format string, arguments ...any) {
	w.journal.notef("TROUBLE: "+format, arguments...)
	w.troubles.Addf(format, arguments...)
}

// found starts the nodes, and has the clients found what they use.
func (w *world) found(ctx context.Context) error {
	w.network.SetFaults(usual())
	ctx, cancel := context.WithTimeoutCause(ctx, foundWithin, errors.New("sim: the cluster took too long to start"))
	defer cancel()
	starting, within := errgroup.WithContext(ctx)
	for _, n := range w.nodes {
		starting.Go(func() error { return n.start(within) })
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	return w.clients.Start(ctx)
}

// connect makes a client with an address of its own.
func (w *world) connect(ctx context.Context, target string) (*client.Client, error) {
	from, err := w.network.Listen(fmt.Sprintf("c%d:0", len(w.dialers)+1))
	if err != nil {
		return nil, err
	}
	w.dialers = append(w.dialers, from)
	return client.Connect(ctx, target, client.WithDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return from.Dial(ctx, address)
	}))
}

// perform is the run's middle: supervised nodes, load, and faults in it; then none, and what is left.
func (w *world) perform(ctx context.Context) error {
	supervising, rest := context.WithCancel(ctx)
	defer w.joining.Wait()
	defer rest()
	for _, n := range w.nodes {
		w.joining.Go(func() { n.supervise(supervising) })
	}
	outcome, err := w.clients.Run(ctx, w.breakThings)
	if err != nil {
		return err
	}
	w.result.Outcome = *outcome
	switch {
	case outcome.Full:
		w.result.Void = history.ErrFull.Error()
	case outcome.Confirmed == 0:
		w.troublef("not one publish was confirmed")
	}
	return nil
}

// close ends clients, nodes and network.
func (w *world) close(ctx context.Context) error {
	w.clients.Close(ctx)
	var stopping sync.WaitGroup
	for _, n := range w.nodes {
		stopping.Go(func() { n.stop(ctx) })
	}
	stopping.Wait()
	var errs []error
	for _, d := range w.dialers {
		errs = append(errs, d.Close())
	}
	w.network.Close()
	return errors.Join(errs...)
}
