package broker

import (
	"context"
	"log/slog"
	"slices"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	"github.com/freshet-mq/freshet/raftlog"
)

// roster drives who the members of the groups are to what the catalog says (catalog.Member). A node that takes another's place, or its own with another
// directory, comes in step by step, in each group by whoever leads it:
//
//	n1 n2 n3 ──▶ n1 n2 ──▶ n1 n2 (n3#2) ─── caught up ──▶ n1 n2 n3#2
//	         the old one   the new one,                   with a vote
//	         goes          without a vote
//
// The old one goes first. From then on what it had promised counts for nothing: whoever is elected has it from the others, all of whom, or a majority
// of them, have the entry by which it went. Between the steps there is nothing to remember: each follows from catalog and group.
type roster struct {
	metadata *metadata
	groups   []rosterGroup
	peers    *peers
	self     string // as the groups have it
	logger   *slog.Logger
}

// rosterGroup is a group, and what its leader had applied when it was looked at last, if it was: whoever has applied that by the next time has caught up.
type rosterGroup struct {
	name   string
	group  *raftlog.Group
	looked bool
	goal   uint64
}

const (
	// rosterApart is how long the roster waits before it looks again at groups that aren't as they should be.
	rosterApart = 500 * time.Millisecond
	// rosterWithin bounds one change of a group, which waits for a majority to store it.
	rosterWithin = 5 * time.Second
)

func newRoster(m *metadata, ps *partitions, peers *peers, self string, logger *slog.Logger) *roster {
	r := &roster{metadata: m, peers: peers, self: self, logger: logger, groups: []rosterGroup{{name: "metadata", group: m.group}}}
	for _, p := range ps.all {
		r.groups = append(r.groups, rosterGroup{name: "partition", group: p.Group()})
	}
	return r
}

// run drives until the context ends.
func (r *roster) run(ctx context.Context) {
	for {
		view := r.metadata.view()
		if r.pass(ctx, view.Members()) {
			select {
			case <-view.Changed():
			case <-ctx.Done():
				return
			}
			continue
		}
		timer := time.NewTimer(rosterApart)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return
		}
	}
}

// joining tells whether this node has no vote yet in one of its groups.
func (r *roster) joining() bool {
	for i := range r.groups {
		votes := slices.ContainsFunc(r.groups[i].group.Members(), func(m raftlog.Member) bool { return m.Node == r.self && m.Voter })
		if !votes {
			return true
		}
	}
	return false
}

// pass takes one step in each group that this node leads, and tells whether all of them are as they should be.
func (r *roster) pass(ctx context.Context, members []catalog.Member) (settled bool) {
	settled = true
	var progress map[string][]*peerpb.Progress // asked for once a pass
	for i := range r.groups {
		g := &r.groups[i]
		there := g.group.Members()
		step := nextStep(there, members, r.addressOf)
		if step == nil {
			g.looked = false
			settled = settled && len(there) > 0 // without members it is yet to be taken in
			continue
		}
		settled = false
		if g.group.Status().Leader != r.self || step.node == r.self {
			continue
		}
		looked, goal := g.looked, g.goal
		g.looked, g.goal = true, g.group.Status().Applied
		if step.kind == stepPromote {
			if progress == nil {
				progress = map[string][]*peerpb.Progress{}
			}
			node := nodeOf(step.node)
			if _, asked := progress[node]; !asked {
				progress[node] = r.ask(ctx, node)
			}
			if there := progress[node]; !looked || i >= len(there) || there[i].GetApplied() < goal || there[i].GetDebt() > 0 {
				continue
			}
		}
		if err := r.take(ctx, g.group, step); err != nil && ctx.Err() == nil {
			r.logger.Warn("a group's members can't be changed; trying again", "group", g.name, "number", i-1, "step", step.kind.String(), "member", step.node, "error", err)
			continue
		}
		r.logger.Info("a group's members changed", "group", g.name, "number", i-1, "step", step.kind.String(), "member", step.node)
	}
	return settled
}

// ask asks a node how far its groups are. One that doesn't answer has come nowhere.
func (r *roster) ask(ctx context.Context, node string) []*peerpb.Progress {
	conn, ok := r.peers.conn(node)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, greetWithin)
	defer cancel()
	res, err := peerpb.NewPeerServiceClient(conn).Greet(ctx, &peerpb.GreetRequest{})
	if err != nil {
		r.logger.Debug("a node doesn't tell how far it is", "node", node, "error", err)
		return nil
	}
	return res.GetProgress()
}

func (r *roster) addressOf(node string) string {
	i := slices.IndexFunc(r.peers.all, func(p Peer) bool { return p.Name == node })
	if i < 0 {
		return ""
	}
	return r.peers.all[i].Address
}

// take takes a step.
func (r *roster) take(ctx context.Context, g *raftlog.Group, step *memberStep) error {
	ctx, cancel := context.WithTimeout(ctx, rosterWithin)
	defer cancel()
	member := raftlog.Member{Node: step.node, Address: step.address}
	switch step.kind {
	case stepRemove:
		return g.RemoveMember(ctx, step.node)
	case stepAdd:
		return g.AddNonvoter(ctx, member)
	default:
		member.Voter = true
		return g.AddVoter(ctx, member)
	}
}

// memberStep is a change of a group's members.
type memberStep struct {
	kind          stepKind
	node, address string
}

type stepKind uint8

const (
	stepRemove stepKind = iota + 1
	stepAdd
	stepPromote
)

func (k stepKind) String() string { return [...]string{"", "remove", "add", "promote"}[k] }

// nextStep returns what brings a group nearer to what the catalog says; nil: it is there. Members whom the catalog doesn't know stay: that it
// doesn't mention one proves nothing (M2).
func nextStep(there []raftlog.Member, wanted []catalog.Member, addressOf func(node string) string) *memberStep {
	if len(there) == 0 {
		return nil
	}
	for _, member := range wanted {
		name := raftName(member.Node, member.Generation)
		newer := false // this node's catalog is behind, and whoever leads knows more
		for _, other := range there {
			node, generation := splitRaftName(other.Node)
			switch {
			case node != member.Node:
			case generation < member.Generation:
				return &memberStep{stepRemove, other.Node, other.Address}
			case generation > member.Generation:
				newer = true
			}
		}
		if newer {
			continue
		}
		i := slices.IndexFunc(there, func(m raftlog.Member) bool { return m.Node == name })
		switch {
		case i < 0:
			if address := addressOf(member.Node); address != "" {
				return &memberStep{stepAdd, name, address}
			}
		case !there[i].Voter:
			return &memberStep{stepPromote, name, there[i].Address}
		}
	}
	return nil
}
