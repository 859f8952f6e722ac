package sim

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/freshet-mq/freshet/bench/history"
	"github.com/freshet-mq/freshet/client"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// world is a run on its way: a cluster, its network and disks, and its clients.
type world struct {
	Options
	network  *transport.Network
	nodes    []*node
	dialers  []transport.Streams // of clients, each of which has an address
	clients  []*client.Client
	subs     []subscription
	readers  []reader
	recorder *history.Recorder
	journal  *journal
	result   *Result
	joining  sync.WaitGroup // supervisors
	// replacing has one token: who holds it has taken a disk, which the cluster survives once at a time.
	replacing chan struct{}
	troubles  struct {
		sync.Mutex
		list []string
	}
}

const (
	// foundWithin bounds the start of a cluster, warmUp is traffic before the first fault and coolDown behind the last.
	foundWithin = time.Minute
	warmUp      = 500 * time.Millisecond
	coolDown    = time.Second
	// consumingClients are how many clients consume; one more publishes in each way, and one asks.
	consumingClients = 2
	// goodbye bounds the end of clients.
	goodbye = 5 * time.Second
	// troublesMax is how many are kept.
	troublesMax = 20
)

// Run runs one seed: a cluster is founded, broken, healed, and judged. It has to be called inside a bubble of testing/synctest, which has to be
// left once it has returned. An error means that it couldn't be run; what was found is in the result.
func Run(ctx context.Context, o Options) (_ *Result, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	w := &world{
		Options: o, network: transport.NewNetwork(o.Seed), subs: subscriptions(), recorder: history.New(0), journal: newJournal(o.Log),
		replacing: make(chan struct{}, 1), result: &Result{Seed: o.Seed, Steps: o.Steps, Only: o.Only, Faults: map[string]int{}},
	}
	began := time.Now()
	defer func() { w.result.Virtual = time.Since(began) }()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer func() { err = errors.Join(err, w.close(ctx)) }()
	if err := w.found(ctx); err != nil {
		w.result.Last = w.journal.last()
		return w.result, err
	}
	if err := w.perform(ctx); err != nil {
		return w.result, err
	}
	w.judge()
	return w.result, nil
}

// drawer is the seed's randomness for one purpose: who draws when changes nothing for others.
func (w *world) drawer(purpose string) *rand.Rand {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(purpose))                 // a hash takes everything
	return rand.New(rand.NewPCG(w.Seed, hash.Sum64())) //nolint:gosec // a seed replays
}

// troublef notes what is wrong besides what the history proves.
func (w *world) troublef(format string, arguments ...any) {
	trouble := fmt.Sprintf(format, arguments...)
	w.journal.notef("TROUBLE: %s", trouble)
	w.troubles.Lock()
	defer w.troubles.Unlock()
	if len(w.troubles.list) < troublesMax {
		w.troubles.list = append(w.troubles.list, trouble)
	}
}

// found starts the nodes, and makes topic and subscriptions.
func (w *world) found(ctx context.Context) error {
	w.network.SetFaults(usual())
	for i := range nodes {
		w.nodes = append(w.nodes, newNode(w, i))
	}
	bounded, cancel := context.WithTimeoutCause(ctx, foundWithin, errors.New("sim: the cluster took too long to start"))
	defer cancel()
	starting, within := errgroup.WithContext(bounded)
	for _, n := range w.nodes {
		starting.Go(func() error { return n.start(within) })
	}
	if err := starting.Wait(); err != nil {
		return err
	}
	for range 1 + publishingWays + consumingClients {
		c, err := w.connect(ctx)
		if err != nil {
			return err
		}
		w.clients = append(w.clients, c)
	}
	if _, _, err := w.clients[0].Admin().CreateTopic(bounded, client.TopicConfig{Name: topic, Partitions: partitions}); err != nil {
		return err
	}
	var err error
	if w.readers, err = readersOf(w.subs, w.recorder); err != nil {
		return err
	}
	making, within := errgroup.WithContext(bounded)
	for i := range w.subs {
		if !w.subs[i].late {
			making.Go(func() error { return w.make(within, &w.subs[i]) })
		}
	}
	return making.Wait()
}

// connect makes a client with an address of its own, of the nodes that are named, or of all.
func (w *world) connect(ctx context.Context, of ...*node) (*client.Client, error) {
	from, err := w.network.Listen(fmt.Sprintf("c%d:0", len(w.dialers)+1))
	if err != nil {
		return nil, err
	}
	w.dialers = append(w.dialers, from)
	if len(of) == 0 {
		of = w.nodes
	}
	var target []string
	for _, n := range of {
		target = append(target, n.api())
	}
	return client.Connect(ctx, strings.Join(target, ","), client.WithDialer(func(ctx context.Context, address string) (net.Conn, error) {
		return from.Dial(ctx, address)
	}))
}

// make makes a subscription, and writes down since when its readers are there.
func (w *world) make(ctx context.Context, s *subscription) error {
	asked := w.recorder.Now()
	w.change(s, func(i *history.ReaderInfo) { i.Asked = min(i.Asked, asked) }) // an earlier try may count
	if _, _, err := w.clients[0].Admin().CreateSubscription(ctx, s.config()); err != nil {
		return fmt.Errorf("subscription %s: %w", s.name, err)
	}
	made := w.recorder.Now()
	w.change(s, func(i *history.ReaderInfo) { i.Made = made })
	w.journal.notef("subscription %s is made", s.name)
	return nil
}

// remove removes a subscription, likewise.
func (w *world) remove(ctx context.Context, s *subscription) error {
	asked := w.recorder.Now()
	w.change(s, func(i *history.ReaderInfo) {
		if i.Removing == 0 {
			i.Removing = asked // an earlier try may count
		}
	})
	err := w.clients[0].Admin().DeleteSubscription(ctx, topic+"/"+s.name)
	if err != nil && !errors.Is(err, client.ErrNotFound) { // an earlier try may have done it
		return fmt.Errorf("removing subscription %s: %w", s.name, err)
	}
	done := w.recorder.Now()
	w.change(s, func(i *history.ReaderInfo) { i.Removed = done })
	w.journal.notef("subscription %s is removed", s.name)
	return nil
}

func (w *world) change(s *subscription, change func(*history.ReaderInfo)) {
	for i := range w.readers {
		if w.readers[i].subscription == s {
			w.recorder.Change(w.readers[i].number, change)
		}
	}
}

// perform is the run's middle: load, and faults in it; then none, and what is left.
func (w *world) perform(ctx context.Context) error {
	supervising, rest := context.WithCancel(ctx)
	defer w.joining.Wait()
	defer rest()
	for _, n := range w.nodes {
		w.joining.Go(func() { n.supervise(supervising) })
	}
	consuming, stop := context.WithCancel(ctx)
	defer stop()
	c := &consumers{world: w}
	all, consuming := errgroup.WithContext(consuming)
	w.consumeAll(consuming, all, c)
	publishing, enough := context.WithCancel(ctx)
	defer enough()
	p := &publishers{world: w}
	var sending sync.WaitGroup
	began := w.recorder.Now()
	for way := range uint32(publishingWays) {
		sending.Go(func() {
			if err := p.run(publishing, w.clients[1+way], way, w.drawer(fmt.Sprint("publisher ", way))); err != nil {
				w.troublef("a publisher ended: %v", err)
			}
		})
	}
	for number := range namers {
		sending.Go(func() {
			w.nameThings(publishing, number, w.clients[number], w.drawer(fmt.Sprint("namer ", number)))
		})
	}
	pause(ctx, warmUp)
	w.breakThings(ctx, draw(w))
	healed := w.recorder.Now()
	w.journal.notef("all faults are over")
	pause(ctx, coolDown)
	enough()
	ended := w.recorder.Now()
	w.awaitAnswers(ctx, &sending)
	w.drain(ctx, healed)
	stop()
	if err := all.Wait(); err != nil && ctx.Err() == nil {
		w.troublef("a consumer ended: %v", err)
	}
	w.agree(ctx)
	w.readLog(ctx)
	w.count(began, ended)
	return ctx.Err()
}

// awaitAnswers waits until every publish is answered, as long as patience allows; then their clients end.
func (w *world) awaitAnswers(ctx context.Context, sending *sync.WaitGroup) {
	answered := make(chan struct{})
	w.joining.Go(func() {
		sending.Wait()
		close(answered)
	})
	timer := time.NewTimer(w.Patience)
	defer timer.Stop()
	select {
	case <-answered:
	case <-timer.C:
		w.troublef("some publishes have no answer %v after the last fault", w.Patience)
		disconnect(ctx, w.clients[1:1+publishingWays])
		<-answered
	case <-ctx.Done():
		disconnect(ctx, w.clients[1:1+publishingWays])
		<-answered
	}
}

// consumeAll starts everybody who consumes. late's consumers come when it is there.
func (w *world) consumeAll(ctx context.Context, all *errgroup.Group, c *consumers) {
	from := w.clients[1+publishingWays:]
	var wandered []*reader
	for i := range w.readers {
		one := &w.readers[i]
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
	all.Go(func() error { c.wander(ctx, wandered, from[0], w.drawer("wanderer")); return nil })
	all.Go(func() error { w.comeAndGo(ctx, all, c); return nil })
}

// comeAndGo makes and removes subscriptions while things break. What a client can't do now it does later.
func (w *world) comeAndGo(ctx context.Context, all *errgroup.Group, c *consumers) {
	random := w.drawer("subscriptions")
	for i := range w.readers {
		one := &w.readers[i]
		if one.late || one.leaving {
			pause(ctx, warmUp+time.Duration(random.Int64N(int64(4*time.Second))))
		}
		switch {
		case one.late:
			if w.insist(ctx, func(ctx context.Context) error { return w.make(ctx, one.subscription) }) {
				for _, by := range w.clients[1+publishingWays:] {
					all.Go(func() error { return c.consume(ctx, one, by) })
				}
			}
		case one.leaving:
			w.insist(ctx, func(ctx context.Context) error { return w.remove(ctx, one.subscription) })
		}
	}
}

// insist tries until it works or ctx ends.
func (w *world) insist(ctx context.Context, do func(context.Context) error) bool {
	for ctx.Err() == nil {
		bounded, cancel := context.WithTimeout(ctx, 10*time.Second)
		err := do(bounded)
		cancel()
		if err == nil {
			return true
		}
		w.journal.notef("%v", err)
		pause(ctx, 200*time.Millisecond)
	}
	return false
}

// count counts what there was.
func (w *world) count(began, ended history.Time) {
	h, out := w.recorder.History(), w.result
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
	out.Published, out.Deliveries, out.Decisions = len(h.Publishes), len(h.Deliveries), len(h.Decisions)
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
	if len(confirmed) == 0 {
		w.troublef("not one publish was confirmed")
	}
}

// judge has the history checked.
func (w *world) judge() {
	w.result.verdict = history.Check(w.recorder.History(), history.Options{Straggle: visibility})
	w.result.Counts = w.result.verdict.Counts()
	if w.result.Counts[history.Names.String()] > 0 {
		for _, n := range w.recorder.History().Named {
			w.journal.notef("the %s of topic %s by client %d, from %v to %v: %v, found %v (told: %v)", verbOf(n.Verb), n.Name, n.Client, n.Invoked, n.Returned, n.Outcome, n.Found, !n.Untold)
		}
	}
	w.troubles.Lock()
	defer w.troubles.Unlock()
	w.result.Trouble = w.troubles.list
	w.result.Last = w.journal.last()
}

// close ends clients, nodes and network.
func (w *world) close(ctx context.Context) error {
	disconnect(ctx, w.clients)
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

// pause waits, and reports whether ctx is still good.
func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
