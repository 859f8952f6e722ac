package load

import (
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Sample is an interval of a run.
type Sample struct {
	// Begin and End are seconds since the load began.
	Begin, End float64
	Phase      Phase
	// Events a second.
	PublishedPerSecond, DeliveredPerSecond, AckedPerSecond float64
	// Publish and EndToEnd are of what ended in the interval.
	Publish, EndToEnd Latency
	// LoadProcessors is how many processors the load used; Nodes are the nodes', in the order of
	// Options.Nodes. They are empty where that isn't known.
	LoadProcessors float64
	Nodes          []NodeSample
}

// NodeSample is a node's part in an interval.
type NodeSample struct {
	Name string
	// Processors is how many it used, WrittenPerSecond bytes to disks, ResidentMiB memory.
	Processors, WrittenPerSecond, ResidentMiB float64
}

// timeline cuts a run into intervals.
type timeline struct {
	meter    *meter
	watch    *watch
	interval time.Duration
	log      *hdrhistogram.HistogramLogWriter // nil: none
	began    time.Time

	mu struct {
		sync.Mutex
		// change is when the phase is to end.
		change  time.Time
		samples []Sample
		phase   Phase
		tally   tally
		used    usage
		usedErr error
		// total is of the measured time (B3).
		total  [kinds]*hdrhistogram.Histogram
		logErr error
	}
}

const (
	// samplesWanted is about how many intervals the measured time has.
	samplesWanted = 60
	// samplesMax bounds the timeline, whatever the warm-up and the drain take.
	samplesMax  = 10_000
	intervalMin = 200 * time.Millisecond
	intervalMax = 15 * time.Second
)

func newTimeline(m *meter, w *watch, duration time.Duration, log io.Writer) *timeline {
	t := &timeline{meter: m, watch: w, interval: min(max(duration/samplesWanted, intervalMin), intervalMax), began: time.Now()}
	t.mu.tally = m.tally()
	t.mu.used, t.mu.usedErr = w.read()
	for k := range kinds {
		t.mu.total[k] = newHistogram()
	}
	if log != nil {
		t.log = hdrhistogram.NewHistogramLogWriter(log)
		t.mu.logErr = errors.Join(t.log.OutputComment("freshet bench: tags publish, end-to-end and handing-over, in nanoseconds"), t.log.OutputLogFormatVersion(),
			t.log.OutputStartTime(t.began.UnixMilli()), t.log.OutputLegend())
		t.log.SetBaseTime(t.began.UnixMilli())
	}
	return t
}

// cut ends an interval, and with it a phase if next is another one. It returns what was counted
// and used by now.
func (t *timeline) cut(next Phase) cut {
	var of [kinds]*hdrhistogram.Histogram
	for k := range kinds {
		of[k] = newHistogram()
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	phase, before, usedBefore := t.mu.phase, t.mu.tally, t.mu.used
	t.mu.tally = t.meter.tally()
	t.meter.take(&of)
	used, err := t.watch.read()
	t.mu.used, t.mu.usedErr, t.mu.phase = used, err, next
	if phase == PhaseMeasured {
		for k := range kinds {
			t.mu.total[k].Merge(of[k])
		}
	}
	t.writeLog(of, before.at, t.mu.tally.at)
	if len(t.mu.samples) < samplesMax {
		t.mu.samples = append(t.mu.samples, t.sample(phase, before, usedBefore, of))
	}
	return cut{t.mu.tally, used, err}
}

// cut is what was counted and used by a moment. usedErr is why used isn't known.
type cut struct {
	counted tally
	used    usage
	usedErr error
}

// sample is the interval that has ended. mu is held.
func (t *timeline) sample(phase Phase, before tally, usedBefore usage, of [kinds]*hdrhistogram.Histogram) Sample {
	now := t.mu.tally
	seconds := max(now.at.Sub(before.at).Seconds(), 1e-9)
	since := now.minus(before)
	s := Sample{
		Begin: before.at.Sub(t.began).Seconds(), End: now.at.Sub(t.began).Seconds(), Phase: phase,
		PublishedPerSecond: float64(since.published) / seconds, DeliveredPerSecond: float64(since.delivered) / seconds,
		AckedPerSecond: float64(since.acked) / seconds,
		Publish:        latencyOf(of[publishing]), EndToEnd: latencyOf(of[endToEnd]),
	}
	if t.mu.usedErr != nil {
		return s
	}
	used := t.mu.used.minus(usedBefore)
	s.LoadProcessors = used.load.Seconds() / seconds
	for i, node := range used.nodes {
		s.Nodes = append(s.Nodes, NodeSample{
			Name: t.watch.nodes[i].Name, Processors: node.processor.Seconds() / seconds, WrittenPerSecond: float64(node.written) / seconds,
			ResidentMiB: float64(node.resident) / (1 << 20),
		})
	}
	return s
}

// writeLog adds an interval to the log of histograms. mu is held.
func (t *timeline) writeLog(of [kinds]*hdrhistogram.Histogram, from, to time.Time) {
	if t.log == nil || t.mu.logErr != nil {
		return
	}
	for k := range kinds {
		if of[k].TotalCount() == 0 {
			continue
		}
		of[k].SetTag(k.String())
		of[k].SetStartTimeMs(from.UnixMilli())
		of[k].SetEndTimeMs(to.UnixMilli())
		t.mu.logErr = errors.Join(t.mu.logErr, t.log.OutputIntervalHistogram(of[k]))
	}
}

// run cuts interval after interval until ctx ends.
func (t *timeline) run(ctx context.Context) {
	ticker := time.NewTicker(t.interval)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			t.tick()
		case <-ctx.Done():
			return
		}
	}
}

// expect tells when the phase is to end.
func (t *timeline) expect(in time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.mu.change = time.Now().Add(in)
}

// tick cuts and stays in the phase, unless one phase has just begun or is about to end: what is
// counted in a moment says nothing of a second.
func (t *timeline) tick() {
	t.mu.Lock()
	phase := t.mu.phase
	since, until := time.Since(t.mu.tally.at), time.Until(t.mu.change)
	t.mu.Unlock()
	if since < t.interval/2 || until > 0 && until < t.interval/2 {
		return
	}
	t.cut(phase)
}

// phase is the one that the run is in.
func (t *timeline) phase() Phase {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.mu.phase
}
