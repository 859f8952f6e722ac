package raftlog

import (
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// successionStep is how long the next in line waits for the one before.
const successionStep = 250 * time.Millisecond

// A killed process leaves its groups without a leader until followers miss it, one to three times ElectionTimeout later. But its
// connections break at once, and its machine refuses new ones, which nothing but a dead process does. So then a follower is
// handed the order that a leader gives to its successor (TimeoutNow): it stands at once, and the others vote although they
// still believe in the old one. Elections are safe whenever they are held; what must not happen is that many stand at
// once, or that a sound leader is deposed. Hence the line (successor) and what is looked at again at the last moment
// (mayStand).

// order asks the relay to hand the library a TimeoutNow, if it still should.
type order struct {
	leader raft.ServerAddress
	term   uint64
}

// succeed is told that the process behind an address is gone. It does not block.
func (g *Group) succeed(dead raft.ServerAddress) {
	library := g.raft.Load()
	if library == nil {
		return
	}
	leader, _ := library.LeaderWithID()
	o := order{leader: dead, term: library.CurrentTerm()}
	place, voter := g.line(library, dead)
	if leader != dead || !voter || g.succession.Swap(o.term) == o.term {
		return
	}
	g.spawn("succession", func() { g.wait(o, time.Duration(place)*successionStep) })
}

// line returns this node's place in the line of successors: by name, beginning with another for each group. It is false when
// the node has no vote.
func (g *Group) line(library *raft.Raft, dead raft.ServerAddress) (place int, voter bool) {
	var names []string
	for _, server := range library.GetConfiguration().Configuration().Servers {
		if server.Suffrage == raft.Voter && server.Address != dead {
			names = append(names, string(server.ID))
		}
	}
	slices.Sort(names)
	at := slices.Index(names, g.settings.node)
	if at < 0 {
		return 0, false
	}
	return (at + int(g.settings.number)) % len(names), true
}

// wait gives the order when its time has come.
func (g *Group) wait(o order, delay time.Duration) {
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-g.stopping:
		return
	}
	select {
	case g.orders <- o:
	case <-g.stopping:
	}
}

// carryOut hands the library the order. It runs on the relay, so that nothing from others comes in between.
func (g *Group) carryOut(o order) {
	// What the library was given before it may still be working on. It answers a message of a protocol that it doesn't know
	// with an error, when it gets there.
	if !g.give(&raft.TimeoutNowRequest{}) {
		return
	}
	if !g.mayStand(o) {
		return
	}
	g.log.Info("the leader's process is gone; standing for election", "leader", o.leader, "term", o.term)
	g.give(&raft.TimeoutNowRequest{RPCHeader: raft.RPCHeader{ProtocolVersion: raft.ProtocolVersionMax}})
}

// mayStand says whether nothing has happened since the order was given: no vote, no other leader, no other term.
func (g *Group) mayStand(o order) bool {
	library := g.raft.Load()
	leader, _ := library.LeaderWithID()
	_, voter := g.line(library, o.leader)
	return voter && library.State() == raft.Follower && leader == o.leader && library.CurrentTerm() == o.term && g.broken() == nil
}

// give hands the library a message of this node's own, and waits until it is dealt with. It is false when the group closes.
func (g *Group) give(request *raft.TimeoutNowRequest) bool {
	answers := make(chan raft.RPCResponse, 1)
	select {
	case g.link.rpcs <- raft.RPC{Command: request, RespChan: answers}:
		<-answers
		return true
	case <-g.stopping:
		return false
	}
}
