package raftlog

import (
	"fmt"
	"math"
	"runtime"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// appendEntriesMax is how many proposals the library takes into one write, and entries into one message; the transport
	// bounds their bytes.
	appendEntriesMax = 64
	// trailingEntries is how many entries the library leaves behind a checkpoint for replicas that are a little late. What is
	// still in the log it finds beyond that, too.
	trailingEntries = 1
	// commitTimeout is the library's heartbeat of commit indexes to idle replicas, for the first of which there are news (news.go); and after up to
	// twice as long replication goes on where a connection broke and nothing new is proposed. Its default, 50 ms, would be most of what an idle
	// group costs.
	commitTimeout = time.Second
	// never is a time that does not come.
	never = math.MaxInt64 / 4 * time.Nanosecond
)

func (g *Group) raftConfig() *raft.Config {
	config := raft.DefaultConfig()
	config.LocalID = raft.ServerID(g.settings.node)
	config.HeartbeatTimeout = g.settings.electionTimeout
	config.ElectionTimeout = g.settings.electionTimeout + 1 // urge wants room
	config.LeaderLeaseTimeout = g.settings.leaseTimeout
	config.CommitTimeout = commitTimeout
	config.MaxAppendEntries = appendEntriesMax
	config.BatchApplyCh = true
	config.TrailingLogs = trailingEntries
	// Checkpoints are the group's to time: the library counts entries, not bytes.
	config.SnapshotInterval = never
	config.SnapshotThreshold = math.MaxUint64
	// A member that is removed stays, without a vote, until its group is closed.
	config.ShutdownOnRemove = false
	config.NoLegacyTelemetry = true
	config.Logger = newRaftLogger(g.log)
	return config
}

// startLibrary builds a raft.Raft from what is on disk. The machine is restored when it is behind the newest checkpoint; a
// machine that is ahead, since the library was only built anew, is not given again what it has applied.
func (g *Group) startLibrary() error {
	newest, err := g.noteCheckpoints()
	if err != nil {
		return err
	}
	// The library before may have led until just now; this one begins with what is on disk.
	if err := g.entries.awaitSynced(math.MaxUint64, nil); err != nil {
		return err
	}
	if err := g.entries.settle(newest.Index, newest.Term); err != nil {
		return err
	}
	g.debt.installed.Store(newest.Index)
	tell(g.debt.changed)
	config := g.raftConfig()
	config.NoSnapshotRestoreOnStart = g.applier.begin() >= newest.Index
	notices := make(chan bool)
	config.NotifyCh = notices
	g.entries.scanning(true)
	g.snapshots.starting.Store(true)
	var library *raft.Raft
	labelled(g, "library", func() { // its goroutines inherit the name
		library, err = newLibrary(config, g)
	})
	if err != nil {
		return fmt.Errorf("raftlog: starting group %s: %w", g.settings.name, err)
	}
	// From here on the library may lead. It tells so first in the channel that nobody reads yet, and sends nothing before.
	library.RegisterObserver(raft.NewObserver(nil, false, g.observe))
	if library.State() == raft.Leader {
		g.link.term.Store(library.CurrentTerm())
	}
	g.begun.Store(time.Now().UnixNano())
	if g.raft.Swap(library) == nil {
		g.entries.applied(newest.Index)
	}
	g.ended = make(chan struct{})
	ended := g.ended
	g.notices.Go(func() { labelled(g, "notices", func() { g.forward(notices, ended) }) })
	if err := g.broken(); err != nil { // it swallowed an error of the library's first write
		return fmt.Errorf("raftlog: starting group %s: %w", g.settings.name, err)
	}
	if g.settings.standAtOnce && loneVoter(library, config.LocalID) {
		g.stand()
	}
	return nil
}

// newLibrary is raft.NewRaft, which panics where it can't read the log for the members that entries name, and where it can't write the term. None of its goroutines run by then.
func newLibrary(config *raft.Config, g *Group) (_ *raft.Raft, err error) {
	defer func() {
		switch failure := recover().(type) {
		case nil:
		case runtime.Error:
			panic(failure)
		case error:
			err = failure
		default:
			panic(failure)
		}
	}()
	return raft.NewRaft(config, g.applier, &view{g.entries, g}, g.entries, g.snapshots, g.link)
}

// stopLibrary shuts the library down, if one runs, and waits for its goroutines.
func (g *Group) stopLibrary() error {
	if g.ended == nil {
		return nil // it was to be built anew, and that failed
	}
	err := g.raft.Load().Shutdown().Error()
	close(g.ended)
	g.ended = nil
	g.notices.Wait()
	return err
}

// forward passes on what a library tells of its leadership, until it has ended.
func (g *Group) forward(notices <-chan bool, ended <-chan struct{}) {
	for {
		select {
		case leading := <-notices:
			select {
			case g.notify <- leading:
			case <-ended:
				return
			}
		case <-ended:
			return
		}
	}
}

// rebuild builds the library anew from what is on disk, under the machine as it is. The caller holds changing. Proposals are
// refused meanwhile; those that the library has taken are answered first.
func (g *Group) rebuild() error {
	if !g.gate.rebuild() {
		return ErrClosed
	}
	g.unanswered.Wait()
	if err := g.stopLibrary(); err != nil {
		return fmt.Errorf("raftlog: stopping group %s: %w", g.settings.name, err)
	}
	select {
	case g.notify <- false:
	case <-g.stopping:
	}
	if err := g.startLibrary(); err != nil {
		return err
	}
	g.gate.rebuilt()
	return nil
}

// change takes the right to checkpoint, install or rebuild; release gives it back. It is false when the group is closing.
func (g *Group) change() bool {
	select {
	case g.changing <- struct{}{}:
		return true
	case <-g.stopping:
		return false
	}
}

func (g *Group) release() { <-g.changing }

// observe is called by the library, on the goroutine that changes its state and before that goroutine does anything else.
// In this order nothing is ever sent whose memory the log may use again: see link.term.
func (g *Group) observe(o *raft.Observation) bool {
	switch data := o.Data.(type) {
	case raft.RaftState:
		if data == raft.Leader {
			g.link.term.Store(o.Raft.CurrentTerm())
		} else {
			g.link.term.Store(0)
		}
		g.leaderChange.tell()
	case raft.LeaderObservation:
		g.leaderChange.tell()
		if data.LeaderID != "" && data.LeaderID != raft.ServerID(g.settings.node) {
			g.entries.following(o.Raft.CurrentTerm())
			g.led.Store(&order{leader: data.LeaderAddr, term: o.Raft.CurrentTerm()})
		}
	}
	return false // nothing is sent anywhere
}

// stand makes the library stand for election at once, as the present leader's order to take over does.
func (g *Group) stand() {
	g.helpers.Go(func() {
		order := raft.RPC{
			Command:  &raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}},
			RespChan: make(chan raft.RPCResponse, 1),
		}
		select {
		case g.link.rpcs <- order:
		case <-g.stopping:
		}
	})
}

// loneVoter says whether nobody else has a vote.
func loneVoter(library *raft.Raft, self raft.ServerID) bool {
	voters, mine := 0, false
	for _, server := range library.GetConfiguration().Configuration().Servers {
		if server.Suffrage == raft.Voter {
			voters++
			mine = mine || server.ID == self
		}
	}
	return voters == 1 && mine
}
