package client

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

func TestTopics(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		admin := c.Admin()
		for _, name := range []string{"payments", "shipments", "audit", "returns"} {
			if topic, created, err := admin.CreateTopic(t.Context(), TopicConfig{Name: name}); err != nil || !created || topic.Name != name {
				t.Errorf("%s: %+v, %v, %v", name, topic, created, err)
			}
		}
		if _, created, err := admin.CreateTopic(t.Context(), TopicConfig{Name: "audit"}); err != nil || created {
			t.Errorf("again: %v, %v", created, err)
		}
		if _, _, err := admin.CreateTopic(t.Context(), TopicConfig{Name: "audit", EventBytesMax: 10}); !errors.Is(err, ErrExists) {
			t.Errorf("other settings: %v", err)
		}
		if _, _, err := admin.CreateTopic(t.Context(), TopicConfig{Name: "audit", EventBytesMax: 1 << 21}); err == nil {
			t.Error("a limit of 2 MiB was taken")
		}
		var names []string
		for topic, err := range admin.Topics(t.Context()) { // three pages
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, topic.Name)
		}
		if got := strings.Join(names, " "); got != "audit orders payments returns shipments" {
			t.Error(got)
		}
	})
}

func TestSubscriptions(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		admin := c.Admin()
		for _, name := range []string{"orders/c", "orders/a", "orders/b"} {
			s, created, err := admin.CreateSubscription(t.Context(), SubscriptionConfig{Name: name, Kind: KindQueue, Visibility: 5 * time.Second})
			if err != nil || !created || s.Name != name || s.Visibility != 5*time.Second || s.Attempts != 5 {
				t.Errorf("%s: %+v, %v, %v", name, s, created, err)
			}
		}
		publishRaw(t, c, 0, 2)
		var got []string
		for s, err := range admin.Subscriptions(t.Context(), "orders") {
			if err != nil || s.Counts.Ready != 2 || s.Kind.String() != "queue" {
				t.Fatalf("%+v, %v", s, err)
			}
			got = append(got, s.Name)
		}
		if strings.Join(got, " ") != "orders/a orders/b orders/c" {
			t.Error(got)
		}
		for name, config := range map[string]SubscriptionConfig{
			"no slash":   {Name: "orders", Kind: KindQueue},
			"bad topic":  {Name: "or ders/x", Kind: KindQueue},
			"bad name":   {Name: "orders/-x", Kind: KindQueue},
			"visibility": {Name: "orders/x", Kind: KindQueue, Visibility: 13 * time.Hour},
			"attempts":   {Name: "orders/x", Kind: KindQueue, Attempts: 1001},
		} {
			if _, _, err := admin.CreateSubscription(t.Context(), config); err == nil {
				t.Errorf("%s was taken", name)
			}
		}
		if _, _, err := admin.CreateSubscription(t.Context(), SubscriptionConfig{Name: "order/x", Kind: KindQueue}); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown topic: %v", err)
		}
	})
}

func TestDeleting(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		admin := c.Admin()
		n.addQueue("orders/billing", freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, 30*time.Second, 5)
		n.addQueue("orders/caches", freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT, 30*time.Second, 5)
		for _, step := range []struct {
			what string
			err  error
			want error
		}{
			{"a member", admin.DeleteMember(t.Context(), "orders/caches", "web"), nil},
			{"a subscription", admin.DeleteSubscription(t.Context(), "orders/billing"), nil},
			{"it again", admin.DeleteSubscription(t.Context(), "orders/billing"), ErrNotFound},
			{"the topic", admin.DeleteTopic(t.Context(), "orders"), nil},
			{"it again", admin.DeleteTopic(t.Context(), "orders"), ErrNotFound},
		} {
			if !errors.Is(step.err, step.want) {
				t.Errorf("deleting %s: %v, want %v", step.what, step.err, step.want)
			}
		}
		if n.mu.deletedMember != "web" {
			t.Errorf("member %q was deleted", n.mu.deletedMember)
		}
		if admin.DeleteMember(t.Context(), "orders/caches", "") == nil || admin.DeleteSubscription(t.Context(), "orders") == nil {
			t.Error("deleted what isn't named")
		}
	})
}

func TestDeadLetters(t *testing.T) {
	withQueue(t, 30*time.Second, 5, func(t *testing.T, n *fakeNode, c *Client, _ *fakeQueue) {
		b, err := c.Queue("orders/billing").Receive(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Reject(t.Context(), "no good"); err != nil {
			t.Fatal(err)
		}
		next := uint64(0)
		for letter, err := range c.Admin().DeadLetters(t.Context(), "orders/billing", "") {
			if err != nil || letter.Offset != next || letter.Reason != DeadRejected || letter.Detail != "no good" || letter.Attempts != 1 {
				t.Fatalf("%+v, %v", letter, err)
			}
			if !bytes.Equal(letter.Event.Data, raw(int(next)).Data) {
				t.Errorf("%s", letter.Event.Data)
			}
			next++
		}
		if next != 5 {
			t.Errorf("%d letters", next)
		}
		for _, err := range c.Admin().DeadLetters(t.Context(), "orders/biling", "") {
			if !errors.Is(err, ErrNotFound) {
				t.Errorf("unknown: %v", err)
			}
		}
	})
}

func TestRedrive(t *testing.T) {
	withQueue(t, 30*time.Second, 5, func(t *testing.T, n *fakeNode, c *Client, _ *fakeQueue) {
		b, err := c.Queue("orders/billing").Receive(t.Context(), 5)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := b.Reject(t.Context(), "no good"); err != nil {
			t.Fatal(err)
		}
		for _, step := range []struct {
			options []DeadLetterOption
			want    int
		}{
			{[]DeadLetterOption{WithDeadDryRun()}, 5},
			{[]DeadLetterOption{WithDeadReason(DeadExpired)}, 0},
			{[]DeadLetterOption{WithDeadMost(3), WithDeadRate(1_000)}, 3},
			{nil, 2},
			{nil, 0},
		} {
			if got, err := c.Admin().Redrive(t.Context(), "orders/billing", "", step.options...); err != nil || got != step.want {
				t.Errorf("redriven %d, want %d, error %v", got, step.want, err)
			}
		}
		b, err = c.Queue("orders/billing").Receive(t.Context(), 5)
		if err != nil || len(b.Deliveries) != 5 || b.Deliveries[0].Attempt != 1 {
			t.Errorf("%+v, %v", b, err)
		}
		if _, err := c.Admin().Redrive(t.Context(), "orders/biling", ""); !errors.Is(err, ErrNotFound) {
			t.Errorf("unknown: %v", err)
		}
		if _, err := c.Admin().Redrive(t.Context(), "orders/billing", "", WithDeadOffsets(0, make([]uint64, 1_001)...)); err == nil {
			t.Error("1,001 offsets were taken")
		}
	})
}

func TestCluster(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		cluster, err := c.Admin().Cluster(t.Context())
		if err != nil || cluster.Name != "fake" || cluster.Nodes[0].Address != "fake:7600" || cluster.Partitions[0].Term != 3 {
			t.Errorf("%+v, %v", cluster, err)
		}
		if node := cluster.Nodes[0]; node.PeerAddress != "fake:7601" || !node.Reached {
			t.Errorf("node %+v", node)
		}
		if r := cluster.Partitions[0].Replicas; len(r) != 1 || r[0] != (Replica{Node: "n1", Applied: 9, Last: 10, Debt: 1}) {
			t.Errorf("replicas %+v", r)
		}
		for hashes, want := range map[bool]uint64{false: 0, true: 0xfeed} {
			state, err := c.Admin().NodeState(t.Context(), hashes)
			if err != nil || state.Name != "n1" || state.Partitions[0].Replicas[0].StateHash != want {
				t.Errorf("%+v, %v", state, err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if _, err := c.Admin().Cluster(ctx); !errors.Is(err, context.Canceled) {
			t.Errorf("error %v", err)
		}
	})
}

func TestFanoutMember(t *testing.T) {
	withFake(t, func(t *testing.T, n *fakeNode, c *Client) {
		q := n.addQueue("orders/news", freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_FANOUT, time.Minute, 5)
		publishRaw(t, c, 0, 1)
		ctx, cancel := context.WithCancel(t.Context())
		err := c.Fanout("orders/news", "web-1").Consume(ctx, func(context.Context, *Delivery) error {
			cancel()
			return nil
		})
		if err != nil || n.acks(q) != 1 {
			t.Errorf("%v, %d acked", err, n.acks(q))
		}
	})
}
