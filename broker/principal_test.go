package broker

import (
	"context"
	"sync"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	grpcmetadata "google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/proto"

	"github.com/freshet-mq/freshet/broker/internal/peerpb"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// witness is an authorise that lets everybody do everything, and notes who asked for what.
type witness struct {
	mu   sync.Mutex
	seen map[principal][]action
}

func (w *witness) authorise(_ context.Context, p principal, a action, _ resource) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.seen == nil {
		w.seen = map[principal][]action{}
	}
	w.seen[p] = append(w.seen[p], a)
	return nil
}

func (w *witness) did(p principal) []action {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen[p]
}

// TestPrincipalsPassOn: a leader is told for whom a call was passed on, nodes are themselves, and what a client says of who it is counts for nothing.
func TestPrincipalsPassOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		w := &witness{}
		c.adjust = func(o *Options) { o.authorise = w.authorise }
		c.startAll()
		c.spread(c.members[0], "orders", "billing")
		if got := w.did(anonymous); len(got) == 0 {
			t.Error("a client isn't anonymous")
		}
		alice := principal{method: "token", issuer: "them", subject: "alice"}
		leader := c.leader(c.home("orders"))
		other := c.running()[0]
		if other == leader {
			other = c.running()[1]
		}
		req := &freshetv1.ReadyRequest{Topic: "orders", Subscription: "billing", Partition: new(c.home("orders"))}
		ctx := withPrincipal(c.context(), alice)
		if _, err := (&consumeService{services: other.node.services}).Ready(ctx, req); err != nil {
			t.Fatal(err)
		}
		if got := w.did(alice); len(got) != 2 || got[0] != actionConsume || got[1] != actionConsume {
			t.Errorf("two nodes asked what alice may: %v", got)
		}
		if asked := w.did(nodePrincipal("freshet", "n1")); len(asked)+len(w.did(nodePrincipal("freshet", "n2"))) == 0 {
			t.Error("no node asked for anything as itself")
		}

		mallory := &peerpb.Principal{Method: "node", Issuer: "freshet", Subject: "n9"}
		b, err := proto.Marshal(mallory)
		if err != nil {
			t.Fatal(err)
		}
		said := grpcmetadata.AppendToOutgoingContext(c.context(), principalHeader, string(b))
		if _, err := other.consume.Ready(said, req); err != nil {
			t.Fatal(err)
		}
		if got := w.did(nodePrincipal("freshet", "n9")); len(got) > 0 {
			t.Errorf("a client passed for a node: %v", got)
		}
		garbled := grpcmetadata.AppendToOutgoingContext(c.context(), principalHeader, "\xff")
		conn, _ := other.node.peers.conn(leader.name)
		if _, err := freshetv1.NewConsumeServiceClient(conn).Ready(garbled, req); status.Code(err) != codes.InvalidArgument {
			t.Errorf("garbled: %v", err)
		}
	})
}

// TestDeleteMemberAnywhere: a member is removed from every partition, through a node that leads few of them, and then it is gone.
func TestDeleteMemberAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		at := c.members[1]
		if _, err := at.admin.CreateTopic(c.context(), &freshetv1.CreateTopicRequest{Name: "orders", Partitions: clusterPartitions}); err != nil {
			t.Fatal(err)
		}
		_, err := at.admin.CreateSubscription(c.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
			Topic: "orders", Name: "audit", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT, Members: []string{"a", "b"},
		}})
		if err != nil {
			t.Fatal(err)
		}
		req := &freshetv1.DeleteSubscriptionRequest{Topic: "orders", Subscription: "audit", Member: "a"}
		if _, err := at.admin.DeleteSubscription(c.context(), req); err != nil {
			t.Fatal(err)
		}
		c.agree()
		for _, m := range c.members {
			res, err := m.admin.ListSubscriptions(c.context(), &freshetv1.ListSubscriptionsRequest{Topic: "orders"})
			if err != nil || len(res.GetSubscriptions()) != 1 || len(res.GetSubscriptions()[0].GetMembers()) != 1 {
				t.Errorf("%s has %v, %v", m.name, res, err)
			}
		}
		if _, err := c.members[2].admin.DeleteSubscription(c.context(), req); status.Code(err) != codes.NotFound {
			t.Errorf("again: %v", err)
		}
	})
}
