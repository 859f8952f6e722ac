package raftlog

import (
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// TestMembers: a group of one gains a follower, which becomes a voter when it has caught up, and a third; the first then leaves,
// and the others go on.
func TestMembers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		all := c.members
		first, rest := all[0], all[1:]
		c.found = func(m *member) []Member {
			if m == first {
				return []Member{first.asMember(true)}
			}
			return nil // they join
		}
		c.start()
		c.members = all[:1]
		c.writeMany(t, 0, "alone", 30)
		g := first.group(0)
		for i, m := range rest {
			if err := g.AddNonvoter(c.ctx, m.asMember(false)); err != nil {
				t.Fatal(err)
			}
			c.members = all[:i+2]
			c.settle(c.ctx)
			if err := g.AddVoter(c.ctx, m.asMember(true)); err != nil {
				t.Fatal(err)
			}
		}
		c.writeMany(t, 0, "three", 30)
		c.settle(c.ctx)
		for _, m := range c.members {
			if members := m.group(0).Members(); len(members) != 3 || !members[0].Voter || !members[1].Voter || !members[2].Voter {
				t.Fatalf("%s knows the members %+v", m.name, members)
			}
		}
		if err := rest[0].group(0).AddVoter(c.ctx, first.asMember(true)); !errors.Is(err, ErrNotLeader) {
			t.Fatalf("a follower was asked for a change: %v", err)
		}
		if err := g.RemoveMember(c.ctx, first.name); err != nil {
			t.Fatal(err)
		}
		if err := first.running.Load().node.Remove(1); err != nil {
			t.Fatal(err)
		}
		c.members = rest
		first.close()
		c.writeMany(t, 0, "two", 30)
		c.settle(c.ctx)
		// They remember.
		for _, m := range rest {
			m.close()
			m.open()
		}
		c.settle(c.ctx)
		if members := rest[0].group(0).Members(); len(members) != 2 {
			t.Fatalf("after a restart the members are %+v", members)
		}
	})
}

// TestTransferLeadership: to whom one likes, to whoever is furthest, and not to nobody.
func TestTransferLeadership(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "a", 5)
		lead := c.leader(c.ctx, 0)
		for _, m := range c.members {
			if err := c.leader(c.ctx, 0).group(0).TransferLeadership(c.ctx, m.name); m == lead && err == nil || m != lead && err != nil {
				t.Fatalf("from %s to %s: %v", lead.name, m.name, err)
			}
			if lead = c.leader(c.ctx, 0); lead != m {
				t.Fatalf("%s leads, not %s", lead.name, m.name)
			}
		}
		if err := lead.group(0).TransferLeadership(c.ctx, ""); err != nil {
			t.Fatal(err)
		}
		if err := lead.group(0).TransferLeadership(c.ctx, ""); !errors.Is(err, ErrNotLeader) {
			t.Fatalf("asked a follower: %v", err)
		}
		lead = c.leader(c.ctx, 0)
		if err := lead.group(0).TransferLeadership(c.ctx, "nobody"); err == nil || !strings.Contains(err.Error(), `"nobody" is no member`) {
			t.Fatal(err)
		}
		// Nobody answers: it leads on while it can.
		term := lead.group(0).Status().Term
		for _, m := range c.members {
			if m != lead {
				c.net.deaf(m.address, true)
			}
		}
		if err := lead.group(0).TransferLeadership(c.ctx, ""); err == nil {
			t.Fatal("handed to nobody")
		}
		for _, m := range c.members {
			c.net.deaf(m.address, false)
		}
		c.writeMany(t, 0, "b", 5)
		c.settle(c.ctx)
		if got := c.leader(c.ctx, 0); got != lead || lead.group(0).Status().Term != term {
			t.Logf("%s leads in term %d, it was %s in term %d", got.name, got.group(0).Status().Term, lead.name, term)
		}
	})
}

// TestWedgedTransfer: a library that never comes back from a transfer of leadership, and refuses everything meanwhile, is built
// anew under a machine that stays as it is.
func TestWedgedTransfer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "a", 30)
		lead := c.leader(c.ctx, 0)
		g := lead.group(0)
		if err := g.Checkpoint(c.ctx); err != nil {
			t.Fatal(err)
		}
		c.writeMany(t, 0, "b", 30)
		c.settle(c.ctx)
		before := g.raft.Load()
		if !g.change() {
			t.Fatal("closing")
		}
		err := g.rebuild()
		g.release()
		if err != nil || g.raft.Load() == before {
			t.Fatalf("not built anew: %v", err)
		}
		if got := lead.ledger(0).lastIndex(); got == 0 {
			t.Fatal("the machine was given away")
		}
		// What the machine has applied it is not given again (the ledger says so), and no checkpoint mistakes where it is.
		if err := g.Checkpoint(c.ctx); err != nil && !errors.Is(err, errCatchingUp) && !strings.Contains(err.Error(), errCatchingUp.Error()) {
			t.Fatal(err)
		}
		c.writeMany(t, 0, "c", 30)
		c.settle(c.ctx)
		if err := g.Checkpoint(c.ctx); err != nil {
			t.Fatal(err)
		}
		lead.crash(0)
		lead.open()
		c.settle(c.ctx)
	})
}

// TestStuck: a leader that refuses proposals although it leads is recognised.
func TestStuck(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		lead := c.leader(c.ctx, 0)
		g := lead.group(0)
		if g.stuck(c.ctx, g.raft.Load()) {
			t.Fatal("a sound leader is believed to be stuck")
		}
		follower := c.third(lead, nil).group(0)
		if follower.stuck(c.ctx, follower.raft.Load()) {
			t.Fatal("a follower is believed to be stuck")
		}
		// While a transfer goes on, the library refuses.
		for _, m := range c.members {
			if m != lead {
				c.net.deaf(m.address, true)
			}
		}
		ctx, cancel := context.WithTimeout(c.ctx, time.Minute)
		defer cancel()
		transfer := g.raft.Load().LeadershipTransfer()
		pause(ctx, 10*time.Millisecond)
		if _, err := g.Propose([]byte("x")).Wait(ctx); !errors.Is(err, ErrNotLeader) {
			t.Errorf("during a transfer: %v", err)
		}
		for _, m := range c.members {
			c.net.deaf(m.address, false)
		}
		_ = transfer.Error() // either way
		c.settle(c.ctx)
	})
}

// TestCloseBeforeAChange: a leader without followers is closed while changes of its members wait, of which the library takes one at a time, and none when it leads no
// more.
func TestCloseBeforeAChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "before", 10)
		leader := c.leader(c.ctx, 0)
		c.isolate(leader, true)
		g, changes := leader.group(0), make(chan error)
		for range 2 {
			go func() { changes <- g.RemoveMember(c.ctx, c.third(leader, leader).name) }()
			synctest.Wait()
		}
		if err := g.Close(); err != nil {
			t.Error(err)
		}
		for range 2 {
			if err := <-changes; err == nil {
				t.Error("a member was removed by nobody")
			}
		}
	})
}
