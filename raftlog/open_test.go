package raftlog

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/hashicorp/raft"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// TestOpenThree: a group with logs of its own may have three members, over a part of the nodes' transport. One that was away is
// brought the state when the others have let go of what it lacks.
func TestOpenThree(t *testing.T) {
	network := transport.NewNetwork(1)
	t.Cleanup(network.Close)
	dir := t.TempDir()
	var members []Member
	for i := range 3 {
		members = append(members, Member{Node: fmt.Sprintf("n%d", i), Address: fmt.Sprintf("host%d:1", i), Voter: true})
	}
	machines := make([]*tally, 3)
	open := func(i int) (*Group, func()) {
		t.Helper()
		streams, err := network.Listen(members[i].Address)
		if err != nil {
			t.Fatal(err)
		}
		carrier, err := transport.New(transport.Options{Streams: streams, LocalID: raft.ServerID(members[i].Node), Cluster: [16]byte{1}, Logger: discarded()})
		if err != nil {
			t.Fatal(err)
		}
		options := testOptions(t, filepath.Join(dir, members[i].Node))
		machines[i] = &tally{}
		options.Node, options.Machine, options.Members, options.Transport = members[i].Node, machines[i], members, carrier.Group(1)
		options.ElectionTimeout, options.Logger, options.CheckpointBytes = electionTimeoutDefault, discarded(), 4<<10
		g, err := Open(options)
		if err != nil {
			t.Fatal(err)
		}
		g.Retain(RetainNone)
		return g, func() {
			if err := g.Close(); err != nil {
				t.Error(err)
			}
			if err := carrier.Close(); err != nil {
				t.Error(err)
			}
		}
	}
	groups, closes := make([]*Group, 3), make([]func(), 3)
	for i := range groups {
		groups[i], closes[i] = open(i)
	}
	write := func(n int) {
		t.Helper()
		for written := 0; written < n; {
			for _, g := range groups {
				if _, err := g.Propose([]byte("x")).Wait(t.Context()); err == nil {
					written++
				}
			}
		}
	}
	write(20)
	closes[2]()
	gone := groups[2]
	groups = groups[:2]
	write(20)
	for _, g := range groups { // the log of whoever follows may have nothing to let go of yet
		for g.Usage().First <= gone.Usage().Last {
			if err := g.Checkpoint(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(1)
		}
	}
	var again *Group
	again, closes[2] = open(2)
	for again.Status().Applied < groups[0].Status().Applied {
		write(1)
	}
	for _, closed := range closes {
		closed()
	}
	if len(again.Members()) != 3 {
		t.Fatalf("the members are %+v", again.Members())
	}
}

// TestOpenWithoutTransport: other members can't be reached without one.
func TestOpenWithoutTransport(t *testing.T) {
	options := testOptions(t, t.TempDir())
	options.Joins = true
	if _, err := Open(options); err == nil || !strings.Contains(err.Error(), "Transport is required") {
		t.Fatal(err)
	}
}
