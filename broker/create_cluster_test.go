package broker

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestCreatedEverywhere (I14): while one of a topic's partitions has no leader, making a subscription isn't answered with yes. When it is, all of them
// have it, and nothing that is published from then on passes it by.
func TestCreatedEverywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		if _, err := c.metadataLeader().admin.CreateTopic(c.context(), &freshetv1.CreateTopicRequest{Name: "orders", Partitions: 2}); err != nil {
			t.Fatal(err)
		}
		asked := c.metadataLeader()
		topic, _ := asked.node.metadata.view().Topic("orders")
		victim := c.leadsAlone(t, topic.Partitions[0], topic.Partitions[1], asked)
		c.network.Pause(victim.address(), true) // its place is taken in a second or more; a killed one's within milliseconds
		c.createdAt(t, asked, topic)
		c.network.Pause(victim.address(), false)
		c.agree()
	})
}

// leadsAlone has a partition led by a node that leads neither another nor the metadata, and returns it.
func (c *clusterRig) leadsAlone(t *testing.T, one, other uint32, metadata *clusterMember) *clusterMember {
	t.Helper()
	for {
		number := one
		if at := c.leader(one); at != metadata {
			if at != c.leader(other) {
				return at
			}
			number = other
		}
		if err := c.leader(number).node.partitions.all[number].HandOn(c.context()); err != nil {
			t.Log(err) // somebody else leads it by now
		}
		c.after(time.Second)
	}
}

// createdAt makes a subscription at a node, and sees that its replicas have it as soon as it is said to be there.
func (c *clusterRig) createdAt(t *testing.T, asked *clusterMember, topic catalog.Topic) {
	t.Helper()
	res, err := asked.admin.CreateSubscription(c.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
		Topic: topic.Name, Name: "late", Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE,
	}})
	if err != nil {
		t.Fatal(err)
	}
	lacking := slices.DeleteFunc(slices.Clone(topic.Partitions), func(number uint32) bool {
		return asked.node.partitions.all[number].HasSubscription(partition.SubscriptionID(res.GetSubscription().GetId()))
	})
	if len(lacking) > 0 {
		t.Errorf("%s/late is said to be made, and partitions %d of %d don't have it", topic.Name, lacking, topic.Partitions)
	}
}
