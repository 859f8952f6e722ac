package raftlog

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"

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
)

// ownLog is the entryLog of a group that was opened by itself: a store, and the directory that it is in.
type ownLog struct {
	*store
	lock io.Closer
}

func (o *ownLog) close() error {
	close(o.stopping)
	o.reclaiming.Wait()
	return errors.Join(o.store.close(), o.lock.Close())
}

// Open opens a group with a log of its own: the directory's, on raft-boltdb. It makes a new group in an empty one, restores
// the machine, and begins to stand for election. A new group has Options.Members; without any, this node is its only voter.
// It returns before the node leads; see Leadership.
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
	g := newGroup(options.settings())
	if err := options.open(g, lock); err != nil {
		if g.entries == nil {
			return nil, errors.Join(err, lock.Close())
		}
		return nil, errors.Join(err, g.entries.close())
	}
	return g, nil
}

// settings are the group's.
func (o *Options) settings() settings {
	return settings{
		node: o.Node, name: o.Name, machine: o.Machine, checkpointBytes: o.CheckpointBytes, entryBytesMax: EntryBytesMax,
		electionTimeout: o.ElectionTimeout, leaseTimeout: min(o.ElectionTimeout, nodeLeaseTimeoutDefault), logger: o.Logger,
		failed: onceOnly(o.Fatal),
	}
}

// open reads what is on disk and starts the library on it.
func (o *Options) open(g *Group, lock io.Closer) error {
	id, err := claim(o.Dir, o.Name, o.Node)
	if err != nil {
		return err
	}
	if id.State == stateCreating {
		// The process died while it made the group. Its first two records are separate writes, and with only one of them
		// the library would wait for peers for ever; so begin again.
		if err := errors.Join(os.RemoveAll(filepath.Join(o.Dir, logFile)), os.RemoveAll(filepath.Join(o.Dir, snapshotsDir))); err != nil {
			return fmt.Errorf("raftlog: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Join(o.Dir, logFile)); id.State == stateReady && errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("%w: %s was made, and has no log any more", ErrForeign, o.Dir)
	}
	store, err := openStore(filepath.Join(o.Dir, logFile), o)
	if err != nil {
		return err
	}
	snapshots, err := raft.NewFileSnapshotStoreWithLogger(o.Dir, snapshotsKept, newRaftLogger(g.log))
	if err != nil {
		return errors.Join(fmt.Errorf("raftlog: opening snapshots: %w", err), store.close())
	}
	transport := o.Transport
	if transport == nil {
		_, transport = raft.NewInmemTransport(raft.ServerAddress(o.Node)) // with nobody at its other end
	}
	g.attach(&ownLog{store: store, lock: lock}, snapshots, transport)
	if err := o.bootstrap(id, g, store, snapshots); err != nil {
		return err
	}
	store.onFail = g.fail
	store.reclaiming.Go(func() { labelled(g, "reclaim", store.runReclaim) })
	return g.start()
}

// bootstrap writes a new group's first entry, which names its members, and refuses an old one whose log is empty.
func (o *Options) bootstrap(id identity, g *Group, store *store, snapshots raft.SnapshotStore) error {
	if id.State == stateReady {
		kept, err := snapshots.List()
		if err == nil && store.usage().Last == 0 && len(kept) == 0 && !o.Joins {
			err = fmt.Errorf("%w: %s was made, and has nothing in its log any more", ErrForeign, o.Dir)
		}
		return err
	}
	if !o.Joins {
		members := o.Members
		if len(members) == 0 {
			members = []Member{{Node: o.Node, Address: string(g.transport.LocalAddr()), Voter: true}}
		}
		if err := raft.BootstrapCluster(g.raftConfig(), store, store, snapshots, g.transport, configurationOf(members)); err != nil {
			return fmt.Errorf("raftlog: making group %s: %w", o.Name, err)
		}
	}
	if err := syncDir(o.Dir); err != nil { // the names of log and snapshots
		return err
	}
	id.State = stateReady
	return id.write(o.Dir)
}

// onceOnly passes on the first error.
func onceOnly(told func(error)) func(error) {
	var once sync.Once
	return func(err error) { once.Do(func() { told(err) }) }
}
