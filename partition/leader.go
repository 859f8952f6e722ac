package partition

import (
	"context"
	"errors"

	"github.com/freshet-mq/freshet/raftlog"
)

// Leader is who leads a partition, as far as a replica knows.
type Leader struct {
	// Node is its name; empty: nobody is known to.
	Node string
	// Address is where other nodes reach it.
	Address string
	// Term in which it leads. Of two leaders the one of the higher term is the later.
	Term Term
	// Here: it is this replica, and it takes on commands.
	Here bool
}

// Leader returns who leads. A replica that has won an election is said to lead once it takes on commands.
func (p *Partition) Leader() Leader {
	s := p.group.Status()
	l := Leader{Node: s.Leader, Address: s.Address, Term: Term(s.Term)}
	if l.Node != p.options.Log.Name() {
		return l
	}
	if l.Here = p.leading.Load(); !l.Here {
		l.Node, l.Address = "", ""
	}
	return l
}

// AwaitLeader returns who leads, as soon as the replica knows of somebody. ErrUnavailable: the context has ended before, or the replica was closed.
func (p *Partition) AwaitLeader(ctx context.Context) (Leader, error) {
	for {
		changed, in := p.group.LeaderChanged(), p.Leads()
		if l := p.Leader(); l.Node != "" {
			return l, nil
		}
		if p.leading.Load() {
			in = nil // what the group knows already, the proposer is about to hear
		}
		select {
		case <-changed:
		case <-in:
		case <-p.closing:
			return Leader{}, ErrUnavailable
		case <-ctx.Done():
			return Leader{}, errors.Join(ErrUnavailable, ctx.Err())
		}
	}
}

// Group is the partition's part of the log: who its members are, and how they are changed. Entries of its own go through the partition alone.
func (p *Partition) Group() *raftlog.Group { return p.group }

// Ready waits until the replica leads and has applied all that leaders before it had stored.
func (p *Partition) Ready(ctx context.Context) error {
	select {
	case <-p.Leads():
		return nil
	case <-p.closing:
		return ErrUnavailable
	case <-ctx.Done():
		return errors.Join(ErrUnavailable, ctx.Err())
	}
}

// Verify makes sure that the replica leads: a majority has said so since it was called, so that what the replica has is all that was ever answered. It costs
// no entry. ErrUnavailable: it doesn't lead, or can't reach a majority.
func (p *Partition) Verify(ctx context.Context) error {
	if !p.leading.Load() {
		return ErrUnavailable
	}
	if err := p.group.Verify(ctx); err != nil {
		return errors.Join(ErrUnavailable, err)
	}
	return nil
}

// HandOn has another replica lead, if this one does: the one that is furthest. It returns once this one doesn't; then nothing that was asked of it is
// left without an answer for want of a leader for longer than a vote takes. An error says why nobody took over, and this replica leads on.
func (p *Partition) HandOn(ctx context.Context) error {
	err := p.group.TransferLeadership(ctx, "")
	if errors.Is(err, raftlog.ErrNotLeader) || errors.Is(err, raftlog.ErrClosed) {
		return nil
	}
	return err
}

// Leads returns a channel that is closed once the replica takes on commands: at once, where it does.
func (p *Partition) Leads() <-chan struct{} {
	p.leadership.Lock()
	defer p.leadership.Unlock()
	return p.leadership.in
}

// Follows returns a channel that is closed once the replica takes on no commands: at once, where it doesn't.
func (p *Partition) Follows() <-chan struct{} {
	p.leadership.Lock()
	defer p.leadership.Unlock()
	return p.leadership.out
}

// lead marks leadership as gained, once the proposer is ready for commands, or as lost.
func (p *Partition) lead(leading bool) {
	l := &p.leadership
	l.Lock()
	defer l.Unlock()
	if p.leading.Swap(leading) == leading {
		return
	}
	if leading {
		close(l.in)
		l.out = make(chan struct{})
	} else {
		close(l.out)
		l.in = make(chan struct{})
	}
}
