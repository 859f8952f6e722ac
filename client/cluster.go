package client

import (
	"context"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Cluster is what the node that was asked knows of its cluster.
type Cluster struct {
	// Name is the configured one, ID was made when the cluster was first started.
	Name, ID string
	// Nodes by name, and Partitions by number.
	Nodes      []Node
	Partitions []Partition
}

// Node is one server.
type Node struct {
	Name string
	// Address is where clients reach it.
	Address string
	// PeerAddress is where other nodes reach it; empty in a cluster of one.
	PeerAddress string
	// Version is the release that it runs.
	Version string
	// Reached is false when the node that was asked got no answer from it.
	Reached bool
	// Waiting: it runs with a new data directory, and waits to be let in (Admin.ReplaceNode).
	Waiting bool
	// Joining: it was let in, and has yet to catch up in some groups before it counts for their majorities.
	Joining bool
}

// Partition is one Raft group.
type Partition struct {
	Number uint32
	// Leader is the name of the node that leads it, empty while none does, and Term is Raft's.
	Leader string
	Term   uint64
	// Applied is the index of the last entry applied.
	Applied uint64
	// LogBytes is what its log holds, LogBytesMax how much it may. Publishing is refused at 90 %.
	LogBytes, LogBytesMax uint64
	// OldestHolder is the subscription, with its member, that holds the oldest event, and OldestOffset where that is. Empty when nothing
	// is held.
	OldestHolder string
	OldestOffset uint64
	// Replicas are what the nodes that were reached have of it.
	Replicas []Replica
}

// Replica is what one node has of a partition.
type Replica struct {
	// Node is the node's name.
	Node string
	// Applied is the index of the last entry that it applied, Last of the last that it has.
	Applied, Last uint64
	// StateHash is the hash of the state after the entry Applied, 0 unless it was asked for. Replicas that have applied the
	// same entries have the same.
	StateHash uint64
	// Debt is how many entries the replica still has to fetch before it could serve all that is retained.
	Debt uint64
}

// Cluster tells of nodes and partitions.
func (a *Admin) Cluster(ctx context.Context) (*Cluster, error) {
	response, err := a.client.admin.DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{})
	if err != nil {
		return nil, errorOf(ctx, err)
	}
	return &Cluster{
		Name: response.GetName(), ID: response.GetId(),
		Nodes: convert(response.GetNodes(), nodeOf), Partitions: convert(response.GetPartitions(), partitionOf),
	}, nil
}

// ReplaceNode lets a node take part anew, with the empty data directory that it was started with, in place of the one that it had. That one has to be gone
// for good: should a node come back with it, it is refused. The node fetches what it lacks and gets its votes back by itself; Cluster tells how far it
// is. generation is how often the node has come with a new directory, 2 the first time; asking again is answered with the same.
//
// Errors: FR2002 for a name that no member has, and for a node that runs with the directory that the cluster knows; FR5001 for one that can't be reached: it has to
// be running, and waiting.
func (a *Admin) ReplaceNode(ctx context.Context, node string) (generation uint32, err error) {
	response, err := a.client.admin.ReplaceNode(ctx, &freshetv1.ReplaceNodeRequest{Node: node})
	if err != nil {
		return 0, errorOf(ctx, err)
	}
	return response.GetGeneration(), nil
}

// NodeState is what one node has itself.
type NodeState struct {
	Node
	// Partitions are what the node knows of each, with its own replica alone.
	Partitions []Partition
}

// NodeState tells what the node has at the first address that Connect was given; no other is asked. With stateHashes its replicas have the hashes of their
// states, each of which costs a walk over the partition's state.
func (a *Admin) NodeState(ctx context.Context, stateHashes bool) (*NodeState, error) {
	l, err := a.client.nodes.first(forConsuming)
	if err != nil {
		return nil, err
	}
	response, err := freshetv1.NewAdminServiceClient(l).DescribeNode(ctx, &freshetv1.DescribeNodeRequest{StateHashes: stateHashes})
	if err != nil {
		return nil, errorOf(ctx, err)
	}
	return &NodeState{Node: nodeOf(response.GetNode()), Partitions: convert(response.GetPartitions(), partitionOf)}, nil
}

func nodeOf(n *freshetv1.Node) Node {
	return Node{
		Name: n.GetName(), Address: n.GetApiAddress(), PeerAddress: n.GetPeerAddress(), Version: n.GetVersion(), Reached: n.GetReached(),
		Waiting: n.GetWaiting(), Joining: n.GetJoining(),
	}
}

func partitionOf(p *freshetv1.Partition) Partition {
	return Partition{
		Number: p.GetNumber(), Leader: p.GetLeader(), Term: p.GetTerm(), Applied: p.GetApplied(),
		LogBytes: p.GetLogBytes(), LogBytesMax: p.GetLogBytesMax(),
		OldestHolder: p.GetOldestHolder(), OldestOffset: p.GetOldestOffset(),
		Replicas: convert(p.GetReplicas(), func(r *freshetv1.Replica) Replica {
			return Replica{
				Node: r.GetNode(), Applied: r.GetApplied(), Last: r.GetLast(), StateHash: r.GetStateHash(), Debt: r.GetDebt(),
			}
		}),
	}
}
