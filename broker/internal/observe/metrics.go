package observe

import (
	"net/http"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/freshet-mq/freshet/partition"
)

// NamesMax is how many topics, and how many subscriptions, have series of their own (O1).
const NamesMax = 1_000

// other is the label of those beyond.
const other = "other"

// Bounds of histograms, in seconds: from what a stage takes on an idle machine to what nobody waits for. Each bound is about twice the one before, which
// says a quantile to within a third.
var (
	stageBuckets = []float64{.000_01, .000_025, .000_05, .000_1, .000_25, .000_5, .001, .002_5, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10}
	ageBuckets   = []float64{.001, .002_5, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3_600, 21_600, 86_400}
)

// Stages that aren't the partition's.
const (
	stageAdmit = "admit" // the broker's, before the partition's: what a stranger sent is checked
	stageSync  = "sync"  // the log's
)

// Bounds of how much a stage takes at once: each is twice the one before, from one to beyond what limits allow.
var (
	itemBuckets = prometheus.ExponentialBuckets(1, 2, 18)
	byteBuckets = prometheus.ExponentialBuckets(128, 2, 18)
)

// Metrics of one node. Its methods may be called from any goroutine.
type Metrics struct {
	registry *prometheus.Registry
	publish  *prometheus.CounterVec
	stages   [partition.Stages]stage
	admit    stage
	sync     stage
	ages     *prometheus.HistogramVec

	// name gives a subscription's full name, "" where it isn't known.
	name func(partition.SubscriptionID) string
	mu   struct {
		sync.RWMutex
		// topics that have series, and subscriptions, by id.
		topics map[string]struct{}
		byID   map[partition.SubscriptionID]named
	}
}

// mutexWait is how long goroutines waited for mutexes, beside what the Go collector tells by itself:
// go_sync_mutex_wait_total_seconds_total.
var mutexWait = regexp.MustCompile(`^/sync/mutex/wait/total:seconds$`)

// named is a subscription that has series of its own.
type named struct {
	name string
	age  prometheus.Observer
}

var _ partition.Observer = (*Metrics)(nil)

// New makes the metrics of a node of a version. name gives a subscription's full name, topic/subscription; "" where there is none. state is called at each
// scrape.
func New(version string, name func(partition.SubscriptionID) string, state func() State) *Metrics {
	m := &Metrics{
		registry: prometheus.NewRegistry(), name: name,
		publish: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "freshet_publish_events_total", Help: "Events that were to be stored, by topic and result: stored, duplicate, refused, unknown.",
		}, []string{"topic", "result"}),
		ages: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "freshet_deliver_latency_seconds", Help: "Age of a delivery's oldest event when it was sent, since it was stored.", Buckets: ageBuckets,
		}, []string{"subscription"}),
	}
	m.mu.topics, m.mu.byID = map[string]struct{}{}, map[partition.SubscriptionID]named{}
	way := newStages()
	m.admit, m.sync = way.named(stageAdmit, true, true), way.named(stageSync, false, true)
	for s := range m.stages {
		m.stages[s] = way.of(partition.Stage(s))
	}
	build := prometheus.NewGauge(prometheus.GaugeOpts{
		Name: "freshet_build_info", Help: "Always 1; the labels say what runs.",
		ConstLabels: prometheus.Labels{"version": version, "go": runtime.Version()},
	})
	build.Set(1)
	m.registry.MustRegister(m.publish, way.took, way.items, way.bytes, m.ages, build, &gauges{metrics: m, state: state},
		collectors.NewGoCollector(collectors.WithGoCollectorRuntimeMetrics(collectors.GoRuntimeMetricsRule{Matcher: mutexWait})),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry, MaxRequestsInFlight: 4})
}

// Result is what became of a published block.
type Result string

// The results.
const (
	ResultStored    Result = "stored"
	ResultDuplicate Result = "duplicate" // stored by an earlier attempt
	ResultRefused   Result = "refused"   // nothing was stored
	ResultUnknown   Result = "unknown"   // stored or not
)

// Published counts a block's events. Only topics that there are may be named.
func (m *Metrics) Published(topic string, r Result, events int) {
	m.publish.WithLabelValues(m.topic(topic), string(r)).Add(float64(events))
}

// topic returns the label of a topic (O1).
func (m *Metrics) topic(name string) string {
	m.mu.RLock()
	_, there := m.mu.topics[name]
	room := len(m.mu.topics) < NamesMax
	m.mu.RUnlock()
	switch {
	case there:
		return name
	case !room:
		return other
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.topics[name] = struct{}{}
	return name
}

// Admitted tells how long it took to check a request to publish a block of so many events and bytes.
func (m *Metrics) Admitted(d time.Duration, events, bytes int) {
	m.admit.took.Observe(d.Seconds())
	m.admit.batch(events, bytes)
}

// Synced tells of a write and sync of the log.
func (m *Metrics) Synced(bytes int, took time.Duration) {
	m.sync.took.Observe(took.Seconds())
	m.sync.batch(-1, bytes)
}

// Took implements partition.Observer.
func (m *Metrics) Took(s partition.Stage, d time.Duration) { m.stages[s].took.Observe(d.Seconds()) }

// Batch implements partition.Observer.
func (m *Metrics) Batch(s partition.Stage, items, bytes int) { m.stages[s].batch(items, bytes) }

// Applied implements partition.Observer: replicas are compared by state hashes, and in tests by traces.
func (m *Metrics) Applied(partition.Trace) {}

// Delivered implements partition.Observer.
func (m *Metrics) Delivered(id partition.SubscriptionID, age time.Duration) {
	m.mu.RLock()
	n, there := m.mu.byID[id]
	m.mu.RUnlock()
	if !there {
		n = m.meet(id)
	}
	n.age.Observe(age.Seconds())
}

// meet gives a subscription series of its own, if there is room (O1).
func (m *Metrics) meet(id partition.SubscriptionID) named {
	name := m.name(id)
	m.mu.Lock()
	defer m.mu.Unlock()
	if name == "" || len(m.mu.byID) >= NamesMax {
		return named{other, m.ages.WithLabelValues(other)}
	}
	n := named{name, m.ages.WithLabelValues(name)}
	m.mu.byID[id] = n
	return n
}

// forget drops the series of topics and subscriptions that are gone, or have another name.
func (m *Metrics) forget(topic func(string) bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name := range m.mu.topics {
		if !topic(name) {
			m.publish.DeletePartialMatch(prometheus.Labels{"topic": name})
			delete(m.mu.topics, name)
		}
	}
	for id, n := range m.mu.byID {
		if m.name(id) != n.name {
			m.ages.DeleteLabelValues(n.name)
			delete(m.mu.byID, id)
		}
	}
}
