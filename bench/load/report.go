package load

import (
	"errors"
	"fmt"
	"time"
)

// Report is what a run found. Its JSON has one name for each figure, which stays.
type Report struct {
	Work          string `json:"work"`
	Nodes         int    `json:"nodes"`
	Topics        int    `json:"topics"`
	Partitions    int    `json:"partitions"`
	Subscriptions int    `json:"subscriptions"`
	// Deliveries is how often an event is to be delivered.
	Deliveries  int    `json:"deliveries_per_event"`
	Producers   int    `json:"producers"`
	Consumers   int    `json:"consumers"`
	Shape       string `json:"shape"`
	EventBytes  int    `json:"event_bytes"`
	Keys        int    `json:"keys"`
	Backlog     int    `json:"backlog"`
	Ahead       int    `json:"ahead"`
	Send        string `json:"send"`
	Batch       int    `json:"batch"`
	Flights     int    `json:"flights"`
	Compression string `json:"compression"`
	// OfferedPerSecond is the rate, 0 at full speed.
	OfferedPerSecond int `json:"offered_per_s"`
	// DurationSeconds is how long it was measured, in fact.
	DurationSeconds float64 `json:"duration_s"`

	// In the measured time, a second (B1, B3).
	PublishedPerSecond float64 `json:"published_per_s"`
	DeliveredPerSecond float64 `json:"delivered_per_s"`
	AckedPerSecond     float64 `json:"acked_per_s"`
	// PublishedMegabytes are millions of bytes a second, of events alone.
	PublishedMegabytes float64 `json:"published_mb_per_s"`

	// Of the whole run, event by event (B2). Sent are those that were stored, Received
	// deliveries that arrived, each once.
	Sent     int64 `json:"sent"`
	Received int64 `json:"received"`
	Lost     int64 `json:"lost"`
	Repeated int64 `json:"repeated"`
	// OutOfOrder are first arrivals behind a later one of their key and subscription; without keys,
	// behind a later one of their partition at the same consumer.
	OutOfOrder int64 `json:"out_of_order"`
	// Unacked are arrivals whose acks weren't confirmed in the end.
	Unacked int64 `json:"unacked"`
	// Errors are events that weren't stored, or of which nobody knows.
	Errors int64 `json:"errors"`

	// Publish is from sending to the publisher's knowledge that the event is stored,
	// EndToEnd from sending to the handler.
	Publish  Latency `json:"publish_ms"`
	EndToEnd Latency `json:"latency_ms"`
	// HandingOver is, at a rate, from when an event should have been sent until it was handed to the
	// producer: the load's own part of the other two. Where it is large, they say little of the nodes.
	HandingOver *Latency `json:"handing_over_ms,omitempty"`

	// CPUNodes and CPULoad are processor seconds for a million events acked (published, where nobody
	// consumes), of all nodes together and of this process; nil where it isn't known.
	CPUNodes *float64 `json:"cpu_s_per_million_nodes"`
	CPULoad  *float64 `json:"cpu_s_per_million_load"`
	// DiskBytes is how many bytes a node writes to disk for a byte of an event, on average
	// over the nodes; nil where it isn't known.
	DiskBytes *float64 `json:"disk_bytes_per_payload_byte"`
	// SyncsPerSecond is how often a node syncs its log, on average over the nodes.
	SyncsPerSecond *float64 `json:"syncs_per_s"`
	// Stages is how long a stage of an event's way took on average, in milliseconds, by its name (see
	// docs/lookup/metrics.md); those that nothing went through are missing.
	Stages map[string]float64 `json:"stage_ms,omitempty"`
	// ResidentMiB is the most memory that the nodes held, added up, and ResidentNodeMiB the most that one
	// held; nil where it isn't known.
	ResidentMiB     *float64 `json:"rss_mb_max"`
	ResidentNodeMiB *float64 `json:"rss_mb_max_node"`
	// Bottleneck names what kept the figures from being higher, with the evidence.
	Bottleneck string `json:"bottleneck"`

	// Strike is what a strike led to.
	Strike *StrikeReport `json:"strike,omitempty"`

	// OK says that nothing is wrong; Faults say what is.
	OK     bool     `json:"ok"`
	Faults []string `json:"faults,omitempty"`

	// Began is when the load began, Timeline how it went, and the others the distributions of Publish and
	// EndToEnd.
	Began                                   time.Time    `json:"-"`
	Timeline                                []Sample     `json:"-"`
	PublishPercentiles, EndToEndPercentiles []Percentile `json:"-"`
	// IntervalsErr is why Options.Intervals isn't whole.
	IntervalsErr error `json:"-"`
}

// measured is what the measured time's two ends say.
type measured struct {
	counted tally
	took    time.Duration
	used    usage
	// usedErr is why used isn't known, countersErr why counters aren't.
	usedErr error
	// counters are of countersTook, which is longer than the measured time while a strike lasts.
	counters     []counters
	countersTook time.Duration
	countersErr  error
	// expired is how many leases ran out from the beginning of the measured time to the end of the
	// drain; negative: nobody knows.
	expired        int64
	countersBefore []counters
}

// putExpired is told what nodes counted by the end of the drain.
func (m *measured) putExpired(after []counters, err error) {
	m.expired = -1
	if err != nil || len(after) != len(m.countersBefore) {
		return
	}
	for i := range after {
		since := after[i].minus(m.countersBefore[i])
		m.expired = max(m.expired, int64(since.expired))
	}
}

// leases says what became of leases, for the fault that something came twice.
func (m *measured) leases() string {
	switch {
	case m.expired < 0:
		return "nobody knows whether leases ran out"
	case m.expired == 0:
		return "though no lease ran out and no node was ended"
	}
	return fmt.Sprintf("the leases of %d ran out", m.expired)
}

// events are what costs are counted by: those acked, or published where nobody consumes.
func (m *measured) events(p *Report) int64 {
	if p.Deliveries == 0 {
		return m.counted.published
	}
	return m.counted.acked
}

// report puts everything together. trouble is why the run ended early, if it did.
func (r *run) report(m measured, trouble error) *Report {
	found := r.ledger.findings()
	p := &Report{
		Work: r.Work.String(), Nodes: len(r.Nodes), Topics: r.Topics, Partitions: r.Partitions, Subscriptions: r.Subscriptions,
		Deliveries: r.copies(), Producers: r.Producers, Consumers: r.Consumers, Shape: r.Shape.String(), EventBytes: r.EventBytes, Keys: r.Keys, Backlog: r.Backlog, Ahead: r.Ahead,
		Send: r.Send.String(), Batch: r.Batch, Flights: r.Flights, Compression: r.Compression.String(),
		OfferedPerSecond: r.Rate, DurationSeconds: m.took.Seconds(),
		Sent: found.Stored, Received: found.Arrived, Lost: found.Lost, Repeated: found.Repeated, OutOfOrder: r.keys.outOfOrder.Load(),
		Unacked: r.meter.delivered.Load() - r.meter.acked.Load(),
		Errors:  r.meter.failed.Load() + r.meter.unknown.Load(),
		Strike:  r.strikeReport(),
	}
	if len(r.Lines) > 0 {
		p.Shape = "file"
	}
	if r.nodes > 0 {
		p.Nodes = r.nodes
	}
	r.timeline.addTo(p)
	if seconds := m.took.Seconds(); seconds > 0 {
		p.PublishedPerSecond = float64(m.counted.published) / seconds
		p.DeliveredPerSecond = float64(m.counted.delivered) / seconds
		p.AckedPerSecond = float64(m.counted.acked) / seconds
		p.PublishedMegabytes = float64(m.counted.bytes) / 1e6 / seconds
	}
	p.putUsage(&m, r.watch.local())
	p.Bottleneck = bottleneck(p, &m)
	r.putFaults(p, &m, trouble)
	return p
}

// addTo adds how it went.
func (t *timeline) addTo(p *Report) {
	t.mu.Lock()
	defer t.mu.Unlock()
	p.Began, p.Timeline, p.IntervalsErr = t.began, t.mu.samples, t.mu.logErr
	if late := t.mu.total[handingOver]; late.TotalCount() > 0 {
		of := latencyOf(late)
		p.HandingOver = &of
	}
	p.Publish, p.EndToEnd = latencyOf(t.mu.total[publishing]), latencyOf(t.mu.total[endToEnd])
	p.PublishPercentiles, p.EndToEndPercentiles = percentilesOf(t.mu.total[publishing]), percentilesOf(t.mu.total[endToEnd])
}

// putUsage works out what an event costs.
func (p *Report) putUsage(m *measured, local bool) {
	if seconds := m.countersTook.Seconds(); m.countersErr == nil && seconds > 0 && len(m.counters) > 0 {
		syncs := 0.0
		var stages [len(stageNames)]stageCounters
		for _, one := range m.counters {
			syncs += one.syncs
			for i := range stages {
				stages[i].times += one.stages[i].times
				stages[i].seconds += one.stages[i].seconds
			}
		}
		p.Stages = map[string]float64{}
		for i, stage := range stages {
			if stage.times > 0 {
				p.Stages[stageNames[i]] = 1e3 * stage.seconds / stage.times
			}
		}
		syncs /= seconds * float64(len(m.counters))
		p.SyncsPerSecond = &syncs
	}
	if m.usedErr != nil || m.events(p) == 0 {
		return
	}
	millions := float64(m.events(p)) / 1e6
	load := m.used.load.Seconds() / millions
	p.CPULoad = &load
	if !local {
		return
	}
	all := m.used.total()
	nodes, resident, most := all.processor.Seconds()/millions, float64(all.residentMax)/(1<<20), 0.0
	for _, node := range m.used.nodes {
		most = max(most, float64(node.residentMax)/(1<<20))
	}
	p.CPUNodes, p.ResidentMiB, p.ResidentNodeMiB = &nodes, &resident, &most
	if m.counted.bytes > 0 {
		disk := float64(all.written) / float64(len(m.used.nodes)) / float64(m.counted.bytes)
		p.DiskBytes = &disk
	}
}

// putFaults says what is wrong. A run with a strike may bring events twice, as a lease may end with the
// node that gave it.
func (r *run) putFaults(p *Report, m *measured, trouble error) {
	twice, missing := r.offsets.findings()
	fault := func(wrong bool, format string, args ...any) {
		if wrong {
			p.Faults = append(p.Faults, fmt.Sprintf(format, args...))
		}
	}
	struck := r.Strike != nil
	fault(trouble != nil, "it ended early: %v", trouble)
	fault(p.Sent == 0, "nothing was stored")
	fault(p.Lost > 0, "%d deliveries of events that were stored have not arrived", p.Lost)
	fault(p.Repeated > 0 && !struck, "%d arrivals were repeated, %s", p.Repeated, m.leases())
	fault(p.OutOfOrder > 0 && (r.Ordered || r.Work == WorkFanout && r.Keys > 0), "%d arrivals were out of the order of their key", p.OutOfOrder)
	fault(p.Unacked > 0 && !struck, "the acks of %d arrivals were not confirmed", p.Unacked)
	fault(p.Errors > 0, "%d events were not stored, or nobody knows", p.Errors)
	fault(twice > 0, "%d events were said to be stored where another one is", twice)
	fault(missing > 0 && p.Errors == 0, "%d events are in the streams that nobody sent", missing)
	fault(struck && r.struck.name == "" && trouble == nil, "no node was struck")
	fault(p.IntervalsErr != nil, "the log of histograms isn't whole: %v", p.IntervalsErr)
	p.OK = len(p.Faults) == 0
}

// ErrNotComparable is returned by Compare for what isn't a report.
var ErrNotComparable = errors.New("this isn't what --json writes")
