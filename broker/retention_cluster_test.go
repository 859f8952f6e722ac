package broker

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/client"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestRetentionOfAnIdleTopic: what a topic doesn't keep goes when it is of age although nothing else happens, each subscription says what it lost by that, and
// afterwards nothing more is written. Who begins at the earliest gets what is kept.
func TestRetentionOfAnIdleTopic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		at := c.members[0]
		_, err := at.admin.CreateTopic(c.context(), &freshetv1.CreateTopicRequest{
			Name: "prices", Retention: &freshetv1.Retention{AgeMs: 60_000, Drop: true},
		})
		if err != nil {
			t.Fatal(err)
		}
		subscribe := func(name string, from freshetv1.SubscriptionStart) {
			t.Helper()
			_, err := at.admin.CreateSubscription(c.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
				Topic: "prices", Name: name, Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, From: from,
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		counts := func() map[string]*freshetv1.SubscriptionCounts {
			t.Helper()
			res, err := c.members[1].admin.ListSubscriptions(c.context(), &freshetv1.ListSubscriptionsRequest{Topic: "prices"})
			if err != nil {
				t.Fatal(err)
			}
			found := map[string]*freshetv1.SubscriptionCounts{}
			for _, sub := range res.GetSubscriptions() {
				found[sub.GetName()] = sub.GetCounts()
			}
			return found
		}
		subscribe("display", freshetv1.SubscriptionStart_SUBSCRIPTION_START_UNSPECIFIED)
		for range 3 {
			c.publishOne("prices", `{"n":1}`)
		}
		subscribe("history", freshetv1.SubscriptionStart_SUBSCRIPTION_START_EARLIEST)
		subscribe("late", freshetv1.SubscriptionStart_SUBSCRIPTION_START_LATEST)
		c.after(30 * time.Second)
		if n := counts(); n["display"].GetReady() != 3 || n["history"].GetUnread() != 3 || n["late"].GetReady()+n["late"].GetUnread() != 0 {
			t.Errorf("before: %v", n)
		}
		c.after(32 * time.Second)
		if n := counts(); n["display"].GetReady() != 0 || n["display"].GetDropped() != 3 || n["history"].GetUnread() != 0 || n["history"].GetSkipped() != 3 ||
			n["late"].GetDropped()+n["late"].GetSkipped() != 0 {
			t.Errorf("after: %v", n)
		}
		c.toldOfTheGap("prices", "display", 3)
		partition := c.leader(c.home("prices")).node.partitions.all[c.home("prices")]
		before := partition.Status().Last
		c.after(5 * time.Minute)
		if now := partition.Status().Last; now != before {
			t.Errorf("five minutes in which nothing fell due wrote entries %d to %d", before+1, now)
		}
	})
}

// toldOfTheGap checks that a consumer and a reader, neither of whom gets an event, hear what is missing.
func (c *clusterRig) toldOfTheGap(topic, queue string, before uint64) {
	c.t.Helper()
	connection, err := client.Connect(c.context(), c.target(), client.WithDialer(c.dial))
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() {
		if err := connection.Shutdown(c.context()); err != nil {
			c.t.Error(err)
		}
	}()
	ctx, heard := context.WithCancel(c.context())
	got := uint64(0)
	err = connection.Queue(topic+"/"+queue).Consume(ctx, func(context.Context, *client.Delivery) error { return errors.New("an event came") },
		client.WithTruncated(func(_ uint32, at uint64) {
			got = at
			heard()
		}))
	if err != nil || got != before {
		c.t.Errorf("the consumer heard of a gap before %d, error %v", got, err)
	}
	var gap *client.TruncatedError
	for _, err := range connection.Read(c.context(), topic, client.FromEarliest()) {
		if !errors.As(err, &gap) {
			c.t.Errorf("the reader got an event, or %v", err)
		}
	}
	if gap == nil || gap.Before != before {
		c.t.Errorf("the reader heard of %+v", gap)
	}
}
