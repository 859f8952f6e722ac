package overload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
)

// IdleCost is what a cluster costs in which nothing happens.
type IdleCost struct {
	// Polls are parked. Took is how long it was watched.
	Polls int
	Took  time.Duration
	// Processor is how much of one processor all nodes together used: 0.02 is 2 %.
	Processor float64
	// Elections is by how much all partitions' terms rose: a machine that is busy with something else lets leaders be missed, and each new one has an entry.
	Elections float64
	// Entries is how many entries all partitions' logs got, and Records and Batches what the nodes' logs wrote.
	Entries, Records, Batches float64
}

// String is one line.
func (c IdleCost) String() string {
	return fmt.Sprintf("%d parked long polls, watched for %v: %.2f %% of a processor, %.0f entries, %.0f records of the log in %.0f writes, %.0f elections",
		c.Polls, c.Took.Round(time.Second), 100*c.Processor, c.Entries, c.Records, c.Batches, c.Elections)
}

// Idle measures what a cluster costs without load, and with parked long polls, each for a time. profile is where the processor profiles of the second are
// put; empty for none.
func Idle(ctx context.Context, o Options, watch time.Duration, profile string) (costs []IdleCost, err error) {
	o.EnsureDefaults()
	if err := o.Validate(); err != nil {
		return nil, err
	}
	nodes, err := cluster.New(ctx, cluster.Options{Nodes: o.Nodes, Name: "idle", Dir: o.Dir, Program: o.Program})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, nodes.Close()) }()
	if err := nodes.Start(ctx); err != nil {
		return nil, err
	}
	f := &field{Options: &o}
	for _, n := range nodes.Nodes() {
		f.nodes = append(f.nodes, n.API())
	}
	if err := prepare(ctx, f.nodes[0]); err != nil {
		return nil, err
	}
	r := &run{Options: &o, nodes: nodes.Nodes()}
	if !pause(ctx, o.Calm) {
		return nil, context.Cause(ctx)
	}
	cost, err := r.idle(ctx, 0, watch)
	if err != nil {
		return nil, err
	}
	costs = append(costs, cost)
	parking, end := context.WithCancel(ctx)
	parked := make(chan error, 1)
	go func() {
		_, err := polls(parking, f)
		parked <- err
	}()
	profiles := make(chan error, 1)
	if pause(ctx, o.Calm) {
		go func() { profiles <- r.profiles(ctx, profile, watch) }()
		if cost, err = r.idle(ctx, o.Polls, watch); err == nil {
			costs = append(costs, cost)
		}
		err = errors.Join(err, <-profiles)
	}
	end()
	return costs, errors.Join(err, <-parked)
}

// idle measures for a time.
func (r *run) idle(ctx context.Context, polls int, watch time.Duration) (c IdleCost, err error) {
	before, err := r.figures(ctx)
	if err != nil {
		return c, err
	}
	began := time.Now()
	from, err := r.spent()
	if err != nil {
		return c, err
	}
	if !pause(ctx, watch) {
		return c, context.Cause(ctx)
	}
	to, err := r.spent()
	if err != nil {
		return c, err
	}
	c = IdleCost{Polls: polls, Took: time.Since(began)}
	after, err := r.figures(ctx)
	if err != nil {
		return c, err
	}
	c.Processor = (to - from).Seconds() / c.Took.Seconds()
	c.Elections = after.sum("freshet_raft_term") - before.sum("freshet_raft_term")
	c.Entries = after.sum("freshet_raft_last_index") - before.sum("freshet_raft_last_index")
	c.Records = after.sum("freshet_log_records_total") - before.sum("freshet_log_records_total")
	c.Batches = after.sum("freshet_log_batches_total") - before.sum("freshet_log_batches_total")
	return c, nil
}

func (r *run) spent() (total time.Duration, err error) {
	for _, n := range r.nodes {
		one, err := spent(n.PID())
		if err != nil {
			return 0, err
		}
		total += one
	}
	return total, nil
}

// profiles takes the nodes' processor profiles, one after the other would show other times: all at once.
func (r *run) profiles(ctx context.Context, dir string, watch time.Duration) error {
	if dir == "" {
		return nil
	}
	results := make(chan error, len(r.nodes))
	for _, n := range r.nodes {
		go func() { results <- fetchProfile(ctx, n.Admin(), filepath.Join(dir, n.Name()+".pprof"), watch) }()
	}
	var err error
	for range r.nodes {
		err = errors.Join(err, <-results)
	}
	return err
}

func fetchProfile(ctx context.Context, admin, file string, watch time.Duration) error {
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", admin, max(int(watch.Seconds()), 1))
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // it has been read
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o600)
}
