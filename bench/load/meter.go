package load

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// meter counts what a run does and how long it takes.
type meter struct {
	began time.Time

	published, delivered, acked atomic.Int64
	// bytes are those of what was published.
	bytes atomic.Int64
	// failed are events that weren't stored, unknown those of which nobody knows.
	failed, unknown atomic.Int64

	mu         sync.Mutex
	histograms []*latencies
}

// latencies are one worker's since the timeline last took them, so that workers don't
// wait for one another.
type latencies struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
	of        kind
}

// kind is what a latency is of.
type kind uint8

const (
	// publishing is from when an event was handed over, or should have been, until its
	// publisher knew that it is stored.
	publishing kind = iota
	// endToEnd is from the same moment until a handler had the event.
	endToEnd
	// handingOver is from when an event should have been handed over until it was: the load's own
	// part of the others, at a rate.
	handingOver
	kinds
)

func (k kind) String() string { return [...]string{"publish", "end-to-end", "handing-over"}[k] }

const (
	// latencyMax is the longest that a histogram tells from longer ones, latencyUnit the shortest
	// step; in nanoseconds, as tools for its logs expect them.
	latencyMax  = int64(time.Hour)
	latencyUnit = int64(time.Microsecond)
	// latencyDigits is how exact it is: to a hundredth of the value.
	latencyDigits = 2
)

func newHistogram() *hdrhistogram.Histogram {
	return hdrhistogram.New(latencyUnit, latencyMax, latencyDigits)
}

// latencies returns a worker's.
func (m *meter) latencies(of kind) *latencies {
	l := &latencies{histogram: newHistogram(), of: of}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.histograms = append(m.histograms, l)
	return l
}

// now is the time since the run began: what events carry.
func (m *meter) now() int64 { return int64(time.Since(m.began)) }

// record notes that so many events took from then until now.
func (l *latencies) record(from, now int64, events int) {
	took := min(max(now-from, latencyUnit), latencyMax)
	l.mu.Lock()
	defer l.mu.Unlock()
	// The value is within bounds, which is all that could be wrong with it.
	_ = l.histogram.RecordValues(took, int64(events))
}

// take adds all workers' latencies to a kind's, and begins anew.
func (m *meter) take(all *[kinds]*hdrhistogram.Histogram) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.histograms {
		l.mu.Lock()
		if l.histogram.TotalCount() > 0 {
			all[l.of].Merge(l.histogram) // the same bounds: nothing is dropped
			l.histogram.Reset()
		}
		l.mu.Unlock()
	}
}

// tally is what was counted up to a moment.
type tally struct {
	at                                 time.Time
	published, delivered, acked, bytes int64
}

func (m *meter) tally() tally {
	return tally{at: time.Now(), published: m.published.Load(), delivered: m.delivered.Load(), acked: m.acked.Load(), bytes: m.bytes.Load()}
}

// minus is what came between two moments.
func (t tally) minus(before tally) tally {
	return tally{
		published: t.published - before.published, delivered: t.delivered - before.delivered, acked: t.acked - before.acked,
		bytes: t.bytes - before.bytes,
	}
}
