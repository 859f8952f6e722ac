package broker

import (
	"context"
	"strings"

	"google.golang.org/grpc"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-mq/freshet/broker/internal/peerpb"
)

// principal is who wants something: how they proved it, who says so, and their name there. All three count, so that nobody passes for a
// namesake from elsewhere.
type principal struct {
	method, issuer, subject string
}

func (p principal) String() string { return p.method + ":" + p.issuer + ":" + p.subject }

// anonymous is everybody, as long as nobody has to say who they are.
var anonymous = principal{method: "none"}

// nodePrincipal is a node that asks for something by itself. Others believe it since nobody else reaches the peer port.
func nodePrincipal(cluster, node string) principal {
	return principal{method: "node", issuer: cluster, subject: node}
}

// principalKey marks the context of a call whose principal is known.
type principalKey struct{}

func withPrincipal(ctx context.Context, p principal) context.Context {
	return context.WithValue(ctx, principalKey{}, p)
}

// principalOf tells who is calling. There is no authentication yet: it is known of calls that another node has passed on.
func principalOf(ctx context.Context) principal {
	if p, ok := ctx.Value(principalKey{}).(principal); ok {
		return p
	}
	return anonymous
}

// principalHeader is how a call that is passed on says for whom. It is read on the peer port alone: what a client says there of itself is nothing.
const principalHeader = "freshet-principal-bin"

// carryPrincipal has a call to another node say for whom it is: for this node itself where it is what only nodes ask for.
func carryPrincipal(ctx context.Context, method string, self principal) (context.Context, error) {
	p := principalOf(ctx)
	if strings.HasPrefix(method, "/"+peerpb.PeerService_ServiceDesc.ServiceName+"/") {
		p = self
	}
	if p == anonymous { // as whoever says nothing
		return ctx, nil
	}
	b, err := proto.Marshal(&peerpb.Principal{Method: p.method, Issuer: p.issuer, Subject: p.subject})
	if err != nil {
		return nil, err
	}
	return grpcmetadata.AppendToOutgoingContext(ctx, principalHeader, string(b)), nil
}

// carriedPrincipal reads for whom another node passes a call on.
func carriedPrincipal(ctx context.Context) (context.Context, error) {
	said := grpcmetadata.ValueFromIncomingContext(ctx, principalHeader)
	if len(said) == 0 {
		return ctx, nil
	}
	var p peerpb.Principal
	if err := proto.Unmarshal([]byte(said[0]), &p); err != nil || len(said) > 1 {
		return nil, argumentRefused(principalHeader, "doesn't say for whom the call is; both nodes should run the same release")
	}
	return withPrincipal(ctx, principal{method: p.GetMethod(), issuer: p.GetIssuer(), subject: p.GetSubject()}), nil
}

// carryUnary and carryStream are carryPrincipal around the calls of a connection.
func carryUnary(self principal) grpc.UnaryClientInterceptor {
	return func(ctx context.Context, method string, req, res any, conn *grpc.ClientConn, invoke grpc.UnaryInvoker, options ...grpc.CallOption) error {
		ctx, err := carryPrincipal(ctx, method, self)
		if err != nil {
			return err
		}
		return invoke(ctx, method, req, res, conn, options...)
	}
}

func carryStream(self principal) grpc.StreamClientInterceptor {
	return func(ctx context.Context, d *grpc.StreamDesc, conn *grpc.ClientConn, method string, open grpc.Streamer, options ...grpc.CallOption) (grpc.ClientStream, error) {
		ctx, err := carryPrincipal(ctx, method, self)
		if err != nil {
			return nil, err
		}
		return open(ctx, d, conn, method, options...)
	}
}
