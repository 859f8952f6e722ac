package transport_test

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// Two nodes over a network in one process. Over TCP, Streams come from ListenTCP or ListenTLS.
func Example() {
	network := transport.NewNetwork(1)
	defer network.Close()
	node := func(name string) *transport.Transport {
		streams, err := network.Listen(name)
		if err != nil {
			panic(err)
		}
		t, err := transport.New(transport.Options{
			Streams: streams, LocalID: raft.ServerID(name), Cluster: [16]byte{1}, Random: network.Random, Logger: slog.New(slog.DiscardHandler),
			Fetch: func(_ transport.GroupNumber, from, to uint64, _ int) ([]*raft.Log, error) {
				return []*raft.Log{{Index: from, Data: []byte("what " + name + " has")}}, nil
			},
		})
		if err != nil {
			panic(err)
		}
		return t
	}
	n1, n2 := node("n1"), node("n2")
	defer func() { fmt.Println(n1.Close(), n2.Close()) }()

	// Usually it is raft.NewRaft that is given a group, and takes from Consumer.
	group := n2.Group(7)
	go func() {
		rpc := <-group.Consumer()
		rpc.Respond(&raft.RequestPreVoteResponse{Granted: true}, nil)
	}()
	var response raft.RequestPreVoteResponse
	err := n1.Group(7).RequestPreVote("n2", "n2", &raft.RequestPreVoteRequest{Term: 1}, &response)
	fmt.Println(response.Granted, err)

	entries, err := n1.Fetch(context.Background(), "n2", 7, 3, 9, 1<<20)
	fmt.Printf("%d %s %v\n", entries[0].Index, entries[0].Data, err)
	// Output:
	// true <nil>
	// 3 what n2 has <nil>
	// <nil> <nil>
}
