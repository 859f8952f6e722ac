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
	// Version is the release that it runs.
	Version string
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
}

// Cluster tells of nodes and partitions.
func (a *Admin) Cluster(ctx context.Context) (*Cluster, error) {
	response, err := a.client.admin.DescribeCluster(ctx, &freshetv1.DescribeClusterRequest{})
	if err != nil {
		return nil, errorOf(ctx, err)
	}
	return &Cluster{
		Name: response.GetName(), ID: response.GetId(),
		Nodes: convert(response.GetNodes(), func(n *freshetv1.Node) Node {
			return Node{Name: n.GetName(), Address: n.GetApiAddress(), Version: n.GetVersion()}
		}),
		Partitions: convert(response.GetPartitions(), func(p *freshetv1.Partition) Partition {
			return Partition{
				Number: p.GetNumber(), Leader: p.GetLeader(), Term: p.GetTerm(), Applied: p.GetApplied(),
				LogBytes: p.GetLogBytes(), LogBytesMax: p.GetLogBytesMax(),
				OldestHolder: p.GetOldestHolder(), OldestOffset: p.GetOldestOffset(),
			}
		}),
	}, nil
}
