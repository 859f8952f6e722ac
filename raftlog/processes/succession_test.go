package processes

import (
	"slices"
	"testing"
	"time"
)

// BenchmarkSuccession measures how long groups are without a leader that has applied everything, from the moment at which the process that led
// them is killed, or stopped in its tracks. Each is done several times; it reports the median and the longest.
//
// A killed process refuses connections, which its followers take as a hint; one that stands still has to be missed.
func BenchmarkSuccession(b *testing.B) {
	b.Run("killed", func(b *testing.B) {
		succeed(b, (*arrangement).kill, (*arrangement).comeBack)
	})
	b.Run("paused", func(b *testing.B) {
		succeed(b, (*arrangement).pause, (*arrangement).resume)
	})
}

func succeed(b *testing.B, end, mend func(*arrangement, int)) {
	a := arrange(b, "raftlog", groupsPerNode)
	defer a.close()
	var gaps []time.Duration
	for range b.N {
		victim := 0
		for number := range a.children {
			if len(a.led(number)) > len(a.led(victim)) {
				victim = number
			}
		}
		others := slices.DeleteFunc([]int{0, 1, 2}, func(number int) bool { return number == victim })
		began := time.Now()
		end(a, victim)
		a.awaitLed(groupsPerNode, others...)
		gaps = append(gaps, time.Since(began))
		mend(a, victim)
		a.awaitLeaders()
	}
	slices.Sort(gaps)
	b.ReportMetric(float64(gaps[len(gaps)/2].Milliseconds()), "median-ms")
	b.ReportMetric(float64(gaps[len(gaps)-1].Milliseconds()), "longest-ms")
	b.ReportMetric(0, "ns/op")
}
