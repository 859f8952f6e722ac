package load

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// counters are a node's, of its metrics (docs/lookup/metrics.md).
type counters struct {
	// syncs is how often it wrote and synced its log.
	syncs float64
	// locked is how long its goroutines waited for mutexes, all together.
	locked float64
	// expired is how many events' leases ran out, which every replica counts.
	expired float64
	// stages are the stages of an event's way.
	stages [len(stageNames)]stageCounters
}

// stageCounters are how often something was in a stage, and how long that was together.
type stageCounters struct {
	times, seconds float64
}

// stageNames are the stages in their order.
var stageNames = [...]string{"admit", "wait", "match", "propose", "sync", "commit", "apply", "deliver", "ack"}

// into is which counter a series belongs to, whatever its other labels; nil: none.
func (c *counters) into(name, labels string) *float64 {
	switch name {
	case "freshet_log_batches_total":
		return &c.syncs
	case "freshet_lease_expired_total":
		return &c.expired
	case "go_sync_mutex_wait_total_seconds_total":
		return &c.locked
	case "freshet_stage_duration_seconds_count", "freshet_stage_duration_seconds_sum":
	default:
		return nil
	}
	for i, stage := range stageNames {
		if strings.Contains(labels, `stage="`+stage+`"`) {
			if name == "freshet_stage_duration_seconds_sum" {
				return &c.stages[i].seconds
			}
			return &c.stages[i].times
		}
	}
	return nil // a stage that is newer than this
}

// syncing is how long the node was syncing its log.
func (c *counters) syncing() float64 {
	return c.stages[slices.Index(stageNames[:], "sync")].seconds
}

// minus is what came between two moments. A node that was started anew counts from there.
func (c *counters) minus(before counters) counters {
	since := func(now, before float64) float64 {
		if now < before {
			return now
		}
		return now - before
	}
	d := counters{syncs: since(c.syncs, before.syncs), locked: since(c.locked, before.locked), expired: since(c.expired, before.expired)}
	for i := range c.stages {
		d.stages[i] = stageCounters{since(c.stages[i].times, before.stages[i].times), since(c.stages[i].seconds, before.stages[i].seconds)}
	}
	return d
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
	lines := bufio.NewScanner(text)
	for lines.Scan() {
		name, rest, _ := strings.Cut(lines.Text(), " ")
		labels := ""
		if bare, _, labelled := strings.Cut(name, "{"); labelled {
			name = bare
			labels, rest = lines.Text()[len(name):], ""
			if end := strings.LastIndexByte(labels, '}'); end >= 0 {
				labels, rest = labels[:end], labels[end+1:]
			}
		}
		into := c.into(name, labels)
		if into == nil {
			continue
		}
		fields := strings.Fields(rest)
		if len(fields) == 0 {
			return c, fmt.Errorf("a line of metrics has no number: %q", lines.Text())
		}
		value, err := strconv.ParseFloat(fields[0], 64)
		if err != nil {
			return c, fmt.Errorf("a line of metrics has no number: %q", lines.Text())
		}
		*into += value
	}
	return c, lines.Err()
}
