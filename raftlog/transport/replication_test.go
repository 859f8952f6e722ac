package transport

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// cuttingTransport cuts a pipeline's requests down as AppendEntries does, in place of sending them in parts.
type cuttingTransport struct {
	*GroupTransport
	count int
}

func (c *cuttingTransport) AppendEntriesPipeline(id raft.ServerID, target raft.ServerAddress) (raft.AppendPipeline, error) {
	p, err := c.GroupTransport.AppendEntriesPipeline(id, target)
	return &cuttingPipeline{p, c.count}, err
}

type cuttingPipeline struct {
	raft.AppendPipeline
	count int
}

func (p *cuttingPipeline) AppendEntries(args *raft.AppendEntriesRequest, resp *raft.AppendEntriesResponse) (raft.AppendFuture, error) {
	args.Entries = args.Entries[:min(len(args.Entries), p.count)]
	return p.AppendPipeline.AppendEntries(args, resp)
}

// startPair starts two voters in virtual time, of which the first leads. A message takes some of AppendBytes, ten entries.
func startPair(t *testing.T, commitTimeout time.Duration, wrap func(*GroupTransport) raft.Transport) (leader, follower *member) {
	network := NewNetwork(3)
	t.Cleanup(network.Close)
	network.SetFaults(Faults{DelayMin: time.Millisecond, DelayMax: 2 * time.Millisecond})
	members := newMembers(t, 2, network)
	for _, m := range members {
		m.wrap = wrap
		m.configure = func(c *raft.Config) { c.CommitTimeout = commitTimeout }
	}
	bootstrap(t, members, func(o *Options) { o.AppendBytes, o.GroupWindowBytes = 10_000, 40_000 })
	leader = leaderOf(t, members...)
	awaitPipeline(t, leader)
	return leader, without(members, leader)[0]
}

// awaitPipeline waits until the library has gone from single requests to a pipeline, which it does after the first success.
func awaitPipeline(t *testing.T, leader *member) {
	t.Helper()
	if err := leader.raft.Apply(make([]byte, 1), 0).Error(); err != nil {
		t.Fatal(err)
	}
	await(t, "a pipeline", func() bool {
		g := leader.node.Group(1)
		g.mu.Lock()
		defer g.mu.Unlock()
		return len(g.mu.closables) > 0
	})
}

// burst proposes entries at once, and returns how long it takes until all are committed.
func burst(t *testing.T, leader *member, count, size int) time.Duration {
	t.Helper()
	start := time.Now()
	var futures []raft.ApplyFuture
	for range count {
		futures = append(futures, leader.raft.Apply(make([]byte, size), 0))
	}
	for _, f := range futures {
		if err := f.Error(); err != nil {
			t.Fatal(err)
		}
	}
	return time.Since(start)
}

// TestLargeRequestsInPipeline looks at what the library does with a pipeline's request that has more than a message takes. Sent
// in parts, it is committed as soon as the parts have arrived. Cut down, it is sound as well, but the library does not send
// the rest before something wakes it up: the next proposal, or its CommitTimeout. That is why pipelines send parts.
func TestLargeRequestsInPipeline(t *testing.T) {
	const commitTimeout = 200 * time.Millisecond
	synctest.Test(t, func(t *testing.T) {
		leader, follower := startPair(t, commitTimeout, nil)
		took := burst(t, leader, 60, 1000)
		t.Logf("sent in parts, committed after %v", took)
		if took >= commitTimeout {
			t.Errorf("it took %v, which is CommitTimeout", took)
		}
		if stats := leader.node.Stats(); stats.Split == 0 || stats.Shortened != 0 {
			t.Errorf("%d requests were split, %d cut down", stats.Split, stats.Shortened)
		}
		awaitSame(t, []*member{leader, follower}, 61)
	})
	synctest.Test(t, func(t *testing.T) {
		leader, follower := startPair(t, commitTimeout, func(g *GroupTransport) raft.Transport { return &cuttingTransport{g, 9} })
		took := burst(t, leader, 60, 1000)
		t.Logf("cut down, committed after %v", took)
		if took < commitTimeout {
			t.Errorf("it took %v; the library has learned to send the rest, and pipelines need not send parts any more", took)
		}
		awaitSame(t, []*member{leader, follower}, 61)
	})
}

// TestLargeRequestsWhenBehind lets a follower catch up, which the library does by single requests: it sends the rest of each that
// is cut down at once, and in the end both have all entries.
func TestLargeRequestsWhenBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const commitTimeout = 200 * time.Millisecond
		network := NewNetwork(4)
		t.Cleanup(network.Close)
		members := newMembers(t, 3, network)
		for _, m := range members {
			m.configure = func(c *raft.Config) { c.CommitTimeout = commitTimeout }
		}
		few := func(o *Options) { o.AppendBytes, o.GroupWindowBytes = 10_000, 40_000 }
		bootstrap(t, members, few)
		leader := leaderOf(t, members...)
		follower := without(members, leader)[0]
		follower.stop(t)
		burst(t, leader, 500, 1000)
		follower.start(t, few)
		start := time.Now()
		awaitSame(t, members, 500)
		// 56 messages, one after the other, and before them the library's pause after failures.
		t.Logf("caught up after %v", time.Since(start))
		if shortened := leader.node.Stats().Shortened; shortened < 40 {
			t.Errorf("%d requests were cut down", shortened)
		}
		if got, limit := time.Since(start), 10*commitTimeout; got > limit {
			t.Errorf("it took %v; one message for each CommitTimeout would take %v", got, 56*commitTimeout)
		}
	})
}
