package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/load"
	"github.com/freshet-mq/freshet/client"
)

// benchSeriesCommand measures one thing after the other, each with a cluster of its own.
type benchSeriesCommand struct {
	Series   string   `arg:"" enum:"quick,partitions,subscriptions,connections,event-bytes,backlog" help:"Which: quick, partitions, subscriptions, connections, event-bytes or backlog."`
	Nodes    count    `default:"3" help:"Number of nodes of each cluster: 1, 3 or 5; default 3." placeholder:"N"`
	LogSize  size     `default:"1GiB" help:"Bytes that a node's log may hold; as much has to be free on the disk for each; default 1GiB." placeholder:"SIZE"`
	Duration duration `default:"4s" help:"How long each is measured; default 4s." placeholder:"TIME"`
	WarmUp   duration `default:"1s" help:"How long the load is on before that; default 1s." placeholder:"TIME"`
}

// Help tells more.
func (*benchSeriesCommand) Help() string {
	return `
Measures one run after the other, each on a cluster of its own, and shows them in one table. "quick" is
every work briefly, in less than two minutes; the others are one work as something grows: the
partitions of a queue's topic (1 to 64), the queues of a topic with 3 that match (10 to 10,000), the
producers and consumers of a queue (1 to 500 each), the bytes of an event (128 to 64KiB), the events that
wait before anybody consumes (none to 2,000,000). Every run is checked, event by event.

  freshet bench series quick
  freshet bench series event-bytes --duration 10s --json
`
}

func (*benchSeriesCommand) uses() everyday { return usesOutput }

// benchRun is one of a series.
type benchRun struct {
	name string
	work load.Work
	more func(*load.Options)
}

// benchSeries are the series, by name.
var benchSeries = map[string][]benchRun{
	"quick": {
		{name: "publish", work: load.WorkPublish},
		{name: "publish, unary", work: load.WorkPublish, more: func(o *load.Options) { o.Send = load.SendUnary }},
		{name: "queue", work: load.WorkQueue},
		{name: "queue, not compressed", work: load.WorkQueue, more: func(o *load.Options) { o.Compression = new(client.CompressionNone) }},
		{name: "queue, 16 topics", work: load.WorkQueue, more: func(o *load.Options) { o.Topics = 16 }},
		{name: "fanout to 10", work: load.WorkFanout},
		{name: "fanout, 1 of 10 matches", work: load.WorkFanout, more: func(o *load.Options) { o.Matches = 1 }},
		{name: "route, 1000 patterns", work: load.WorkRoute},
		{name: "latency, 2000/s", work: load.WorkLatency},
		{name: "failover, 20000/s", work: load.WorkFailover, more: func(o *load.Options) {
			o.Duration, o.Strike = o.Duration+2*time.Second, &load.Strike{At: o.Duration / 2, For: 2 * time.Second, What: "killed"}
		}},
	},
	"partitions": benchGrowing("partitions", []int{1, 8, 64}, load.WorkQueue, func(o *load.Options, n int) { o.Partitions = n }),
	"subscriptions": benchGrowing("queues", []int{10, 100, 1_000, 10_000}, load.WorkRoute, func(o *load.Options, n int) {
		o.Subscriptions = n
	}),
	"connections": benchGrowing("clients each", []int{1, 10, 100, 500}, load.WorkQueue, func(o *load.Options, n int) {
		// As many events under way in all.
		o.Producers, o.Consumers, o.Flights, o.Batch, o.Window = n, n, 1, max(1, 16_000/n), max(64, 65_536/n)
	}),
	"event-bytes": benchGrowing("bytes", []int{128, 256, 1 << 10, 4 << 10, 16 << 10, 64 << 10}, load.WorkQueue, func(o *load.Options, n int) {
		o.EventBytes, o.Shape, o.Compression = n, load.ShapeBytes, new(client.CompressionNone)
	}),
	"backlog": benchGrowing("waiting", []int{0, 100_000, 1_000_000, 2_000_000}, load.WorkQueue, func(o *load.Options, n int) { o.Backlog = n }),
}

// benchGrowing is a work as something grows.
func benchGrowing(what string, steps []int, work load.Work, set func(*load.Options, int)) []benchRun {
	var runs []benchRun
	for _, n := range steps {
		runs = append(runs, benchRun{name: fmt.Sprintf("%s %s", thousands(int64(n)), what), work: work, more: func(o *load.Options) { set(o, n) }})
	}
	return runs
}

// benchSeriesReport is the answer for programs.
type benchSeriesReport struct {
	Series string              `json:"series"`
	Runs   []benchSeriesResult `json:"runs"`
	OK     bool                `json:"ok"`
}

// benchSeriesResult is one run's.
type benchSeriesResult struct {
	Name string `json:"name"`
	*load.Report
}

func (s *benchSeriesCommand) run(ctx context.Context, call *invocation) error {
	if err := nodesFailure(s.Nodes); err != nil {
		return err
	}
	answer := benchSeriesReport{Series: s.Series, OK: true}
	for _, one := range benchSeries[s.Series] {
		if one.work == load.WorkFailover && s.Nodes == 1 {
			call.notef("%s: not with one node", one.name)
			continue
		}
		call.notef("%s", one.name)
		report, err := s.perform(ctx, call, &one)
		if err != nil {
			return err
		}
		answer.Runs = append(answer.Runs, benchSeriesResult{one.name, report})
		answer.OK = answer.OK && report.OK
	}
	if call.out.structured() {
		call.out.object(&answer)
	} else {
		answer.table(call.out)
	}
	if !answer.OK {
		return errors.Join(call.out.err, errAnswerIsNo)
	}
	return nil
}

// perform measures one run.
func (s *benchSeriesCommand) perform(ctx context.Context, call *invocation, one *benchRun) (*load.Report, error) {
	flags := benchFlags{Nodes: s.Nodes, LogSize: s.LogSize, Duration: s.Duration, WarmUp: s.WarmUp}
	options, err := flags.options(call, one.work)
	if err != nil {
		return nil, err
	}
	if one.more != nil {
		one.more(&options)
	}
	options.EnsureDefaults()
	options.Target = "127.0.0.1:0" // known when the nodes run
	if err := options.Validate(); err != nil {
		return nil, usageFailure(fmt.Sprintf("%s: %v", one.name, err)).trying("freshet bench series --help")
	}
	return flags.perform(ctx, call, options)
}

// table is the series for people.
func (a *benchSeriesReport) table(out *output) {
	right := func(name string) column { return column{name: name, right: true} }
	t := table{columns: []column{
		{name: strings.ToUpper(a.Series)}, right("PUBLISHED/S"), right("DELIVERED/S"), right("MB/S"), right("P50 MS"), right("P99 MS"),
		right("US NODES"), right("US LOAD"), right("DISK"), right("MIB NODE"), right("GAP MS"), {name: "CHECKED"},
	}}
	for _, r := range a.Runs {
		latency, gap, checked := &r.EndToEnd, "", "fine"
		if r.Deliveries == 0 {
			latency = &r.Publish
		}
		if r.Strike != nil {
			gap = fmt.Sprintf("%.0f", r.Strike.PublishGap)
		}
		if !r.OK {
			checked = strings.Join(r.Faults, "; ")
		}
		known := func(value *float64, format string) string {
			if value == nil {
				return ""
			}
			return fmt.Sprintf(format, *value)
		}
		t.row(r.Name, thousands(int64(r.PublishedPerSecond)), thousands(int64(r.DeliveredPerSecond)), fmt.Sprintf("%.1f", r.PublishedMegabytes),
			fmt.Sprintf("%.1f", latency.P50), fmt.Sprintf("%.1f", latency.P99), known(r.CPUNodes, "%.2f"), known(r.CPULoad, "%.2f"),
			known(r.DiskBytes, "%.2f"), known(r.ResidentNodeMiB, "%.0f"), gap, checked)
	}
	out.table(t)
	out.linef("")
	out.linef("us: of a processor for an event acked, or published where nobody consumes; disk: bytes to disk a node and byte; MiB: the largest node; gap: nothing published")
}
