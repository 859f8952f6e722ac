package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/clients"
	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/bench/trial"
)

// round is one round on its way.
type round struct {
	*Options
	number  int
	rig     *rig
	clients *clients.Clients
	faults  []*fault
	result  *trial.Result
	elapsed time.Duration
	told    func(format string, arguments ...any)
}

const (
	// startWithin bounds the start of a cluster.
	startWithin = 60 * time.Second
	// visibility is how long leases last: short, so that they run out within a round.
	visibility = 2 * time.Second
	// confirmedMin is the least traffic of a round that proves something.
	confirmedMin = 500
)

// runRound runs a round. An error means that it couldn't be run.
func (o *Options) runRound(ctx context.Context, number int, dir string, can abilities, told func(string, ...any)) (_ *round, err error) {
	began := time.Now()
	r := &round{Options: o, number: number, told: told, result: trial.NewResult(uint64(number))}
	defer func() { r.elapsed = time.Since(began) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.rig, err = newRig(ctx, o, dir, can, told); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, r.rig.close()) }()
	defer cancel() // before the rig's goroutines are joined
	if r.clients, err = clients.New(r.using()); err != nil {
		return r, err
	}
	defer r.clients.Close(ctx)
	if err := r.start(ctx); err != nil {
		return r, err
	}
	some, _ := possible(can)
	random := rand.New(rand.NewPCG(o.Seed, uint64(number))) //nolint:gosec // a seed replays
	r.faults = draw(r.rig, number, random, some, o.Only)
	for _, f := range r.faults {
		f.admin = r.clients.Admin()
		r.result.Faults[f.name]++
		told("  %s", f)
	}
	r.rig.supervise(ctx)
	outcome, err := r.clients.Run(ctx, r.breakThings)
	if err != nil {
		return r, err
	}
	r.result.Outcome = *outcome
	r.judge()
	return r, nil
}

// using is what the round's clients are told of its cluster.
func (r *round) using() clients.Options {
	o := clients.Options{
		Topic: "chaos", Partitions: partitions, Connect: r.rig.connect, Seed: clients.Drawer(r.Seed, fmt.Sprint("round ", r.number)).Uint64(),
		Rate: r.Rate, Visibility: visibility, Patience: r.Patience, Troublef: r.rig.troubles.Addf,
	}
	for _, n := range r.rig.cluster.Nodes() {
		o.Nodes = append(o.Nodes, clients.Node{Name: n.Name(), Target: n.API()})
	}
	return o
}

// start starts the nodes, and has the clients found what they use.
func (r *round) start(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, startWithin, errors.New("the cluster took too long to start"))
	defer cancel()
	if err := r.rig.cluster.Start(ctx); err != nil {
		return err
	}
	return r.clients.Start(ctx)
}

// breakThings does all faults, each at its time, and ends whatever they have left.
func (r *round) breakThings(ctx context.Context) error {
	var breaking sync.WaitGroup
	effects, errs := make([]bool, len(r.faults)), make([]error, len(r.faults))
	recorder := r.clients.Recorder()
	for i, f := range r.faults {
		breaking.Go(func() {
			clients.Pause(ctx, f.After)
			f.Settle(ctx, f.admin, f.rig.names())
			begin := recorder.Now()
			effects[i], errs[i] = f.do(ctx, f)
			_ = recorder.Fault(history.Fault{Kind: f.name, Target: f.rig.node(f.Target).Name(), Begin: begin, End: recorder.Now()}) // a full history says so itself
		})
	}
	breaking.Wait()
	for i, f := range r.faults {
		switch {
		case errs[i] != nil && ctx.Err() == nil:
			r.result.Void = fmt.Sprintf("%s could not be done: %v", f.name, errs[i])
		case !effects[i]:
			r.result.Void = f.name + " had no effect"
		}
	}
	return r.rig.heal()
}

// judge adds to what the clients found what else is wrong, and says whether the round proves something (X1).
func (r *round) judge() {
	switch {
	case r.result.Full:
		r.result.Void = history.ErrFull.Error()
	case r.result.Confirmed < confirmedMin && r.result.Void == "":
		r.result.Void = fmt.Sprintf("only %d publishes were confirmed", r.result.Confirmed)
	}
	crashed, err := r.rig.crashes()
	if err != nil {
		r.rig.troubles.Addf("a log can't be read: %v", err)
	}
	for _, line := range crashed {
		r.rig.troubles.Addf("%s", line)
	}
	r.result.Trouble = r.rig.troubles.All()
}

// String is a round in a line.
func (r *round) String() string {
	verdict := "in order"
	if !r.result.OK() {
		verdict = "FAILED"
	}
	if r.result.Void != "" {
		verdict += ", void: " + r.result.Void
	}
	return fmt.Sprintf("%s · %s · %.0f s", verdict, r.result.Traffic(), r.elapsed.Seconds())
}

// roundDir is where a round has its files.
func roundDir(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("round-%d", number))
}
