package load

import (
	"encoding/csv"
	"io"
	"strconv"
)

// WriteCSV writes the timeline: a header, and a line for each interval. Latencies are in
// milliseconds, empty where nothing ended; what nodes used is there for each that was looked at.
func WriteCSV(to io.Writer, r *Report) error {
	header := []string{"begin_s", "end_s", "phase", "published_per_s", "delivered_per_s", "acked_per_s"}
	for _, kind := range []string{"publish", "latency"} {
		for _, which := range []string{"p50", "p90", "p99", "p999", "max"} {
			header = append(header, kind+"_"+which+"_ms")
		}
	}
	header = append(header, "load_processors")
	nodes := r.timelineNodes()
	for _, name := range nodes {
		header = append(header, name+"_processors", name+"_disk_bytes_per_s", name+"_rss_mb")
	}
	w := csv.NewWriter(to)
	// A writer remembers its first error: Error tells.
	_ = w.Write(header)
	for i := range r.Timeline {
		_ = w.Write(r.Timeline[i].row(len(nodes)))
	}
	w.Flush()
	return w.Error()
}

// timelineNodes are the names of the nodes that were looked at.
func (r *Report) timelineNodes() []string {
	var names []string
	for i := range r.Timeline {
		if len(r.Timeline[i].Nodes) > 0 {
			for _, node := range r.Timeline[i].Nodes {
				names = append(names, node.Name)
			}
			return names
		}
	}
	return nil
}

func (s *Sample) row(nodes int) []string {
	number := func(value float64) string { return strconv.FormatFloat(value, 'f', 3, 64) }
	row := []string{
		number(s.Begin), number(s.End), s.Phase.String(), number(s.PublishedPerSecond), number(s.DeliveredPerSecond), number(s.AckedPerSecond),
	}
	for _, l := range []Latency{s.Publish, s.EndToEnd} {
		for _, value := range []float64{l.P50, l.P90, l.P99, l.P999, l.Max} {
			cell := ""
			if l.Max > 0 {
				cell = number(value)
			}
			row = append(row, cell)
		}
	}
	row = append(row, number(s.LoadProcessors))
	for i := range nodes {
		if i >= len(s.Nodes) {
			row = append(row, "", "", "")
			continue
		}
		row = append(row, number(s.Nodes[i].Processors), number(s.Nodes[i].WrittenPerSecond), number(s.Nodes[i].ResidentMiB))
	}
	return row
}
