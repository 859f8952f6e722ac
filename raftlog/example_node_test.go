package raftlog_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/freshet-mq/freshet/raftlog"
	"github.com/freshet-mq/freshet/raftlog/transport"
)

// Three nodes, here in one process, replicate a group over TCP.
func ExampleNode() {
	if err := threeNodes(context.Background()); err != nil {
		fmt.Println(err)
	}
	// Output:
	// 5 bytes so far
	// 3 members
}

func threeNodes(ctx context.Context) (err error) {
	dir, err := os.MkdirTemp("", "raftlog")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()

	var members []raftlog.Member
	var streams []transport.Streams
	for _, name := range []string{"n1", "n2", "n3"} {
		s, err := transport.ListenTCP(ctx, "127.0.0.1:0")
		if err != nil {
			return err
		}
		streams = append(streams, s)
		members = append(members, raftlog.Member{Node: name, Address: s.Addr().String(), Voter: true})
	}
	leaders := make(chan *raftlog.Group, len(members))
	for i, member := range members {
		node, err := raftlog.OpenNode(raftlog.NodeOptions{
			Dir: filepath.Join(dir, member.Node), Name: member.Node, SegmentBytes: 1 << 20,
			Connect: raftlog.Connect(transport.Options{Streams: streams[i], Cluster: [16]byte{1}}),
			Logger:  slog.New(slog.DiscardHandler),
		})
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, node.Close()) }() //nolint:revive // all three live until the end
		group, err := node.Start(raftlog.GroupOptions{ID: 1, Name: "p0", Machine: &counter{}, Members: members})
		if err != nil {
			return err
		}
		group.Retain(raftlog.RetainNone) // the counter never reads an entry again
		go func() {
			for leadership := range group.Leadership() {
				if leadership.Leading {
					leaders <- group
				}
			}
		}()
	}
	leader := <-leaders
	applied, err := leader.Propose([]byte("hello")).Wait(ctx)
	if err != nil {
		return err // errors.Is(err, raftlog.ErrOutcomeUnknown): it may have been applied
	}
	fmt.Println(applied.Result, "bytes so far")
	fmt.Println(len(leader.Members()), "members")
	return nil
}
