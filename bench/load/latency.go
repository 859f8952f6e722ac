package load

import (
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Latency is in milliseconds, to a hundredth of the value.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	if h.TotalCount() == 0 {
		return Latency{}
	}
	at := func(percent float64) float64 { return milliseconds(h.ValueAtQuantile(percent)) }
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: milliseconds(h.Max())}
}

func milliseconds(nanoseconds int64) float64 { return float64(nanoseconds) / float64(time.Millisecond) }

// Percentile is a point of a latency's distribution.
type Percentile struct {
	// Percent of the events took at most Milliseconds.
	Percent      float64
	Milliseconds float64
}

// percentilesOf are the points that a plot needs: five for each halving of what is left.
func percentilesOf(h *hdrhistogram.Histogram) []Percentile {
	const ticksPerHalf = 5
	var points []Percentile
	for _, bracket := range h.CumulativeDistributionWithTicks(ticksPerHalf) {
		points = append(points, Percentile{Percent: bracket.Quantile, Milliseconds: milliseconds(bracket.ValueAt)})
	}
	return points
}
