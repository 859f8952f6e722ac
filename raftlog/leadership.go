package raftlog

import (
	"context"
	"fmt"

	"github.com/hashicorp/raft"
)

// Leadership says whether this node leads its group.
type Leadership struct {
	Leading bool
	// Term in which it leads, or led.
	Term uint64
}

// Leadership returns the channel on which changes of this node's leadership are told, beginning with the first time that
// it leads. Each {true, term} is followed by {false, term} before the next; what came and went unread is left out. It is
// closed when the group is.
//
// That the node leads is told when everything of earlier terms has been applied here: who proposes from then on sees its
// effects on a machine that lacks nothing. That it lost leadership may be told late; proposals fail earlier.
//
// There is one channel, for one reader.
func (g *Group) Leadership() <-chan Leadership { return g.leadership }

// Barrier returns once everything that was proposed before, by anybody, is applied here. Its errors are those of
// Future.Wait.
func (g *Group) Barrier(ctx context.Context) error {
	_, err := g.barrier().Wait(ctx)
	return err
}

// Verify returns once a majority has confirmed that this node led the group after Verify was called; it writes no entry. What is applied here then has all
// that any leader had answered before. ErrNotLeader: it doesn't lead, or there is no majority; ErrClosed.
func (g *Group) Verify(ctx context.Context) error {
	future := g.verify()
	select {
	case <-future.Done():
		return future.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// hasty is a transport that holds heartbeats back for a while, unless it is asked not to until the function is called that it returns.
type hasty interface{ Hasten() (enough func()) }

// verify doesn't go the way of proposals, which are answered in their order: none is to wait for what a peer says.
func (g *Group) verify() *Future {
	if err := g.broken(); err != nil {
		return refused(fmt.Errorf("%w: %w", ErrClosed, err))
	}
	if err := g.gate.enter(); err != nil {
		return refused(err)
	}
	defer g.gate.leave()
	future := &Future{done: make(chan struct{})}
	g.unanswered.Add(1)
	enough := func() {}
	if transport, ok := g.transport.(hasty); ok { // it is answered by heartbeats
		enough = transport.Hasten()
	}
	answer := g.raft.Load().VerifyLeader()
	g.helpers.Go(func() {
		labelled(g, "verify", func() {
			if err := answer.Error(); err != nil {
				future.err = fmt.Errorf("%w: %w", ErrNotLeader, err)
			}
			enough()
			close(future.done)
			g.unanswered.Done()
		})
	})
	return future
}

func (g *Group) barrier() *Future {
	return g.submit(func(library *raft.Raft) raft.Future { return library.Barrier(0) })
}

// confirm waits, each time that the library has won an election, until the machine has caught up, and says in which term.
func (g *Group) confirm() {
	for {
		select {
		case <-g.won:
		case <-g.stopping:
			return
		}
		term := g.raft.Load().CurrentTerm()
		barrier := g.barrier()
		<-barrier.Done()
		switch {
		case barrier.err != nil:
			// Lost again, or closing. If it is won once more, we are told.
		case g.raft.Load().CurrentTerm() != term:
			// The barrier may have been applied in either term.
			tell(g.won)
		case g.handOn():
			// Another leads, who lacks nothing. If leadership comes back, we are told.
		default:
			select {
			case g.confirmed <- term:
			case <-g.stopping:
				return
			}
		}
	}
}

// watch tells the reader of Leadership what changed. The library's main loop waits for it to take each notice, so
// nothing here may wait for the library.
func (g *Group) watch() {
	defer close(g.leadership)
	var leading bool           // as the library said last
	var truth, told Leadership // what there is to tell, and what the reader knows
	for {
		var out chan<- Leadership
		next := truth
		switch {
		case truth == told || !truth.Leading && !told.Leading:
		case told.Leading:
			out, next = g.leadership, Leadership{Term: told.Term}
		default:
			out = g.leadership
		}
		select {
		case leading = <-g.notify:
			if leading {
				tell(g.won)
			} else {
				truth.Leading = false
			}
		case term := <-g.confirmed:
			// Compared with the present term, since what was confirmed may have been lost since.
			if leading && term == g.raft.Load().CurrentTerm() {
				truth = Leadership{Leading: true, Term: term}
			}
		case out <- next:
			told = next
		case <-g.stopped:
			return
		}
	}
}
