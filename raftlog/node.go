package raftlog

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/wal"
)

// reserveSegments is how many segments of the log proposals don't get: what lets the log shrink again needs them. The log has
// one more in reserve itself.
const reserveSegments = 2

// Node is what a process has of raftlog: one log and one transport, which all its groups share. Its methods may be called
// from any goroutine.
//
//	Start, Remove ──▶ groups ──▶ one raft.Raft each
//	                    │               │
//	             StateStore           link ──▶ transport ──▶ peers
//	             (checkpoints)          │
//	                    ▲            wal.Log: entries, terms, votes; one write and one sync for all
//	                    └───────────────┘ what a checkpoint covers may go
type Node struct {
	options   NodeOptions
	log       *slog.Logger
	lock      io.Closer
	entries   *wal.Log
	states    StateStore
	transport Transport

	mu struct {
		sync.RWMutex
		closed bool
		groups map[GroupNumber]*Group
	}
	// starting is held while a group is started or removed.
	starting sync.Mutex

	failure  atomic.Pointer[error]
	stopping chan struct{}
	running  sync.WaitGroup
}

// OpenNode opens the node's directory, and makes it when there is none. Groups are started one by one, since each needs its
// machine. What the directory has of groups that are not started stays.
func OpenNode(options NodeOptions) (*Node, error) {
	options.EnsureDefaults()
	if err := options.Validate(); err != nil {
		return nil, err
	}
	n := &Node{options: options, log: options.Logger.With("node", options.Name), stopping: make(chan struct{})}
	n.mu.groups = map[GroupNumber]*Group{}
	if err := n.open(); err != nil {
		return nil, errors.Join(err, n.closeFiles())
	}
	n.running.Go(func() { labelledNode("watchdog", n.watch) })
	return n, nil
}

func (n *Node) open() error {
	o := &n.options
	files := nodeFiles{fs: o.FS, dir: o.Dir}
	if err := files.make(); err != nil {
		return err
	}
	lock, err := o.FS.Lock(files.path(lockFile))
	if err != nil {
		return fmt.Errorf("raftlog: %s is in use by another process: %w", o.Dir, err)
	}
	n.lock = lock
	id, err := files.claim(o.Name)
	if err != nil {
		return err
	}
	if n.states = o.State; n.states == nil {
		if n.states, err = OpenStateFiles(o.FS, files.path(stateDir)); err != nil {
			return err
		}
	}
	n.entries, err = wal.Open(wal.Options{
		FS: o.FS, Dir: files.path(logDir), Node: id.ID, SegmentBytes: o.SegmentBytes, BytesMax: o.BytesMax, CacheBytes: o.CacheBytes,
		CheckpointWanted: n.checkpointWanted, ReleaseWanted: n.releaseWanted, Synced: o.Synced, Fatal: n.fail, Logger: n.log, Now: o.Now,
	})
	if err != nil {
		return fmt.Errorf("raftlog: the log of %s: %w", o.Name, err)
	}
	if err := n.finishRemovals(); err != nil {
		return err
	}
	if err := n.checkParts(); err != nil {
		return err
	}
	if err := files.ready(id); err != nil {
		return err
	}
	n.transport, err = o.Connect(Hooks{
		Name: o.Name, Logger: n.log, Withhold: n.withhold, PeerRefused: n.peerRefused, HeartbeatEvery: o.heartbeatEvery(), Fetch: n.serveFetch,
	})
	return err
}

// checkParts refuses a directory of which a part is missing: a voter that has forgotten what it promised is worse than none.
func (n *Node) checkParts() error {
	kept, err := n.states.Groups()
	if err != nil {
		return fmt.Errorf("raftlog: listing checkpoints: %w", err)
	}
	logged := n.entries.Groups()
	for _, group := range kept {
		if !slices.Contains(logged, wal.GroupID(group)) {
			return fmt.Errorf("%w: %s has a checkpoint of group %d, and its log knows nothing of it", ErrForeign, n.options.Dir, group)
		}
	}
	return nil
}

// Name returns the node's name.
func (n *Node) Name() string { return n.options.Name }

// Groups returns the groups that are started, in the order of their numbers.
func (n *Node) Groups() []*Group {
	n.mu.RLock()
	defer n.mu.RUnlock()
	var groups []*Group
	for _, number := range slices.Sorted(maps.Keys(n.mu.groups)) {
		groups = append(groups, n.mu.groups[number])
	}
	return groups
}

// Known lists the groups that the node's directory has anything of, started or not, in ascending order.
func (n *Node) Known() []GroupNumber {
	var known []GroupNumber
	for _, id := range n.entries.Groups() {
		known = append(known, GroupNumber(id))
	}
	return known
}

// Pin is a group that keeps the log's oldest entries on disk.
type Pin struct {
	Group GroupNumber
	// Retained: its owner wants them (Retain). Else no checkpoint covers them yet.
	Retained bool
	// Oldest is the first entry that is wanted, and Bytes what the group has from there on.
	Oldest uint64
	Bytes  int64
}

// Pins lists who keeps the log's oldest entries on disk, and so all others, most bytes first.
func (n *Node) Pins() []Pin {
	var pins []Pin
	for _, p := range n.entries.Pins() {
		pins = append(pins, Pin{Group: GroupNumber(p.Group), Retained: p.Why == wal.ReasonRetained, Oldest: p.Oldest, Bytes: p.Bytes})
	}
	return pins
}

// Usage says how full the node's log is: Bytes and BytesMax, as a group's Usage has them.
func (n *Node) Usage() Usage {
	all := n.entries.Usage()
	return Usage{Bytes: all.Bytes, BytesMax: all.BytesMax - n.reserve()}
}

// LogStats counts what the log has done since it was opened.
func (n *Node) LogStats() wal.Stats { return n.entries.Stats() }

func (n *Node) reserve() int64 { return reserveSegments * n.options.SegmentBytes }

// group returns a group that is started, or nil.
func (n *Node) group(number GroupNumber) *Group {
	n.mu.RLock()
	defer n.mu.RUnlock()
	return n.mu.groups[number]
}

// checkpointWanted is told by the log that a group's entries should go.
func (n *Node) checkpointWanted(id wal.GroupID) {
	if g := n.group(GroupNumber(id)); g != nil {
		tell(g.checkpointDue)
	}
}

// releaseWanted is told by the log that entries should go which a group's owner wants.
func (n *Node) releaseWanted(id wal.GroupID) {
	if g := n.group(GroupNumber(id)); g != nil && g.settings.releaseWanted != nil {
		g.settings.releaseWanted()
	}
}

// fail is told that nothing can be written any more, by the log or by a group.
func (n *Node) fail(err error) {
	if !n.failure.CompareAndSwap(nil, &err) {
		return
	}
	for _, g := range n.Groups() {
		g.withdraw(err)
	}
	n.options.Fatal(err)
}

// peerRefused is told by the transport that a peer's process is gone.
func (n *Node) peerRefused(peer raft.ServerAddress) {
	for _, g := range n.Groups() {
		g.succeed(peer)
	}
}

// Close stops all groups, the transport and the log, and joins every goroutine. It is safe to call it more than once.
func (n *Node) Close() error {
	n.starting.Lock()
	defer n.starting.Unlock()
	n.mu.Lock()
	if n.mu.closed {
		n.mu.Unlock()
		return nil
	}
	n.mu.closed = true
	n.mu.Unlock()
	groups := n.Groups()
	errs := make([]error, len(groups))
	var closing sync.WaitGroup // together, since a group may wait for its peers until it gives up leading
	for i, g := range groups {
		closing.Go(func() { errs[i] = g.Close() })
	}
	closing.Wait()
	close(n.stopping)
	n.running.Wait()
	return errors.Join(errors.Join(errs...), n.closeFiles())
}

// closeFiles closes what open has opened.
func (n *Node) closeFiles() error {
	var errs []error
	if n.transport != nil {
		errs = append(errs, n.transport.Close())
	}
	if n.entries != nil {
		errs = append(errs, n.entries.Close())
	}
	if n.lock != nil {
		errs = append(errs, n.lock.Close())
	}
	return errors.Join(errs...)
}
