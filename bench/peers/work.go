package main

import (
	"fmt"
	"strings"
	"time"
)

// work is one row of the table.
type work struct {
	name, title string
	// freshet are the arguments of `freshet bench`, but for the times.
	freshet []string
	// streams and subscriptions (of each stream) are the peer's; 0 subscriptions: nobody consumes.
	streams, subscriptions int
	// filtered: an event is for one of the subscriptions.
	filtered bool
	// rate is how many events are offered in a second; 0: as many as it takes.
	rate int
	// unary publishers call with one event and wait for the answer. 0: publishers have a window.
	unary int
	// kill: the leader is killed in the middle of the measured time.
	kill bool
	// synced: the peer is also measured with every write synced.
	synced bool
	// measures are what the work is about, the first of which gives the ratio.
	measures []measure
}

// batched tells whether events go in numbers, which is where compression has something to do.
func (w *work) batched() bool { return w.rate == 0 && w.unary == 0 }

// measure is one figure of a result.
type measure struct {
	name string
	of   func(*result) float64
	// less is better: the ratio is the other way round.
	less bool
}

var (
	published = measure{name: "published/s", of: func(r *result) float64 { return r.PublishedPerSecond }}
	delivered = measure{name: "delivered/s", of: func(r *result) float64 { return r.DeliveredPerSecond }}
	acked     = measure{name: "acked/s", of: func(r *result) float64 { return r.AckedPerSecond }}
	p50       = measure{name: "p50 ms", of: func(r *result) float64 { return r.EndToEnd.P50 }, less: true}
	p99       = measure{name: "p99 ms", of: func(r *result) float64 { return r.EndToEnd.P99 }, less: true}
	processor = measure{name: "CPU s per million, servers", of: func(r *result) float64 { return r.CPUServers }, less: true}
	allCPU    = measure{name: "CPU s per million, servers and load", of: func(r *result) float64 { return r.CPUServers + r.CPULoad }, less: true}
	disk      = measure{name: "disk bytes per payload byte and node", of: func(r *result) float64 { return r.DiskBytes }, less: true}
	memory    = measure{name: "memory MiB, three nodes", of: func(r *result) float64 { return r.ResidentMiB }, less: true}
	gap       = measure{name: "publish gap ms", of: func(r *result) float64 { return r.PublishGap }, less: true}
	stillness = measure{name: "delivery gap ms", of: func(r *result) float64 { return r.DeliveryGap }, less: true}
)

// works are all rows.
var works = []work{
	{
		name: "queue", title: "publish + deliver + ack, one queue", freshet: []string{"queue"}, streams: 1, subscriptions: 1, synced: true,
		measures: []measure{acked, allCPU, processor, disk, memory},
	},
	{
		name: "queues", title: "the same, 16 queues", freshet: []string{"queue", "--topics", "16"}, streams: 16, subscriptions: 1,
		measures: []measure{acked, allCPU},
	},
	{
		name: "publish", title: "publish", freshet: []string{"publish"}, streams: 1, synced: true,
		measures: []measure{published, allCPU, processor, disk},
	},
	{
		name: "fanout", title: "fan-out to 10 subscriptions", freshet: []string{"fanout", "--subscriptions", "10"}, streams: 1, subscriptions: 10,
		measures: []measure{delivered, allCPU},
	},
	{
		name: "filtered", title: "filtered fan-out, an event matches one of 10", freshet: []string{"fanout", "--subscriptions", "10", "--matches", "1"},
		streams: 1, subscriptions: 10, filtered: true, measures: []measure{delivered, allCPU},
	},
	{
		name: "latency", title: "2,000 events a second, publish to handler", freshet: []string{"latency"}, streams: 1, subscriptions: 1, rate: 2_000,
		synced: true, measures: []measure{p50, p99},
	},
	{
		name: "unary", title: "one event a call, 64 publishers", freshet: []string{"publish", "--unary"}, streams: 1, unary: 64, synced: true,
		measures: []measure{published, allCPU},
	},
	{
		name: "failover", title: "kill -9 of the leader at 20,000 events a second", freshet: []string{"failover", "--rate", "20000"}, streams: 1, subscriptions: 1,
		rate: 20_000, unary: 64, kill: true, measures: []measure{gap, stillness},
	},
}

// findWorks are those that a list names, in the table's order.
func findWorks(list string) ([]work, error) {
	if list == "" {
		return works, nil
	}
	wanted := map[string]bool{}
	for name := range strings.SplitSeq(list, ",") {
		wanted[strings.TrimSpace(name)] = true
	}
	var found []work
	for _, w := range works {
		if wanted[w.name] {
			found = append(found, w)
			delete(wanted, w.name)
		}
	}
	for name := range wanted {
		return nil, fmt.Errorf("there is no work %q; there are %s", name, workNames())
	}
	return found, nil
}

func workNames() string {
	var names []string
	for _, w := range works {
		names = append(names, w.name)
	}
	return strings.Join(names, ", ")
}

// times of a run.
type times struct {
	warmUp, measured time.Duration
	// before is how long it is measured until the kill, gone how long the peer may take to recover.
	before, gone time.Duration
}
