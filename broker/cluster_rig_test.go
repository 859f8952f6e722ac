package broker

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/freshet-mq/freshet/partition"
	"github.com/freshet-mq/freshet/proto/block"
	freshetv1 "github.com/freshet-mq/freshet/proto/freshet/v1"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// clusterRig is three nodes in this process. Their network and their listeners are memory, and so are their files but for the metadata's: it works
// inside testing/synctest, where the seconds that an election takes cost nothing.
//
//	synctest.Test(t, func(t *testing.T) {
//		c := newClusterRig(t)
//		c.startAll()
//		...
//	})
//
// What a test has started is stopped when it ends.
type clusterRig struct {
	t       *testing.T
	network *transport.Network
	members []*clusterMember
	// adjust changes the options of the next starts.
	adjust func(*Options)
	// wrapFS stands between the nodes and their disks. Default: nothing does.
	wrapFS func(vfs.FS) vfs.FS
	// quiet keeps what nodes log to themselves.
	quiet  bool
	random *rand.Rand
	// attempts of the queues that create makes. 0: the default.
	attempts uint32
}

// clusterMember is a node that comes and goes, and a connection to it.
type clusterMember struct {
	rig  *clusterRig
	name string
	dir  string
	fs   *vfs.MemFS
	node *Node // nil while it is down

	mu struct {
		sync.Mutex
		listener *bufconn.Listener // nil while it is down
	}
	conn    *grpc.ClientConn
	publish freshetv1.PublishServiceClient
	consume freshetv1.ConsumeServiceClient
	admin   freshetv1.AdminServiceClient
	route   freshetv1.RouteServiceClient
}

// clusterPartitions is how many partitions the rig's clusters have.
const clusterPartitions = 4

func newClusterRig(t *testing.T) *clusterRig {
	t.Helper()
	c := &clusterRig{t: t, network: transport.NewNetwork(1), random: rand.New(rand.NewPCG(1, 2))}
	t.Cleanup(c.network.Close)
	for i := range 3 {
		m := &clusterMember{rig: c, name: fmt.Sprintf("n%d", i+1), dir: t.TempDir(), fs: vfs.NewCrashableMem()}
		c.members = append(c.members, m)
		m.connect()
	}
	t.Cleanup(func() {
		for _, m := range c.members {
			if m.node != nil {
				m.stop()
			}
		}
	})
	return c
}

// address is where a member is reached by the others, and api where by clients: any text, since both are in memory.
func (m *clusterMember) address() string { return m.name + ":7601" }
func (m *clusterMember) api() string     { return m.name + ":7600" }

// dial connects a client to whatever node has an address.
func (c *clusterRig) dial(ctx context.Context, address string) (net.Conn, error) {
	for _, m := range c.members {
		if m.api() != address {
			continue
		}
		m.mu.Lock()
		listener := m.mu.listener
		m.mu.Unlock()
		if listener == nil {
			break
		}
		return listener.DialContext(ctx)
	}
	return nil, fmt.Errorf("nobody listens at %s", address)
}

func (m *clusterMember) connect() {
	t := m.rig.t
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+m.api(), grpc.WithContextDialer(m.rig.dial), grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.MaxCallRecvMsgSize(responseBytesMax), grpc.WaitForReady(true)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := conn.Close(); err != nil {
			t.Log(err)
		}
	})
	m.conn = conn
	m.publish, m.consume = freshetv1.NewPublishServiceClient(conn), freshetv1.NewConsumeServiceClient(conn)
	m.admin, m.route = freshetv1.NewAdminServiceClient(conn), freshetv1.NewRouteServiceClient(conn)
}

// target is what a client connects to: all nodes.
func (c *clusterRig) target() string {
	var addresses []string
	for _, m := range c.members {
		addresses = append(addresses, m.api())
	}
	return strings.Join(addresses, ",")
}

// start starts the node, and returns what came of it. Of three nodes two have to be starting for one to have started.
func (m *clusterMember) start() error {
	c := m.rig
	streams, err := c.network.Listen(m.address())
	if err != nil {
		return err
	}
	listener := bufconn.Listen(1 << 20)
	o := Options{
		Node: m.name, Dir: m.dir, FS: m.fs, PeerStreams: streams, Partitions: clusterPartitions, Listener: listener, Advertise: m.api(),
		LogBytesMax: 64 << 20, Logger: slog.New(slog.NewTextHandler(testLog{c.t}, nil)),
		Fatal: func(err error) { c.t.Errorf("%s can't go on: %v", m.name, err) },
	}
	for _, peer := range c.members {
		o.Peers = append(o.Peers, Peer{Name: peer.name, Address: peer.address()})
	}
	if c.wrapFS != nil {
		o.FS = c.wrapFS(m.fs)
	}
	if c.quiet {
		o.Logger = nil
	}
	if c.adjust != nil {
		c.adjust(&o)
	}
	ctx, cancel := context.WithTimeout(c.t.Context(), clusterPatience)
	defer cancel()
	node, err := Start(ctx, o)
	if err != nil {
		return fmt.Errorf("starting %s: %w", m.name, err)
	}
	m.node = node
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.listener = listener
	return nil
}

// clusterPatience is the rig's patience: virtual time, as a rule.
const clusterPatience = 60 * time.Second

// startAll starts those that are down, together.
func (c *clusterRig) startAll() {
	c.t.Helper()
	errs := make([]error, len(c.members))
	var starting sync.WaitGroup
	for i, m := range c.members {
		if m.node == nil {
			starting.Go(func() { errs[i] = m.start() })
		}
	}
	starting.Wait()
	if err := errors.Join(errs...); err != nil {
		c.t.Fatal(err)
	}
}

// stop stops the node in order.
func (m *clusterMember) stop() {
	m.rig.t.Helper()
	node := m.down()
	ctx, cancel := context.WithTimeout(context.Background(), clusterPatience)
	defer cancel()
	if err := node.Shutdown(ctx); err != nil {
		m.rig.t.Errorf("shutdown of %s: %v", m.name, err)
	}
}

// down notes that the node isn't reached any more.
func (m *clusterMember) down() *Node {
	node := m.node
	m.node = nil
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.listener = nil
	return node
}

// kill ends the node as kill -9 would: nobody hears of it again, and what it has written by now is all that there is when it starts next.
func (m *clusterMember) kill() {
	m.rig.t.Helper()
	m.rig.network.Kill(m.address())
	m.lose(vfs.CrashCloneCfg{UnsyncedDataPercent: 100, RNG: m.rig.random})
}

// lose takes what the disk has now for all that there is, and ends the node. The metadata, whose files can't be cloned, is quiet meanwhile, and what it
// still writes tells nobody anything.
func (m *clusterMember) lose(cfg vfs.CrashCloneCfg) {
	t := m.rig.t
	t.Helper()
	m.fs = m.fs.CrashClone(cfg)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := m.down().Shutdown(ctx); err != nil && !m.rig.quiet {
		t.Logf("%s was broken off: %v", m.name, err)
	}
}

// loseAll is lose for all nodes at once.
func (c *clusterRig) loseAll(cfg vfs.CrashCloneCfg) {
	c.t.Helper()
	var losing sync.WaitGroup
	for _, m := range c.running() {
		own := cfg
		own.RNG = rand.New(rand.NewPCG(c.random.Uint64(), 0))
		losing.Go(func() { m.lose(own) })
	}
	losing.Wait()
}

// running are the members that are up.
func (c *clusterRig) running() []*clusterMember {
	return slices.DeleteFunc(slices.Clone(c.members), func(m *clusterMember) bool { return m.node == nil })
}

// context bounds one step.
func (c *clusterRig) context() context.Context {
	ctx, cancel := context.WithTimeout(c.t.Context(), clusterPatience)
	c.t.Cleanup(cancel)
	return ctx
}

// leader waits until a partition has a leader, and returns it.
func (c *clusterRig) leader(number uint32) *clusterMember {
	c.t.Helper()
	return c.eventually(fmt.Sprintf("a leader of partition %d", number), func(m *clusterMember) bool {
		return m.node.partitions.all[number].leader().Here
	})
}

// metadataLeader waits until the metadata has a leader, and returns it.
func (c *clusterRig) metadataLeader() *clusterMember {
	c.t.Helper()
	return c.eventually("a leader of the metadata", func(m *clusterMember) bool {
		return m.node.metadata.leads()
	})
}

// eventually waits until something is so at a node.
func (c *clusterRig) eventually(what string, so func(*clusterMember) bool) *clusterMember {
	c.t.Helper()
	ctx := c.context()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for {
		for _, m := range c.running() {
			if so(m) {
				return m
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			c.t.Fatalf("there isn't %s", what)
		}
	}
}

// agree waits until all replicas of all partitions have applied the same, and checks that they have the same then.
func (c *clusterRig) agree() {
	c.t.Helper()
	ctx := c.context()
	ticker := time.NewTicker(20 * time.Millisecond)
	defer ticker.Stop()
	for number := range uint32(clusterPartitions) {
		for !c.agreed(number) {
			select {
			case <-ticker.C:
			case <-ctx.Done():
				for _, m := range c.running() {
					c.t.Logf("%s: %+v", m.name, m.node.partitions.all[number].StateHash())
				}
				c.t.Fatalf("the replicas of partition %d don't come to the same", number)
			}
		}
	}
}

// agreed tells whether the replicas have applied the same entries. If they have, they must be in the same state.
func (c *clusterRig) agreed(number uint32) bool {
	var hashes []partition.StateHash
	for _, m := range c.running() {
		hashes = append(hashes, m.node.partitions.all[number].StateHash())
	}
	for _, h := range hashes[1:] {
		if h.Index != hashes[0].Index {
			return false
		}
		if h != hashes[0] {
			c.t.Fatalf("partition %d: the replicas differ (P9): %+v", number, hashes)
		}
	}
	return true
}

// create makes a topic with one queue, and waits until every node that is up knows of it.
func (c *clusterRig) create(topic, queue string) {
	c.t.Helper()
	m := c.metadataLeader()
	if _, err := m.admin.CreateTopic(c.context(), &freshetv1.CreateTopicRequest{Name: topic}); err != nil {
		c.t.Fatal(err)
	}
	_, err := m.admin.CreateSubscription(c.context(), &freshetv1.CreateSubscriptionRequest{Subscription: &freshetv1.Subscription{
		Topic: topic, Name: queue, Kind: freshetv1.SubscriptionKind_SUBSCRIPTION_KIND_QUEUE, AttemptsMax: c.attempts,
	}})
	if err != nil {
		c.t.Fatal(err)
	}
	for _, m := range c.running() {
		if _, err := m.node.metadata.reached(c.context(), c.metadataLeader().node.metadata.view().Version()); err != nil {
			c.t.Fatal(err)
		}
	}
}

// home returns the number of the partition that a topic's first slot is on, as the metadata's leader says: another may be behind.
func (c *clusterRig) home(topic string) uint32 {
	c.t.Helper()
	t, ok := c.metadataLeader().node.metadata.view().Topic(topic)
	if !ok {
		c.t.Fatalf("there is no topic %s", topic)
	}
	return t.Partitions[0]
}

// publishOne stores an event at the leader.
func (c *clusterRig) publishOne(topic, data string) {
	c.t.Helper()
	req := &freshetv1.PublishRequest{Topic: topic, Block: blockOf(c.t, block.Options{}, []string{data})}
	if _, err := c.leader(c.home(topic)).publish.Publish(c.context(), req); err != nil {
		c.t.Fatal(err)
	}
}

// after lets time pass.
func (c *clusterRig) after(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	<-timer.C
}
