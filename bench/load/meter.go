package load

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// meter counts what a run does, and in the measured time also how long it takes.
type meter struct {
	began time.Time
	// measuring is set during the measured time (B3).
	measuring atomic.Bool

	published, delivered, acked atomic.Int64
	// failed are events that weren't stored, unknown those of which nobody knows.
	failed, unknown atomic.Int64

	mu         sync.Mutex
	histograms []*latencies
}

// latencies are one worker's, so that workers don't wait for one another. Its lock is
// for the end alone.
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
)

const (
	// latencyMax is the longest that a histogram tells from longer ones.
	latencyMax = int64(time.Hour / time.Microsecond)
	// latencyDigits is how exact it is: to a hundredth of the value.
	latencyDigits = 2
)

// latencies returns a worker's.
func (m *meter) latencies(of kind) *latencies {
	l := &latencies{histogram: hdrhistogram.New(1, latencyMax, latencyDigits), of: of}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.histograms = append(m.histograms, l)
	return l
}

// now is the time since the run began: what events carry.
func (m *meter) now() int64 { return int64(time.Since(m.began)) }

// record notes that so many events took from then until now, if that is measured.
func (m *meter) record(l *latencies, from, now int64, events int) {
	if !m.measuring.Load() {
		return
	}
	microseconds := min(max((now-from)/int64(time.Microsecond), 1), latencyMax)
	l.mu.Lock()
	defer l.mu.Unlock()
	// The value is within bounds, which is all that could be wrong with it.
	_ = l.histogram.RecordValues(microseconds, int64(events))
}

// merged is a kind's latencies of all workers.
func (m *meter) merged(of kind) *hdrhistogram.Histogram {
	all := hdrhistogram.New(1, latencyMax, latencyDigits)
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, l := range m.histograms {
		if l.of != of {
			continue
		}
		l.mu.Lock()
		all.Merge(l.histogram) // the same bounds: nothing is dropped
		l.mu.Unlock()
	}
	return all
}

// tally is what was counted up to a moment.
type tally struct {
	at                          time.Time
	published, delivered, acked int64
}

func (m *meter) tally() tally {
	return tally{at: time.Now(), published: m.published.Load(), delivered: m.delivered.Load(), acked: m.acked.Load()}
}

// minus is what came between two moments.
func (t tally) minus(before tally) tally {
	return tally{published: t.published - before.published, delivered: t.delivered - before.delivered, acked: t.acked - before.acked}
}
