package transport

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"runtime"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/go-hclog"
	"github.com/hashicorp/raft"
)

// BenchmarkAppendEntries sends entries to a follower that answers at once, through this package and the library's
// NetworkTransport in turns, so that what else the machine does meets both alike.
//
//	go test -run '^$' -bench AppendEntries -benchtime 3s ./raftlog/transport
//
// 2 virtual cores, Go 1.26, both ends in one process, medians of 5: see DESIGN.md.
func BenchmarkAppendEntries(b *testing.B) {
	for _, c := range []struct{ groups, count, size int }{
		{1, 1, 4 << 10}, {1, 64, 4 << 10}, {1, 1, 64 << 10}, {1, 8, 64 << 10}, {1, 1, 256 << 10}, {1, 4, 256 << 10},
		{8, 1, 4 << 10}, {8, 64, 4 << 10}, {8, 1, 64 << 10}, {8, 8, 64 << 10}, {8, 4, 256 << 10},
	} {
		b.Run(fmt.Sprintf("groups=%d/entries=%dx%dKiB", c.groups, c.count, c.size>>10), func(b *testing.B) {
			ours, theirs := benchOurs(b, c.groups), benchTheirs(b, c.groups)
			request := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Term: 1, PrevLogEntry: 1, PrevLogTerm: 1, Entries: entriesOf(2, c.count, c.size)}
			for _, pipelines := range [][]raft.AppendPipeline{ours, theirs} {
				sendMany(b, pipelines, request, 100) // connections, buffers and windows are there
			}
			var spent [2]effort
			const chunk = 400
			b.ResetTimer()
			for done := 0; done < b.N; done += chunk {
				for i, pipelines := range [][]raft.AppendPipeline{ours, theirs} {
					spent[i].add(func() { sendMany(b, pipelines, request, chunk) })
				}
			}
			b.StopTimer()
			chunks := (b.N + chunk - 1) / chunk
			megabytes := float64(chunks*chunk/c.groups*c.groups*c.count*c.size) / 1e6
			for i, name := range []string{"ours", "theirs"} {
				b.ReportMetric(megabytes/spent[i].wall.Seconds(), name+"-MB/s")
				b.ReportMetric(spent[i].cpu.Seconds()/megabytes*1e3, name+"-cpu-s/GB")
				b.ReportMetric(float64(spent[i].allocations)/float64(chunks*chunk), name+"-allocs/rpc")
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}

// effort is what something took.
type effort struct {
	wall, cpu   time.Duration
	allocations uint64
}

func (e *effort) add(run func()) {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	start, cpu := time.Now(), cpuTime()
	run()
	e.wall += time.Since(start)
	e.cpu += cpuTime() - cpu
	runtime.ReadMemStats(&after)
	e.allocations += after.Mallocs - before.Mallocs
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		panic(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// sendMany sends so many requests over all pipelines together, and waits for the answers.
func sendMany(b *testing.B, pipelines []raft.AppendPipeline, request *raft.AppendEntriesRequest, count int) {
	var running sync.WaitGroup
	each := count / len(pipelines)
	for _, p := range pipelines {
		running.Go(func() {
			for range each {
				if _, err := p.AppendEntries(request, new(raft.AppendEntriesResponse)); err != nil {
					b.Error(err)
					return
				}
			}
		})
		running.Go(func() {
			for range each {
				if f := <-p.Consumer(); !f.Response().Success {
					b.Error(f.Error())
				}
			}
		})
	}
	running.Wait()
}

// follow answers a consumer's requests until the benchmark ends.
func follow(b *testing.B, consumer <-chan raft.RPC) {
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case rpc := <-consumer:
				rpc.Respond(&raft.AppendEntriesResponse{RPCHeader: header("n2"), Term: 1, Success: true}, nil)
			case <-ctx.Done():
				return
			}
		}
	})
	b.Cleanup(func() { cancel(); running.Wait() })
}

// BenchmarkCarriers compares what carries the bytes.
func BenchmarkCarriers(b *testing.B) {
	for _, c := range carriers() {
		b.Run(c.name, func(b *testing.B) {
			pipelines := benchPipelines(b, 1, c.listen(b))
			request := &raft.AppendEntriesRequest{RPCHeader: header("n1"), Term: 1, PrevLogEntry: 1, PrevLogTerm: 1, Entries: entriesOf(2, 8, 64<<10)}
			b.SetBytes(8 * 64 << 10)
			sendMany(b, pipelines, request, 20)
			b.ResetTimer()
			sendMany(b, pipelines, request, b.N)
		})
	}
}

func benchOurs(b *testing.B, groups int) []raft.AppendPipeline {
	return benchPipelines(b, groups, func(string) Streams { return listenTCP(b) })
}

func benchPipelines(b *testing.B, groups int, listen func(string) Streams) (pipelines []raft.AppendPipeline) {
	quiet := func(o *Options) { o.Logger, o.poison = slog.New(slog.DiscardHandler), false }
	from, to := startNode(b, "n1", listen("n1"), quiet), startNode(b, "n2", listen("n2"), quiet)
	for number := range GroupNumber(groups) {
		g := to.Group(number)
		g.ReuseBuffers()
		follow(b, g.Consumer())
		p, err := from.Group(number).AppendEntriesPipeline("n2", to.LocalAddress())
		if err != nil {
			b.Fatal(err)
		}
		pipelines = append(pipelines, p)
	}
	return pipelines
}

func benchTheirs(b *testing.B, groups int) (pipelines []raft.AppendPipeline) {
	for range groups {
		from, to := networkTransport(b), networkTransport(b)
		follow(b, to.Consumer())
		p, err := from.AppendEntriesPipeline("n2", to.LocalAddr())
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = p.Close() })
		pipelines = append(pipelines, p)
	}
	return pipelines
}

// networkTransport is the library's, for one group.
func networkTransport(b *testing.B) *raft.NetworkTransport {
	listener, err := new(net.ListenConfig).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	t := raft.NewNetworkTransportWithConfig(&raft.NetworkTransportConfig{
		Stream: &libraryStreams{listener}, MaxPool: 3, Timeout: 10 * time.Second, Logger: hclog.New(&hclog.LoggerOptions{Output: io.Discard}),
	})
	b.Cleanup(func() { _ = t.Close() })
	return t
}

// libraryStreams is the library's raft.StreamLayer over TCP.
type libraryStreams struct{ net.Listener }

func (s *libraryStreams) Dial(address raft.ServerAddress, timeout time.Duration) (net.Conn, error) {
	return net.DialTimeout("tcp", string(address), timeout)
}
