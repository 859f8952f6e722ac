package raftlog

import (
	"slices"
	"time"

	"github.com/hashicorp/raft"
)

// successionStep is how long the next in line waits for the one before.
const successionStep = 250 * time.Millisecond

// A follower whose leader has fallen silent stands for election, but the library looks at random moments, up to twice
// HeartbeatTimeout apart, and so notices up to three times as late. And of two survivors the first to stand is refused,
// since the other still believes in the leader; the second wins, unless its log is behind; then the first has to try
// again, up to twice ElectionTimeout later. So the node looks itself (urge), and has the library look when the
// time has come, one survivor after the other. Then a leader that was cut off is replaced within 4 s:
//
//	0        1.2 s              1.45 s                          3.6 s
//	├── silent ┤ first stands,     ┤ second stands: leads,         ┤ first tries again at the latest: leads
//	           │ is refused        │ or its log is behind          │

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

// PeerRefused tells a group with a log of its own what Hooks.PeerRefused tells those of a node: that the process behind an address is
// gone. If it led, this node may stand for election at once. It does not block.
func (g *Group) PeerRefused(address string) { g.succeed(raft.ServerAddress(address)) }

// succeed is told that the process behind an address is gone. It does not block.
func (g *Group) succeed(dead raft.ServerAddress) {
	library := g.raft.Load()
	if library == nil {
		return
	}
	leader, _ := library.LeaderWithID()
	o := order{leader: dead, term: library.CurrentTerm()}
	// Who was told before may stand already. This node has refused it, or been refused, and knows of no leader any more, perhaps before its term
	// has changed; whether it has voted is looked at when its turn has come (mayStand).
	if led := g.led.Load(); leader == "" && led != nil && led.leader == dead && led.term <= o.term {
		leader, o.term = dead, led.term
	}
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

// mayStand says whether nothing has happened since the order was given: no other leader was heard of, and no vote given. A
// candidate may have been refused, since its log is behind this one's; that raises the term, and forgets the leader, perhaps between the two being
// asked for when the order was given.
func (g *Group) mayStand(o order) bool {
	library := g.raft.Load()
	leader, _ := library.LeaderWithID()
	term := library.CurrentTerm()
	_, voter := g.line(library, o.leader)
	if !voter || library.State() != raft.Follower || g.broken() != nil {
		return false
	}
	if leader != "" {
		return leader == o.leader && term == o.term
	}
	voted, err := g.entries.GetUint64(keyLastVoteTerm)
	if err != nil {
		voted = 0 // it never did
	}
	return voted < term
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

// urge makes the library look for its leader, when that has been silent for as long as it may, and says when to ask again.
func (g *Group) urge() (again time.Duration) {
	library := g.raft.Load()
	if library == nil || library.State() != raft.Follower || g.broken() != nil {
		return never
	}
	contact := library.LastContact()
	if begun := time.Unix(0, g.begun.Load()); contact.Before(begun) {
		contact = begun
	}
	left := g.settings.electionTimeout - time.Since(contact)
	if left > 0 {
		return left
	}
	if g.urged.Load() == contact.UnixNano() {
		return never
	}
	leader, _ := library.LeaderWithID()
	place, voter := g.line(library, leader)
	if !voter {
		return never
	}
	if left += time.Duration(place) * successionStep; left > 0 {
		return left
	}
	g.urged.Store(contact.UnixNano())
	// A timeout that gets shorter makes it look at once.
	config := library.ReloadableConfig()
	for _, timeout := range []time.Duration{g.settings.electionTimeout + 1, g.settings.electionTimeout} {
		config.HeartbeatTimeout = timeout
		if err := library.ReloadConfig(config); err != nil {
			g.log.Error("can't have the library look for its leader", "error", err)
		}
	}
	return never
}
