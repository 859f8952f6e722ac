package load

import (
	"fmt"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// Report is what a run found. Its JSON has one name for each figure, which stays.
type Report struct {
	Nodes      int `json:"nodes"`
	Partitions int `json:"partitions"`
	Producers  int `json:"producers"`
	Consumers  int `json:"consumers"`
	EventBytes int `json:"event_bytes"`
	// OfferedPerSecond is the rate, 0 at full speed.
	OfferedPerSecond int `json:"offered_per_s"`
	// DurationSeconds is how long it was measured, in fact.
	DurationSeconds float64 `json:"duration_s"`

	// In the measured time, a second (B1, B3).
	PublishedPerSecond float64 `json:"published_per_s"`
	DeliveredPerSecond float64 `json:"delivered_per_s"`
	AckedPerSecond     float64 `json:"acked_per_s"`

	// Of the whole run, event by event (B2). Sent are those that were stored, Received
	// those that arrived, each once.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	Lost     int64 `json:"lost"`
	Repeated int64 `json:"repeated"`
	// Unacked are arrivals whose acks weren't confirmed in the end.
	Unacked int64 `json:"unacked"`
	// Errors are events that weren't stored, or of which nobody knows.
	Errors int64 `json:"errors"`

	// Publish is from sending to the publisher's knowledge that the event is stored,
	// EndToEnd from sending to the handler.
	Publish  Latency `json:"publish_ms"`
	EndToEnd Latency `json:"latency_ms"`

	// CPUNodes and CPULoad are processor seconds for a million events acked, of all nodes
	// together and of this process; nil where it isn't known.
	CPUNodes *float64 `json:"cpu_s_per_million_nodes"`
	CPULoad  *float64 `json:"cpu_s_per_million_load"`
	// DiskBytes is how many bytes a node writes to disk for a byte of an event, on average
	// over the nodes; nil where it isn't known.
	DiskBytes *float64 `json:"disk_bytes_per_payload_byte"`
	// ResidentMiB is the most memory that the nodes held, added up; nil where it isn't known.
	ResidentMiB *float64 `json:"rss_mb_max"`
	// Bottleneck names what kept the figures from being higher, with the evidence.
	Bottleneck string `json:"bottleneck"`

	// OK says that nothing is wrong; Faults say what is.
	OK     bool     `json:"ok"`
	Faults []string `json:"faults,omitempty"`
}

// Latency is in milliseconds, to a hundredth of the value.
type Latency struct {
	P50  float64 `json:"p50"`
	P90  float64 `json:"p90"`
	P99  float64 `json:"p99"`
	P999 float64 `json:"p999"`
	Max  float64 `json:"max"`
}

func latencyOf(h *hdrhistogram.Histogram) Latency {
	at := func(percent float64) float64 {
		return float64(h.ValueAtQuantile(percent)) / float64(time.Millisecond/time.Microsecond)
	}
	return Latency{P50: at(50), P90: at(90), P99: at(99), P999: at(99.9), Max: float64(h.Max()) / float64(time.Millisecond/time.Microsecond)}
}

// measured is what the measured time's two ends say.
type measured struct {
	counted tally
	took    time.Duration
	used    usage
	// usedErr is why used isn't known.
	usedErr error
}

// report puts everything together. trouble is why the run ended early, if it did.
func (r *run) report(m measured, trouble error) *Report {
	found := r.ledger.findings()
	seconds := m.took.Seconds()
	p := &Report{
		Nodes: len(r.Processes), Partitions: r.Partitions, Producers: r.Producers, Consumers: r.Consumers, EventBytes: r.EventBytes,
		OfferedPerSecond: r.Rate, DurationSeconds: seconds,
		Sent: found.Stored, Received: found.Arrived, Lost: found.Lost, Repeated: found.Repeated,
		Unacked: r.meter.delivered.Load() - r.meter.acked.Load(),
		Errors:  r.meter.failed.Load() + r.meter.unknown.Load(),
		Publish: latencyOf(r.meter.merged(publishing)), EndToEnd: latencyOf(r.meter.merged(endToEnd)),
	}
	if r.nodes > 0 {
		p.Nodes = r.nodes
	}
	if seconds > 0 {
		p.PublishedPerSecond = float64(m.counted.published) / seconds
		p.DeliveredPerSecond = float64(m.counted.delivered) / seconds
		p.AckedPerSecond = float64(m.counted.acked) / seconds
	}
	p.putUsage(m, len(r.Processes))
	p.Bottleneck = bottleneck(p, m)
	p.putFaults(trouble)
	return p
}

// putUsage works out what an event costs.
func (p *Report) putUsage(m measured, processes int) {
	if m.usedErr != nil || m.counted.acked == 0 {
		return
	}
	millions := float64(m.counted.acked) / 1e6
	load := m.used.load.Seconds() / millions
	p.CPULoad = &load
	if processes == 0 {
		return
	}
	nodes := m.used.nodes.Seconds() / millions
	resident := float64(m.used.resident) / (1 << 20)
	p.CPUNodes, p.ResidentMiB = &nodes, &resident
	if m.counted.published > 0 {
		payload := float64(m.counted.published) * float64(p.EventBytes)
		disk := float64(m.used.written) / float64(processes) / payload
		p.DiskBytes = &disk
	}
}

func (p *Report) putFaults(trouble error) {
	fault := func(format string, args ...any) { p.Faults = append(p.Faults, fmt.Sprintf(format, args...)) }
	if trouble != nil {
		fault("it ended early: %v", trouble)
	}
	if p.Sent == 0 {
		fault("nothing was stored")
	}
	if p.Lost > 0 {
		fault("%d events that were stored have not arrived", p.Lost)
	}
	if p.Repeated > 0 {
		fault("%d arrivals were repeated, though no lease ran out and no node was ended", p.Repeated)
	}
	if p.Unacked > 0 {
		fault("the acks of %d arrivals were not confirmed", p.Unacked)
	}
	if p.Errors > 0 {
		fault("%d events were not stored, or nobody knows", p.Errors)
	}
	p.OK = len(p.Faults) == 0
}
