package processes

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// groupsPerNode is how many partitions a cluster has by default.
const groupsPerNode = 8

// rounds is how often each arrangement has its turn; what is reported is the median of them.
const rounds = 3

// warm is how long a load runs before it counts: until the log has been round once, and writes to files that it wrote before.
const warm = 5 * time.Second

// BenchmarkThreeNodes measures entries that are durable on three replicas, raftlog beside the yardstick, in turns.
//
//	MB/s      payload that was applied on its leader, 10^6 bytes; each of them was written and synced on a majority
//	cpu-s/GB  CPU of all three processes, load included, for 10^9 bytes of payload
//	disk-x    bytes given to a disk for each byte of payload and replica
//
// Run it with -benchtime 1x: a turn has its own length.
func BenchmarkThreeNodes(b *testing.B) {
	for _, size := range []int{64 << 10, 256 << 10} {
		full := load{EntryBytes: size, InFlight: max(2, min(8, 2<<20/size)), Warm: warm, Run: 4 * time.Second}
		b.Run(fmt.Sprintf("full/%dKiB", size>>10), func(b *testing.B) { compare(b, full) })
	}
	// A moderate load: 64 entries of 64 KiB a second and group, 34 MB/s in all.
	moderate := load{EntryBytes: 64 << 10, InFlight: 64, Rate: 64, Warm: warm, Run: 4 * time.Second}
	b.Run("moderate/64KiB", func(b *testing.B) { compare(b, moderate) })
}

func compare(b *testing.B, l load) {
	for range b.N {
		all := map[string][]outcome{}
		for range rounds {
			for _, kind := range []string{"raftlog", "yardstick"} {
				all[kind] = append(all[kind], measure(b, kind, l))
			}
		}
		for kind, outcomes := range all {
			m := median(outcomes)
			b.ReportMetric(m.megabytes, kind+"-MB/s")
			b.ReportMetric(m.cpu, kind+"-cpu-s/GB")
			b.ReportMetric(m.disk, kind+"-disk-x")
			b.ReportMetric(m.p50, kind+"-p50-ms")
			b.ReportMetric(m.p99, kind+"-p99-ms")
		}
	}
	b.ReportMetric(0, "ns/op") // a turn's length says nothing
}

// outcome is a turn's figures.
type outcome struct{ megabytes, cpu, disk, p50, p99 float64 }

// measure runs one turn with processes and data of its own.
func measure(b *testing.B, kind string, l load) outcome {
	b.Helper()
	a := arrange(b, kind, groupsPerNode)
	defer a.close()
	f := a.load(l)
	if f.Failed > 0 || f.Entries == 0 {
		b.Fatalf("%s: %d proposals failed, %d succeeded", kind, f.Failed, f.Entries)
	}
	slices.Sort(f.Micros)
	o := outcome{
		megabytes: float64(f.Bytes) / 1e6 / l.Run.Seconds(),
		cpu:       f.CPU.Seconds() / (float64(f.Bytes) / 1e9),
		disk:      float64(f.DiskBytes) / 3 / float64(f.Bytes),
		p50:       float64(f.Micros[len(f.Micros)/2]) / 1e3,
		p99:       float64(f.Micros[len(f.Micros)*99/100]) / 1e3,
	}
	b.Logf("%-9s %6.1f MB/s %5.2f cpu-s/GB %5.2f disk-x %7.2f p50-ms %7.2f p99-ms", kind, o.megabytes, o.cpu, o.disk, o.p50, o.p99)
	return o
}

// median takes each figure's median.
func median(outcomes []outcome) outcome {
	of := func(field func(outcome) float64) float64 {
		var values []float64
		for _, o := range outcomes {
			values = append(values, field(o))
		}
		slices.Sort(values)
		return values[len(values)/2]
	}
	return outcome{
		megabytes: of(func(o outcome) float64 { return o.megabytes }),
		cpu:       of(func(o outcome) float64 { return o.cpu }),
		disk:      of(func(o outcome) float64 { return o.disk }),
		p50:       of(func(o outcome) float64 { return o.p50 }),
		p99:       of(func(o outcome) float64 { return o.p99 }),
	}
}
