package demo

import (
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// Progress is a run as it stands: what the live view draws.
type Progress struct {
	// Elapsed is the time since the run began, the node's start included.
	Elapsed time.Duration
	// Phase says what the run is about: "publishing", "draining".
	Phase string
	// Planned is how many events the run has.
	Planned int
	// PublishedPerSecond and DeliveredPerSecond are over the last second or so.
	PublishedPerSecond, DeliveredPerSecond float64
	Figures
	// Rows are the subscriptions, in their order.
	Rows []Row
	// Nodes are the servers.
	Nodes []NodeProgress
}

// Row is a subscription; for a fan-out its members' sums.
type Row struct {
	Subscription
	Counts
	// PerSecond is how many deliveries came, over the last second or so.
	PerSecond float64
}

// NodeProgress is one server.
type NodeProgress struct {
	Name  string
	State cluster.State
	// Leads are the topic's partitions that it leads, as far as is known.
	Leads []uint32
	// Kills is how often it was killed.
	Kills int
	// Story says what became of it in this run; empty until something does.
	Story string
}

// rowsOf sums the readers' counts by subscription.
func rowsOf(subscriptions []Subscription, readers []reader, counts []Counts) []Row {
	rows := make([]Row, len(subscriptions))
	for i, s := range subscriptions {
		rows[i].Subscription = s
	}
	for i, r := range readers {
		rows[r.subscription].add(counts[i])
	}
	return rows
}

// meter turns counts at moments into rates.
type meter struct {
	readings []reading // the oldest first
}

type reading struct {
	at     time.Duration
	counts []int
}

// meterSpan is how far back a rate looks.
const meterSpan = time.Second

// read notes the counts of a moment, always as many, and returns how fast each grew of
// late, in a second.
func (m *meter) read(at time.Duration, counts ...int) []float64 {
	m.readings = append(m.readings, reading{at: at, counts: counts})
	// The oldest reading that is kept is the youngest that is old enough.
	for len(m.readings) > 2 && at-m.readings[1].at >= meterSpan {
		m.readings = m.readings[1:]
	}
	rates := make([]float64, len(counts))
	first := m.readings[0]
	span := (at - first.at).Seconds()
	if span <= 0 {
		return rates
	}
	for i, count := range counts {
		rates[i] = float64(count-first.counts[i]) / span
	}
	return rates
}
