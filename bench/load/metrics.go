package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// counters are a node's, of its metrics (docs/lookup/metrics.md).
type counters struct {
	// syncs is how often it wrote and synced its log, syncing how long that took.
	syncs, syncing float64
	// written is how many bytes went to its log.
	written float64
	// locked is how long its goroutines waited for mutexes, all together.
	locked float64
}

// series are what counters are read from: the series' names, whatever their labels.
func (c *counters) series() map[string]*float64 {
	return map[string]*float64{
		"freshet_log_sync_duration_seconds_count": &c.syncs, "freshet_log_sync_duration_seconds_sum": &c.syncing,
		"freshet_log_written_bytes_total": &c.written, "go_sync_mutex_wait_total_seconds_total": &c.locked,
	}
}

// minus is what came between two moments. A node that was started anew counts from there.
func (c *counters) minus(before counters) counters {
	since := func(now, before float64) float64 {
		if now < before {
			return now
		}
		return now - before
	}
	return counters{
		syncs: since(c.syncs, before.syncs), syncing: since(c.syncing, before.syncing),
		written: since(c.written, before.written), locked: since(c.locked, before.locked),
	}
}

const (
	metricsTimeout  = 5 * time.Second
	metricsBytesMax = 16 << 20
)

// errNoMetrics is why counters aren't known.
var errNoMetrics = errors.New("no node says where its metrics are")

// readCounters asks every node.
func readCounters(ctx context.Context, nodes []Node) ([]counters, error) {
	all := make([]counters, 0, len(nodes))
	for _, node := range nodes {
		if node.Admin == "" {
			return nil, errNoMetrics
		}
		if node.PID != nil && node.PID() == 0 {
			all = append(all, counters{}) // it was struck
			continue
		}
		one, err := node.counters(ctx)
		if err != nil {
			return nil, fmt.Errorf("metrics of node %s: %w", node.Name, err)
		}
		all = append(all, one)
	}
	if len(all) == 0 {
		return nil, errNoMetrics
	}
	return all, nil
}

func (n *Node) counters(ctx context.Context) (_ counters, err error) {
	ctx, cancel := context.WithTimeout(ctx, metricsTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.Admin+"/metrics", http.NoBody)
	if err != nil {
		return counters{}, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return counters{}, err
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return counters{}, fmt.Errorf("it answers %s", response.Status)
	}
	return parseCounters(io.LimitReader(response.Body, metricsBytesMax))
}

// parseCounters adds up the series of Prometheus' text format 0.0.4 that counters are of: lines of a
// name, maybe labels, a value, and maybe a time.
func parseCounters(text io.Reader) (counters, error) {
	var c counters
	series := c.series()
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), " ")
		if bare, _, labelled := strings.Cut(name, "{"); labelled {
			name = bare
			rest = lines.Text()[strings.LastIndexByte(lines.Text(), '}')+1:]
		}
		into, wanted := series[name]
		if !wanted {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return c, fmt.Errorf("a line of metrics ends with its name: %q", lines.Text())
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return c, fmt.Errorf("a line of metrics has no number: %q", lines.Text())
		}
		*into += value
	}
	return c, lines.Err()
}
