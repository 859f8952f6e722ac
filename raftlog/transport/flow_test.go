package transport

import (
	"bytes"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/hashicorp/raft"
)

// appendTo sends entries of one group by a single request.
func appendTo(n *testNode, group GroupNumber, to raft.ServerAddress, entries []*raft.Log) error {
	request := &raft.AppendEntriesRequest{RPCHeader: header(string(n.id)), Term: 1, Entries: entries}
	var response raft.AppendEntriesResponse
	err := n.Group(group).AppendEntries("", to, request, &response)
	if err == nil && !response.Success {
		err = errors.New("no success")
	}
	return err
}

// TestStuckGroup (T5) has a group whose follower does not answer: its own requests fail after AnswerTimeout, and hold at most their
// window, while the others go on, heartbeats of the same group's node among them.
func TestStuckGroup(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c, func(o *Options) {
			o.AppendBytes, o.GroupWindowBytes, o.PeerWindowBytes = 100_000, 200_000, 400_000
			o.AnswerTimeout = 300 * time.Millisecond
		})
		// Nobody takes what comes for groups 2 to 9: more than the window of all together.
		for number := GroupNumber(2); number < 10; number++ {
			s.to.Group(number)
		}
		s.to.answering(t, 1, agree)
		var stuck sync.WaitGroup
		var ended atomic.Int64
		for number := GroupNumber(2); number < 10; number++ {
			p, err := s.from.Group(number).AppendEntriesPipeline("n2", s.target)
			if err != nil {
				t.Fatal(err)
			}
			stuck.Go(func() {
				defer ended.Add(1)
				for {
					request := &raft.AppendEntriesRequest{Entries: entriesOf(1, 9, 50_000)}
					if _, err := p.AppendEntries(request, &raft.AppendEntriesResponse{}); err != nil {
						if !errors.Is(err, ErrTimeout) {
							t.Errorf("a group that is stuck: %v", err)
						}
						return
					}
				}
			})
		}
		for i := 0; ended.Load() < 8; i++ {
			if err := appendTo(s.from, 1, s.target, entriesOf(1, 3, 20_000)); err != nil {
				t.Fatalf("entries %d: %v", i, err)
			}
			if err := appendTo(s.from, 1, s.target, nil); err != nil {
				t.Fatalf("heartbeat %d: %v", i, err)
			}
		}
		stuck.Wait()
		if n := s.to.Stats().RequestsRefused; n != 0 {
			t.Errorf("%d requests were refused, although the sender bounds them", n)
		}
	})
}

// TestWindow looks at what the window of one group, and of all, lets through.
func TestWindow(t *testing.T) {
	var w window
	w.init(20_000, 50_000)
	take := func(group GroupNumber, count, size int) (int, int) {
		t.Helper()
		n, bytes, again := w.take(group, entriesOf(1, count, size), 10_000)
		if (n == 0) != (again != nil) {
			t.Errorf("%d entries, channel %v", n, again)
		}
		return n, bytes
	}
	expect := func(what string, got, want int) {
		t.Helper()
		if got != want {
			t.Errorf("%s: %d entries; expected %d", what, got, want)
		}
	}
	n, first := take(1, 30, 1000)
	expect("as many as AppendBytes has", n, 9) // extensions count
	n, second := take(1, 30, 1000)
	expect("the rest of the group's window", n, 8)
	n, _ = take(1, 30, 1000)
	expect("no room", n, 0)
	_, _, again := w.take(1, entriesOf(1, 1, 1000), 10_000)
	w.give(1, first)
	<-again
	n, first = take(1, 30, 1000)
	expect("again", n, 9)
	n, large := take(2, 3, 60_000)
	expect("larger than any window, of a group that has nothing on its way", n, 1)
	n, _ = take(1, 30, 100)
	expect("the window of all is used up", n, 0)
	n, third := take(3, 30, 1000)
	expect("one of a group that has nothing on its way", n, 1)
	n, _ = take(3, 30, 1000)
	expect("and no more", n, 0)
	w.give(2, large)
	w.give(1, first)
	w.give(1, second)
	w.give(3, third)
	if w.mu.total != 0 || len(w.mu.groups) != 0 {
		t.Errorf("%d bytes of %d groups are left", w.mu.total, len(w.mu.groups))
	}
	if n, none, again := w.take(3, nil, 10_000); n+none != 0 || again != nil {
		t.Errorf("no entries: %d, %d bytes, channel %v", n, none, again)
	}
}

// TestUnwanted sends more than the peer's window by a connection of its own, without a window: it is refused, not held.
func TestUnwanted(t *testing.T) {
	to := startNode(t, "n2", listenTCP(t), func(o *Options) {
		o.AppendBytes, o.GroupWindowBytes, o.PeerWindowBytes = 100_000, 100_000, 100_000
	})
	from := startNode(t, "n1", listenTCP(t))
	to.Group(1)
	c, err := from.reach("n2", to.LocalAddress(), laneData, nil)
	if err != nil {
		t.Fatal(err)
	}
	results := make(chan error, 10)
	for range cap(results) {
		f, err := appendFrame(&from.buffers, &raft.AppendEntriesRequest{Entries: entriesOf(1, 1, 40_000)}, nil)
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			results <- call(c, f, &exchange{group: 1, kind: kindAppend}, nil, &raft.AppendEntriesResponse{})
		}()
	}
	for range cap(results) - 4 { // four fit
		if err := <-results; !errors.Is(err, ErrBusy) {
			t.Errorf("got %v; expected %v", err, ErrBusy)
		}
	}
	if err := to.Group(1).Close(); err != nil {
		t.Fatal(err)
	}
	for range 4 {
		if err := <-results; !errors.Is(err, ErrUnknownGroup) {
			t.Errorf("got %v; expected %v", err, ErrUnknownGroup)
		}
	}
}

// TestTooLarge expects an entry that the peer does not take to be refused before it is sent.
func TestTooLarge(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		s := startSuite(t, c, func(o *Options) { o.EntryBytesMax, o.AppendBytes = 1<<20, 100_000 })
		s.to.answering(t, 1, agree)
		if err := appendTo(s.from, 1, s.target, entriesOf(1, 1, 2<<20)); !errors.Is(err, ErrTooLarge) {
			t.Errorf("got %v", err)
		}
		if err := appendTo(s.from, 1, s.target, entriesOf(1, 1, 1<<20)); err != nil {
			t.Errorf("the largest entry: %v", err)
		}
	})
}

// TestWithhold expects nothing to be sent that would keep a leader in office or make one, and answers still to be given.
func TestWithhold(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		var hanging atomic.Bool
		s := startSuite(t, c, func(o *Options) { o.Withhold = hanging.Load })
		s.to.answering(t, 1, agree)
		s.from.answering(t, 1, agree)
		g := s.from.Group(1)
		p, err := g.AppendEntriesPipeline("n2", s.target)
		if err != nil {
			t.Fatal(err)
		}
		calls := map[string]func() error{
			"heartbeat": func() error { return appendTo(s.from, 1, s.target, nil) },
			"entries":   func() error { return appendTo(s.from, 1, s.target, entriesOf(1, 1, 10)) },
			"pipeline": func() error {
				_, err := p.AppendEntries(&raft.AppendEntriesRequest{}, &raft.AppendEntriesResponse{})
				return err
			},
			"vote": func() error {
				return g.RequestVote("n2", s.target, &raft.RequestVoteRequest{}, &raft.RequestVoteResponse{})
			},
			"pre-vote": func() error { return ask(s.from, s.target) },
			"snapshot": func() error {
				return g.InstallSnapshot("n2", s.target, &raft.InstallSnapshotRequest{}, &raft.InstallSnapshotResponse{}, nil)
			},
		}
		hanging.Store(true)
		for name, call := range calls {
			if err := call(); !errors.Is(err, ErrWithheld) {
				t.Errorf("%s: %v", name, err)
			}
		}
		var remote *RemoteError
		if err := g.TimeoutNow("n2", s.target, &raft.TimeoutNowRequest{}, &raft.TimeoutNowResponse{}); !errors.As(err, &remote) {
			t.Errorf("leadership is not handed over: %v", err)
		}
		if n := s.from.Stats().Withheld; n != uint64(len(calls)) {
			t.Errorf("%d were withheld; expected %d", n, len(calls))
		}
		hanging.Store(false)
		for name, call := range calls {
			if err := call(); errors.Is(err, ErrWithheld) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

// TestClosing closes groups and transports while calls are on their way, which all return.
func TestClosing(t *testing.T) {
	for _, what := range []string{"group", "transport", "peer's group", "peer"} {
		t.Run(what, func(t *testing.T) {
			forEachCarrier(t, func(t *testing.T, c carrier) {
				s := startSuite(t, c, func(o *Options) {
					o.Fetch = func(GroupNumber, uint64, uint64, int) ([]*raft.Log, error) { return nil, nil }
				})
				s.to.Group(1) // takes nothing
				g := s.from.Group(1)
				p, err := g.AppendEntriesPipeline("n2", s.target)
				if err != nil {
					t.Fatal(err)
				}
				var calls sync.WaitGroup
				failing := func(name string, call func() error) {
					calls.Go(func() {
						if err := call(); err == nil {
							t.Errorf("%s: it was answered", name)
						}
					})
				}
				future, err := p.AppendEntries(&raft.AppendEntriesRequest{Entries: entriesOf(1, 3, 5000)}, &raft.AppendEntriesResponse{})
				if err != nil {
					t.Fatal(err)
				}
				failing("future", future.Error)
				failing("full pipeline", func() error {
					_, err := p.AppendEntries(&raft.AppendEntriesRequest{Entries: entriesOf(1, 3, 5000)}, &raft.AppendEntriesResponse{})
					return errors.Join(err, future.Error())
				})
				failing("entries", func() error { return appendTo(s.from, 1, s.target, entriesOf(1, 3, 50_000)) })
				failing("heartbeat", func() error { return appendTo(s.from, 1, s.target, nil) })
				failing("pre-vote", func() error { return ask(s.from, s.target) })
				failing("snapshot", func() error {
					r := &raft.InstallSnapshotRequest{Size: 1 << 30}
					return g.InstallSnapshot("n2", s.target, r, &raft.InstallSnapshotResponse{}, zeros{})
				})
				await(t, "all on their way", func() bool { return s.to.Stats().Requests == 5 && s.to.Stats().InstallsReceived == 1 })
				switch what {
				case "group":
					err = g.Close()
				case "transport":
					err = s.from.Close()
				case "peer's group":
					err = s.to.Group(1).Close()
				case "peer":
					err = s.to.Close()
				}
				if err != nil {
					t.Error(err)
				}
				calls.Wait()
				if what == "transport" {
					if err := ask(s.from, s.target); !errors.Is(err, raft.ErrTransportShutdown) {
						t.Errorf("after it was closed: %v", err)
					}
				}
			})
		})
	}
}

// TestSilence cuts a connection off, stops a peer, and lets a group take its time.
func TestSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		network := NewNetwork(1)
		t.Cleanup(network.Close)
		nodes := twinNodes(t, network, func(string, *Options) {}, "n1", "n2")
		if err := ask(nodes[0], "n2"); err != nil {
			t.Fatal(err)
		}
		lost := func(what string) {
			t.Helper()
			start := time.Now()
			if err := ask(nodes[0], "n2"); !errors.Is(err, ErrBroken) {
				t.Errorf("%s: %v", what, err)
			}
			if took := time.Since(start); took > 2500*time.Millisecond {
				t.Errorf("%s: it took %v", what, took)
			}
			start = time.Now()
			if err := ask(nodes[0], "n2"); !errors.Is(err, ErrBroken) {
				t.Errorf("%s: %v", what, err)
			}
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: it took %v to try again", what, took)
			}
		}
		back := func(what string) {
			t.Helper()
			start := time.Now()
			await(t, what, func() bool { return ask(nodes[0], "n2") == nil })
			if took := time.Since(start); took > 2*time.Second {
				t.Errorf("%s: it took %v to come back", what, took)
			}
		}
		network.Cut("n1", "n2", true)
		lost("cut one way")
		network.Cut("n1", "n2", false)
		back("cut one way")
		network.Cut("n2", "n1", true)
		lost("cut the other way")
		network.Cut("n2", "n1", false)
		back("cut the other way")
		network.Pause("n2", true)
		lost("paused")
		network.Pause("n2", false)
		back("paused")

		// A group that is slow is not a peer that is gone.
		slow := nodes[1].Group(2)
		go func() {
			rpc := <-slow.Consumer()
			pass(4 * time.Second)
			agree(rpc)
			rpc = <-slow.Consumer()
			pass(6 * time.Second)
			agree(rpc)
		}()
		dials := nodes[0].Stats().Dials
		if err := appendTo(nodes[0], 2, "n2", nil); err != nil {
			t.Errorf("answered after 4 s: %v", err)
		}
		if err := appendTo(nodes[0], 2, "n2", nil); !errors.Is(err, ErrTimeout) {
			t.Errorf("answered after 6 s: %v", err)
		}
		pass(2 * time.Second)
		if s := nodes[0].Stats(); s.Dials != dials || s.AnswersUnwanted != 1 || s.Timeouts != 1 {
			t.Errorf("%+v", s)
		}
	})
}

// TestCrowd has many groups of four nodes call each other at once.
func TestCrowd(t *testing.T) {
	forEachCarrier(t, func(t *testing.T, c carrier) {
		listen := c.listen(t)
		var nodes []*testNode
		for i := range 4 {
			nodes = append(nodes, startNode(t, fmt.Sprintf("n%d", i+1), listen(fmt.Sprintf("n%d", i+1))))
		}
		const groups = 10
		for _, n := range nodes {
			for number := range GroupNumber(groups) {
				n.answering(t, number, func(rpc raft.RPC) {
					r := rpc.Command.(*raft.AppendEntriesRequest)
					for _, e := range r.Entries {
						if want := fmt.Appendf(nil, "%d-%d", number, r.Term); !bytes.HasPrefix(e.Data, want) {
							t.Errorf("group %d, term %d: %q", number, r.Term, e.Data[:20])
						}
					}
					rpc.Respond(&raft.AppendEntriesResponse{Term: r.Term, LastLog: uint64(number), Success: true}, nil)
				}).ReuseBuffers()
			}
		}
		var running sync.WaitGroup
		for i, from := range nodes {
			for number := range GroupNumber(groups) {
				running.Go(func() {
					for round := range uint64(30) {
						to := nodes[(i+1+int(round)%3)%4]
						term := round*10 + uint64(i) + 1
						request := &raft.AppendEntriesRequest{RPCHeader: header(string(from.id)), Term: term}
						if round%4 > 0 {
							data := append(fmt.Appendf(nil, "%d-%d", number, term), make([]byte, round%4*7000)...)
							request.Entries = []*raft.Log{{Index: 1, Data: data}, {Index: 2, Data: data[:100]}}
						}
						var response raft.AppendEntriesResponse
						if err := from.Group(number).AppendEntries(to.id, to.LocalAddress(), request, &response); err != nil {
							t.Error(err)
						} else if response.Term != term || response.LastLog != uint64(number) {
							t.Errorf("group %d, term %d was answered %+v", number, term, response)
						}
					}
				})
			}
		}
		running.Wait()
	})
}
