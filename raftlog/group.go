package raftlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

const (
	lockFile     = "LOCK"
	logFile      = "log.bolt"
	snapshotsDir = "snapshots" // the library's name for it

	// snapshotsKept: the newest, and one to fall back on should it turn out to be unreadable. The log is kept from the
	// older one on.
	snapshotsKept = 2
	// pendingMax is how many proposals wait for the library's answer before Propose blocks.
	pendingMax = 256
	// appendEntriesMax is how many proposals the library takes into one write.
	appendEntriesMax = 64
	// trailingEntries is how many entries the library leaves behind a checkpoint for replicas that are a little late.
	trailingEntries = 1
	// commitTimeout is the library's heartbeat of commit indexes to idle replicas.
	commitTimeout = 250 * time.Millisecond
	// never is a time that does not come.
	never = math.MaxInt64 / 4 * time.Nanosecond
)

// Group is one Raft group: a log of commands, and the machine that they are applied to. Its methods may be called from
// any goroutine.
type Group struct {
	options   Options
	log       *slog.Logger
	lock      io.Closer // the directory's
	store     *store
	snapshots *raft.FileSnapshotStore
	applier   *applier
	raft      atomic.Pointer[raft.Raft] // nil until the library runs

	// gate is closed before the library is shut down, so that every proposal it has taken still gets its answer.
	gate struct {
		sync.RWMutex
		closed bool
	}
	pending       chan *pending
	notify        chan bool // from the library: leadership won, lost
	won           chan struct{}
	confirmed     chan uint64
	leadership    chan Leadership
	checkpointDue chan struct{}
	checkpoints   chan checkpointRequest
	failed        chan struct{} // the log has failed; holds one

	stopping   chan struct{} // closed first: helpers end
	stopped    chan struct{} // closed when the library has ended
	helpers    sync.WaitGroup
	answering  sync.WaitGroup
	watching   sync.WaitGroup
	closeOnce  sync.Once
	closeError error
}

// Open opens the group's directory, makes a new group in an empty one, restores the machine, and begins to stand for
// election. A new group's only voter is this node. It returns before the node leads; see Leadership.
func Open(options Options) (_ *Group, err error) {
	options.EnsureDefaults()
	if err := options.Validate(); err != nil {
		return nil, err
	}
	if err := makeDir(options.Dir); err != nil {
		return nil, err
	}
	lock, err := vfs.Default.Lock(filepath.Join(options.Dir, lockFile))
	if err != nil {
		return nil, fmt.Errorf("raftlog: %s is in use by another process: %w", options.Dir, err)
	}
	g := newGroup(options, lock)
	if err := g.open(); err != nil {
		if g.store != nil {
			err = errors.Join(err, g.store.close())
		}
		return nil, errors.Join(err, lock.Close())
	}
	g.start()
	return g, nil
}

func newGroup(options Options, lock io.Closer) *Group {
	g := &Group{
		options:       options,
		log:           options.Logger.With("group", options.Name),
		lock:          lock,
		pending:       make(chan *pending, pendingMax),
		notify:        make(chan bool),
		won:           make(chan struct{}, 1),
		confirmed:     make(chan uint64),
		leadership:    make(chan Leadership),
		checkpointDue: make(chan struct{}, 1),
		checkpoints:   make(chan checkpointRequest),
		failed:        make(chan struct{}, 1),
		stopping:      make(chan struct{}),
		stopped:       make(chan struct{}),
	}
	g.applier = &applier{machine: options.Machine, checkpointBytes: options.CheckpointBytes, due: g.checkpointDue}
	return g
}

// open reads what is on disk and starts the library on it.
func (g *Group) open() error {
	dir := g.options.Dir
	id, err := claim(dir, g.options.Name, g.options.Node)
	if err != nil {
		return err
	}
	if id.State == stateCreating {
		// The process died while it made the group. Its first two records are separate writes, and with only one of them
		// the library would wait for peers for ever; so begin again.
		if err := errors.Join(os.RemoveAll(filepath.Join(dir, logFile)), os.RemoveAll(filepath.Join(dir, snapshotsDir))); err != nil {
			return fmt.Errorf("raftlog: %w", err)
		}
	}
	if g.store, err = openStore(filepath.Join(dir, logFile), &g.options); err != nil {
		return err
	}
	logger := newRaftLogger(g.log)
	if g.snapshots, err = raft.NewFileSnapshotStoreWithLogger(dir, snapshotsKept, logger); err != nil {
		return fmt.Errorf("raftlog: opening snapshots: %w", err)
	}
	config := g.raftConfig()
	config.Logger = logger
	address, transport := raft.NewInmemTransport(raft.ServerAddress(g.options.Node))
	if err := g.bootstrap(id, config, address, transport); err != nil {
		return err
	}
	restored, err := g.noteSnapshots()
	if err != nil {
		return err
	}
	g.applier.applied.Store(restored)
	g.store.onFail = g.fail
	running, err := raft.NewRaft(config, g.applier, g.store, g.store, g.snapshots, transport)
	if err != nil {
		return fmt.Errorf("raftlog: starting group %s: %w", g.options.Name, err)
	}
	g.raft.Store(running)
	return nil
}

// bootstrap writes a new group's first entry, which names this node as its only voter, and refuses an old one whose log
// is gone.
func (g *Group) bootstrap(id identity, config *raft.Config, address raft.ServerAddress, transport raft.Transport) error {
	if id.State == stateReady {
		if _, _, last := g.store.usage(); last == 0 {
			return fmt.Errorf("%w: %s was made, and has no log any more", ErrForeign, g.options.Dir)
		}
		return nil
	}
	voters := raft.Configuration{Servers: []raft.Server{{Suffrage: raft.Voter, ID: config.LocalID, Address: address}}}
	if err := raft.BootstrapCluster(config, g.store, g.store, g.snapshots, transport, voters); err != nil {
		return fmt.Errorf("raftlog: making group %s: %w", g.options.Name, err)
	}
	if err := syncDir(g.options.Dir); err != nil { // the names of log and snapshots
		return err
	}
	id.State = stateReady
	return id.write(g.options.Dir)
}

func (g *Group) raftConfig() *raft.Config {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(g.options.Node)
	config.NotifyCh = g.notify
	config.HeartbeatTimeout = g.options.ElectionTimeout
	config.ElectionTimeout = g.options.ElectionTimeout
	config.LeaderLeaseTimeout = g.options.ElectionTimeout
	config.CommitTimeout = commitTimeout
	config.MaxAppendEntries = appendEntriesMax
	config.BatchApplyCh = true
	config.TrailingLogs = trailingEntries
	// Checkpoints are the group's to time: the library counts entries, not bytes.
	config.SnapshotInterval = never
	config.SnapshotThreshold = math.MaxUint64
	config.PreVoteDisabled = true // there is nobody to ask
	config.NoLegacyTelemetry = true
	return config
}

// start starts the group's goroutines. Close joins them in another order: see there.
func (g *Group) start() {
	g.answering.Go(func() { labelled(g, "answers", g.answer) })
	g.watching.Go(func() { labelled(g, "leadership", g.watch) })
	g.helpers.Go(func() { labelled(g, "confirm", g.confirm) })
	g.helpers.Go(func() { labelled(g, "checkpoints", g.runCheckpoints) })
	g.helpers.Go(func() { labelled(g, "reclaim", g.runReclaim) })
	g.helpers.Go(func() { labelled(g, "deposed", g.depose) })
}

// Propose asks for a command to be appended and applied. It blocks only while some hundred earlier proposals wait;
// callers bound what they have in flight. What one goroutine proposes is appended in that order. The data are the log's
// from then on and must not be changed any more.
func (g *Group) Propose(data []byte) *Future {
	if len(data) > EntryBytesMax {
		return refused(fmt.Errorf("%w: it has %d bytes, the limit is %d", ErrTooLarge, len(data), EntryBytesMax))
	}
	if bytes, _, _ := g.store.usage(); bytes >= g.options.BytesMax {
		return refused(fmt.Errorf("%w: it holds %d bytes, the limit is %d", ErrFull, bytes, g.options.BytesMax))
	}
	return g.submit(func(library *raft.Raft) raft.Future { return library.Apply(data, 0) })
}

// submit gives the library something to answer, unless the group is closed.
func (g *Group) submit(start func(*raft.Raft) raft.Future) *Future {
	g.gate.RLock()
	defer g.gate.RUnlock()
	if g.gate.closed {
		return refused(ErrClosed)
	}
	if err := g.store.usable(); err != nil {
		return refused(fmt.Errorf("%w: %w", ErrClosed, err))
	}
	future := &Future{done: make(chan struct{})}
	g.pending <- &pending{future: future, library: start(g.raft.Load())}
	return future
}

// answer settles futures in the order in which they were proposed, which is also the order in which the library does.
func (g *Group) answer() {
	for p := range g.pending {
		p.settle()
	}
}

// fail is told by the store that it can't be written any more.
func (g *Group) fail(err error) {
	g.log.Error("the log has failed", "error", err)
	if library := g.raft.Load(); library != nil {
		// Whoever lets the process live on must not see it led again: standing for election writes a term, and when
		// that fails the library panics.
		config := library.ReloadableConfig()
		config.HeartbeatTimeout, config.ElectionTimeout = never, never
		if reload := library.ReloadConfig(config); reload != nil {
			g.log.Error("can't keep the failed group from standing for election", "error", reload)
		}
	}
	tell(g.failed)
	g.options.Fatal(err)
}

// depose makes the library step down when something else than its own writing has failed the log: it does so when a write
// fails, and the store refuses the one that it is given here. It can't be done where the failure is noticed, which may be
// the library's main loop.
func (g *Group) depose() {
	select {
	case <-g.failed:
	case <-g.stopping:
		return
	}
	if err := g.raft.Load().Barrier(0).Error(); err == nil {
		g.log.Error("the failed log still takes entries")
	}
}

// Close stops the group and joins its goroutines. Proposals that were taken get their answers before; later ones get
// ErrClosed. The Leadership channel is closed. It is safe to call it more than once.
func (g *Group) Close() error {
	g.closeOnce.Do(func() {
		g.gate.Lock()
		g.gate.closed = true
		g.gate.Unlock()
		close(g.stopping)
		g.helpers.Wait()
		// The library forgets proposals that it has queued when it is shut down: their futures would never be answered.
		// While it runs it answers each, so shut it down only when none is left.
		close(g.pending)
		g.answering.Wait()
		shutdown := g.raft.Load().Shutdown().Error()
		close(g.stopped)
		g.watching.Wait()
		g.closeError = errors.Join(shutdown, g.store.close(), g.lock.Close())
	})
	return g.closeError
}
