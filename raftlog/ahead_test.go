package raftlog

import (
	"errors"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/hashicorp/raft"
)

// Vouch passes on what a group asks of the transport.
func (g *twinGroup) Vouch(vouch func() error) {
	if under, ok := g.GroupTransport.(interface{ Vouch(vouch func() error) }); ok {
		under.Vouch(vouch)
	}
}

// stalled is a cluster whose leader's disk hangs with commands on their way. One follower has them, the other is cut off.
type stalled struct {
	*cluster
	lead, near, far *member
	disk            *shaky
	release         func()
	stuck           []*Future
	before          uint64 // the last entry that is everywhere
}

func newStalled(t *testing.T) *stalled {
	t.Helper()
	c, lead, disk := shakyLeader(t, 1)
	c.settle(c.ctx)
	s := &stalled{cluster: c, lead: lead, disk: disk}
	s.near = c.third(lead, nil)
	s.far = c.third(lead, s.near)
	s.before = lead.group(0).Usage().Last
	c.isolate(s.far, true)
	s.release = disk.hold()
	for i := range 3 { // each brings the follower the news of the one before
		s.stuck = append(s.stuck, lead.group(0).Propose(fmt.Appendf(nil, "stuck.%d x", i)))
		pause(c.ctx, 50*time.Millisecond)
	}
	return s
}

// check fails the test when anybody counts what the leader's disk lacks.
func (s *stalled) check(t *testing.T) {
	t.Helper()
	g := s.lead.group(0)
	if last := s.near.group(0).Usage().Last; last != s.before+3 {
		t.Errorf("the follower has entries up to %d, want %d: nothing was replicated while the disk was busy", last, s.before+3)
	}
	if last := g.Usage().Last; last != s.before {
		t.Errorf("the leader's disk hangs, and its log has entries up to %d, before there were %d", last, s.before)
	}
	if believed := g.raft.Load().CommitIndex(); believed != s.before+3 {
		t.Errorf("the library believes entries up to %d to be committed, want %d: the test shows nothing", believed, s.before+3)
	}
	for _, m := range s.members {
		if last := m.ledger(0).lastIndex(); last > s.before {
			t.Errorf("%s has applied entry %d, the leader has up to %d on its disk", m.name, last, s.before)
		}
	}
	if told := s.near.group(0).raft.Load().CommitIndex(); told > s.before {
		t.Errorf("the follower was told that entries up to %d are committed", told)
	}
	for i, f := range s.stuck {
		select {
		case <-f.Done():
			t.Errorf("command %d has an answer: %+v, %v", i, f.applied, f.err)
		default:
		}
	}
}

// cut is a power cut of the leader with its disk as it is: what its process goes on to do is of no consequence.
func (s *stalled) cut() {
	s.tb.Helper()
	s.net.Kill(string(s.lead.address))
	clone := s.lead.mem.CrashClone(vfs.CrashCloneCfg{})
	s.disk.syncError.Store(true)
	s.release()
	p := s.lead.running.Swap(nil)
	_ = p.node.Close() // its log has failed
	p.reading.Wait()
	s.lead.mem, s.lead.fs = clone, clone
}

// TestHangingLeaderAhead: a leader replicates what its hanging disk has not got yet. Nobody acts on it, neither the leader nor who was told by it,
// although the library believes it to be committed; so it may be gone after a power cut without anybody missing it, or come true.
func TestHangingLeaderAhead(t *testing.T) {
	for name, goOn := range map[string]func(t *testing.T, s *stalled){
		"the disk answers": func(t *testing.T, s *stalled) {
			s.release()
			for i, f := range s.stuck {
				applied, err := f.Wait(s.ctx)
				if err != nil {
					t.Fatalf("command %d: %v", i, err)
				}
				s.histories[0].ack(fmt.Sprintf("stuck.%d", i), applied.Index)
			}
			s.isolate(s.far, false)
		},
		"a power cut, and the others go on": func(t *testing.T, s *stalled) {
			s.cut()
			s.isolate(s.far, false)
			s.writeMany(t, 0, "after", 3)
			if s.near.ledger(0).mu.entries["stuck.2"] != s.before+3 {
				t.Errorf("the follower that had the commands leads, and they are gone")
			}
			s.lead.open()
		},
		"a power cut, and the leader goes on with who lacks them": func(t *testing.T, s *stalled) {
			s.cut()
			s.isolate(s.far, false)
			s.isolate(s.near, true)
			s.lead.open()
			s.writeMany(t, 0, "after", 3)
			s.isolate(s.near, false)
			s.settle(s.ctx)
			for _, m := range s.members {
				if index := m.ledger(0).mu.entries["stuck.0"]; index != 0 {
					t.Errorf("%s has applied a command as entry %d that another one overruled", m.name, index)
				}
			}
		},
		"the disk fails": func(t *testing.T, s *stalled) {
			s.disk.syncError.Store(true)
			s.release()
			for i, f := range s.stuck {
				if _, err := f.Wait(s.ctx); !errors.Is(err, ErrOutcomeUnknown) {
					t.Errorf("command %d: %v", i, err)
				}
			}
			if err := <-s.lead.fatal; !errors.Is(err, errDisk) {
				t.Errorf("fatal: %v", err)
			}
			if last := s.lead.ledger(0).lastIndex(); last > s.before {
				t.Errorf("entry %d was applied, and is not on disk", last)
			}
			if err := s.lead.group(0).Barrier(s.ctx); err == nil {
				t.Error("a failed node passes a barrier")
			}
			s.isolate(s.far, false)
			s.disk.syncError.Store(false)
			s.lead.crash(0)
			s.writeMany(t, 0, "after", 3)
			s.lead.open()
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStalled(t)
				s.check(t)
				goOn(t, s)
				s.settle(s.ctx)
			})
		})
	}
}

// ask sends the leader its own entries as one of the next term would, who wants to know whether it has them.
func (s *stalled) ask(t *testing.T) (answered <-chan error, response *raft.AppendEntriesResponse) {
	t.Helper()
	var previous raft.Log
	request := &raft.AppendEntriesRequest{
		RPCHeader:    raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(s.near.name), Addr: []byte(s.near.address)},
		Term:         s.lead.group(0).Status().Term + 1,
		PrevLogEntry: s.before,
	}
	entries := s.near.group(0).entries
	if err := entries.GetLog(s.before, &previous); err != nil {
		t.Fatal(err)
	}
	request.PrevLogTerm = previous.Term
	for index := s.before + 1; index <= s.before+3; index++ {
		var entry raft.Log
		if err := entries.GetLog(index, &entry); err != nil {
			t.Fatal(err)
		}
		request.Entries = append(request.Entries, &entry)
	}
	response, done := new(raft.AppendEntriesResponse), make(chan error, 1)
	line := s.near.running.Load().node.transport.Group(1)
	s.near.running.Load().reading.Go(func() {
		done <- line.AppendEntries(raft.ServerID(s.lead.name), s.lead.address, request, response)
	})
	return done, response
}

// TestDeposedConfirmsNothingAhead: a leader that another deposes confirms what its log has only once that is on its disk, and never when
// the disk has failed: the library looks at its log alone.
func TestDeposedConfirmsNothingAhead(t *testing.T) {
	for name, fails := range map[string]bool{"the disk answers": false, "the disk fails": true} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStalled(t)
				answered, response := s.ask(t)
				pause(s.ctx, 200*time.Millisecond)
				if len(answered) > 0 {
					t.Fatalf("confirms what is not on its disk: %+v, %v", response, <-answered)
				}
				s.disk.syncError.Store(fails)
				s.release()
				if err := <-answered; fails == (err == nil && response.Success) {
					t.Errorf("the disk fails: %t, and the answer is %+v, %v", fails, response, err)
				}
				s.isolate(s.far, false)
				if fails {
					s.disk.syncError.Store(false)
					s.lead.crash(0)
					s.lead.open()
				}
				s.writeMany(t, 0, "after", 3)
				s.settle(s.ctx)
			})
		})
	}
}

// TestNewLeaderCountsNothingAhead: the leader is cut off and replaced, by one that has what it led with. While its disk hangs it counts
// for no majority.
func TestNewLeaderCountsNothingAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStalled(t)
		s.isolate(s.far, false)
		s.isolate(s.lead, true)
		s.near.group(0).stand() // else it may take longer than a process with such a disk lives
		s.writeElsewhere(t, s.lead, "after")
		if s.near.group(0).Status().Leader != s.near.name {
			t.Fatal("who lacks an entry that its voter has is elected")
		}
		s.settleAmong(t, s.near, s.far)
		s.isolate(s.lead, false)
		s.isolate(s.far, true)
		alone := s.near.group(0).Propose([]byte("alone x"))
		pause(s.ctx, 500*time.Millisecond)
		select {
		case <-alone.Done():
			t.Errorf("one disk of three has a command, and it is answered: %+v, %v", alone.applied, alone.err)
		default:
		}
		s.release()
		s.isolate(s.far, false)
		s.writeMany(t, 0, "more", 3)
		s.settle(s.ctx)
	})
}

// settleAmong waits until two members have applied the same.
func (c *cluster) settleAmong(t *testing.T, a, b *member) {
	t.Helper()
	for a.ledger(0).lastIndex() != b.ledger(0).lastIndex() {
		if pause(c.ctx, 10*time.Millisecond); c.ctx.Err() != nil {
			t.Fatalf("%s has applied up to entry %d, %s up to %d", a.name, a.ledger(0).lastIndex(), b.name, b.ledger(0).lastIndex())
		}
	}
}
