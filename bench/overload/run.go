package overload

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
)

const (
	// limitsMemory is how a node is told its limits.memory.
	limitsMemory = "FRESHET_LIMITS_MEMORY"
	// connectionBytes is what a connection may cost beside what is counted: grpc's goroutines, and 32 KiB while something is read of it.
	connectionBytes = 64 << 10
	// ownBytes is what a node holds by itself under load: the log's cache and buffers, entries on their way to the other nodes.
	ownBytes = 128 << 20
	// goodPartitions is on how many partitions the good client's topic is.
	goodPartitions = 3
	sampleEvery    = 50 * time.Millisecond
)

// Run does every abuse to a cluster of its own. The report has what was seen as far as it came, also when there is an error.
func Run(ctx context.Context, o Options) (_ *Report, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	if len(o.Abuser) == 0 {
		return nil, errors.New("there is no program that abuses the nodes")
	}
	r := &run{Options: &o, report: &Report{MemoryLimit: o.Memory}}
	nodes, err := cluster.New(ctx, cluster.Options{
		Nodes: o.Nodes, Name: "overload", Dir: o.Dir, Program: o.Program, LogBytes: o.LogBytes,
		Environment: []string{fmt.Sprintf("%s=%dB", limitsMemory, o.Memory)},
		Died:        func(n *cluster.Node, err error) { r.died(fmt.Errorf("%s: %w", n.Name(), err)) },
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, nodes.Close()) }()
	if err := nodes.Start(ctx); err != nil {
		return nil, err
	}
	r.nodes = nodes.Nodes()
	for _, n := range r.nodes {
		r.addresses = append(r.addresses, n.API())
	}
	if err := prepare(ctx, r.addresses[0]); err != nil {
		return nil, fmt.Errorf("preparing: %w", err)
	}
	g, err := newGood(ctx, nodes.Target(), goodPartitions)
	if err != nil {
		return nil, fmt.Errorf("the good client: %w", err)
	}
	r.good = g
	err = r.all(ctx)
	lost, stored, ended := g.end(ctx)
	r.report.Stored, r.report.Lost = stored, lost
	return r.report, errors.Join(err, ended)
}

// run is one run.
type run struct {
	*Options
	report    *Report
	nodes     []*cluster.Node
	addresses []string
	good      *good

	mu struct {
		sync.Mutex
		died []error
	}
}

func (r *run) died(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mu.died = append(r.mu.died, err)
}

func (r *run) dead() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.mu.died...)
}

// all does the abuses, one after the other.
func (r *run) all(ctx context.Context) error {
	for _, a := range abuses {
		if r.Only != "" && !slices.Contains(strings.Split(r.Only, ","), a.name) {
			continue
		}
		row, err := r.one(ctx, a)
		r.report.Rows = append(r.report.Rows, row)
		_, _ = fmt.Fprintln(r.Progress, row) // the report has it as well
		if err := errors.Join(err, r.dead()); err != nil {
			return fmt.Errorf("%s: %w", a.name, err)
		}
	}
	return nil
}

// one does an abuse: a calm time, the abuse, and then the good client has what is its.
func (r *run) one(ctx context.Context, a abuse) (Row, error) {
	row := Row{Name: a.name, Does: a.does(r.Options)}
	calm := time.Now()
	spentBefore, err := r.spent()
	if err != nil {
		return row, err
	}
	if !pause(ctx, r.Calm) {
		return row, context.Cause(ctx)
	}
	spentCalm, err := r.spent()
	if err != nil {
		return row, err
	}
	row.CalmProcessors = (spentCalm - spentBefore).Seconds() / time.Since(calm).Seconds()
	before, err := r.figures(ctx)
	if err != nil {
		return row, err
	}
	if row.MemoryBefore, err = r.resident(); err != nil {
		return row, err
	}
	if a.stock > 0 {
		if err := stock(ctx, r.addresses[0], a.stock); err != nil {
			return row, err
		}
	}
	abusing, end := context.WithCancel(ctx)
	defer end()
	began := time.Now()
	if spentBefore, err = r.spent(); err != nil {
		return row, err
	}
	watched := make(chan int64, 1)
	go func() { watched <- r.watch(abusing) }()
	row.Answer, err = r.abuse(ctx, a)
	spentAbused, spending := r.spent()
	err = errors.Join(err, spending)
	row.Processors = (spentAbused - spentBefore).Seconds() / time.Since(began).Seconds()
	end()
	end()
	row.MemoryMax = <-watched
	row.CalmP50, row.CalmP99 = r.good.latency(calm, began)
	row.P50, row.P99 = r.good.latencySince(ctx, began)
	row.Missing = r.good.settled(ctx)
	if err != nil {
		return row, err
	}
	after, err := r.figures(ctx)
	if err != nil {
		return row, fmt.Errorf("a node's metrics: %w", err)
	}
	row.Counted = after.counted(before)
	row.Faults = int(after.sum("freshet_panics_total") + after.sum("freshet_internal_errors_total"))
	return row, nil
}

// figures are all nodes' together.
func (r *run) figures(ctx context.Context) (figures, error) {
	all := figures{}
	for _, n := range r.nodes {
		one, err := scrape(ctx, n.Admin())
		if err != nil {
			return nil, err
		}
		all.add(one)
	}
	return all, nil
}

// resident is the memory of the node that has most.
func (r *run) resident() (most int64, err error) {
	for _, n := range r.nodes {
		bytes, err := resident(n.PID())
		if err != nil {
			return 0, err
		}
		most = max(most, bytes)
	}
	return most, nil
}

// watch returns the most memory that a node had until the context ended.
func (r *run) watch(ctx context.Context) (most int64) {
	for {
		if bytes, err := r.resident(); err == nil { // a node that is gone is told of by others
			most = max(most, bytes)
		}
		if !pause(ctx, sampleEvery) {
			return most
		}
	}
}

// sortedNames are a map's keys in order.
func sortedNames[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
