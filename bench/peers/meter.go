package main

import (
	"sync"
	"sync/atomic"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// meter counts what a run does, and in the measured time also how long it takes.
type meter struct {
	began     time.Time
	measuring atomic.Bool

	published, delivered, acked, repeated, failed atomic.Int64

	publish, endToEnd clocked
	// publishes and deliveries know the longest time in which nothing came.
	publishes, deliveries silence
}

func newMeter() *meter {
	m := &meter{began: time.Now()}
	for _, c := range []*clocked{&m.publish, &m.endToEnd} {
		c.histogram = hdrhistogram.New(1, int64(time.Hour/time.Microsecond), 2)
	}
	return m
}

// now is the time since the run began, in nanoseconds.
func (m *meter) now() int64 { return int64(time.Since(m.began)) }

// clocked is a histogram of microseconds.
type clocked struct {
	mu        sync.Mutex
	histogram *hdrhistogram.Histogram
}

func (c *clocked) record(took int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	// An hour is beyond what a run lasts, and is all that could be wrong with the value.
	_ = c.histogram.RecordValue(max(took/int64(time.Microsecond), 1))
}

func (c *clocked) latency() latency {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.histogram.TotalCount() == 0 {
		return latency{}
	}
	at := func(percent float64) float64 { return float64(c.histogram.ValueAtQuantile(percent)) / 1e3 }
	return latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(c.histogram.Max()) / 1e3}
}

// confirmed notes that an event that was sent, or should have been, at a moment is known to be stored.
func (m *meter) confirmed(at, now int64) {
	m.published.Add(1)
	m.publishes.broken(now)
	if m.measuring.Load() {
		m.publish.record(now - at)
	}
}

// arrived notes the first arrival of an event.
func (m *meter) arrived(at, now int64) {
	m.delivered.Add(1)
	m.deliveries.broken(now)
	if m.measuring.Load() {
		m.endToEnd.record(now - at)
	}
}

// silence is the longest time, from a moment on, between one sign of life and the next.
type silence struct {
	watching atomic.Bool
	mu       sync.Mutex
	last     int64
	longest  int64
	signs    int
}

// begin begins to listen.
func (s *silence) begin(now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.last, s.longest, s.signs = now, 0, 0
	s.watching.Store(true)
}

// broken notes a sign of life.
func (s *silence) broken(now int64) {
	if !s.watching.Load() {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.longest = max(s.longest, now-s.last)
	s.last = max(s.last, now)
	s.signs++
}

// over tells whether there has been life again. What was on its way when it began was heard of within a moment, so some signs are needed.
func (s *silence) over() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.signs > signsMin
}

// signsMin is beyond what 64 callers have on their way.
const signsMin = 1_000

// milliseconds of the longest silence up to now.
func (s *silence) milliseconds(now int64) float64 {
	s.broken(now)
	s.mu.Lock()
	defer s.mu.Unlock()
	return float64(s.longest) / float64(time.Millisecond)
}

// tally is what was counted up to a moment.
type tally struct {
	at                          time.Time
	published, delivered, acked int64
}

func (m *meter) tally() tally {
	return tally{at: time.Now(), published: m.published.Load(), delivered: m.delivered.Load(), acked: m.acked.Load()}
}
