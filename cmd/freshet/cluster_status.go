package main

import (
	"cmp"
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/freshet-mq/freshet/client"
)

// clusterStatusCommand tells of nodes and partitions.
type clusterStatusCommand struct{}

// Help tells more.
func (*clusterStatusCommand) Help() string {
	return `
Nodes: whether the one that was asked reached them, and how many partitions each leads. One that WAITS
has an empty data directory, and takes part in nothing until it is let in (freshet cluster replace); one
that JOINS was, and has yet to catch up before it counts for majorities. Partitions:
who leads, Raft's term, the last entry applied, how many entries each replica is behind ("?": it was
not reached; "+9 to fetch": it lacks that much of what is retained), what the log holds, and which
subscription keeps its oldest event from being freed.

  freshet cluster status
  freshet cluster status --server 127.0.0.1:7610 --json
`
}

func (*clusterStatusCommand) uses() everyday { return usesServer | usesOutput }

// clusterAnswer is what cluster status says to programs.
type clusterAnswer struct {
	Name       string            `json:"name"`
	ID         string            `json:"id"`
	Nodes      []nodeAnswer      `json:"nodes"`
	Partitions []partitionAnswer `json:"partitions"`
}

type nodeAnswer struct {
	Name        string `json:"name"`
	Reached     bool   `json:"reached"`
	Waiting     bool   `json:"waiting,omitempty"` // runs with a new data directory, and waits to be let in
	Joining     bool   `json:"joining,omitempty"` // was let in, and has no vote yet in some groups
	Address     string `json:"address"`
	PeerAddress string `json:"peer_address,omitempty"`
	Version     string `json:"version"`
	Leads       int    `json:"leads"` // partitions
}

type partitionAnswer struct {
	Number      uint32          `json:"number"`
	Leader      string          `json:"leader"` // empty: nobody leads
	Term        uint64          `json:"term"`
	Applied     uint64          `json:"applied"`
	LogBytes    uint64          `json:"log_bytes"`
	LogBytesMax uint64          `json:"log_bytes_max"`
	Oldest      *oldestAnswer   `json:"oldest,omitempty"` // absent: nothing is held
	Replicas    []replicaAnswer `json:"replicas"`
}

type oldestAnswer struct {
	HeldBy string `json:"held_by"` // the subscription, with @member
	Offset uint64 `json:"offset"`
}

type replicaAnswer struct {
	Node    string `json:"node"`
	Applied uint64 `json:"applied"`
	Last    uint64 `json:"last"`
	Lag     uint64 `json:"lag"`  // entries that others have applied and it has not
	Debt    uint64 `json:"debt"` // entries that it has to fetch before it could serve all that is retained
}

func (*clusterStatusCommand) run(ctx context.Context, call *invocation) error {
	return call.withClient(ctx, func(c *client.Client) error {
		ctx, cancel := call.within(ctx)
		defer cancel()
		seen, err := c.Admin().Cluster(ctx)
		if err != nil {
			return err
		}
		answer := clusterAnswerOf(seen)
		if call.out.structured() {
			call.out.object(answer)
			return nil
		}
		call.out.linef("cluster %s  %s", printable(answer.Name), answer.ID)
		call.out.linef("")
		call.out.table(nodeTable(answer))
		call.out.linef("")
		call.out.table(partitionTable(answer))
		for _, n := range answer.Nodes {
			if n.Waiting {
				call.notef("%s waits with an empty data directory; if the one that it had is gone for good: freshet cluster replace %s", n.Name, n.Name)
			}
		}
		return nil
	})
}

func clusterAnswerOf(seen *client.Cluster) *clusterAnswer {
	answer := &clusterAnswer{Name: seen.Name, ID: seen.ID, Nodes: []nodeAnswer{}, Partitions: []partitionAnswer{}}
	leads := map[string]int{}
	for i := range seen.Partitions {
		p := partitionAnswerOf(&seen.Partitions[i])
		leads[p.Leader]++
		answer.Partitions = append(answer.Partitions, p)
	}
	for _, n := range seen.Nodes {
		answer.Nodes = append(answer.Nodes, nodeAnswer{
			Name: n.Name, Reached: n.Reached, Waiting: n.Waiting, Joining: n.Joining, Address: n.Address, PeerAddress: n.PeerAddress, Version: n.Version, Leads: leads[n.Name],
		})
	}
	return answer
}

func partitionAnswerOf(p *client.Partition) partitionAnswer {
	a := partitionAnswer{
		Number: p.Number, Leader: p.Leader, Term: p.Term, Applied: p.Applied, LogBytes: p.LogBytes, LogBytesMax: p.LogBytesMax,
		Replicas: []replicaAnswer{},
	}
	if p.OldestHolder != "" {
		a.Oldest = &oldestAnswer{HeldBy: p.OldestHolder, Offset: p.OldestOffset}
	}
	applied := p.Applied
	for _, r := range p.Replicas {
		applied = max(applied, r.Applied)
	}
	for _, r := range p.Replicas {
		a.Replicas = append(a.Replicas, replicaAnswer{Node: r.Node, Applied: r.Applied, Last: r.Last, Lag: applied - r.Applied, Debt: r.Debt})
	}
	return a
}

func nodeTable(answer *clusterAnswer) table {
	written := table{columns: []column{{name: "NODE"}, {name: "REACHED"}, {name: "LEADS", right: true}, {name: "CLIENTS"}, {name: "NODES"}, {name: "VERSION"}}}
	for _, n := range answer.Nodes {
		reached := "yes"
		switch {
		case n.Waiting:
			reached = "WAITS"
		case n.Joining:
			reached = "JOINS"
		case !n.Reached:
			reached = "NO"
		}
		written.row(n.Name, reached, strconv.Itoa(n.Leads), printable(n.Address), cmp.Or(printable(n.PeerAddress), "-"), printable(n.Version))
	}
	return written
}

func partitionTable(answer *clusterAnswer) table {
	written := table{columns: []column{
		{name: "PARTITION", right: true}, {name: "LEADER"}, {name: "TERM", right: true}, {name: "APPLIED", right: true}, {name: "BEHIND"},
		{name: "LOG", right: true}, {name: "OF", right: true}, {name: "OLDEST HELD BY", shrinks: true},
	}}
	for _, p := range answer.Partitions {
		holder := "-"
		if p.Oldest != nil {
			holder = fmt.Sprintf("%s at %d", printable(p.Oldest.HeldBy), p.Oldest.Offset)
		}
		written.row(strconv.FormatUint(uint64(p.Number), 10), cmp.Or(p.Leader, "NONE"), strconv.FormatUint(p.Term, 10), thousands(int64(p.Applied)),
			behind(&p, answer.Nodes), size(p.LogBytes).rough(), size(p.LogBytesMax).rough(), holder)
	}
	return written
}

// behind names the replicas that lack something: "n2 14, n3 ?", or "-".
func behind(p *partitionAnswer, nodes []nodeAnswer) string {
	has := map[string]replicaAnswer{}
	for _, r := range p.Replicas {
		has[r.Node] = r
	}
	var late []string
	for _, n := range nodes {
		r, known := has[n.Name]
		switch {
		case !known:
			late = append(late, n.Name+" ?")
		case r.Lag > 0 || r.Debt > 0:
			text := fmt.Sprintf("%s %s", n.Name, thousands(int64(r.Lag)))
			if r.Debt > 0 {
				text += fmt.Sprintf(" +%s to fetch", thousands(int64(r.Debt)))
			}
			late = append(late, text)
		}
	}
	return cmp.Or(strings.Join(late, ", "), "-")
}
