package broker

import (
	"context"
	"strings"

	"google.golang.org/grpc"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// ReplaceNode lets a node take part anew, with the data directory that it was started with, and answers when that is decided: in the groups it comes in
// step by step (members.go).
func (s *adminService) ReplaceNode(ctx context.Context, req *freshetv1.ReplaceNodeRequest) (*freshetv1.ReplaceNodeResponse, error) {
	if err := catalog.CheckName("node", req.GetNode()); err != nil {
		return nil, catalogFault(err)
	}
	if err := s.may(ctx, actionManage, resource{}); err != nil {
		return nil, err
	}
	return atMetadata(ctx, s.services, func() (*freshetv1.ReplaceNodeResponse, error) {
		return s.replaceHere(ctx, req.GetNode())
	}, func(to grpc.ClientConnInterface) (*freshetv1.ReplaceNodeResponse, error) {
		return freshetv1.NewAdminServiceClient(to).ReplaceNode(ctx, req)
	})
}

func (s *adminService) replaceHere(ctx context.Context, node string) (*freshetv1.ReplaceNodeResponse, error) {
	member, known := s.metadata.view().Member(node)
	conn, other := s.peers.conn(node)
	switch {
	case !known:
		var names []string
		for _, m := range s.metadata.view().Members() {
			names = append(names, m.Node)
		}
		if len(names) == 0 {
			return nil, faultf(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED, "node %q can't be replaced: the cluster is one node, and has what it had nowhere else", node).with("field", "node")
		}
		return nil, faultf(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED, "node %q is no member of the cluster; these are: %s", node, strings.Join(names, ", ")).with("field", "node")
	case !other:
		return nil, hasItsDirectory(node)
	}
	ctx, cancel := context.WithTimeout(ctx, greetWithin)
	defer cancel()
	there, err := peerpb.NewPeerServiceClient(conn).Greet(ctx, &peerpb.GreetRequest{Node: s.self.GetName()})
	switch {
	case err != nil:
		return nil, faultf(freshetv1.ErrorCode_ERROR_CODE_UNAVAILABLE,
			"node %q doesn't answer at %s; start it with an empty data directory first, it then waits to be let in", node, strings.TrimPrefix(conn.Target(), peerScheme))
	case there.GetDirectory() == member.Directory && member.Generation > 1:
		return &freshetv1.ReplaceNodeResponse{Generation: member.Generation}, nil // it was done before
	case there.GetStage() != peerpb.Stage_STAGE_NEW:
		return nil, hasItsDirectory(node)
	}
	res, err := s.metadata.propose(ctx, catalog.ReplaceMember{Node: node, Directory: there.GetDirectory(), Generation: member.Generation})
	if err != nil {
		return nil, err
	}
	s.guard.logger.Warn("a node takes part anew, with an empty data directory", "node", node, "generation", res.Member.Generation)
	return &freshetv1.ReplaceNodeResponse{Generation: res.Member.Generation}, nil
}

func hasItsDirectory(node string) *fault {
	return faultf(freshetv1.ErrorCode_ERROR_CODE_ARGUMENT_REFUSED,
		"node %q runs with the data directory that the cluster knows, and nothing of it is lost; only one that was started with an empty directory can be let in anew", node).
		with("field", "node")
}

// waits tells whether a node waits to be let in.
func (s *adminService) waits(ctx context.Context, conn *grpc.ClientConn) bool {
	res, err := peerpb.NewPeerServiceClient(conn).Greet(ctx, &peerpb.GreetRequest{Node: s.self.GetName()})
	return err == nil && res.GetStage() == peerpb.Stage_STAGE_NEW
}
