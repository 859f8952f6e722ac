package raftlog

import (
	"fmt"
	"iter"
	"slices"
	"testing"
	"time"
)

// BenchmarkPropose appends and applies entries of several sizes, eight in flight, as a partition's proposer does. MB/s is
// of payload; p50 and p99 are from Propose until the result.
func BenchmarkPropose(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("%dKiB", size>>10), func(b *testing.B) {
			options := testOptions(b, b.TempDir())
			options.Logger = discarded()
			g := openLeading(b, options)
			g.Retain(RetainNone)
			data := make([]byte, size)
			var latencies []time.Duration
			var inFlight []*Future
			var began []time.Time
			settle := func() {
				if _, err := inFlight[0].Wait(b.Context()); err != nil {
					b.Fatal(err)
				}
				latencies = append(latencies, time.Since(began[0]))
				inFlight, began = inFlight[1:], began[1:]
			}
			b.SetBytes(int64(size))
			for b.Loop() {
				inFlight, began = append(inFlight, g.Propose(data)), append(began, time.Now())
				if len(inFlight) == 8 {
					settle()
				}
			}
			for len(inFlight) > 0 {
				settle()
			}
			slices.Sort(latencies)
			b.ReportMetric(float64(latencies[len(latencies)/2].Microseconds())/1000, "p50-ms")
			b.ReportMetric(float64(latencies[len(latencies)*99/100].Microseconds())/1000, "p99-ms")
		})
	}
}

// BenchmarkOpen opens a group whose log has no checkpoint, up to when it leads: what a restart costs at worst, with the
// default timeout.
func BenchmarkOpen(b *testing.B) {
	for _, megabytes := range []int{0, 64} {
		b.Run(fmt.Sprintf("%dMiB", megabytes), func(b *testing.B) {
			options := testOptions(b, b.TempDir())
			options.Logger = discarded()
			options.CheckpointBytes = 1 << 40
			g := openLeading(b, options)
			for range megabytes << 20 / (64 << 10) {
				propose(b, g, make([]byte, 64<<10))
			}
			if err := g.Close(); err != nil {
				b.Fatal(err)
			}
			options.ElectionTimeout = 0
			for b.Loop() {
				options.Machine = nothing{}
				g, err := Open(options)
				if err != nil {
					b.Fatal(err)
				}
				<-g.Leadership()
				b.StopTimer()
				if err := g.Close(); err != nil {
					b.Fatal(err)
				}
				b.StartTimer()
			}
		})
	}
}

// nothing is a machine that has nothing to do.
type nothing struct{}

func (nothing) Apply(Entry) any                        { return nil }
func (nothing) Snapshot(bool) ([]Record, error)        { return nil, nil }
func (nothing) Restore(iter.Seq2[Record, error]) error { return nil }

// BenchmarkRead reads entries of 64 KiB from memory and from disk.
func BenchmarkRead(b *testing.B) {
	for _, c := range []struct {
		name       string
		cacheBytes int64
	}{{"memory", 1 << 30}, {"disk", 1}} {
		b.Run(c.name, func(b *testing.B) {
			options := testOptions(b, b.TempDir())
			options.Logger = discarded()
			options.CacheBytes = c.cacheBytes
			g := openLeading(b, options)
			var first, last uint64
			for range 200 {
				last = propose(b, g, make([]byte, 64<<10)).Index
				if first == 0 {
					first = last
				}
			}
			b.SetBytes(64 << 10)
			index := first
			for b.Loop() {
				if _, err := g.Read(index); err != nil {
					b.Fatal(err)
				}
				if index++; index > last {
					index = first
				}
			}
		})
	}
}
