package broker

import (
	"context"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// DescribeCluster tells of nodes and partitions.
func (s *adminService) DescribeCluster(ctx context.Context, _ *freshetv1.DescribeClusterRequest) (*freshetv1.DescribeClusterResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{}); err != nil {
		return nil, err
	}
	res := &freshetv1.DescribeClusterResponse{Nodes: []*freshetv1.Node{s.self}}
	if cluster, ok := s.metadata.view().Cluster(); ok {
		res.Name, res.Id = cluster.Name, cluster.ID
	}
	for _, p := range s.partitions.all {
		res.Partitions = append(res.Partitions, s.describe(p))
	}
	return res, nil
}

func (s *adminService) describe(p hosted) *freshetv1.Partition {
	status := p.Status()
	wire := &freshetv1.Partition{
		Number: p.number, Term: uint64(status.Term), Applied: uint64(status.Applied),
		LogBytes: uint64(status.LogBytes), LogBytesMax: uint64(status.LogBytesMax),
	}
	if status.Leading {
		wire.Leader = s.self.GetName()
	}
	if status.Held {
		wire.OldestHolder, wire.OldestOffset = s.metadata.cursorName(status.OldestHolder), uint64(status.OldestOffset)
	}
	return wire
}

// DescribeNode tells what the node itself has.
func (s *adminService) DescribeNode(ctx context.Context, _ *freshetv1.DescribeNodeRequest) (*freshetv1.DescribeNodeResponse, error) {
	if err := s.may(ctx, actionDescribe, resource{}); err != nil {
		return nil, err
	}
	res := &freshetv1.DescribeNodeResponse{Node: s.self}
	for _, p := range s.partitions.all {
		res.Partitions = append(res.Partitions, s.describe(p))
	}
	return res, nil
}
