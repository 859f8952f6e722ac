package wal

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/hashicorp/raft"
)

func benchOptions(b *testing.B) Options {
	return Options{Dir: b.TempDir() + "/wal", Node: [16]byte{1}, BytesMax: 16 << 30, Fatal: func(err error) { b.Error(err) }, Logger: slog.New(slog.DiscardHandler)}
}

// cpuTime is what this process has used, in user space and in the kernel.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// randomBytes doesn't compress.
func randomBytes(n int) []byte {
	r := rand.NewChaCha8([32]byte{1})
	data := make([]byte, n)
	_, _ = r.Read(data) // it never fails
	return data
}

// BenchmarkAppend has groups append and sync entries to a real directory, each with one StoreLogs of inFlight bytes at a time; segments are used
// again as their owner lets go. MB/s is of payload; cpu-s/GB is of the whole process; x-disk is bytes written for each byte of payload.
func BenchmarkAppend(b *testing.B) {
	for _, c := range []struct{ groups, size, entries int }{{1, 4 << 10, 1}, {8, 4 << 10, 1}, {8, 64 << 10, 1}, {8, 256 << 10, 1}, {8, 64 << 10, 8}} {
		for _, following := range []bool{false, true} {
			role := "leading"
			if following {
				role = "following"
			}
			b.Run(fmt.Sprintf("groups=%d/entry=%dKiB/together=%d/%s", c.groups, c.size>>10, c.entries, role), func(b *testing.B) {
				l := mustOpen(b, benchOptions(b))
				data := randomBytes(c.size)
				var groups []*Group
				for id := range GroupID(uint32(c.groups)) {
					g := mustGroup(b, l, id)
					must(b, g.SetUint64([]byte(keyCurrentTerm), 1))
					if following {
						g.Following(1)
					}
					groups = append(groups, g)
				}
				var left atomic.Int64
				left.Store(int64(b.N))
				b.SetBytes(int64(c.size * c.entries))
				before, began := l.Stats(), cpuTime(b)
				b.ResetTimer()
				var running sync.WaitGroup
				for _, g := range groups {
					running.Go(func() { appendEntries(b, g, data, c.entries, &left) })
				}
				running.Wait()
				b.StopTimer()
				gigabytes := float64(b.N) * float64(c.size*c.entries) / 1e9
				b.ReportMetric((cpuTime(b)-began).Seconds()/gigabytes, "cpu-s/GB")
				after := l.Stats()
				b.ReportMetric(float64(after.BytesWritten-before.BytesWritten)/1e9/gigabytes, "x-disk")
				b.ReportMetric(float64(after.BytesWritten-before.BytesWritten)/float64(after.Batches-before.Batches)/1024, "KiB/batch")
				must(b, l.Close())
			})
		}
	}
}

func appendEntries(b *testing.B, g *Group, data []byte, together int, left *atomic.Int64) {
	index := uint64(0)
	for left.Add(-1) >= 0 {
		entries := make([]*raft.Log, together)
		for i := range entries {
			index++
			entries[i] = &raft.Log{Index: index, Term: 1, Data: data}
		}
		if err := g.StoreLogs(entries); err != nil {
			b.Error(err)
			return
		}
		g.Applied(index)
		if index%uint64(8<<20/len(data)) < uint64(together) { // every 8 MiB
			g.Covered(index)
			g.Retain(index)
			if err := g.DeleteRange(1, index-1); err != nil {
				b.Error(err)
			}
		}
	}
}

// BenchmarkRead reads entries of 64 KiB from the cache, and from segments.
func BenchmarkRead(b *testing.B) {
	for name, cacheBytes := range map[string]int64{"cache": 64 << 20, "disk": 1} {
		b.Run(name, func(b *testing.B) {
			o := benchOptions(b)
			o.CacheBytes = cacheBytes
			l := mustOpen(b, o)
			g := mustGroup(b, l, 1)
			data := randomBytes(64 << 10)
			const entries = 500
			for i := range uint64(entries) {
				must(b, g.StoreLog(&raft.Log{Index: i + 1, Term: 1, Data: data}))
			}
			b.SetBytes(int64(len(data)))
			index := uint64(0)
			for b.Loop() {
				index++
				var e raft.Log
				if err := g.Read(index%entries+1, &e); err != nil {
					b.Fatal(err)
				}
			}
			must(b, l.Close())
		})
	}
}

// BenchmarkOpen opens a log of 2 GiB in eight groups, after it was closed, and after it was not. Its newest segment is read
// whole, of the others the headers.
func BenchmarkOpen(b *testing.B) {
	for _, size := range []int{4 << 10, 64 << 10, 256 << 10} {
		b.Run(fmt.Sprintf("entry=%dKiB", size>>10), func(b *testing.B) {
			o := benchOptions(b)
			l := mustOpen(b, o)
			data := randomBytes(size)
			var running sync.WaitGroup
			for id := range GroupID(8) {
				g := mustGroup(b, l, id)
				running.Go(func() {
					entries := make([]*raft.Log, max(1, 256<<10/size))
					for index := uint64(1); index*uint64(size) < 256<<20; {
						for i := range entries {
							entries[i] = &raft.Log{Index: index, Term: 1, Data: data}
							index++
						}
						if err := g.StoreLogs(entries); err != nil {
							b.Error(err)
						}
					}
				})
			}
			running.Wait()
			must(b, l.Close())
			began := cpuTime(b)
			for b.Loop() {
				l = mustOpen(b, o)
				b.StopTimer()
				must(b, l.Close())
				b.StartTimer()
			}
			b.ReportMetric((cpuTime(b)-began).Seconds()/float64(b.N), "cpu-s/op")
		})
	}
}
