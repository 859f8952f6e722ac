package broker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// spread makes a topic on all partitions, with a queue.
func (c *clusterRig) spread(at *clusterMember, topic, queue string) {
	c.t.Helper()
	if _, err := at.admin.CreateTopic(c.context(), &freshetv1.CreateTopicRequest{Name: topic, Partitions: clusterPartitions}); err != nil {
		c.t.Fatal(err)
	}
	_, err := at.admin.CreateSubscription(c.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
		Topic: topic, Name: queue, Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE,
	}})
	if err != nil {
		c.t.Fatal(err)
	}
}

// keyed is a block of one event with a key.
func (c *clusterRig) keyed(key string) []byte {
	return blockOf(c.t, block.Options{}, []string{fmt.Sprintf(`[key=%s] {"key":%q}`, key, key)})
}

// TestAnyNode: whatever node a client asks, what only leaders can do is done, and it sees what it did.
func TestAnyNode(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		const events = 24
		for i, m := range c.members {
			topic := fmt.Sprintf("orders-%d", i)
			c.spread(m, topic, "billing")
			stored := map[uint32]int{}
			for n := range events { // by whoever knows where the topic is, at once after it was made
				res, err := c.members[(i+1)%3].publish.Publish(c.context(), &freshetv1.PublishRequest{Topic: topic, Block: c.keyed(fmt.Sprint("k", n))})
				if err != nil {
					t.Fatal(err)
				}
				stored[res.GetPartition()]++
			}
			if len(stored) != clusterPartitions {
				t.Errorf("%d keys are on partitions %v", events, stored)
			}
			c.takeAll(m, topic, events)
		}
	})
}

// takeAll receives all of a topic's events at a node, some at a time, and acks them at another.
func (c *clusterRig) takeAll(at *clusterMember, topic string, events int) {
	t := c.t
	t.Helper()
	for taken := 0; taken < events; {
		res, err := at.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: topic, Subscription: "billing", MaxEvents: 5, WaitMs: 5_000})
		if err != nil || len(res.GetReceipts()) == 0 {
			t.Fatalf("after %d events: %v, %v", taken, res, err)
		}
		other, err := at.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: topic, Subscription: "billing", MaxEvents: 5})
		if err != nil {
			t.Fatal(err)
		}
		receipts := slices.Concat(res.GetReceipts(), other.GetReceipts()) // as a rule of several partitions
		settled, err := c.members[0].consume.Ack(c.context(), &freshetv1.AckRequest{Receipts: receipts})
		if err != nil || len(settled.GetLost()) != 0 {
			t.Fatalf("acked: %v, %v", settled, err)
		}
		taken += len(receipts)
	}
	res, err := at.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: topic, Subscription: "billing", WaitMs: 1_000})
	if err != nil || len(res.GetReceipts()) != 0 {
		t.Errorf("after all: %v, %v", res, err)
	}
}

// TestStreamsPassOn: streams of publishing, consuming and reading work through a node that leads nothing of what they are about, and end with an error that can be
// tried again when the leader goes.
func TestStreamsPassOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		home := c.home("orders")
		leader := c.leader(home)
		by := c.running()[0]
		if by == leader {
			by = c.running()[1]
		}

		publishing, err := by.publish.PublishStream(c.context())
		if err != nil {
			t.Fatal(err)
		}
		const blocks = 10
		for i := range blocks {
			if err := publishing.Send(&freshetv1.PublishRequest{RequestId: uint64(100 + i), Topic: "orders", Block: c.keyed("a")}); err != nil {
				t.Fatal(err)
			}
		}
		for i := range blocks {
			res, err := publishing.Recv()
			if err != nil || res.GetError() != nil || res.GetRequestId() != uint64(100+i) || res.GetFirstOffset() != uint64(i) {
				t.Fatalf("block %d: %v, %v", i, res, err)
			}
		}

		consuming, err := by.consume.Consume(c.context())
		if err != nil {
			t.Fatal(err)
		}
		attach := &freshetv1.Attach{Topic: "orders", Subscription: "billing", Session: make([]byte, 16), Credit: &freshetv1.Credit{Events: 100}}
		if err := consuming.Send(&freshetv1.ConsumeRequest{Request: &freshetv1.ConsumeRequest_Attach{Attach: attach}}); err != nil {
			t.Fatal(err)
		}
		got, err := delivered(consuming, blocks)
		if err != nil {
			t.Fatalf("after %d events: %v", got, err)
		}
		if err := consuming.Send(&freshetv1.ConsumeRequest{StampNs: 1}); err != nil {
			t.Fatal(err)
		}
		if pong, err := consuming.Recv(); err != nil || pong.GetResponse() != nil {
			t.Fatalf("a ping is answered with %v, %v", pong, err)
		}

		reading, err := by.consume.Read(c.context(), &freshetv1.ReadRequest{Topic: "orders", From: &freshetv1.ReadRequest_Earliest{Earliest: true}, Follow: true})
		if err != nil {
			t.Fatal(err)
		}
		if res, err := reading.Recv(); err != nil || res.GetEvents()[0].GetFirst() != 0 {
			t.Fatalf("read %v, %v", res, err)
		}

		leader.stop()
		if _, err := delivered(consuming, 1); status.Code(err) != codes.Unavailable {
			t.Errorf("the session ends with %v", err)
		}
		for err = nil; err == nil; {
			_, err = reading.Recv()
		}
		if status.Code(err) != codes.Unavailable {
			t.Errorf("the reader ends with %v", err)
		}
		// What is published meanwhile is stored by the next leader.
		if err := publishing.Send(&freshetv1.PublishRequest{RequestId: 1, Topic: "orders", Block: c.keyed("a")}); err != nil {
			t.Fatal(err)
		}
		res, err := publishing.Recv()
		if err != nil || res.GetError() != nil && !res.GetError().GetRetryable() && !res.GetError().GetOutcomeUnknown() {
			t.Errorf("published %v, %v", res, err)
		}
		if err := publishing.CloseSend(); err != nil {
			t.Error(err)
		}
		if _, err := publishing.Recv(); !errors.Is(err, io.EOF) {
			t.Errorf("publishing ends with %v", err)
		}
	})
}

// delivered counts events until there are so many.
func delivered(stream freshetv1.ConsumeService_ConsumeClient, want int) (got int, err error) {
	for got < want {
		res, err := stream.Recv()
		if err != nil {
			return got, err
		}
		for _, run := range res.GetDelivery().GetEvents() {
			got += int(run.GetCount())
		}
	}
	return got, nil
}

// TestRoutes: every node tells the same way to a topic's events, and what belongs elsewhere is refused.
func TestRoutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.spread(c.members[1], "orders", "billing")
		for _, m := range c.members {
			for number := range uint32(clusterPartitions) {
				c.leader(number)
			}
			route, err := m.route.Route(c.context(), &freshetv1.RouteRequest{Topic: "orders"})
			if err != nil {
				t.Fatal(err)
			}
			next := uint32(0)
			for _, p := range route.GetPartitions() {
				slots := p.GetSlots()[0]
				if slots.GetFirst() != next || p.GetApiAddress() != c.leader(p.GetNumber()).api() {
					t.Errorf("%s says %v", m.name, p)
				}
				next += slots.GetCount()
				topic, _ := m.node.metadata.view().Topic("orders")
				for _, slot := range []uint32{slots.GetFirst(), next - 1} {
					if at := m.node.partitions.at(topic, uint16(slot)); at.number != p.GetNumber() {
						t.Errorf("slot %d is on partition %d, the route says %d", slot, at.number, p.GetNumber())
					}
				}
			}
			if next != block.Slots {
				t.Errorf("%s knows of %d slots", m.name, next)
			}
			two := blockOf(t, block.Options{}, []string{`[key=k1] {"n":1}`, `[key=k2] {"n":2}`, `[key=k3] {"n":3}`, `[key=k4] {"n":4}`})
			home := route.GetPartitions()[0].GetNumber()
			for name, req := range map[string]*freshetv1.PublishRequest{
				"FR2002 InvalidArgument":    {Topic: "orders", Block: two},
				"FR4006 FailedPrecondition": {Topic: "orders", Block: two, Partition: &home, Epoch: 99},
				"FR1005 NotFound":           {Topic: "orders", Block: two, Partition: new(uint32(77)), Epoch: route.GetEpoch()},
			} {
				if _, err := m.publish.Publish(c.context(), req); showError(err)[:len(name)] != name {
					t.Errorf("want %s, got %v", name, err)
				}
			}
			if _, err := m.consume.Ready(c.context(), &freshetv1.ReadyRequest{Topic: "orders", Subscription: "billing"}); status.Code(err) != codes.InvalidArgument {
				t.Errorf("without a partition: %v", err)
			}
		}
		cluster, err := c.members[2].admin.DescribeCluster(c.context(), &freshetv1.DescribeClusterRequest{StateHashes: true})
		if err != nil || len(cluster.GetNodes()) != 3 || len(cluster.GetPartitions()) != clusterPartitions || len(cluster.GetPartitions()[0].GetReplicas()) != 3 {
			t.Errorf("the cluster is %v, %v", cluster, err)
		}
		c.members[0].kill()
		cluster, err = c.members[2].admin.DescribeCluster(c.context(), &freshetv1.DescribeClusterRequest{})
		if err != nil || len(cluster.GetNodes()) != 3 || cluster.GetNodes()[0].GetReached() || !cluster.GetNodes()[1].GetReached() {
			t.Errorf("with a node killed the cluster is %v, %v", cluster, err)
		}
	})
}

// TestDeadLettersAnywhere: those of all partitions are listed and redriven through one node.
func TestDeadLettersAnywhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		at := c.members[2]
		c.spread(at, "orders", "billing")
		const events = 16
		for n := range events {
			if _, err := at.publish.Publish(c.context(), &freshetv1.PublishRequest{Topic: "orders", Block: c.keyed(fmt.Sprint("k", n))}); err != nil {
				t.Fatal(err)
			}
		}
		for rejected := 0; rejected < events; {
			res, err := at.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "billing", MaxEvents: 100, WaitMs: 5_000})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := at.consume.Reject(c.context(), &freshetv1.RejectRequest{Receipts: res.GetReceipts(), Reason: "no"}); err != nil {
				t.Fatal(err)
			}
			rejected += len(res.GetReceipts())
		}
		letters, req := 0, &freshetv1.ListDeadLettersRequest{Topic: "orders", Subscription: "billing", Max: 3}
		for {
			page, err := at.admin.ListDeadLetters(c.context(), req)
			if err != nil {
				t.Fatal(err)
			}
			if letters += len(page.GetLetters()); !page.GetMore() {
				break
			}
			req.FromPartition, req.FromOffset = new(page.GetNextPartition()), page.GetNextOffset()
		}
		if letters != events {
			t.Errorf("%d dead letters are listed", letters)
		}
		redriven, again := uint32(0), &freshetv1.RedriveDeadLettersRequest{Topic: "orders", Subscription: "billing", Max: 5}
		for {
			res, err := at.admin.RedriveDeadLetters(c.context(), again)
			if err != nil {
				t.Fatal(err)
			}
			if redriven += res.GetRedriven(); !res.GetMore() {
				break
			}
			again.FromPartition, again.FromOffset = new(res.GetNextPartition()), res.GetNextOffset()
		}
		if redriven != events {
			t.Errorf("%d were redriven", redriven)
		}
		c.takeAll(at, "orders", events)
	})
}

// TestListsHaveWhatWasDone: whoever has made, published or rejected something at one node finds it in the lists of another at once, also after the node that led
// has gone.
func TestListsHaveWhatWasDone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		for round := range 3 {
			topic := fmt.Sprint("orders-", round)
			one, other := c.running()[round%len(c.running())], c.running()[(round+1)%len(c.running())]
			c.spread(one, topic, "billing")
			names, err := other.admin.ListTopics(c.context(), &freshetv1.ListTopicsRequest{})
			if err != nil || len(names.GetTopics()) != round+1 {
				t.Errorf("%s lists %v, %v", other.name, names, err)
			}
			for n := range 5 {
				if _, err := one.publish.Publish(c.context(), &freshetv1.PublishRequest{Topic: topic, Block: c.keyed(fmt.Sprint("k", n))}); err != nil {
					t.Fatal(err)
				}
			}
			res, err := one.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: topic, Subscription: "billing", MaxEvents: 1})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := one.consume.Reject(c.context(), &freshetv1.RejectRequest{Receipts: res.GetReceipts()}); err != nil {
				t.Fatal(err)
			}
			list, err := other.admin.ListSubscriptions(c.context(), &freshetv1.ListSubscriptionsRequest{Topic: topic})
			if err != nil || len(list.GetSubscriptions()) != 1 {
				t.Fatalf("%v, %v", list, err)
			}
			if n := list.GetSubscriptions()[0].GetCounts(); n.GetReady()+n.GetDead() != 5 || n.GetDead() != uint64(len(res.GetReceipts())) {
				t.Errorf("%s counts %v after %d were rejected", other.name, n, len(res.GetReceipts()))
			}
			letters, err := other.admin.ListDeadLetters(c.context(), &freshetv1.ListDeadLettersRequest{Topic: topic, Subscription: "billing"})
			if err != nil || len(letters.GetLetters()) != len(res.GetReceipts()) {
				t.Errorf("%s lists %d dead letters, %v", other.name, len(letters.GetLetters()), err)
			}
			if round == 1 {
				c.leader(c.home(topic)).kill()
			}
		}
		c.startAll()
	})
}

// TestNotKnownIsNotMissing: a node that can't ask anybody doesn't say of a topic that it isn't there.
func TestNotKnownIsNotMissing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		c.members[0].kill()
		c.members[1].kill()
		at := c.members[2]
		_, err := at.publish.Publish(c.context(), &freshetv1.PublishRequest{Topic: "payments", Block: c.keyed("a")})
		if got := showError(err); !strings.HasPrefix(got, "FR5001 ") {
			t.Errorf("of a topic: %s", got)
		}
		_, err = at.consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "audit"})
		if got := showError(err); !strings.HasPrefix(got, "FR5001 ") {
			t.Errorf("of a subscription: %s", got)
		}
		for _, list := range []func() error{
			func() error {
				_, err := at.admin.ListTopics(c.context(), &freshetv1.ListTopicsRequest{})
				return err
			},
			func() error {
				_, err := at.admin.ListSubscriptions(c.context(), &freshetv1.ListSubscriptionsRequest{Topic: "orders"})
				return err
			},
			func() error {
				_, err := at.admin.ListDeadLetters(c.context(), &freshetv1.ListDeadLettersRequest{Topic: "orders", Subscription: "billing"})
				return err
			},
		} {
			if got := showError(list()); !strings.HasPrefix(got, "FR5003 ") {
				t.Errorf("a list without a leader: %s", got)
			}
		}
		c.startAll()
		_, err = at.publish.Publish(c.context(), &freshetv1.PublishRequest{Topic: "payments", Block: c.keyed("a")})
		if got := showError(err); !strings.HasPrefix(got, "FR1003 ") {
			t.Errorf("with a majority: %s", got)
		}
	})
}

// TestNobodyLeads: without a majority a call waits a little, and then says that it can be tried again.
func TestNobodyLeads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		c.members[0].kill()
		c.members[1].kill()
		ctx, cancel := context.WithTimeout(c.context(), clusterPatience)
		defer cancel()
		_, err := c.members[2].publish.Publish(ctx, &freshetv1.PublishRequest{Topic: "orders", Block: c.keyed("a")})
		if got := showError(err); got[:len("FR5")] != "FR5" {
			t.Errorf("got %v", err)
		}
		c.startAll()
	})
}
