package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/freshet-mq/freshet/bench/load"
	"github.com/freshet-mq/freshet/client"
)

// answer writes the report. It is an answer of no when anything is wrong.
func (b *benchFlags) answer(call *invocation, results *benchResults, r *load.Report) error {
	if err := results.write(r); err != nil {
		return err
	}
	var differences []load.Difference
	if results.earlier != nil {
		var err error
		if differences, err = load.Compare(results.earlier, r); err != nil {
			return err
		}
	}
	if call.out.structured() {
		for _, d := range differences {
			call.notef("%s", d)
		}
		for _, fault := range r.Faults {
			call.notef("%s", fault)
		}
		call.out.object(r)
	} else {
		benchSummary(call.out, r)
		benchDifferences(call.out, differences)
		for _, f := range results.files {
			call.out.linef("wrote       %s", f.name)
		}
	}
	if !r.OK {
		return errors.Join(call.out.err, errAnswerIsNo)
	}
	return nil
}

// benchSummary is the report for people, at a glance.
func benchSummary(out *output, r *load.Report) {
	right := func(name string) column { return column{name: name, right: true} }
	t := table{columns: []column{{name: "MS"}, right("EVENTS/S"), right("MB/S"), right("P50"), right("P90"), right("P99"), right("P99.9"), right("MAX"), right("ERRORS")}}
	row := func(name string, rate float64, l *load.Latency, errors string) {
		bytes := 0.0
		if r.PublishedPerSecond > 0 {
			bytes = rate * r.PublishedMegabytes / r.PublishedPerSecond
		}
		cells := []string{name, thousands(int64(rate)), fmt.Sprintf("%.1f", bytes)}
		for _, ms := range []float64{l.P50, l.P90, l.P99, l.P999, l.Max} {
			cell := ""
			switch {
			case ms >= 10:
				cell = fmt.Sprintf("%.1f", ms)
			case ms > 0: // where a target is a few milliseconds
				cell = fmt.Sprintf("%.2f", ms)
			}
			cells = append(cells, cell)
		}
		t.row(append(cells, errors)...)
	}
	if r.HandingOver != nil {
		row("handed over", float64(r.OfferedPerSecond), r.HandingOver, "")
	}
	row("publish", r.PublishedPerSecond, &r.Publish, thousands(r.Errors))
	if r.Deliveries > 0 {
		row("end to end", r.DeliveredPerSecond, &r.EndToEnd, "")
		row("acked", r.AckedPerSecond, &load.Latency{}, "")
	}
	out.table(t)
	out.linef("")
	out.linef("checked     %s", checkedText(r))
	out.linef("load        %s", loadText(r))
	if cost := costs(r); cost != "" {
		out.linef("cost        %s", cost)
	}
	if s := r.Strike; s != nil {
		benchStrike(out, s)
	}
	out.linef("bottleneck  %s", r.Bottleneck)
	for _, fault := range r.Faults {
		out.linef("FAILED      %s", fault)
	}
}

// checkedText is what was checked, event by event.
func checkedText(r *load.Report) string {
	if r.Deliveries == 0 {
		return fmt.Sprintf("%s sent, each with a place of its own", thousands(r.Sent))
	}
	return fmt.Sprintf("%s sent  %s received  %s lost  %s repeated  %s out of order  %s unacked", thousands(r.Sent), thousands(r.Received),
		thousands(r.Lost), thousands(r.Repeated), thousands(r.OutOfOrder), thousands(r.Unacked))
}

// loadText is what the load was.
func loadText(r *load.Report) string {
	parts := []string{fmt.Sprintf("%s events of %d bytes", r.Shape, r.EventBytes), "not compressed"}
	if r.Compression != client.CompressionNone.String() {
		parts[1] = "compressed with " + r.Compression
	}
	if r.Topics > 1 {
		parts = append(parts, fmt.Sprintf("%d topics", r.Topics))
	}
	if r.Partitions == 1 {
		parts = append(parts, "1 partition")
	} else {
		parts = append(parts, fmt.Sprintf("%d partitions", r.Partitions))
	}
	if r.Subscriptions > 1 {
		parts = append(parts, fmt.Sprintf("%d subscriptions, %d deliveries an event", r.Subscriptions, r.Deliveries))
	}
	parts = append(parts, fmt.Sprintf("%d producers", r.Producers))
	if r.Deliveries > 0 {
		parts = append(parts, fmt.Sprintf("%d consumers", r.Consumers))
	}
	return strings.Join(append(parts, fmt.Sprintf("%d nodes", r.Nodes), fmt.Sprintf("measured for %.1f s", r.DurationSeconds)), ", ")
}

// costs says what an event costs, as far as it is known.
func costs(r *load.Report) string {
	var parts []string
	add := func(value *float64, format string) {
		if value != nil {
			parts = append(parts, fmt.Sprintf(format, *value))
		}
	}
	// Seconds a million are microseconds each.
	add(r.CPUNodes, "an event %.2f us of a processor in the nodes")
	add(r.CPULoad, "%.2f us in the load")
	add(r.DiskBytes, "%.2f bytes to disk a node and byte")
	add(r.SyncsPerSecond, "%.0f syncs a second and node")
	add(r.ResidentMiB, "%.0f MiB of memory in the nodes")
	add(r.ResidentNodeMiB, "%.0f in the largest")
	return strings.Join(parts, ", ")
}

// benchStrike is what a strike led to.
func benchStrike(out *output, s *load.StrikeReport) {
	out.linef("failover    %s %s after %.1f s, when it led %d partitions; others led them after %s, it served again after %s",
		s.Node, s.What, s.AtSeconds, s.Led, benchTook(s.Succession), benchTook(s.Away))
	out.linef("gap         on its partitions nothing published for %s, nothing delivered for %s; on the others %s and %s; %s repeated",
		benchTook(s.PublishGap), benchTook(s.DeliveryGap), benchTook(s.PublishGapOthers), benchTook(s.DeliveryGapOthers), events(int(s.Repeated)))
}

// benchDifferences shows what is different from an earlier run.
func benchDifferences(out *output, differences []load.Difference) {
	if len(differences) == 0 {
		return
	}
	right := func(name string) column { return column{name: name, right: true} }
	t := table{columns: []column{{name: "COMPARED"}, right("EARLIER"), right("NOW"), right("RATIO")}}
	for _, d := range differences {
		t.row(d.Name, d.Earlier, d.Now, d.Ratio)
	}
	out.linef("")
	out.table(t)
}
