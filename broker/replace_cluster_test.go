package broker

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/freshet-mq/freshet/broker/internal/catalog"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
)

// empty gives a node that is down a new directory, and returns what gives it the old one back.
func (m *clusterMember) empty() (restore func()) {
	dir, fs := m.dir, m.fs
	m.dir, m.fs = m.rig.t.TempDir(), vfs.NewCrashableMem()
	return func() { m.dir, m.fs = dir, fs }
}

// settled tells whether all groups of a node have three voters, one of which is a node in a generation.
func (m *clusterMember) settled(node string, generation uint32) bool {
	for i := range m.node.roster.groups { // the roster writes beside what is read here
		voters, there := 0, false
		for _, member := range m.node.roster.groups[i].group.Members() {
			if member.Voter {
				voters++
			}
			there = there || member.Node == raftName(node, generation)
		}
		if voters != 3 || !there {
			return false
		}
	}
	return true
}

// TestReplace: a node whose disk is gone counts for nothing until somebody says that it is gone for good. Then it takes part anew, has all that is stored, and
// the cluster can lose another node. The old directory, should it come back, is refused.
func TestReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		for i := range 20 {
			c.publishOne("orders", fmt.Sprint(i))
		}
		n1, n2, n3 := c.members[0], c.members[1], c.members[2]
		n3.kill()
		c.publishOne("orders", "20")
		restore := n3.empty()

		started := make(chan error, 1)
		go func() { started <- n3.start() }()
		c.eventually("somebody who waits", func(m *clusterMember) bool {
			res, err := m.admin.DescribeCluster(c.context(), &freshetv1.DescribeClusterRequest{})
			return err == nil && res.GetNodes()[2].GetWaiting()
		})
		n2.stop() // with the empty one n1 would be a majority
		req := &freshetv1.PublishRequest{Topic: "orders", Block: blockOf(t, block.Options{}, []string{"lost?"})}
		if _, err := n1.publish.Publish(c.context(), req); status.Code(err) != codes.Unavailable {
			t.Errorf("a node and one that has forgotten everything stored an event: %v", err)
		}
		if err := n2.start(); err != nil {
			t.Fatal(err)
		}
		c.replaceNode(t, "n2", "runs with the data directory that the cluster knows")
		c.replaceNode(t, "n4", "is no member of the cluster")
		c.replaceNode(t, "n3", "")
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		c.replaceNode(t, "n3", "") // again
		for _, m := range c.members {
			c.eventually("the new member at "+m.name, func(at *clusterMember) bool { return at == m && at.settled("n3", 2) })
		}
		c.agree()

		n1.kill()
		c.publishOne("orders", "21")
		got := 0
		for got < 22 {
			res, err := c.leader(c.home("orders")).consume.Receive(c.context(), &freshetv1.ReceiveRequest{Topic: "orders", Subscription: "billing", MaxEvents: 10})
			if err != nil || len(res.GetReceipts()) == 0 {
				t.Fatalf("after %d events: %v", got, err)
			}
			got += len(res.GetReceipts())
		}
		if got > 23 { // the one whose outcome nobody knew may be among them
			t.Errorf("got %d events, 22 or 23 were stored", got)
		}
		if err := n1.start(); err != nil {
			t.Fatal(err)
		}
		n3.kill()
		if err := n3.start(); err != nil {
			t.Fatal(err)
		}
		c.agree()

		n3.kill()
		restore()
		c.adjust = func(o *Options) { o.Fatal = nil }
		if err := n3.start(); !errors.Is(err, errReplaced) || !strings.Contains(err.Error(), "is in generation 2, and this one was its 1") {
			t.Errorf("the old directory is refused with %v", err)
		}
	})
}

// TestReplacedAndAway: a node that is let in anew, and is away before it has fetched anything, gets no vote until it is back and has caught up.
// Otherwise whoever asks is told that it counts, and may take the next one away.
func TestReplacedAndAway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		c.publishOne("orders", "one")
		n3 := c.members[2]
		n3.kill()
		n3.empty()
		started := make(chan error, 1)
		go func() { started <- n3.start() }()
		c.eventually("somebody who waits", func(m *clusterMember) bool {
			res, err := m.admin.DescribeCluster(c.context(), &freshetv1.DescribeClusterRequest{})
			return err == nil && res.GetNodes()[2].GetWaiting()
		})
		c.eventually("somebody who lets it in", func(m *clusterMember) bool {
			_, err := m.admin.ReplaceNode(c.context(), &freshetv1.ReplaceNodeRequest{Node: "n3"})
			return err == nil
		})
		if err := <-started; err != nil {
			t.Fatal(err)
		}
		n3.kill()
		c.after(20 * rosterApart)
		for _, m := range c.running() {
			for i := range m.node.roster.groups {
				for _, member := range m.node.roster.groups[i].group.Members() {
					if member.Node == raftName("n3", 2) && member.Voter {
						t.Errorf("group %d: %s counts, and has nothing", i, member.Node)
					}
				}
			}
		}
		if err := n3.start(); err != nil {
			t.Fatal(err)
		}
		for _, m := range c.members {
			c.eventually("the new member at "+m.name, func(at *clusterMember) bool { return at == m && at.settled("n3", 2) })
		}
		c.agree()
	})
}

// replaceNode asks for a replacement, which is refused with some words; none: it isn't.
func (c *clusterRig) replaceNode(t *testing.T, node, refused string) {
	t.Helper()
	_, err := c.members[1].admin.ReplaceNode(c.context(), &freshetv1.ReplaceNodeRequest{Node: node})
	switch {
	case refused == "" && err != nil:
		t.Fatalf("replacing %s: %v", node, err)
	case refused != "" && (err == nil || !strings.Contains(err.Error(), refused)):
		t.Errorf("replacing %s is answered with %v, want %q", node, err, refused)
	}
}

// TestReplaceInterrupted: between the steps by which a node is let in anew the groups have two members. Nodes that are started again just then know
// that the third is one of them, whatever their checkpoints are of.
func TestReplaceInterrupted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		c.startAll()
		c.create("orders", "billing")
		n3 := c.members[2]
		n3.kill()
		n3.empty()
		started := make(chan error, 3)
		go func() { started <- n3.start() }()
		c.eventually("somebody who waits", func(m *clusterMember) bool {
			res, err := m.admin.DescribeCluster(c.context(), &freshetv1.DescribeClusterRequest{})
			return err == nil && res.GetNodes()[2].GetWaiting()
		})
		c.replaceNode(t, "n3", "")
		for _, m := range c.members[:2] {
			c.eventually("two members at "+m.name, func(at *clusterMember) bool {
				return at == m && len(m.node.metadata.group.Members()) == 2
			})
		}
		for _, m := range c.members[:2] {
			m.kill()
			go func() { started <- m.start() }()
		}
		for range c.members {
			if err := <-started; err != nil {
				t.Fatal(err)
			}
		}
		for _, m := range c.members {
			c.eventually("the new member at "+m.name, func(at *clusterMember) bool { return at == m && at.settled("n3", 2) })
		}
		c.agree()
	})
}

// TestFounding: a cluster is founded when all of its nodes have been there; until then no data directory counts for anything.
func TestFounding(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newClusterRig(t)
		logged := &keptLog{}
		c.adjust = func(o *Options) { o.Logger = slog.New(slog.NewTextHandler(logged, nil)) }
		started := make(chan error, 3)
		for _, m := range c.members[:2] {
			go func() { started <- m.start() }()
		}
		select {
		case err := <-started:
			t.Fatalf("two of three founded a cluster: %v", err)
		case <-time.After(20 * time.Second):
		}
		if !strings.Contains(logged.String(), "has yet to hear from n3") {
			t.Errorf("nobody says what is waited for:\n%s", logged)
		}
		go func() { started <- c.members[2].start() }()
		for range c.members {
			if err := <-started; err != nil {
				t.Fatal(err)
			}
		}
		members := c.metadataLeader().node.metadata.view().Members()
		for i, m := range c.members {
			if want := (catalog.Member{Node: m.name, Directory: m.node.directory.Directory, Generation: 1}); members[i] != want {
				t.Errorf("the catalog has %+v, want %+v", members[i], want)
			}
		}
	})
}
