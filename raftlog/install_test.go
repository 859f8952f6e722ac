package raftlog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// replayInstall sends an install once more, as a network that kept it does.
func (c *cluster) replayInstall(i recordedInstall) (*raft.InstallSnapshotResponse, error) {
	c.tb.Helper()
	answers := make(chan raft.RPCResponse, 1)
	request := i.request
	for m, p := range c.running() {
		if m.address == i.to {
			p.node.group(i.group).pass(raft.RPC{Command: &request, Reader: bytes.NewReader(i.data), RespChan: answers})
		}
	}
	answer := <-answers
	response, _ := answer.Response.(*raft.InstallSnapshotResponse)
	return response, answer.Error
}

// awaitInstalls waits until so many installs were sent, and returns them.
func (c *cluster) awaitInstalls(t *testing.T, n int) []recordedInstall {
	t.Helper()
	for {
		installs := c.net.installs()
		if len(installs) >= n {
			return installs
		}
		if c.ctx.Err() != nil {
			for m, p := range c.running() {
				t.Logf("%s: %+v, %+v", m.name, p.groups[0].Status(), p.groups[0].Usage())
			}
			t.Fatalf("%d installs were sent, not %d", len(installs), n)
		}
		pause(c.ctx, 10*time.Millisecond)
	}
}

// fallBehind cuts a follower off, writes until the others have let go of what it would need next, and returns it.
func (c *cluster) fallBehind(t *testing.T) *member {
	t.Helper()
	lead := c.leader(c.ctx, 0)
	var behind *member
	for _, m := range c.members {
		if m != lead {
			behind = m
		}
	}
	c.isolate(behind, true)
	pause(c.ctx, 5*time.Second) // until what is on its way is given up
	c.writeUntilGone(t, behind, behind.group(0).Usage().Last+1)
	pause(c.ctx, 30*time.Second) // until a message that still has what is gone is given up, too
	return behind
}

// writeUntilGone writes to the first group, and takes checkpoints, until all but one member have let go of an entry.
func (c *cluster) writeUntilGone(t *testing.T, but *member, index uint64) {
	t.Helper()
	for round := 0; ; round++ {
		there := false
		for m, p := range c.running() {
			if m == but {
				continue
			}
			if err := p.groups[0].Checkpoint(c.ctx); err != nil {
				t.Fatal(err)
			}
			there = there || p.groups[0].Usage().First <= index
		}
		if !there {
			return
		}
		c.writeMany(t, 0, fmt.Sprint("behind.", round), 20)
		if c.ctx.Err() != nil {
			t.Fatalf("entry %d does not go", index)
		}
	}
}

// isolate cuts a member off from all others, or connects it again.
func (c *cluster) isolate(m *member, on bool) {
	for _, other := range c.members {
		if other != m {
			c.net.sever(m.address, other.address, on)
		}
	}
}

func (c *cluster) writeMany(t *testing.T, group int, name string, n int) {
	t.Helper()
	for i := range n {
		c.write(c.ctx, group, fmt.Sprintf("%s.%d", name, i), 200)
	}
}

// TestInstall: a follower whose leader has let go of what it lacks gets the state, is built anew on it, and goes on, also
// after a restart. The same install again changes nothing.
func TestInstall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "first", 20)
		behind := c.fallBehind(t)
		c.isolate(behind, false)
		install := c.awaitInstalls(t, 1)[0]
		c.settle(c.ctx)
		synctest.Wait() // the state is there before the log is cut and the library built anew
		if got := behind.group(0).Usage(); got.Last != 0 && got.Last < install.request.LastLogIndex {
			t.Fatalf("after an install as of entry %d the log has %+v", install.request.LastLogIndex, got)
		}
		c.writeMany(t, 0, "then", 50)
		c.settle(c.ctx)

		before := behind.group(0).Usage()
		for range 3 {
			response, err := c.replayInstall(install)
			if err != nil || !response.Success || response.Term != behind.group(0).Status().Term {
				t.Fatalf("a late install is answered %+v, %v", response, err)
			}
		}
		if after := behind.group(0).Usage(); after.Last != before.Last {
			t.Fatalf("a late install has left %+v of %+v", after, before)
		}
		c.writeMany(t, 0, "last", 20)
		c.settle(c.ctx)
		behind.close()
		behind.open()
		c.settle(c.ctx)
	})
}

// TestLateInstall: what a follower acknowledged after an install outlives the same install coming again. Without the guard
// the library wipes it, and what a majority had is lost.
func TestLateInstall(t *testing.T) {
	for name, guarded := range map[string]bool{"guarded": true, "unguarded": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if lost := lateInstall(t, guarded); lost > 0 == guarded {
					t.Fatalf("%d acked commands were lost", lost)
				}
			})
		})
	}
}

func lateInstall(t *testing.T, guarded bool) (lost int) {
	c := newCluster(t, 1, 1)
	c.start()
	follower := c.fallBehind(t)
	c.isolate(follower, false)
	install := c.awaitInstalls(t, 1)[0]
	c.settle(c.ctx)

	// The leader and this follower alone acknowledge some more.
	lead := c.leader(c.ctx, 0)
	other := c.third(lead, follower)
	c.isolate(other, true)
	c.writeMany(t, 0, "more", 30)
	c.isolate(lead, true)
	follower.group(0).without.installGuard.Store(!guarded)
	if response, err := c.replayInstall(install); err != nil && !guarded {
		return 1 // the log has found out, and ended the node
	} else if err != nil || !response.Success {
		t.Fatalf("%+v, %v", response, err)
	}
	// The leader does not come back. The others go on with what they have.
	lead.crash(0)
	c.isolate(other, false)
	c.leader(c.ctx, 0)
	return len(c.histories[0].missing(c.leader(c.ctx, 0).ledger(0)))
}

// third returns the member that is neither.
func (c *cluster) third(a, b *member) *member {
	for _, m := range c.members {
		if m != a && m != b {
			return m
		}
	}
	panic("there are three")
}

// TestDivergedFollower: a leader that was cut off has more entries than the others, none of them committed, when the others
// have let go of what came before. It gets their state, forgets its own entries, and follows. Without building the library
// anew it would never take an entry again below what it remembers as its last (raft issue 697).
func TestDivergedFollower(t *testing.T) {
	for name, rebuilt := range map[string]bool{"rebuilt": true, "not rebuilt": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				if caughtUp := divergedFollower(t, rebuilt); caughtUp != rebuilt {
					t.Fatalf("caught up: %v", caughtUp)
				}
			})
		})
	}
}

func divergedFollower(t *testing.T, rebuilt bool) (caughtUp bool) {
	c := newCluster(t, 1, 1)
	c.tuneGroup = func(o *GroupOptions) { o.CheckpointEvery = time.Hour } // another install would help
	c.net.latency(time.Millisecond)                                       // since in the bad case leader and follower talk without end, and no time would pass
	c.start()
	c.writeMany(t, 0, "first", 20)
	lead := c.leader(c.ctx, 0)
	c.isolate(lead, true)
	common := lead.group(0).Usage().Last
	var futures []*Future
	for i := range 250 {
		futures = append(futures, lead.group(0).Propose(fmt.Appendf(nil, "own.%d x", i)))
	}
	for _, future := range futures {
		if _, err := future.Wait(c.ctx); !errors.Is(err, ErrOutcomeUnknown) {
			t.Fatalf("a leader that is cut off: %v", err)
		}
	}
	if own := lead.group(0).Usage().Last; own < common+200 {
		t.Fatalf("its own log ends with %d, the common one with %d", own, common)
	}
	c.writeUntilGone(t, lead, common+2)
	pause(c.ctx, 5*time.Second) // until what is on its way is given up
	lead.group(0).without.rebuild.Store(!rebuilt)
	c.isolate(lead, false)
	if install := c.awaitInstalls(t, 1)[0]; install.request.LastLogIndex >= common+200 {
		t.Fatalf("the install stands for %d; the longer log ends before that", install.request.LastLogIndex)
	}
	c.writeMany(t, 0, "then", 5)
	ctx, cancel := context.WithTimeout(c.ctx, 5*time.Second)
	defer cancel()
	last := c.leader(ctx, 0).ledger(0).lastIndex()
	for lead.ledger(0).lastIndex() < last && ctx.Err() == nil {
		pause(ctx, 100*time.Millisecond)
	}
	return lead.ledger(0).lastIndex() >= last
}

// TestCovers: an install is needed where the log does not have its last entry, of that term.
func TestCovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "a", 5)
		g := c.leader(c.ctx, 0).group(0)
		usage := g.Usage()
		var last raft.Log
		if err := g.entries.GetLog(usage.Last, &last); err != nil {
			t.Fatal(err)
		}
		for _, of := range []struct {
			index, term uint64
			want        bool
		}{{1, 1, true}, {last.Index, last.Term, true}, {last.Index + 1, last.Term, false}} {
			if got := g.covers(of.index, of.term); got != of.want {
				t.Errorf("entry %d of term %d: %v", of.index, of.term, got)
			}
		}
	})
}
