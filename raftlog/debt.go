package raftlog

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hashicorp/raft"
)

const (
	// fetchBytesMax is how much is asked of a peer at once.
	fetchBytesMax = 4 << 20
	// fetchTimeout is how long a peer may take for it.
	fetchTimeout = 30 * time.Second
	// fetchRetry is how long a member in debt waits when nobody has what it wants.
	fetchRetry = time.Second
	// fetchHold is how long what lies behind a peer's fetch is kept for the next.
	fetchHold = time.Minute
	// handOnEvery is how often a leader in debt tries to hand leadership on.
	handOnEvery = 10 * time.Second
)

// fetcher asks other nodes for entries: the node's Transport.
type fetcher interface {
	Fetch(ctx context.Context, peer raft.ServerAddress, group GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error)
}

// A state that is installed comes without the entries that it was made of. Those that the owner retains the member then lacks:
// it is in debt. It says so (Debt), fetches them from other members, the first first, and hands leadership on if it is
// elected meanwhile. Whoever is asked keeps what is behind for a while, so that it does not go in between.
//
//	── gone ──┤ retained                         installed │ the log
//	          │   missing: the debt                        │
type debt struct {
	installed atomic.Uint64 // what the checkpoint stands for that the library was started on
	changed   chan struct{} // holds one
	handedOn  time.Time     // when leadership was offered last; confirm's
}

// Debt returns the first run of entries that the group's owner wants (Retain), and that this node lacks. Before the first Retain
// nobody knows what is wanted, and nothing is owed.
func (g *Group) Debt() (from, to uint64, owed bool) {
	if g.shared == nil {
		return 0, 0, false
	}
	wanted := g.shared.marks.wanted()
	installed := g.debt.installed.Load()
	if wanted == 0 || wanted > installed {
		return 0, 0, false
	}
	return g.shared.Missing(wanted, installed)
}

// payDebt fetches what is owed, as long as anything is.
func (g *Group) payDebt() {
	ctx, cancel := context.WithCancel(context.Background()) //nolint:forbidigo // nobody calls for it; the group's end cancels it
	g.helpers.Go(func() { <-g.stopping; cancel() })
	for {
		var again <-chan time.Time
		if from, to, owed := g.Debt(); owed {
			paid, err := g.fetch(ctx, from, to)
			if paid > 0 {
				continue
			}
			g.log.Debug("nobody has what this node lacks", "from", from, "to", to, "error", err)
			again = time.After(fetchRetry)
		}
		select {
		case <-again:
		case <-g.debt.changed:
		case <-g.stopping:
			return
		}
	}
}

// handOn gives leadership to another voter while this node lacks what its owner wants, and says whether one took it. It tries
// once in a while: where all are in debt, one of them has to lead.
func (g *Group) handOn() bool {
	if _, _, owed := g.Debt(); !owed || time.Since(g.debt.handedOn) < handOnEvery {
		return false
	}
	g.debt.handedOn = time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), 3*g.settings.electionTimeout) //nolint:forbidigo // as payDebt's
	defer cancel()
	err := g.TransferLeadership(ctx, "")
	g.log.Info("leads, and lacks what its owner wants; handing leadership on", "error", err)
	return err == nil
}

// fetch asks the leader, and then all others, for entries, and stores what the first one has of them.
func (g *Group) fetch(ctx context.Context, from, to uint64) (paid int, err error) {
	library := g.raft.Load()
	leader, _ := library.LeaderWithID()
	peers := []raft.ServerAddress{leader}
	for _, server := range library.GetConfiguration().Configuration().Servers {
		if server.Address != leader && server.ID != raft.ServerID(g.settings.node) {
			peers = append(peers, server.Address)
		}
	}
	var errs []error
	for _, peer := range peers {
		if peer == "" || peer == g.transport.LocalAddr() {
			continue
		}
		entries, err := g.ask(ctx, peer, from, to)
		if err == nil && len(entries) > 0 {
			if err = g.shared.Adopt(entries); err == nil {
				return len(entries), nil
			}
		}
		errs = append(errs, err)
	}
	return 0, errors.Join(errs...)
}

// ask fetches entries from one peer, and believes only what can be true.
func (g *Group) ask(ctx context.Context, peer raft.ServerAddress, from, to uint64) ([]*raft.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	entries, err := g.fetcher.Fetch(ctx, peer, g.settings.number, from, to, fetchBytesMax)
	if err != nil {
		return nil, err
	}
	next, term := from, uint64(0)
	for _, entry := range entries {
		if entry.Index != next || entry.Index > to || entry.Term < term || entry.Term > g.raft.Load().CurrentTerm() {
			return nil, fmt.Errorf("raftlog: %s was asked for entries %d to %d and gave entry %d of term %d", peer, from, to, entry.Index, entry.Term)
		}
		next, term = entry.Index+1, entry.Term
	}
	return entries, nil
}

// serveFetch implements Hooks.Fetch: entries that are applied here, from the first that is asked for to the last that is
// there without a gap.
func (n *Node) serveFetch(number GroupNumber, from, to uint64, bytesMax int) ([]*raft.Log, error) {
	g := n.group(number)
	if g == nil {
		return nil, fmt.Errorf("raftlog: %s does not run group %d", n.options.Name, number)
	}
	g.shared.hold(from, n.options.Now().Add(fetchHold))
	to = min(to, g.applier.position.Load())
	var entries []*raft.Log
	for bytes := 0; from <= to && bytes < bytesMax; from++ {
		entry := &raft.Log{}
		if err := g.shared.Read(from, entry); errors.Is(err, raft.ErrLogNotFound) {
			break
		} else if err != nil {
			return nil, err
		}
		entries = append(entries, entry)
		bytes += len(entry.Data) + len(entry.Extensions) + EntryOverhead
	}
	return entries, nil
}

// retainMarks is what the owner of a group wants, and what is kept for peers that fetch.
type retainMarks struct {
	mu struct {
		sync.Mutex
		owner uint64 // 0 until it says so
		held  uint64
		until time.Time // zero: nothing is held
	}
}

// wanted returns the owner's mark.
func (m *retainMarks) wanted() uint64 {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.mu.owner
}

// retain implements entryLog.
func (s *sharedLog) retain(index uint64) {
	s.marks.mu.Lock()
	first := s.marks.mu.owner == 0
	s.marks.mu.owner = max(s.marks.mu.owner, index)
	s.passOnLocked()
	s.marks.mu.Unlock()
	if first {
		tell(s.group.debt.changed)
	}
}

// hold keeps entries from index on until a moment.
func (s *sharedLog) hold(index uint64, until time.Time) {
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	if s.marks.mu.until.IsZero() || index > s.marks.mu.held {
		s.marks.mu.held = index
	}
	s.marks.mu.until = until
}

// expire lets go of what was held until now.
func (s *sharedLog) expire(now time.Time) {
	s.marks.mu.Lock()
	defer s.marks.mu.Unlock()
	if !s.marks.mu.until.IsZero() && now.After(s.marks.mu.until) {
		s.marks.mu.until = time.Time{}
		s.passOnLocked()
	}
}

// passOnLocked tells the log what is wanted by anybody. It never hears of a mark that goes back.
func (s *sharedLog) passOnLocked() {
	mark := s.marks.mu.owner
	if !s.marks.mu.until.IsZero() {
		mark = min(mark, s.marks.mu.held)
	}
	if mark > 0 {
		s.Retain(mark)
	}
}
