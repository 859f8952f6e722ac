package transport

import (
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// refusals collects what PeerRefused is told.
type refusals struct {
	mu    sync.Mutex
	peers []raft.ServerAddress
	at    []time.Time
}

func (r *refusals) note(peer raft.ServerAddress) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peers, r.at = append(r.peers, peer), append(r.at, time.Now())
}

func (r *refusals) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.peers)
}

// ask sends a pre-vote, which any node answers that has the group.
func ask(from *testNode, to raft.ServerAddress) error {
	return from.Group(1).RequestPreVote("", to, &raft.RequestPreVoteRequest{RPCHeader: header("n1")}, &raft.RequestPreVoteResponse{})
}

func agree(rpc raft.RPC) {
	switch rpc.Command.(type) {
	case *raft.RequestPreVoteRequest:
		rpc.Respond(&raft.RequestPreVoteResponse{Granted: true}, nil)
	case *raft.AppendEntriesRequest:
		rpc.Respond(&raft.AppendEntriesResponse{Success: true}, nil)
	default:
		rpc.Respond(nil, errors.New("not in this test"))
	}
}

// twinNodes starts nodes over a network, in a bubble.
func twinNodes(t *testing.T, network *Network, change func(id string, o *Options), ids ...string) (nodes []*testNode) {
	t.Helper()
	for _, id := range ids {
		n := startNode(t, id, must(network.Listen(id)), func(o *Options) { o.Random = network.Random; change(id, o) })
		n.answering(t, 1, agree)
		nodes = append(nodes, n)
	}
	return nodes
}

// TestPeerRefused kills nodes, and expects others to be told: once, soon, and only when the process is gone.
func TestPeerRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(5)
		t.Cleanup(network.Close)
		told := map[string]*refusals{"n1": {}, "n2": {}, "n3": {}}
		note := func(id string, o *Options) { o.PeerRefused = told[id].note }
		nodes := twinNodes(t, network, note, "n1", "n2", "n3")
		n1, n2 := nodes[0], nodes[1]

		// n4 was never there, and n3 never had to do with n1.
		if err := ask(n1, "n4"); err == nil {
			t.Error("nobody answered")
		}
		for range 3 {
			if err := ask(n1, "n2"); err != nil {
				t.Fatal(err)
			}
		}
		// A cut is no refusal, however long it lasts.
		network.CutBoth("n1", "n2", true)
		if err := ask(n1, "n2"); !errors.Is(err, ErrBroken) {
			t.Errorf("through a cut: %v", err)
		}
		pass(10 * time.Second)
		network.CutBoth("n1", "n2", false)
		if err := ask(n1, "n2"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		if told["n1"].count()+told["n2"].count()+told["n3"].count() > 0 {
			t.Fatalf("somebody is gone: %v", told)
		}

		for round := 1; round <= 2; round++ {
			killed := time.Now()
			network.Kill("n2")
			pass(5 * time.Second)
			if told["n1"].count() != round || told["n1"].peers[round-1] != "n2" {
				t.Fatalf("round %d: told %v", round, told["n1"].peers)
			}
			took := told["n1"].at[round-1].Sub(killed)
			t.Logf("noticed after %v", took)
			if took > 30*time.Millisecond {
				t.Errorf("round %d: noticed after %v", round, took)
			}
			if err := ask(n1, "n2"); err == nil {
				t.Error("a node answered that is gone")
			}
			if err := n2.Close(); err != nil {
				t.Error(err)
			}
			n2 = twinNodes(t, network, note, "n2")[0]
			pass(time.Second)
			if err := ask(n1, "n2"); err != nil {
				t.Fatal(err)
			}
		}
		// n1 has never called n3, but n3 has called n1: n1 notices, too.
		if err := ask(nodes[2], "n1"); err != nil {
			t.Fatal(err)
		}
		pass(time.Second)
		network.Kill("n3")
		pass(time.Second)
		if told["n1"].count() != 3 || told["n1"].peers[2] != "n3" {
			t.Errorf("told %v", told["n1"].peers)
		}
		if told["n2"].count() != 0 {
			t.Errorf("n2 had nothing to do with n3, and was told %v", told["n2"].peers)
		}
	})
}

// TestPeerRefusedTCP does so with sockets. How soon is reported; on a busy machine it says nothing.
func TestPeerRefusedTCP(t *testing.T) {
	told := &refusals{}
	n1 := startNode(t, "n1", listenTCP(t), func(o *Options) { o.PeerRefused = told.note })
	n2 := startNode(t, "n2", listenTCP(t))
	n2.answering(t, 1, agree)
	address := n2.LocalAddress()
	if err := ask(n1, address); err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	if err := n2.Close(); err != nil {
		t.Fatal(err)
	}
	await(t, "told that n2 is gone", func() bool { return told.count() == 1 })
	t.Logf("noticed after %v", told.at[0].Sub(start))
	for range 20 {
		if err := ask(n1, address); err == nil {
			t.Fatal("a node answered that is gone")
		}
	}
	if told.count() != 1 {
		t.Errorf("told %d times", told.count())
	}
	n2 = startNode(t, "n2", listenAt(t, string(address)))
	n2.answering(t, 1, agree)
	await(t, "n2 again", func() bool { return ask(n1, address) == nil })
	if told.count() != 1 {
		t.Errorf("told %d times", told.count())
	}
}

// TestRefused makes a node be refused whose connections stand: nothing is noticed before one breaks.
func TestRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(6)
		t.Cleanup(network.Close)
		told := &refusals{}
		nodes := twinNodes(t, network, func(_ string, o *Options) { o.PeerRefused = told.note }, "n1", "n2")
		if err := ask(nodes[0], "n2"); err != nil {
			t.Fatal(err)
		}
		network.Refuse("n2", true)
		if err := ask(nodes[0], "n2"); err != nil {
			t.Fatal(err)
		}
		network.Break("n1", "n2")
		pass(100 * time.Millisecond)
		if told.count() != 1 || told.peers[0] != "n2" {
			t.Errorf("told %v", told.peers)
		}
		network.Refuse("n2", false)
		pass(2 * time.Second)
		if err := ask(nodes[0], "n2"); err != nil {
			t.Error(err)
		}
	})
}

// TestIdle expects connections to peers that are not used to be closed, and to be made again when they are.
func TestIdle(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(6)
		t.Cleanup(network.Close)
		told := &refusals{}
		nodes := twinNodes(t, network, func(_ string, o *Options) { o.PeerRefused = told.note }, "n1", "n2")
		for range 100 {
			if err := ask(nodes[0], "n2"); err != nil {
				t.Fatal(err)
			}
			pass(time.Second)
		}
		if s := nodes[0].Stats(); s.Dials != 1 || s.Peers != 1 || s.Connections != 2 || s.Silences != 0 {
			t.Errorf("while it is used: %+v", s)
		}
		pass(90 * time.Second)
		for _, n := range nodes {
			if s := n.Stats(); s.Peers != 0 || s.Connections != 0 {
				t.Errorf("when it is not: %+v", s)
			}
		}
		if err := ask(nodes[0], "n2"); err != nil || told.count() != 0 {
			t.Errorf("%v, told %v", err, told.peers)
		}
	})
}

// pass lets virtual time pass.
func pass(d time.Duration) { <-time.After(d) }
