package raftlog

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/hashicorp/raft"
)

// Members returns who the group consists of, as far as this node knows.
func (g *Group) Members() []Member {
	return membersOf(g.raft.Load().GetConfiguration().Configuration())
}

// AddVoter makes a node a voter of the group: a new member, or one that had no vote. A new one is better added without a vote
// first, and given one when it has caught up: until then it counts for majorities and helps none. Errors are those of
// Future.Wait; only the leader can do it.
func (g *Group) AddVoter(ctx context.Context, member Member) error {
	return g.changeMembers(ctx, func(library *raft.Raft) raft.Future {
		return library.AddVoter(raft.ServerID(member.Node), raft.ServerAddress(member.Address), 0, g.settings.electionTimeout)
	})
}

// AddNonvoter makes a node a member that follows without a vote. A voter stays one. Errors are AddVoter's.
func (g *Group) AddNonvoter(ctx context.Context, member Member) error {
	return g.changeMembers(ctx, func(library *raft.Raft) raft.Future {
		return library.AddNonvoter(raft.ServerID(member.Node), raft.ServerAddress(member.Address), 0, g.settings.electionTimeout)
	})
}

// RemoveMember takes a node out of the group; what it has on disk stays until Node.Remove. A leader that removes itself leads
// until the others have that entry. Errors are AddVoter's.
func (g *Group) RemoveMember(ctx context.Context, node string) error {
	return g.changeMembers(ctx, func(library *raft.Raft) raft.Future {
		return library.RemoveServer(raft.ServerID(node), 0, g.settings.electionTimeout)
	})
}

// changeMembers carries out one change. The library takes one at a time, and none before its term's first entry is committed;
// handing one over waits for that, an election timeout at most.
func (g *Group) changeMembers(ctx context.Context, start func(*raft.Raft) raft.Future) error {
	if g.raft.Load().State() != raft.Leader {
		return ErrNotLeader // the library would only say so later
	}
	_, err := g.submit(start).Wait(ctx)
	return err
}

// TransferLeadership hands leadership to another voter: to the named one, or to the one that is furthest if the name is empty.
// It returns when this node does not lead any more. Proposals are refused with ErrNotLeader meanwhile. An error other than
// ErrNotLeader and ErrClosed says why nobody took over; this node leads on then.
func (g *Group) TransferLeadership(ctx context.Context, to string) error {
	if !g.change() {
		return ErrClosed
	}
	defer g.release()
	library := g.raft.Load()
	if library.State() != raft.Leader {
		return ErrNotLeader
	}
	var transfer raft.Future
	if to == "" {
		transfer = library.LeadershipTransfer()
	} else {
		address, err := g.addressOf(to)
		if err != nil {
			return err
		}
		transfer = library.LeadershipTransferToServer(raft.ServerID(to), address)
	}
	err := transfer.Error() // within two election timeouts
	if err == nil {
		return nil
	}
	// The library may go on refusing proposals for good (raft issue 696): it waits for a replicator that has gone. Then it
	// is built anew; that ends its leadership as well.
	if stuck := g.stuck(ctx, library); stuck {
		g.log.Warn("a transfer of leadership does not end; starting the group anew", "error", err)
		if rebuilt := g.rebuild(); rebuilt != nil && !errors.Is(rebuilt, ErrClosed) {
			g.fail(fmt.Errorf("raftlog: after a transfer of leadership: %w", rebuilt))
			return rebuilt
		}
	}
	return fmt.Errorf("raftlog: nobody took over the leadership of group %s: %w", g.settings.name, err)
}

func (g *Group) addressOf(node string) (raft.ServerAddress, error) {
	for _, server := range g.raft.Load().GetConfiguration().Configuration().Servers {
		if string(server.ID) == node {
			if server.Suffrage != raft.Voter {
				return "", fmt.Errorf("raftlog: %q has no vote in group %s", node, g.settings.name)
			}
			return server.Address, nil
		}
	}
	return "", fmt.Errorf("raftlog: %q is no member of group %s", node, g.settings.name)
}

// stuck says whether a library that leads goes on refusing proposals after a transfer of leadership has failed.
func (g *Group) stuck(ctx context.Context, library *raft.Raft) bool {
	ticker := time.NewTicker(g.settings.electionTimeout / 10)
	defer ticker.Stop()
	for range 20 {
		if library.State() != raft.Leader {
			return false
		}
		if _, err := g.barrier().Wait(ctx); !errors.Is(err, ErrNotLeader) {
			return false
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return false
		}
	}
	return true
}
