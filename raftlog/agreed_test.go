package raftlog

import (
	"fmt"
	"testing"
	"testing/synctest"

	"github.com/hashicorp/raft"
)

func TestAmend(t *testing.T) {
	entries := func(from, to uint64) (entries []*raft.Log) {
		for i := from; i <= to; i++ {
			entries = append(entries, &raft.Log{Index: i, Term: 3})
		}
		return entries
	}
	const none = 0
	for name, test := range map[string]struct {
		at                  uint64 // of term 2; 0: no checkpoint
		previous, from, to  uint64 // of term 1
		commit              uint64
		wantPrevious, first uint64 // first entry left, 0 none
		wantCommit          uint64
	}{
		"a heartbeat":                   {at: 10, commit: 0},
		"behind the checkpoint":         {10, 12, 13, 15, 14, 12, 13, 14},
		"right behind it":               {10, 10, 11, 15, 11, 10, 11, 11},
		"across its end":                {10, 7, 8, 12, 9, 10, 11, 9},
		"up to its end":                 {10, 7, 8, 10, 30, 10, none, 10},
		"before it":                     {10, 2, 3, 5, 30, 10, none, 10},
		"without entries, before it":    {10, 2, 1, 0, 30, 10, none, 10},
		"from the beginning":            {10, 0, 1, 12, 5, 10, 11, 5},
		"no checkpoint":                 {0, 2, 3, 5, 4, 2, 3, 4},
		"no checkpoint, commit is more": {0, 2, 3, 5, 30, 2, 3, 5},
		"no entries, commit is more":    {0, 7, 1, 0, 30, 7, none, 7},
	} {
		g := newGroup(settings{name: "p0", logger: discarded()})
		if test.at > 0 {
			g.agreed.Store(&agreed{test.at, 2})
		}
		request := &raft.AppendEntriesRequest{PrevLogEntry: test.previous, PrevLogTerm: 1, Entries: entries(test.from, test.to), LeaderCommitIndex: test.commit}
		if test.from == 0 {
			request.Entries = nil
		}
		count := len(request.Entries)
		got := g.amend(request)
		first := uint64(none)
		if len(got.Entries) > 0 {
			first = got.Entries[0].Index
		}
		wantTerm := uint64(1)
		if test.wantPrevious != test.previous {
			wantTerm = 2
		}
		if got.PrevLogEntry != test.wantPrevious || got.PrevLogTerm != wantTerm || first != test.first || got.LeaderCommitIndex != test.wantCommit {
			t.Errorf("%s: previous %d of term %d, first %d, commit %d", name, got.PrevLogEntry, got.PrevLogTerm, first, got.LeaderCommitIndex)
		}
		if len(request.Entries) != count {
			t.Errorf("%s: the transport's own request was changed", name)
		}
	}
}

// TestFollowerBeginsLater: a follower that has let go of what its leader still sends takes it for what it is.
func TestFollowerBeginsLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		lead := c.leader(c.ctx, 0)
		follower := c.third(lead, nil)
		for round := 0; follower.group(0).Usage().First < 20; round++ {
			c.writeMany(t, 0, fmt.Sprint("a.", round), 20)
			if err := follower.group(0).Checkpoint(c.ctx); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
		}
		c.settle(c.ctx)
		g, last := lead.group(0), follower.group(0).Usage().Last
		for from := uint64(1); from <= last; from += 7 {
			request := &raft.AppendEntriesRequest{
				RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(lead.name), Addr: []byte(lead.address)},
				Term:      g.Status().Term, PrevLogEntry: from - 1, LeaderCommitIndex: last,
			}
			for i := from - 1; i < from+5 && i <= last; i++ {
				var entry raft.Log
				if err := g.entries.GetLog(i, &entry); i == from-1 {
					request.PrevLogTerm = entry.Term
				} else if err != nil {
					t.Fatal(err)
				} else {
					request.Entries = append(request.Entries, &entry)
				}
			}
			answers := make(chan raft.RPCResponse, 1)
			follower.group(0).pass(raft.RPC{Command: request, RespChan: answers})
			if answer := <-answers; answer.Error != nil || !answer.Response.(*raft.AppendEntriesResponse).Success {
				t.Fatalf("entries from %d on: %+v, %v", from, answer.Response, answer.Error)
			}
		}
		c.writeMany(t, 0, "then", 5)
		c.settle(c.ctx)
	})
}

// TestCutMessage: a message that was cut short commits nothing behind its end, where a follower may have another leader's
// entries.
func TestCutMessage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 1, 1)
		c.start()
		c.writeMany(t, 0, "a", 5)
		lead := c.leader(c.ctx, 0)
		c.settle(c.ctx)
		common := lead.group(0).Usage().Last
		var before raft.Log
		if err := lead.group(0).entries.GetLog(common, &before); err != nil {
			t.Fatal(err)
		}
		c.isolate(lead, true)
		var futures []*Future
		for i := range 20 {
			futures = append(futures, lead.group(0).Propose(fmt.Appendf(nil, "own.%d x", i)))
		}
		for _, future := range futures {
			<-future.Done()
		}
		// The next leader has committed more, and begins with what both have.
		answers := make(chan raft.RPCResponse, 1)
		next := c.third(lead, nil)
		lead.group(0).pass(raft.RPC{RespChan: answers, Command: &raft.AppendEntriesRequest{
			RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax, ID: []byte(next.name), Addr: []byte(next.address)},
			Term:      lead.group(0).Status().Term + 1, PrevLogEntry: common, PrevLogTerm: before.Term, LeaderCommitIndex: common + 10,
		}})
		if answer := <-answers; answer.Error != nil || !answer.Response.(*raft.AppendEntriesResponse).Success {
			t.Fatalf("%+v, %v", answer.Response, answer.Error)
		}
		synctest.Wait()
		if got := lead.ledger(0).lastIndex(); got > common {
			t.Fatalf("it has applied entry %d of its own; %d is what was committed", got, common)
		}
	})
}
