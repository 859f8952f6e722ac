package transport

import (
	"log/slog"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

// BenchmarkNeighbours (T5) measures how long a 4 KiB entry and a heartbeat of one group take while seven others share its
// connections: idle, stuck (their follower takes nothing, their windows are full), or sending all they can.
//
//	go test -run '^$' -bench Neighbours ./raftlog/transport
func BenchmarkNeighbours(b *testing.B) {
	for _, neighbours := range []string{"idle", "stuck", "busy"} {
		b.Run(neighbours, func(b *testing.B) {
			quiet := func(o *Options) {
				o.Logger, o.poison, o.AnswerTimeout = slog.New(slog.DiscardHandler), false, time.Minute
			}
			from, to := startNode(b, "n1", listenTCP(b), quiet), startNode(b, "n2", listenTCP(b), quiet)
			to.answering(b, 1, agree).ReuseBuffers()
			var sending sync.WaitGroup
			stop := make(chan struct{})
			for number := GroupNumber(2); number < 9; number++ {
				startNeighbour(b, neighbours, from, to, number, stop, &sending)
			}
			var entries, heartbeats []time.Duration
			one := entriesOf(1, 1, 4<<10)
			for b.Loop() {
				entries = append(entries, timed(b, from, to, one))
				heartbeats = append(heartbeats, timed(b, from, to, nil))
			}
			close(stop)
			for number := GroupNumber(2); number < 9; number++ {
				if err := from.Group(number).Close(); err != nil {
					b.Error(err)
				}
			}
			sending.Wait()
			for name, all := range map[string][]time.Duration{"entry": entries, "heartbeat": heartbeats} {
				slices.Sort(all)
				b.ReportMetric(float64(all[len(all)/2].Microseconds()), name+"-p50-us")
				b.ReportMetric(float64(all[len(all)*99/100].Microseconds()), name+"-p99-us")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

func timed(b *testing.B, from, to *testNode, entries []*raft.Log) time.Duration {
	start := time.Now()
	if err := appendTo(from, 1, to.LocalAddress(), entries); err != nil {
		b.Fatal(err)
	}
	return time.Since(start)
}

// startNeighbour has a group send until its pipeline is closed.
func startNeighbour(b *testing.B, how string, from, to *testNode, number GroupNumber, stop <-chan struct{}, sending *sync.WaitGroup) {
	switch how {
	case "idle":
		return
	case "stuck":
		to.Group(number)
	default:
		to.answering(b, number, agree).ReuseBuffers()
	}
	p, err := from.Group(number).AppendEntriesPipeline("n2", to.LocalAddress())
	if err != nil {
		b.Fatal(err)
	}
	request := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Term: 1, Entries: entriesOf(1, 8, 256<<10)}
	sending.Go(func() {
		for {
			if _, err := p.AppendEntries(request, new(raft.AppendEntriesResponse)); err != nil {
				return
			}
		}
	})
	sending.Go(func() {
		for {
			select {
			case <-p.Consumer():
			case <-stop:
				return
			}
		}
	})
}
