package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
)

// round is one round on its way.
type round struct {
	*Options
	number   int
	rig      *rig
	recorder *history.Recorder
	readers  []reader
	subs     []subscription
	clients  []*client.Client
	faults   []*fault
	result   *Round
	told     func(format string, arguments ...any)
}

// Round is what a round was, and what it found.
type Round struct {
	Number int      `json:"round"`
	Faults []string `json:"faults"`
	// Void says why the round proves nothing (X1); empty: it does.
	Void string `json:"void,omitempty"`
	// Trouble is what went wrong besides the counts: it makes the round a failure.
	Trouble []string `json:"trouble,omitempty"`
	// Published is how many events were sent, Confirmed how many are known to be stored,
	// Unknown of how many it isn't known, Refused how many were. Deliveries are of all
	// readers.
	Published  int `json:"published"`
	Confirmed  int `json:"confirmed"`
	Unknown    int `json:"unknown"`
	Refused    int `json:"refused"`
	Deliveries int `json:"deliveries"`
	Again      int `json:"again"`
	Lives      int `json:"lives"`
	// Gap is the longest time in which no publish was confirmed, while there was load.
	Gap time.Duration `json:"gap_ns"`
	// Recovered is how long after the last fault the backlog was gone.
	Recovered time.Duration  `json:"recovered_ns"`
	Elapsed   time.Duration  `json:"elapsed_ns"`
	Counts    map[string]int `json:"counts"`

	verdict *history.Verdict
}

// OK reports whether nothing was found.
func (r *Round) OK() bool { return len(r.Trouble) == 0 && r.verdict != nil && r.verdict.OK() }

const (
	// startWithin bounds the start of a cluster, warmUp is traffic before the first fault
	// and coolDown behind the last.
	startWithin = 60 * time.Second
	warmUp      = time.Second
	coolDown    = time.Second
	// consumingClients are how many clients consume; one more publishes in each way, and
	// one asks.
	consumingClients = 2
	publishingWays   = 3
	// confirmedMin is the least traffic of a round that proves something.
	confirmedMin = 500
	// goodbye bounds the end of clients.
	goodbye = 5 * time.Second
)

// run runs the round. An error means that it couldn't be run.
func (o *Options) runRound(ctx context.Context, number int, dir string, can abilities, told func(string, ...any)) (_ *round, err error) {
	began := time.Now()
	r := &round{Options: o, number: number, recorder: history.New(0), subs: subscriptions(), told: told, result: &Round{Number: number}}
	defer func() { r.result.Elapsed = time.Since(began) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if r.rig, err = newRig(ctx, o, dir, can, told); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, r.rig.close()) }()
	defer cancel() // before the rig's goroutines are joined
	defer func() { disconnect(ctx, r.clients) }()
	if err := r.start(ctx); err != nil {
		return r, err
	}
	some, _ := possible(can)
	random := rand.New(rand.NewPCG(o.Seed, uint64(number))) //nolint:gosec // a seed replays
	r.faults = draw(r.rig, number, random, some, o.Only)
	for _, f := range r.faults {
		f.admin = r.clients[0].Admin()
		r.result.Faults = append(r.result.Faults, f.String())
		told("  %s", f)
	}
	if err := r.perform(ctx); err != nil {
		return r, err
	}
	r.judge()
	return r, nil
}

// start starts the nodes and makes topic and subscriptions.
func (r *round) start(ctx context.Context) error {
	ctx2, cancel := context.WithTimeoutCause(ctx, startWithin, errors.New("the cluster took too long to start"))
	defer cancel()
	if err := r.rig.cluster.Start(ctx2); err != nil {
		return err
	}
	for range 1 + publishingWays + consumingClients {
		c, err := r.rig.connect(ctx, r.rig.cluster.Target())
		if err != nil {
			return err
		}
		r.clients = append(r.clients, c)
	}
	admin := r.clients[0].Admin()
	if _, _, err := admin.CreateTopic(ctx2, client.TopicConfig{Name: topic, Partitions: partitions}); err != nil {
		return err
	}
	var err error
	if r.readers, err = readersOf(r.subs, r.recorder); err != nil {
		return err
	}
	making, within := errgroup.WithContext(ctx2)
	for i := range r.subs {
		if !r.subs[i].late {
			making.Go(func() error { return r.make(within, &r.subs[i]) })
		}
	}
	return making.Wait()
}

// make makes a subscription, and writes down since when its readers are there.
func (r *round) make(ctx context.Context, s *subscription) error {
	asked := r.recorder.Now()
	r.change(s, func(i *history.ReaderInfo) { i.Asked = min(i.Asked, asked) }) // an earlier try may count
	if _, _, err := r.clients[0].Admin().CreateSubscription(ctx, s.config()); err != nil {
		return fmt.Errorf("subscription %s: %w", s.name, err)
	}
	made := r.recorder.Now()
	r.change(s, func(i *history.ReaderInfo) { i.Made = made })
	return nil
}

// remove removes a subscription, likewise.
func (r *round) remove(ctx context.Context, s *subscription) error {
	asked := r.recorder.Now()
	r.change(s, func(i *history.ReaderInfo) {
		if i.Removing == 0 {
			i.Removing = asked // an earlier try may count
		}
	})
	err := r.clients[0].Admin().DeleteSubscription(ctx, topic+"/"+s.name)
	if err != nil && !errors.Is(err, client.ErrNotFound) { // an earlier try may have done it
		return fmt.Errorf("removing subscription %s: %w", s.name, err)
	}
	done := r.recorder.Now()
	r.change(s, func(i *history.ReaderInfo) { i.Removed = done })
	return nil
}

func (r *round) change(s *subscription, change func(*history.ReaderInfo)) {
	for i := range r.readers {
		if r.readers[i].subscription == s {
			r.recorder.Change(r.readers[i].number, change)
		}
	}
}

// perform is the round's middle: load, and faults in it; then none, and what is left.
func (r *round) perform(ctx context.Context) error {
	r.rig.supervise(ctx)
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	c := &consumers{recorder: r.recorder}
	all, consuming := errgroup.WithContext(consuming)
	r.consumeAll(consuming, all, c)

	p := &publishers{recorder: r.recorder, readers: r.readers, rate: r.Rate / publishingWays}
	publishing, enough := context.WithCancel(ctx)
	defer enough()
	var sending sync.WaitGroup
	began := r.recorder.Now()
	sent := make([]error, publishingWays)
	for way := range publishingWays {
		sending.Go(func() { sent[way] = p.run(publishing, r.clients[1+way], uint32(way)) })
	}
	pause(ctx, warmUp)
	r.breakThings(ctx)
	if err := r.rig.heal(); err != nil {
		return err
	}
	healed := r.recorder.Now()
	pause(ctx, coolDown)
	enough()
	ended := r.recorder.Now()
	sending.Wait()
	for _, err := range sent {
		if err != nil {
			r.result.Void = err.Error()
		}
	}
	r.drain(ctx, healed)
	stop()
	if err := all.Wait(); err != nil && ctx.Err() == nil {
		r.troublef("a consumer ended: %v", err)
	}
	r.agree(ctx)
	r.readLog(ctx)
	if c.full.Load() {
		r.result.Void = history.ErrFull.Error()
	}
	r.count(began, ended)
	return ctx.Err()
}

// consumeAll starts everybody who consumes. late's consumers come when it is there.
func (r *round) consumeAll(ctx context.Context, all *errgroup.Group, c *consumers) {
	from := r.clients[1+publishingWays:]
	var wandered []*reader
	for i := range r.readers {
		one := &r.readers[i]
		if one.late {
			continue
		}
		if !one.leaving {
			wandered = append(wandered, one)
		}
		for _, by := range from {
			all.Go(func() error { return c.consume(ctx, one, by) })
		}
	}
	all.Go(func() error { c.wander(ctx, wandered, from[0]); return nil })
	all.Go(func() error { return r.comeAndGo(ctx, all, c) })
}

// comeAndGo makes and removes subscriptions while things break. What a client can't do
// now it does later; a subscription that can't be made at all is trouble.
func (r *round) comeAndGo(ctx context.Context, all *errgroup.Group, c *consumers) error {
	pause(ctx, warmUp+2*time.Second)
	for i := range r.readers {
		one := &r.readers[i]
		switch {
		case one.late:
			if r.insist(ctx, func(ctx context.Context) error { return r.make(ctx, one.subscription) }) {
				for _, by := range r.clients[1+publishingWays:] {
					all.Go(func() error { return c.consume(ctx, one, by) })
				}
			}
		case one.leaving:
			r.insist(ctx, func(ctx context.Context) error {
				return r.remove(ctx, one.subscription)
			})
		}
	}
	return nil
}

// insist tries until it works or ctx ends.
func (r *round) insist(ctx context.Context, do func(context.Context) error) bool {
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := do(bounded)
		cancel()
		if err == nil {
			return true
		}
		pause(ctx, 200*time.Millisecond)
	}
	return false
}

// breakThings does all faults, each at its time.
func (r *round) breakThings(ctx context.Context) {
	var breaking sync.WaitGroup
	effects, errs := make([]bool, len(r.faults)), make([]error, len(r.faults))
	for i, f := range r.faults {
		breaking.Go(func() {
			pause(ctx, f.after)
			f.aim(ctx)
			begin := r.recorder.Now()
			effects[i], errs[i] = f.do(ctx, f)
			_ = r.recorder.Fault(history.Fault{Kind: f.name, Target: f.rig.node(f.target).Name(), Begin: begin, End: r.recorder.Now()}) // a full history says so itself
		})
	}
	breaking.Wait()
	r.result.Trouble = append(r.result.Trouble, r.rig.troubles.all()...)
	for i, f := range r.faults {
		switch {
		case errs[i] != nil && ctx.Err() == nil:
			r.result.Void = fmt.Sprintf("%s could not be done: %v", f.name, errs[i])
		case !effects[i]:
			r.result.Void = f.name + " had no effect"
		}
	}
}

func (r *round) troublef(format string, arguments ...any) {
	r.result.Trouble = append(r.result.Trouble, fmt.Sprintf(format, arguments...))
}

// count counts what there was.
func (r *round) count(began, ended history.Time) {
	h, out := r.recorder.History(), r.result
	var confirmed []history.Time
	for i := range h.Publishes {
		switch p := &h.Publishes[i]; p.Outcome {
		case history.OK:
			out.Confirmed++
			confirmed = append(confirmed, p.Returned)
		case history.Fail:
			out.Refused++
		case history.Unknown:
			out.Unknown++
		}
	}
	out.Published, out.Deliveries = len(h.Publishes), len(h.Deliveries)
	for i := range h.Deliveries {
		if h.Deliveries[i].Attempt > 1 {
			out.Again++
		}
	}
	slices.Sort(confirmed)
	last := began
	for _, at := range append(confirmed, ended) {
		if at > last {
			out.Gap, last = max(out.Gap, at-last), at
		}
	}
	if out.Confirmed < confirmedMin && out.Void == "" {
		out.Void = fmt.Sprintf("only %d publishes were confirmed", out.Confirmed)
	}
}

// judge has the history checked.
func (r *round) judge() {
	r.result.verdict = history.Check(r.recorder.History(), history.Options{})
	r.result.Counts, r.result.Lives = r.result.verdict.Counts(), r.result.verdict.Lives
	crashed, err := r.rig.crashes()
	if err != nil {
		r.troublef("a log can't be read: %v", err)
	}
	for _, line := range crashed {
		r.troublef("%s", line)
	}
}

// disconnect ends clients.
func disconnect(ctx context.Context, clients []*client.Client) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
	defer cancel()
	var all sync.WaitGroup
	for _, c := range clients {
		all.Go(func() { _ = c.Shutdown(ctx) }) // what it complains of has been written down where it happened
	}
	all.Wait()
}

// roundDir is where a round has its files.
func roundDir(dir string, number int) string {
	return filepath.Join(dir, fmt.Sprintf("round-%d", number))
}
