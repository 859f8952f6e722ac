package page

import (
	"embed"
	"encoding/json"
	"html/template"
	"io"
	"time"

	"github.com/freshet-mq/freshet/bench/load"
)

//go:embed assets
var assets embed.FS

// document is what the page's script is given.
type document struct {
	Report *load.Report `json:"report"`
	Began  time.Time    `json:"began"`
	// Begin and End are each interval's, in seconds; Phase its name.
	Begin []float64 `json:"begin"`
	End   []float64 `json:"end"`
	Phase []string  `json:"phase"`
	// Events a second.
	Published []float64 `json:"published"`
	Delivered []float64 `json:"delivered"`
	Acked     []float64 `json:"acked"`
	// Latencies of each interval, in milliseconds; null where nothing ended.
	Publish  [][]*float64 `json:"publish"`
	EndToEnd [][]*float64 `json:"end_to_end"`
	// Load and Nodes are what the load and the nodes used.
	Load  []float64 `json:"load"`
	Nodes []node    `json:"nodes"`
	// Distributions of the measured time: percents and milliseconds.
	PublishPercentiles  [2][]float64 `json:"publish_percentiles"`
	EndToEndPercentiles [2][]float64 `json:"end_to_end_percentiles"`
}

// node is what one used: processors, millions of bytes a second to disks, MiB of memory.
type node struct {
	Name       string     `json:"name"`
	Processors []*float64 `json:"processors"`
	Disk       []*float64 `json:"disk"`
	Memory     []*float64 `json:"memory"`
}

// Write writes the page of a report.
func Write(to io.Writer, r *load.Report) error {
	text := func(name string) (string, error) {
		content, err := assets.ReadFile("assets/" + name)
		return string(content), err
	}
	var parts [5]string
	for i, name := range []string{"page.html", "uplot/uPlot.min.css", "page.css", "uplot/uPlot.iife.min.js", "page.js"} {
		var err error
		if parts[i], err = text(name); err != nil {
			return err
		}
	}
	figures, err := json.Marshal(documentOf(r)) // with < > & escaped, so that it can't end its element
	if err != nil {
		return err
	}
	shape, err := template.New("page").Parse(parts[0])
	if err != nil {
		return err
	}
	return shape.Execute(to, map[string]any{
		"Title":  r.Work,
		"Style":  template.CSS(parts[1] + "\n" + parts[2]), //nolint:gosec // our own, and a library's that is pinned
		"Script": template.JS(parts[3] + "\n" + parts[4]),  //nolint:gosec // the same
		"Data":   template.JS(figures),                     //nolint:gosec // JSON, in which nothing can end the element
	})
}

// documentOf turns samples into columns.
func documentOf(r *load.Report) *document {
	d := &document{Report: r, Began: r.Began}
	for i := range r.Timeline {
		s := &r.Timeline[i]
		if len(d.Nodes) == 0 {
			for _, used := range s.Nodes {
				d.Nodes = append(d.Nodes, node{Name: used.Name})
			}
		}
	}
	for i := range r.Timeline {
		d.add(&r.Timeline[i])
	}
	for _, p := range r.PublishPercentiles {
		d.PublishPercentiles[0] = append(d.PublishPercentiles[0], p.Percent)
		d.PublishPercentiles[1] = append(d.PublishPercentiles[1], p.Milliseconds)
	}
	for _, p := range r.EndToEndPercentiles {
		d.EndToEndPercentiles[0] = append(d.EndToEndPercentiles[0], p.Percent)
		d.EndToEndPercentiles[1] = append(d.EndToEndPercentiles[1], p.Milliseconds)
	}
	return d
}

// add adds an interval.
func (d *document) add(s *load.Sample) {
	d.Begin, d.End, d.Phase = append(d.Begin, s.Begin), append(d.End, s.End), append(d.Phase, s.Phase.String())
	d.Published = append(d.Published, s.PublishedPerSecond)
	d.Delivered = append(d.Delivered, s.DeliveredPerSecond)
	d.Acked = append(d.Acked, s.AckedPerSecond)
	d.Publish = append(d.Publish, latencies(&s.Publish))
	d.EndToEnd = append(d.EndToEnd, latencies(&s.EndToEnd))
	d.Load = append(d.Load, s.LoadProcessors)
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if i >= len(s.Nodes) {
			n.Processors, n.Disk, n.Memory = append(n.Processors, nil), append(n.Disk, nil), append(n.Memory, nil)
			continue
		}
		used := s.Nodes[i]
		disk := used.WrittenPerSecond / 1e6
		n.Processors, n.Disk, n.Memory = append(n.Processors, &used.Processors), append(n.Disk, &disk), append(n.Memory, &used.ResidentMiB)
	}
}

// latencies are p50, p99 and max.
func latencies(l *load.Latency) []*float64 {
	if l.Max == 0 {
		return []*float64{nil, nil, nil}
	}
	return []*float64{&l.P50, &l.P99, &l.Max}
}
