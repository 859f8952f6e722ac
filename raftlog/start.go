package raftlog

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/wal"
)

// keyRemoving is the stable value of a group that is being removed. Checkpoint and log go one after the other; a crash
// between the two is found by it.
var keyRemoving = []byte("Removing")

// Start starts a group of the node: one that its directory has, or a new one. It restores the machine, and begins to follow
// or to stand for election; see Group.Leadership. A group whose log or checkpoint is gone is ErrForeign.
func (n *Node) Start(options GroupOptions) (*Group, error) {
	options.EnsureDefaults()
	if err := options.Validate(); err != nil {
		return nil, err
	}
	n.starting.Lock()
	defer n.starting.Unlock()
	if err := n.startable(options.ID); err != nil {
		return nil, err
	}
	part, err := n.entries.Group(wal.GroupID(options.ID))
	if err != nil {
		return nil, fmt.Errorf("raftlog: group %s: %w", options.Name, err)
	}
	g := newGroup(n.settings(&options))
	entries := &sharedLog{Group: part, log: n.entries, reserve: n.reserve(), group: g}
	snapshots := &stateSnapshots{group: options.ID, states: n.states, failed: g.fail, sized: func() bool { return !g.snapshots.starting.Load() }}
	line := n.transport.Group(options.ID)
	if reuses, ok := line.(interface{ ReuseBuffers() }); ok {
		// This log copies what it stores, and nothing else of ours keeps what was received. A group with a log of its own (Open) may have
		// its line from the same transport, and keeps it.
		reuses.ReuseBuffers()
	}
	if carries, ok := line.(interface {
		CarrySums(sum func(*raft.Log) (uint32, bool), note func(*raft.Log, uint32))
	}); ok {
		carries.CarrySums(part.Sum, part.NoteSum)
	}
	if answers, ok := line.(interface{ Vouch(vouch func() error) }); ok {
		answers.Vouch(g.vouch)
	}
	g.attach(entries, snapshots, line)
	g.shared, g.fetcher = entries, n.transport
	if err := n.startGroup(g, entries, options.Members); err != nil {
		return nil, errors.Join(err, g.transport.Close())
	}
	return g, nil
}

func (n *Node) startable(id GroupNumber) error {
	n.mu.RLock()
	defer n.mu.RUnlock()
	switch failure := n.failure.Load(); {
	case n.mu.closed:
		return ErrClosed
	case failure != nil:
		return fmt.Errorf("%w: %w", ErrClosed, *failure)
	case n.mu.groups[id] != nil:
		return fmt.Errorf("raftlog: group %d is started already", id)
	}
	return nil
}

func (n *Node) settings(o *GroupOptions) settings {
	return settings{
		node: n.options.Name, name: o.Name, number: o.ID, machine: o.Machine, incremental: true,
		entryBytesMax:   min(EntryBytesMax, int(n.options.SegmentBytes/4)-recordOverheadMax),
		checkpointBytes: o.CheckpointBytes, checkpointEvery: o.CheckpointEvery, releaseWanted: o.ReleaseWanted,
		electionTimeout: n.options.ElectionTimeout, leaseTimeout: n.options.LeaseTimeout, standAtOnce: true,
		logger: n.log, failed: n.fail,
	}
}

// startGroup writes a new group's first entry, and starts the library. From then on the node knows the group.
func (n *Node) startGroup(g *Group, entries *sharedLog, members []Member) error {
	_, there, err := n.states.Latest(g.settings.number)
	if err != nil {
		return fmt.Errorf("raftlog: reading the checkpoint of group %s: %w", g.settings.name, err)
	}
	usage := entries.Usage()
	switch {
	case !there && usage.Oldest > 1:
		return fmt.Errorf("%w: the log of group %s begins with entry %d, and there is no checkpoint", ErrForeign, g.settings.name, usage.Oldest)
	case !there && usage.Last == 0 && len(members) > 0:
		if err := found(entries, members); err != nil {
			return fmt.Errorf("raftlog: making group %s: %w", g.settings.name, err)
		}
	}
	g.applier.whole.Store(!there)
	n.mu.Lock()
	n.mu.groups[g.settings.number] = g // before it runs, so that failures reach it
	n.mu.Unlock()
	if err := g.start(); err != nil {
		n.forget(g)
		return err
	}
	return nil
}

func (n *Node) forget(g *Group) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.mu.groups, g.settings.number)
}

// found writes the first entry of a group, the same on every node that founds it, and the term that it is of. The library's
// own way refuses when a crash came between these two, and then waits for others for ever.
func found(entries *sharedLog, members []Member) error {
	members = slices.Clone(members)
	slices.SortFunc(members, func(a, b Member) int { return cmp.Compare(a.Node, b.Node) })
	if term, err := entries.GetUint64(keyCurrentTerm); err != nil || term == 0 {
		if err := entries.Group.SetUint64(keyCurrentTerm, 1); err != nil {
			return err
		}
	}
	return entries.StoreLog(&raft.Log{
		Index: 1, Term: 1, Type: raft.LogConfiguration, Data: raft.EncodeConfiguration(configurationOf(members)),
	})
}

// Remove removes a group from the node: its log and checkpoint are gone when it returns. It is closed first if it is started.
// The others of the group must have been told before (RemoveMember), or have gone too.
func (n *Node) Remove(id GroupNumber) error {
	n.starting.Lock()
	defer n.starting.Unlock()
	if g := n.group(id); g != nil {
		if err := g.Close(); err != nil {
			return err
		}
		n.forget(g)
	}
	if !slices.Contains(n.entries.Groups(), wal.GroupID(id)) {
		return nil
	}
	part, err := n.entries.Group(wal.GroupID(id))
	if err == nil {
		err = part.Set(keyRemoving, []byte{1})
	}
	if err == nil {
		err = n.removeParts(part)
	}
	if err != nil {
		return fmt.Errorf("raftlog: removing group %d: %w", id, err)
	}
	return nil
}

// finishRemovals goes on with removals that a crash cut short.
func (n *Node) finishRemovals() error {
	for _, id := range n.entries.Groups() {
		part, err := n.entries.Group(id)
		if err != nil {
			return err
		}
		if _, err := part.Get(keyRemoving); err != nil {
			continue
		}
		if err := n.removeParts(part); err != nil {
			return fmt.Errorf("raftlog: removing group %d: %w", id, err)
		}
	}
	return nil
}

func (n *Node) removeParts(part *wal.Group) error {
	if err := n.states.Remove(GroupNumber(part.ID())); err != nil {
		return err
	}
	return part.Remove()
}
