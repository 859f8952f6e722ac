package broker

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"

	"google.golang.org/protobuf/proto"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// describeWithin is how long another node may take to tell of itself.
const describeWithin = time.Second

// DescribeNode tells what the node itself has.
func (s *adminService) DescribeNode(ctx context.Context, req *freshetv1.DescribeNodeRequest) (*freshetv1.DescribeNodeResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{}); err != nil {
		return nil, err
	}
	self, ok := proto.Clone(s.self).(*freshetv1.Node)
	if ok {
		self.Joining = s.roster.joining()
	}
	res := &freshetv1.DescribeNodeResponse{Node: self}
	for _, p := range s.partitions.all {
		res.Partitions = append(res.Partitions, s.describe(p, req.GetStateHashes()))
	}
	return res, nil
}

// describe tells what this node has, and knows, of a partition.
func (s *adminService) describe(p hosted, hash bool) *freshetv1.Partition {
	status := p.Status()
	replica := &freshetv1.Replica{Node: s.self.GetName(), Applied: uint64(status.Applied), Last: uint64(status.Last), Debt: status.Debt}
	if hash {
		h := p.StateHash()
		replica.Applied, replica.StateHash = uint64(h.Index), h.Content^h.Effects
	}
	wire := &freshetv1.Partition{
		Number: p.number, Leader: nodeOf(status.Leader.Node), Term: uint64(status.Leader.Term), Applied: uint64(status.Applied),
		LogBytes: uint64(status.LogBytes), LogBytesMax: uint64(status.LogBytesMax), Replicas: []*freshetv1.Replica{replica},
	}
	if status.Held {
		wire.OldestHolder, wire.OldestOffset = s.metadata.cursorName(status.OldestHolder), uint64(status.OldestOffset)
	}
	return wire
}

// DescribeCluster tells of nodes and partitions: what each node says of itself, put together.
func (s *adminService) DescribeCluster(ctx context.Context, req *freshetv1.DescribeClusterRequest) (*freshetv1.DescribeClusterResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{}); err != nil {
		return nil, err
	}
	res := &freshetv1.DescribeClusterResponse{}
	if cluster, ok := s.metadata.view().Cluster(); ok {
		res.Name, res.Id = cluster.Name, cluster.ID
	}
	said := s.askAll(ctx, &freshetv1.DescribeNodeRequest{StateHashes: req.GetStateHashes()})
	for _, one := range said {
		res.Nodes = append(res.Nodes, one.GetNode())
		for _, p := range one.GetPartitions() {
			res.Partitions = joinPartition(res.Partitions, p)
		}
	}
	slices.SortFunc(res.Nodes, func(a, b *freshetv1.Node) int { return strings.Compare(a.GetName(), b.GetName()) })
	for _, p := range res.GetPartitions() {
		slices.SortFunc(p.GetReplicas(), func(a, b *freshetv1.Replica) int { return strings.Compare(a.GetNode(), b.GetNode()) })
	}
	return res, nil
}

// askAll asks every node what it has. One that doesn't answer in time is told of as the catalog knows it.
func (s *adminService) askAll(ctx context.Context, req *freshetv1.DescribeNodeRequest) []*freshetv1.DescribeNodeResponse {
	ctx, cancel := context.WithTimeout(ctx, describeWithin)
	defer cancel()
	if len(s.peers.all) == 0 {
		res, err := s.DescribeNode(ctx, req)
		if err != nil {
			return nil
		}
		return []*freshetv1.DescribeNodeResponse{res}
	}
	said := make([]*freshetv1.DescribeNodeResponse, len(s.peers.all))
	var asking sync.WaitGroup
	for i, peer := range s.peers.all {
		conn, other := s.peers.conn(peer.Name)
		asking.Go(func() {
			var err error
			if other {
				said[i], err = freshetv1.NewAdminServiceClient(conn).DescribeNode(ctx, req)
			} else {
				said[i], err = s.DescribeNode(ctx, req)
			}
			if err == nil {
				return
			}
			s.guard.logger.Debug("a node doesn't tell what it has", "node", peer.Name, "error", err)
			node := &freshetv1.Node{Name: peer.Name, PeerAddress: peer.Address, Waiting: other && s.waits(ctx, conn)}
			if known, ok := s.metadata.view().Node(peer.Name); ok {
				node.ApiAddress, node.Version = known.APIAddress, known.Version
			}
			said[i] = &freshetv1.DescribeNodeResponse{Node: node}
		})
	}
	asking.Wait()
	return said
}

// joinPartition adds what one node said of a partition. Who leads is believed of the higher term; what the log holds, of who leads.
func joinPartition(list []*freshetv1.Partition, p *freshetv1.Partition) []*freshetv1.Partition {
	i := slices.IndexFunc(list, func(other *freshetv1.Partition) bool { return other.GetNumber() == p.GetNumber() })
	if i < 0 {
		return append(list, p)
	}
	have := list[i]
	replicas := append(have.Replicas, p.GetReplicas()...) //nolint:gocritic // it goes into whichever is kept
	from := p.GetReplicas()[0].GetNode()
	if p.GetTerm() > have.GetTerm() || p.GetTerm() == have.GetTerm() && (have.GetLeader() == "" || p.GetLeader() == from) {
		list[i], have = p, p
	}
	have.Replicas = replicas
	return list
}
