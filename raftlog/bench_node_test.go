package raftlog

import (
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/freshet-mq/freshet/raftlog/transport"
)

// BenchmarkNodes appends entries to eight groups of three nodes, all in this process, over TCP and real files: eight in flight a
// group, a machine that does nothing. MB/s is of payload that three disks have. The nodes share one disk and its syncs; raftlog/
// processes measures them as processes.
func BenchmarkNodes(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) { benchmarkNodes(b, 8, size) })
	}
}

func benchmarkNodes(b *testing.B, groups, size int) {
	var members []Member
	var streams []transport.Streams
	for i := range 3 {
		s, err := transport.ListenTCP(b.Context(), "127.0.0.1:0")
		if err != nil {
			b.Fatal(err)
		}
		streams = append(streams, s)
		members = append(members, Member{Node: fmt.Sprintf("n%d", i), Address: s.Addr().String(), Voter: true})
	}
	leaders := make([]chan *Group, groups)
	for i := range leaders {
		leaders[i] = make(chan *Group, 16)
	}
	dir := b.TempDir()
	var reading sync.WaitGroup
	b.Cleanup(reading.Wait) // when all nodes are closed
	for i, member := range members {
		node, err := OpenNode(NodeOptions{
			Dir: filepath.Join(dir, member.Node), Name: member.Node, Logger: discarded(), BytesMax: 2 << 30,
			Connect: Connect(transport.Options{Streams: streams[i], Cluster: [16]byte{1}}),
		})
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() {
			if err := node.Close(); err != nil {
				b.Error(err)
			}
		})
		for number := range groups {
			g, err := node.Start(GroupOptions{ID: GroupNumber(number + 1), Name: fmt.Sprintf("p%d", number), Machine: nothing{}, Members: members})
			if err != nil {
				b.Fatal(err)
			}
			g.Retain(RetainNone)
			reading.Go(func() {
				for l := range g.Leadership() {
					if l.Leading {
						leaders[number] <- g
					}
				}
			})
		}
	}
	led := make([]*Group, groups)
	for i := range led {
		led[i] = <-leaders[i]
	}
	data := make([]byte, size)
	b.SetBytes(int64(size))
	b.ResetTimer()
	var proposing sync.WaitGroup
	for i, g := range led {
		proposing.Go(func() {
			window := make(chan *Future, 8)
			var waiting sync.WaitGroup
			waiting.Go(func() {
				for f := range window {
					if _, err := f.Wait(b.Context()); err != nil {
						b.Error(err)
					}
				}
			})
			for n := i; n < b.N; n += groups {
				window <- g.Propose(data)
			}
			close(window)
			waiting.Wait()
		})
	}
	proposing.Wait()
	b.StopTimer()
}
