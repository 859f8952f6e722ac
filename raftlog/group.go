package raftlog

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

// pendingMax is how many proposals wait for the library's answer before Propose blocks.
const pendingMax = 256

// settings is what a group is told when it is made, by Open or by Node.Start.
type settings struct {
	node, name string
	number     GroupNumber // 0 for a group with a log of its own
	machine    Machine
	// entryBytesMax is the largest command that the log takes.
	entryBytesMax int
	// incremental: the checkpoints are a StateStore's, which adds what has changed to what it has.
	incremental bool

	checkpointBytes int64
	checkpointEvery time.Duration // 0: bytes alone
	releaseWanted   func()        // nil: nobody is asked
	electionTimeout time.Duration
	leaseTimeout    time.Duration
	// standAtOnce: a node that is its group's only voter does not wait for others to speak first.
	standAtOnce bool
	logger      *slog.Logger
	// failed is called, once, when nothing can be written any more. It ends the process, or returns.
	failed func(error)
}

// Group is one Raft group: a log of commands, and the machine that they are applied to. Its methods may be called from
// any goroutine.
type Group struct {
	settings  settings
	log       *slog.Logger
	entries   entryLog
	snapshots *checkpoints
	transport GroupTransport
	link      *link
	applier   *applier
	raft      atomic.Pointer[raft.Raft] // nil until the library runs
	ended     chan struct{}             // closed when that library has ended; whoever starts and stops libraries owns it

	// Of a node's group alone.
	shared     *sharedLog // entries
	fetcher    fetcher
	debt       debt
	orders     chan order
	own        own
	succession atomic.Uint64         // the last term whose leader was found dead
	led        atomic.Pointer[order] // the last leader that was another node, and its term
	begun      atomic.Int64          // when the library was started, in nanoseconds since 1970
	urged      atomic.Int64          // the last contact with a leader after which the library was made to look for it

	// without leaves out what protects from the library's faults, so that tests see them.
	without struct{ installGuard, rebuild atomic.Bool }

	// gate is closed before the library is shut down, so that every proposal it has taken still gets its answer.
	gate          gate
	unanswered    sync.WaitGroup // proposals that the library has taken
	pending       chan *pending
	notify        chan bool // from the library: leadership won, lost
	won           chan struct{}
	leaderChange  leaderChange
	confirmed     chan uint64
	leadership    chan Leadership
	checkpointDue chan struct{}
	checkpoints   chan checkpointRequest
	// changing is held by who takes a checkpoint, installs one, or builds the library anew. Holds one.
	changing chan struct{}
	agreed   atomic.Pointer[agreed] // what the newest checkpoint stands for; nil: there is none
	failure  atomic.Pointer[error]
	failed   chan struct{} // closed when there is a failure

	stopping   chan struct{} // closed first: helpers end
	stopped    chan struct{} // closed when the library has ended
	helpers    sync.WaitGroup
	notices    sync.WaitGroup
	answering  sync.WaitGroup
	watching   sync.WaitGroup
	closeOnce  sync.Once
	closeError error
}

func newGroup(s settings) *Group {
	g := &Group{
		settings:      s,
		log:           s.logger.With("group", s.name),
		pending:       make(chan *pending, pendingMax),
		notify:        make(chan bool),
		won:           make(chan struct{}, 1),
		confirmed:     make(chan uint64),
		leadership:    make(chan Leadership),
		checkpointDue: make(chan struct{}, 1),
		checkpoints:   make(chan checkpointRequest),
		changing:      make(chan struct{}, 1),
		failed:        make(chan struct{}),
		orders:        make(chan order),
		stopping:      make(chan struct{}),
		stopped:       make(chan struct{}),
	}
	g.debt.changed = make(chan struct{}, 1)
	g.applier = &applier{
		machine: s.machine, incremental: s.incremental, checkpointBytes: s.checkpointBytes, due: g.checkpointDue,
		done:    func(index uint64) { g.entries.applied(index); g.lull(index) },
		durable: func(index uint64) error { return g.entries.awaitSynced(index, g.failed) },
		labels:  pprof.WithLabels(context.Background(), labelsOf(&s, "apply", "apply")), //nolint:forbidigo // nothing is cancelled by it
	}
	return g
}

// attach gives the group what it works on.
func (g *Group) attach(entries entryLog, snapshots raft.SnapshotStore, transport GroupTransport) {
	g.entries, g.transport, g.link = entries, transport, newLink(transport)
	g.snapshots = &checkpoints{SnapshotStore: snapshots, group: g}
	g.link.synced, g.link.failed = entries.synced, g.failed
	g.link.scanned = func() { g.entries.scanning(false); g.snapshots.starting.Store(false) }
}

// start starts the library and the group's goroutines. Close joins them in another order: see there.
func (g *Group) start() error {
	if err := g.startLibrary(); err != nil {
		return err
	}
	g.answering.Go(func() { labelled(g, "answers", g.answer) })
	g.watching.Go(func() { labelled(g, "leadership", g.watch) })
	g.helpers.Go(func() { labelled(g, "confirm", g.confirm) })
	g.helpers.Go(func() { labelled(g, "checkpoints", g.runCheckpoints) })
	g.helpers.Go(func() { labelled(g, "deposed", g.depose) })
	g.helpers.Go(func() { labelled(g, "relay", g.relay) })
	g.helpers.Go(func() { labelled(g, "news", g.spread) })
	if g.shared != nil {
		g.helpers.Go(func() { labelled(g, "debt", g.payDebt) })
	}
	return nil
}

// spawn starts a helper, unless the group is closed.
func (g *Group) spawn(name string, run func()) {
	g.gate.unlessClosed(func() {
		g.helpers.Go(func() { labelled(g, name, run) })
	})
}

// Propose asks for a command to be appended and applied. It blocks only while some hundred earlier proposals wait;
// callers bound what they have in flight. What one goroutine proposes is appended in that order. The data are the log's
// from then on and must not be changed any more.
func (g *Group) Propose(data []byte) *Future {
	if most := g.settings.entryBytesMax; len(data) > most {
		return refused(fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrTooLarge, len(data), most))
	}
	if err := g.roomFor(len(data)); err != nil {
		return refused(err)
	}
	return g.submitOwn(data, func(library *raft.Raft) raft.Future { return library.Apply(data, 0) })
}

// submit gives the library something to answer, unless the group is closed or has failed.
func (g *Group) submit(start func(*raft.Raft) raft.Future) *Future { return g.submitOwn(nil, start) }

// submitOwn is submit for something with data.
func (g *Group) submitOwn(data []byte, start func(*raft.Raft) raft.Future) *Future {
	if err := g.broken(); err != nil {
		return refused(fmt.Errorf("%w: %w", ErrClosed, err))
	}
	return g.hand(data, start)
}

// hand is submit, also after a failure.
func (g *Group) hand(data []byte, start func(*raft.Raft) raft.Future) *Future {
	if err := g.gate.enter(); err != nil {
		return refused(err)
	}
	defer g.gate.leave()
	future := &Future{done: make(chan struct{})}
	g.unanswered.Add(1)
	g.own.add(data)
	g.pending <- &pending{future: future, library: start(g.raft.Load()), data: data}
	return future
}

// answer settles futures in the order in which they were proposed, which is also the order in which the library does.
func (g *Group) answer() {
	for p := range g.pending {
		p.settle(&g.applier.withheld)
		g.own.remove(p.data)
		g.unanswered.Done()
	}
}

// fail is told that nothing can be written any more.
func (g *Group) fail(err error) {
	g.withdraw(err)
	g.settings.failed(err)
}

// broken returns why nothing can be written any more.
func (g *Group) broken() error {
	if err := g.failure.Load(); err != nil {
		return *err
	}
	return nil
}

// withdraw keeps a group whose log has failed from being led again, for whoever lets the process live on: standing for
// election writes a term, and when that fails the library panics.
func (g *Group) withdraw(err error) {
	if !g.failure.CompareAndSwap(nil, &err) {
		return
	}
	g.log.Error("the log has failed", "error", err)
	if library := g.raft.Load(); library != nil {
		config := library.ReloadableConfig()
		config.HeartbeatTimeout, config.ElectionTimeout = never, never
		if reload := library.ReloadConfig(config); reload != nil {
			g.log.Error("can't keep the failed group from standing for election", "error", reload)
		}
	}
	close(g.failed)
}

// depose makes the library step down when something else than its own writing has failed the log: it does so when a write
// fails, and the log refuses the one that it is given here. It can't be done where the failure is noticed, which may be
// the library's main loop.
func (g *Group) depose() {
	select {
	case <-g.failed:
	case <-g.stopping:
		return
	}
	barrier := g.hand(nil, func(library *raft.Raft) raft.Future { return library.Barrier(0) })
	if <-barrier.Done(); barrier.err == nil {
		g.log.Error("the failed log still takes entries")
	}
}

// Close stops the group and joins its goroutines. Proposals that were taken get their answers before; later ones get
// ErrClosed. The Leadership channel is closed. It is safe to call it more than once.
func (g *Group) Close() error {
	g.closeOnce.Do(func() { g.closeError = g.shutDown() })
	return g.closeError
}

func (g *Group) shutDown() error {
	g.gate.close()
	// The library forgets proposals that it has queued when it is shut down: their futures would never be answered. While it
	// runs it answers each, at the latest when it gives up leading for want of a majority. So shut it down only when none is
	// left.
	close(g.pending)
	g.answering.Wait()
	close(g.stopping)
	// What still waits for a peer needn't any more.
	transport := g.transport.Close()
	g.helpers.Wait()
	shutdown := g.stopLibrary()
	close(g.stopped)
	g.watching.Wait()
	return errors.Join(transport, shutdown, g.entries.close())
}
