package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/backoff"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/keepalive"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// Peer is a node of a cluster as the others know it.
type Peer struct {
	// Name is its Options.Node.
	Name string
	// Address is where other nodes reach it: Raft's messages, and what they pass on.
	Address string
}

// peers are this node's connections to the others, for calls. Each is made when it is first used.
type peers struct {
	self  string
	all   []Peer
	conns map[string]*grpc.ClientConn
}

// openPeers prepares the connections; none is made yet.
func openPeers(o *Options, port *peerPort) (*peers, error) {
	ps := &peers{self: o.Node, all: o.Peers, conns: map[string]*grpc.ClientConn{}}
	self := nodePrincipal(o.Cluster, o.Node)
	for _, p := range o.Peers {
		if p.Name == o.Node {
			continue
		}
		conn, err := grpc.NewClient(peerScheme+p.Address,
			grpc.WithContextDialer(func(ctx context.Context, address string) (net.Conn, error) { return port.streams.Dial(ctx, address) }),
			// Whoever encrypts does so beneath: PeerStreams gives connections that are what they should be.
			grpc.WithTransportCredentials(insecure.NewCredentials()),
			grpc.WithDefaultCallOptions(grpc.ForceCodecV2(newCodec()), grpc.MaxCallRecvMsgSize(responseBytesMax), grpc.MaxCallSendMsgSize(responseBytesMax)),
			grpc.WithConnectParams(grpc.ConnectParams{
				Backoff:           backoff.Config{BaseDelay: peerRedialMin, Multiplier: 2, Jitter: 0.2, MaxDelay: peerRedialMax},
				MinConnectTimeout: handshakeMax,
			}),
			grpc.WithKeepaliveParams(keepalive.ClientParameters{Time: pingsApart, Timeout: peerPingTimeout}),
			grpc.WithDisableServiceConfig(), grpc.WithDisableRetry(),
			grpc.WithUnaryInterceptor(carryUnary(self)), grpc.WithStreamInterceptor(carryStream(self)),
		)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("peer %s at %s: %w", p.Name, p.Address, err), ps.Close())
		}
		ps.conns[p.Name] = conn
	}
	return ps, nil
}

const (
	// peerScheme has gRPC take an address as it is.
	peerScheme = "passthrough:///"
	// A peer that can't be reached is dialled again after these.
	peerRedialMin = 50 * time.Millisecond
	peerRedialMax = time.Second
	// peerStreamsMax is how many calls another node may have passed on at a time: as many as its clients have.
	peerStreamsMax = 1 << 17
	// peerPingTimeout is how long a peer may take to answer a ping before calls to it fail.
	peerPingTimeout = 5 * time.Second
)

// conn returns the connection to another node, by its name.
func (ps *peers) conn(name string) (*grpc.ClientConn, bool) {
	conn, ok := ps.conns[name]
	return conn, ok
}

// Close breaks the connections.
func (ps *peers) Close() error {
	var errs []error
	for _, conn := range ps.conns {
		errs = append(errs, conn.Close())
	}
	return errors.Join(errs...)
}

// passedOnKey marks the context of calls that came by the peer port.
type passedOnKey struct{}

// passedOn tells whether a call came from another node, which has passed it on: it is not passed on again.
func passedOn(ctx context.Context) bool { return ctx.Value(passedOnKey{}) != nil }

// markPassedOn marks a call, and notes for whom it is.
func markPassedOn(ctx context.Context) (context.Context, error) {
	return carriedPrincipal(context.WithValue(ctx, passedOnKey{}, true))
}

// newPeerServer makes the server of the peer port: the same services, and those that only nodes ask for.
func newPeerServer(s *services) *grpc.Server {
	server := newServer(s.guard, grpc.MaxConcurrentStreams(peerStreamsMax), grpc.ChainUnaryInterceptor(
		func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
			ctx, err := markPassedOn(ctx)
			if err != nil {
				return nil, err
			}
			return handle(ctx, req)
		},
	), grpc.ChainStreamInterceptor(
		func(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handle grpc.StreamHandler) error {
			ctx, err := markPassedOn(stream.Context())
			if err != nil {
				return err
			}
			return handle(srv, &passedOnStream{stream, ctx})
		},
	))
	register(server, s)
	peerpb.RegisterPeerServiceServer(server, &peerService{services: s})
	return server
}

// passedOnStream is a stream of the peer port.
type passedOnStream struct {
	grpc.ServerStream
	ctx context.Context //nolint:containedctx // the stream's, marked
}

func (s *passedOnStream) Context() context.Context { return s.ctx }

// peerService is what only other nodes ask for.
type peerService struct {
	peerpb.UnimplementedPeerServiceServer
	*services
}

// Change has the catalog changed, or tells how far it is.
func (s *peerService) Change(ctx context.Context, req *peerpb.ChangeRequest) (*peerpb.ChangeResponse, error) {
	if err := s.may(ctx, actionManage, resource{}); err != nil {
		return nil, err
	}
	if len(req.GetCommand()) > catalog.BytesMax {
		return nil, limitExceeded("command", catalog.BytesMax, int64(len(req.GetCommand())), "")
	}
	change := s.metadata.changeHere
	if req.GetLook() && len(req.GetCommand()) == 0 {
		change = func(ctx context.Context, _ []byte) (uint64, error) { return s.metadata.versionHere(ctx) }
	}
	version, err := change(ctx, req.GetCommand())
	if err != nil {
		return nil, err
	}
	return &peerpb.ChangeResponse{Version: version}, nil
}

// Removed takes note of what a partition has removed.
func (s *peerService) Removed(ctx context.Context, req *peerpb.RemovedRequest) (*peerpb.RemovedResponse, error) {
	if err := s.may(ctx, actionManage, resource{}); err != nil {
		return nil, err
	}
	return &peerpb.RemovedResponse{}, s.metadata.removed(ctx, req.GetPartition(), req.GetThrough())
}

// RemoveMember removes a fan-out's member from a partition that is led here.
func (s *peerService) RemoveMember(ctx context.Context, req *peerpb.RemoveMemberRequest) (*peerpb.RemoveMemberResponse, error) {
	if err := s.may(ctx, actionManage, resource{}); err != nil {
		return nil, err
	}
	p, err := s.partitions.numbered(req.GetPartition())
	if err != nil {
		return nil, err
	}
	sub, known := s.metadata.view().SubscriptionByID(req.GetSubscription())
	if !known {
		if err := s.metadata.sync(ctx); err != nil {
			return nil, err
		}
		if sub, known = s.metadata.view().SubscriptionByID(req.GetSubscription()); !known {
			return &peerpb.RemoveMemberResponse{}, nil // deleted since: its members are gone, or will be
		}
	}
	removed, err := s.removeMember(ctx, p, sub, req.GetMember())
	return &peerpb.RemoveMemberResponse{Removed: removed}, err
}

// notLeader tells who leads, where that is known, to somebody who asked the wrong node.
func notLeader(what, leader string) *fault {
	if leader == "" {
		return faultf(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER, "%s has no leader now; nothing was done, try again", what)
	}
	return faultf(freshetv1.ErrorCode_ERROR_CODE_NOT_LEADER, "this node doesn't lead %s; nothing was done", what).with("leader", leader)
}
