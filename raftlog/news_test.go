package raftlog

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// TestNews: followers apply what was committed within milliseconds, also when nothing follows it. (Time is virtual.)
func TestNews(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t, 2, 1)
		c.net.latency(time.Millisecond)
		c.start()
		for group := range c.groups {
			c.writeMany(t, group, "before", 10)
		}
		c.settle(c.ctx)
		for round := range 5 {
			pause(c.ctx, 10*time.Second)
			for group := range c.groups {
				c.write(c.ctx, group, fmt.Sprint("news.", round), 10)
				committed, last := time.Now(), uint64(0)
				for _, p := range c.running() {
					last = max(last, p.ledgers[group].lastIndex())
				}
				for m, p := range c.running() {
					for p.ledgers[group].lastIndex() < last {
						pause(c.ctx, time.Millisecond)
					}
					if took := time.Since(committed); took > 20*time.Millisecond {
						t.Errorf("%s applies entry %d of group %d %v after it was committed", m.name, last, group, took)
					}
				}
			}
		}
	})
}

// counted is a pipeline that counts what it is given.
type counted struct {
	raft.AppendPipeline
	sent int
	end  error
}

func (c *counted) AppendEntries(request *raft.AppendEntriesRequest, response *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	c.sent++
	return &untold{request: request, response: response}, c.end
}

func (c *counted) Err() error { return c.end }

// TestRepeats: what a follower was told is left out, until something is new, or old, or the pipeline has ended.
func TestRepeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		below := &counted{}
		p := &linkedPipeline{AppendPipeline: below, link: newLink(nil), sending: make(chan struct{}, 1)}
		p.link.term.Store(3)
		last := raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 7, PrevLogTerm: 2, LeaderCommitIndex: 7}
		with := func(change func(*raft.AppendEntriesRequest)) raft.AppendEntriesRequest {
			last.Entries = nil
			change(&last)
			return last
		}
		none := func(*raft.AppendEntriesRequest) {}
		for _, step := range []struct {
			name    string
			request raft.AppendEntriesRequest
			after   time.Duration
			end     error
			sent    int
		}{
			{"the first", with(none), 0, nil, 1},
			{"again", with(none), time.Second, nil, 0},
			{"entries", with(func(r *raft.AppendEntriesRequest) { r.Entries = []*raft.Log{{Index: 8, Term: 3}} }), 0, nil, 1},
			{"behind them", with(func(r *raft.AppendEntriesRequest) { r.PrevLogEntry, r.PrevLogTerm = 8, 3 }), 0, nil, 0},
			{"they are committed", with(func(r *raft.AppendEntriesRequest) { r.LeaderCommitIndex = 8 }), 0, nil, 1},
			{"not yet old", with(none), repeatAfter - 1, nil, 0},
			{"old", with(none), 1, nil, 1},
			{"ended", with(none), 0, ErrClosed, 1},
		} {
			<-time.After(step.after)
			before := below.sent
			below.end = step.end
			if _, err := p.AppendEntries(&step.request, nil); err != step.end { //nolint:errorlint // it is handed on as it is
				t.Errorf("%s: %v", step.name, err)
			}
			if n := below.sent - before; n != step.sent {
				t.Errorf("%s: %d were sent; expected %d", step.name, n, step.sent)
			}
		}
	})
}

// TestRepeatsWithoutPause: a library that asks again and again for nothing new, as it does while it hands on its leadership, is held up, and
// one that asks now and then isn't.
func TestRepeatsWithoutPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &linkedPipeline{AppendPipeline: &counted{}, link: newLink(nil), sending: make(chan struct{}, 1)}
		p.link.term.Store(3)
		ask := func() time.Duration {
			began := time.Now()
			if _, err := p.AppendEntries(&raft.AppendEntriesRequest{Term: 3, PrevLogEntry: 7, PrevLogTerm: 2, LeaderCommitIndex: 7}, nil); err != nil {
				t.Error(err)
			}
			return time.Since(began)
		}
		ask() // the first is sent
		for i := range 100 {
			if took := ask(); i > 0 && took != repeatRest { // the first repetition may come at once
				t.Fatalf("number %d took %v", i, took)
			}
		}
		for range 10 {
			<-time.After(10 * time.Millisecond)
			if took := ask(); took != 0 {
				t.Fatalf("after a pause it took %v", took)
			}
		}
	})
}
