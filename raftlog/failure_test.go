package raftlog

import (
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/hashicorp/raft"
)

// shaky is a disk of a member that fails on demand.
type shaky struct {
	syncError atomic.Bool
	readError atomic.Bool
	full      atomic.Bool
	mu        sync.Mutex
	hang      chan struct{} // syncs wait for it; nil: they don't
}

// under puts the disk under a member that isn't open yet.
func (s *shaky) under(m *member) {
	m.fs = errorfs.Wrap(m.mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		switch op.Kind {
		case errorfs.OpFileSync, errorfs.OpFileSyncData:
			s.mu.Lock()
			hang := s.hang
			s.mu.Unlock()
			if hang != nil {
				<-hang
			}
			if s.syncError.Load() {
				return errDisk
			}
		case errorfs.OpFileRead, errorfs.OpFileReadAt:
			if s.readError.Load() {
				return errDisk
			}
		case errorfs.OpFilePreallocate:
			if s.full.Load() {
				return syscall.ENOSPC
			}
		default:
		}
		return nil
	}))
}

// hold makes syncs hang until the returned function is called.
func (s *shaky) hold() (release func()) {
	hang := make(chan struct{})
	s.mu.Lock()
	s.hang = hang
	s.mu.Unlock()
	return func() {
		s.mu.Lock()
		s.hang = nil
		s.mu.Unlock()
		close(hang)
	}
}

// shakyLeader starts a cluster on such disks, and returns the leader of the first group and its disk.
func shakyLeader(t *testing.T, groups int) (*cluster, *member, *shaky) {
	return shakyCluster(t, newCluster(t, groups, 1))
}

func shakyCluster(t *testing.T, c *cluster) (*cluster, *member, *shaky) {
	disks := map[*member]*shaky{}
	for _, m := range c.members {
		disks[m] = &shaky{}
		disks[m].under(m)
	}
	c.start()
	lead := c.leader(c.ctx, 0)
	c.writeMany(t, 0, "before", 10)
	return c, lead, disks[lead]
}

// TestKilledLeader: when a leader's process is gone, the next one in line stands as soon as it is refused a connection, and the
// group applies commands again within half a second. Every group has another line.
func TestKilledLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 4, 1)
		c.net.latency(time.Millisecond)
		c.start()
		for round := range 3 {
			lead := c.leader(c.ctx, 0)
			for group := range c.groups {
				c.writeMany(t, group, fmt.Sprint("before.", round), 3)
			}
			c.settle(c.ctx)
			killed := time.Now()
			lead.crash(0)
			for group := range c.groups {
				c.write(c.ctx, group, fmt.Sprint("after.", round), 10)
				took := time.Since(killed)
				t.Logf("group %d applies again after %v", group, took)
				if took > 500*time.Millisecond {
					t.Errorf("group %d has applied nothing for %v", group, took)
				}
			}
			lead.open()
			c.settle(c.ctx)
		}
	})
}

// TestKilledLeaderWithoutFirst: the first in line lacks what the leader acknowledged last, so that nobody votes for it; the second
// stands a quarter of a second later.
func TestKilledLeaderWithoutFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.net.latency(time.Millisecond)
		c.start()
		lead := c.leader(c.ctx, 0)
		c.writeMany(t, 0, "before", 3)
		c.settle(c.ctx)
		for _, m := range c.members {
			if m == lead {
				continue
			}
			if place, _ := m.group(0).line(m.group(0).raft.Load(), lead.address); place == 0 {
				c.net.sever(lead.address, m.address, true)
			}
		}
		c.writeMany(t, 0, "more", 1)
		killed := time.Now()
		lead.crash(0)
		c.write(c.ctx, 0, "after", 10)
		if took := time.Since(killed); took < successionStep || took > 500*time.Millisecond {
			t.Errorf("applies again after %v", took)
		}
		lead.open()
		for _, m := range c.members {
			c.isolate(m, false)
		}
		c.settle(c.ctx)
	})
}

// TestKilledLeaderHeardOfLate: the second in line hears of the leader's end only when the first has stood, whose log is behind. It has forgotten
// its leader by then, and takes its turn all the same.
func TestKilledLeaderHeardOfLate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.net.latency(time.Millisecond)
		c.start()
		lead := c.leader(c.ctx, 0)
		c.writeMany(t, 0, "before", 3)
		c.settle(c.ctx)
		var first, second *member
		for _, m := range c.members {
			if m == lead {
				continue
			}
			if place, _ := m.group(0).line(m.group(0).raft.Load(), lead.address); place == 0 {
				first = m
			} else {
				second = m
			}
		}
		c.net.sever(lead.address, first.address, true)
		c.writeMany(t, 0, "more", 1)
		c.isolate(lead, true) // nobody is refused a connection by itself
		began := time.Now()
		first.group(0).PeerRefused(string(lead.address))
		pause(c.ctx, 20*time.Millisecond)
		second.group(0).PeerRefused(string(lead.address))
		c.writeElsewhere(t, lead, "after")
		if took := time.Since(began); took < successionStep || took > 500*time.Millisecond {
			t.Errorf("applies again after %v", took)
		}
		c.isolate(lead, false)
		c.settle(c.ctx)
	})
}

// TestNoStrayElections: a refused connection to somebody who doesn't lead changes nothing, nor does one to the leader of a term
// that is over.
func TestNoStrayElections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		lead := c.leader(c.ctx, 0)
		pause(c.ctx, time.Second) // until all have the barrier
		term := lead.group(0).Status().Term
		for _, m := range c.members {
			for _, other := range c.members {
				if other != lead {
					m.running.Load().node.peerRefused(other.address)
				}
			}
		}
		pause(c.ctx, 10*time.Second)
		if got := c.leader(c.ctx, 0); got != lead || lead.group(0).Status().Term != term {
			t.Fatalf("%s leads in term %d, it was %s in term %d", got.name, got.group(0).Status().Term, lead.name, term)
		}
		pause(c.ctx, time.Second)
		// The other two are told that the leader is gone, and one of them takes over, once.
		for _, m := range c.members {
			if m != lead {
				m.running.Load().node.peerRefused(lead.address)
				m.running.Load().node.peerRefused(lead.address)
			}
		}
		pause(c.ctx, 10*time.Second)
		if got := c.leader(c.ctx, 0).group(0).Status().Term; got != term+1 {
			t.Fatalf("term %d after term %d", got, term)
		}
	})
}

// TestCutOffLeader: a leader that nobody hears is replaced within 4 s, and leads no more when it is heard again.
func TestCutOffLeader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.net.latency(time.Millisecond)
		c.start()
		for round := range 10 {
			lead := c.leader(c.ctx, 0)
			c.writeMany(t, 0, fmt.Sprint("before.", round), 3)
			began := time.Now()
			c.isolate(lead, true)
			c.writeElsewhere(t, lead, fmt.Sprint("after.", round))
			if took := time.Since(began); took > 4*time.Second {
				t.Errorf("nothing was applied for %v", took)
			}
			if lead.group(0).Status().Leader == lead.name {
				t.Errorf("%s still believes that it leads", lead.name)
			}
			c.isolate(lead, false)
			c.settle(c.ctx)
		}
	})
}

// writeElsewhere writes one command to whoever takes it but one member.
func (c *cluster) writeElsewhere(t *testing.T, but *member, name string) {
	t.Helper()
	for try := 0; c.ctx.Err() == nil; try++ {
		for m, p := range c.running() {
			if m == but {
				continue
			}
			tryName := fmt.Sprintf("%s/%d", name, try)
			if applied, err := p.groups[0].Propose([]byte(tryName)).Wait(c.ctx); err == nil {
				c.histories[0].ack(tryName, applied.Index)
				return
			}
		}
		pause(c.ctx, 10*time.Millisecond)
	}
	t.Fatal("nobody took it")
}

// TestHeartbeatWaits: a follower whose disk is slow with a leader's entries answers no heartbeat that comes behind them. Otherwise two goroutines
// would work on messages of leaders, and entries of one term could be stored in the next (raft issue 695).
func TestHeartbeatWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		disks := map[*member]*shaky{}
		for _, m := range c.members {
			disks[m] = &shaky{}
			disks[m].under(m)
		}
		c.start()
		c.writeMany(t, 0, "a", 5)
		lead := c.leader(c.ctx, 0)
		c.settle(c.ctx)
		follower := c.third(lead, nil)
		c.isolate(follower, true)
		g := follower.group(0)
		c.writeMany(t, 0, "b", 1)
		var before, missed raft.Log
		last := g.Usage().Last
		if err := errors.Join(lead.group(0).entries.GetLog(last, &before), lead.group(0).entries.GetLog(last+1, &missed)); err != nil {
			t.Fatal(err)
		}
		header := raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(lead.name), Addr: []byte(lead.address)}
		release := disks[follower].hold()
		entries, beats := make(chan raft.RPCResponse, 1), make(chan raft.RPCResponse, 1)
		go g.pass(raft.RPC{RespChan: entries, Command: &raft.AppendEntriesRequest{
			RPCHeader: header, Term: missed.Term, PrevLogEntry: before.Index, PrevLogTerm: before.Term, LeaderCommitIndex: before.Index,
			Entries: []*raft.Log{&missed},
		}})
		synctest.Wait()
		go g.pass(raft.RPC{RespChan: beats, Command: &raft.AppendEntriesRequest{RPCHeader: header, Term: missed.Term}})
		synctest.Wait()
		if len(entries) > 0 || len(beats) > 0 {
			t.Errorf("answers before the disk's: %d to entries, %d to a heartbeat", len(entries), len(beats))
		}
		release()
		if answer := (<-entries).Response.(*raft.AppendEntriesResponse); !answer.Success {
			t.Errorf("the entries are answered with %+v", answer)
		}
		if answer := (<-beats).Response.(*raft.AppendEntriesResponse); !answer.Success {
			t.Errorf("the heartbeat is answered with %+v", answer)
		}
		c.isolate(follower, false)
		c.writeMany(t, 0, "c", 5)
		c.settle(c.ctx)
	})
}

// TestSyncError (R4): a sync that fails on the leader ends it: Fatal is told once, it takes nothing more, others lead, and when
// it comes back with what was on its disk nothing is missing.
func TestSyncError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lead, disk := shakyLeader(t, 2)
		disk.syncError.Store(true)
		if _, err := lead.group(0).Propose([]byte("lost x")).Wait(c.ctx); !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("a command that could not be synced: %v", err)
		}
		if err := <-lead.fatal; !errors.Is(err, errDisk) {
			t.Fatalf("fatal: %v", err)
		}
		disk.syncError.Store(false)
		for group := range c.groups {
			if _, err := lead.group(group).Propose(nil).Wait(c.ctx); !errors.Is(err, ErrClosed) {
				t.Fatalf("group %d of a failed node: %v", group, err)
			}
			if err := lead.group(group).Checkpoint(c.ctx); !errors.Is(err, ErrClosed) {
				t.Fatalf("a checkpoint of group %d of a failed node: %v", group, err)
			}
		}
		c.writeElsewhere(t, lead, "after")
		pause(c.ctx, 30*time.Second)
		for group := range c.groups {
			if status := lead.group(group).Status(); status.Leader == lead.name {
				t.Fatalf("a failed node leads group %d", group)
			}
		}
		if len(lead.fatal) > 0 {
			t.Fatalf("told again: %v", <-lead.fatal)
		}
		lead.crash(50)
		lead.open()
		c.settle(c.ctx)
	})
}

// TestReadError: a disk that can't be read when entries are to be applied fails the node, which says so; the library alone would panic. Nothing is applied
// without what could not be read, and nothing of it is sent.
func TestReadError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lead, disk := shakyLeader(t, 2)
		c.settle(c.ctx)
		lead.close()
		disk.under(lead)
		lead.open() // what it applies again is on its disk alone
		disk.readError.Store(true)
		if err := <-lead.fatal; !errors.Is(err, errDisk) {
			t.Fatalf("fatal: %v", err)
		}
		c.writeElsewhere(t, lead, "after")
		pause(c.ctx, 30*time.Second)
		if got := lead.ledger(0).lastIndex(); got != 0 {
			t.Errorf("it has applied entry %d", got)
		}
		if len(lead.fatal) > 0 {
			t.Fatalf("told again: %v", <-lead.fatal)
		}
		lead.crash(50)
		lead.open()
		c.settle(c.ctx)
	})
}

// TestHangingSync: a leader whose disk does not answer falls silent after a second, and others lead one election timeout (at most
// three times ElectionTimeout) later; where both others stood at once and neither won, after the next, twice ElectionTimeout later. After ten seconds its process ends.
func TestHangingSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lead, disk := shakyLeader(t, 1)
		c.net.latency(time.Millisecond)
		release := disk.hold()
		began, term := time.Now(), lead.group(0).Status().Term
		stuck := lead.group(0).Propose([]byte("stuck x"))
		c.writeElsewhere(t, lead, "after")
		took, terms := time.Since(began), uint64(2) // the first is that of whoever stands before the other has heard nothing for long enough
		for m, p := range c.running() {
			if m != lead {
				terms = max(terms, p.groups[0].Status().Term-term)
			}
		}
		most := syncWithholdAfter + time.Duration(3+2*(terms-2))*nodeElectionTimeoutDefault + 100*time.Millisecond
		t.Logf("another leads and applies after %v, %d terms later at most", took, terms)
		if took > most || took < syncWithholdAfter || terms > 4 {
			t.Errorf("nothing was applied for %v; it should be %v to %v", took, syncWithholdAfter, most)
		}
		err := <-lead.fatal
		if died := time.Since(began); died < syncFatalAfter || died > syncFatalAfter+time.Second {
			t.Errorf("the process ends after %v: %v", died, err)
		}
		release()
		if _, err := stuck.Wait(c.ctx); err == nil {
			t.Error("a command that hung was acked by a failed node")
		}
		lead.crash(0)
		lead.open()
		c.settle(c.ctx)
	})
}

// TestSlowSync: a sync that takes less than a second changes nothing.
func TestSlowSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, lead, disk := shakyLeader(t, 1)
		term := lead.group(0).Status().Term
		release := disk.hold()
		slow := lead.group(0).Propose([]byte("slow x"))
		pause(c.ctx, 900*time.Millisecond)
		release()
		if applied, err := slow.Wait(c.ctx); err != nil || applied.Term != term {
			t.Fatalf("%+v, %v; the term was %d", applied, err, term)
		}
	})
}

// TestDiskFull: when the leader's disk has no room for another segment, commands are refused with ErrFull and nothing breaks:
// elections and checkpoints go through; with room again, so do commands.
func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.retain = 1 // so that nothing goes by itself
		_, lead, disk := shakyCluster(t, c)
		disk.full.Store(true)
		refused := errors.New("")
		for i := 0; !errors.Is(refused, ErrFull); i++ {
			name := fmt.Sprint("fill.", i)
			var applied Applied
			if applied, refused = lead.group(0).Propose([]byte(name + " x")).Wait(c.ctx); refused == nil {
				c.histories[0].ack(name, applied.Index)
			} else if !errors.Is(refused, ErrFull) || c.ctx.Err() != nil {
				t.Fatal(refused)
			}
		}
		if usage := lead.group(0).Usage(); usage.Bytes < usage.BytesMax || usage.BytesMax >= 62*testSegmentBytes {
			t.Fatalf("full with %+v", usage)
		}
		if err := errors.Join(lead.group(0).Barrier(c.ctx), lead.group(0).Checkpoint(c.ctx)); err != nil {
			t.Fatal(err)
		}
		disk.full.Store(false)
		pause(c.ctx, 3*time.Second)
		c.writeMany(t, 0, "after", 20)
		c.settle(c.ctx)
		if len(lead.fatal) > 0 {
			t.Fatal(<-lead.fatal)
		}
	})
}

var _ vfs.FS = (*errorfs.FS)(nil)
