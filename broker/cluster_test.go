package broker

import (
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/freshet-mq/freshet/partition"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// TestThreeNodes: what is made at one node every replica has; when a leader goes the others go on; and when it comes back it has what it missed.
func TestThreeNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		home := c.home("orders")
		for _, m := range c.members {
			topic, ok := m.node.metadata.view().Topic("orders")
			if !ok || len(topic.Partitions) != 1 || topic.Partitions[0] != home {
				t.Errorf("at %s the topic is %+v", m.name, topic)
			}
		}
		c.publishOne("orders", `{"n":1}`)
		c.agree()
		for _, m := range c.members {
			p := m.node.partitions.all[home]
			topic, _ := m.node.metadata.view().Topic("orders")
			sub, _ := m.node.metadata.view().Subscription("orders", "billing")
			if !p.HasStream(partition.StreamID(topic.ID)) || p.Counts(partition.SubscriptionID(sub.ID)).Ready != 1 {
				t.Errorf("%s has not got the topic with its event", m.name)
			}
			if other := m.node.partitions.all[(home+1)%clusterPartitions]; other.HasStream(partition.StreamID(topic.ID)) {
				t.Errorf("%s has the topic on a partition that it isn't on", m.name)
			}
		}

		gone := c.leader(home)
		gone.stop()
		c.publishOne("orders", `{"n":2}`)
		c.create("payments", "audit")
		if err := gone.start(); err != nil {
			t.Fatal(err)
		}
		c.agree()
		res, err := c.leader(home).consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "billing", MaxEvents: 10})
		if err != nil || len(res.GetReceipts()) != 2 {
			t.Errorf("received %v, %v", res, err)
		}
		c.agree()
		c.eventually("the restarted node's knowledge of what was made meanwhile", func(m *clusterMember) bool {
			_, ok := m.node.metadata.view().Topic("payments")
			return m == gone && ok
		})
		for _, m := range c.members {
			c.eventually("all addresses at "+m.name, func(at *clusterMember) bool {
				nodes := at.node.metadata.view().Nodes()
				return at == m && len(nodes) == 3 && nodes[2].APIAddress == "n3:7600"
			})
		}
	})
}

// TestStopHandsLeadershipOn: a node that stops in order leaves leaders behind, and nobody has to find out that it is gone.
func TestStopHandsLeadershipOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		logged := &keptLog{}
		c.adjust = func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(logged, nil)) }
		c.startAll()
		c.create("orders", "billing")
		for range 3 { // whoever led the most before
			gone := c.leader(c.home("orders"))
			began := time.Now()
			gone.stop()
			for number := range uint32(clusterPartitions) {
				c.leader(number)
			}
			c.metadataLeader()
			c.publishOne("orders", `{}`)
			if took := time.Since(began); took > time.Second {
				t.Errorf("%s left the others without leaders for %v", gone.name, took)
			}
			if err := gone.start(); err != nil {
				t.Fatal(err)
			}
		}
		for _, unwanted := range []string{"standing for election", "wasn't handed on"} {
			if strings.Contains(logged.String(), unwanted) {
				t.Errorf("%q is logged:\n%s", unwanted, logged)
			}
		}
		c.agree()
	})
}

// TestClusterRefuses: a node that is configured otherwise than its cluster was founded, or has lost a part of its directory, says so and doesn't start.
func TestClusterRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		m := c.members[0]
		m.stop()
		for _, refused := range []struct {
			want   string
			adjust func(*Options)
		}{
			{"has 4 partitions, and this node is to have 9", func(o *Options) { o.Partitions = 9 }},
			{"this release can't change them", func(o *Options) { o.Peers[2].Address = "elsewhere:7601" }},
			{"consists of n1=n1:7601, n2=n2:7601, n3=n3:7601: this release", func(o *Options) {
				o.Peers = append(o.Peers, Peer{Name: "n4", Address: "n4:7601"}, Peer{Name: "n5", Address: "n5:7601"})
			}},
			{"this release can't change them", func(o *Options) { o.Peers[2].Name = "n9" }},
			{"Peers is empty", func(o *Options) { o.Peers = nil }},
			{"has lost log/", func(o *Options) { o.FS = vfs.NewMem() }},
		} {
			c.adjust = refused.adjust
			if err := m.start(); err == nil || !strings.Contains(err.Error(), refused.want) {
				t.Errorf("started with %v, want %q", err, refused.want)
			}
		}
		c.adjust = nil
		if err := m.start(); err != nil {
			t.Error(err)
		}
		c.agree()
	})
}
