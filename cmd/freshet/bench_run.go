package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/bench/load"
)

// loadGCPercent is GOGC of the load, unless somebody chose one. Its heap is a window of events, so collecting less often costs some
// hundred MiB, and took its processor time for a million events from 1.86 s to 1.5 s (medians of four, taking turns). Nodes
// keep theirs: with 400 they needed more of it.
const loadGCPercent = 400

// benchPartitions is how many partitions a cluster of its own has at least: as many as one has whose configuration doesn't say.
const benchPartitions = 8

// measure measures a work, and answers with what was found. more says what its own flags say.
func (b *benchFlags) measure(ctx context.Context, call *invocation, work load.Work, more func(*load.Options)) (err error) {
	help := fmt.Sprintf("freshet bench %s --help", work)
	if err := b.check(call); err != nil {
		return err
	}
	options, err := b.options(call, work)
	if err != nil {
		return err
	}
	more(&options)
	options.EnsureDefaults()
	if b.Connect == "" {
		options.Target = "127.0.0.1:0" // known when the nodes run
	}
	if err := options.Validate(); err != nil {
		return usageFailure(err.Error()).trying(help)
	}
	results, err := b.openResults(call)
	if err != nil {
		return err
	}
	defer func() { err = results.close(err) }()
	options.Intervals = results.intervals()
	report, err := b.perform(ctx, call, options)
	if err != nil {
		return err
	}
	return b.answer(call, results, report)
}

// perform puts the load on a cluster, on one of its own or another.
func (b *benchFlags) perform(ctx context.Context, call *invocation, options load.Options) (*load.Report, error) {
	if _, chosen := call.lookup("GOGC"); !chosen {
		defer debug.SetGCPercent(debug.SetGCPercent(loadGCPercent))
	}
	on := b.onCluster
	if b.Connect != "" {
		on = b.onOthers
	}
	report, err := on(ctx, call, options)
	if err != nil && ctx.Err() != nil {
		call.notef("interrupted: what was made is removed")
		return nil, errAnswerIsNo
	}
	return report, err
}

// onOthers measures a cluster that somebody else runs.
func (b *benchFlags) onOthers(ctx context.Context, call *invocation, options load.Options) (*load.Report, error) {
	there := *call
	there.Server = b.Connect
	if _, err := there.probe(ctx); err != nil {
		return nil, err
	}
	return load.Run(ctx, options)
}

// onCluster starts a cluster, measures it and removes it (C5).
func (b *benchFlags) onCluster(ctx context.Context, call *invocation, options load.Options) (_ *load.Report, err error) {
	help := fmt.Sprintf("freshet bench %s", options.Work)
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	if err := needRoom(os.TempDir(), size(b.Nodes)*(b.LogSize+devStateRoom)); err != nil {
		return nil, failureOf(err, nil).trying(help+" --log-size 512MiB", "TMPDIR=DIR "+help)
	}
	dir, err := os.MkdirTemp("", "freshet-bench-")
	if err != nil {
		return nil, fileFailure("a directory for the nodes' data", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	nodes, err := cluster.New(ctx, cluster.Options{
		Nodes: int(b.Nodes), Name: "bench", Dir: dir, Program: program, Partitions: max(benchPartitions, options.Partitions), LogBytes: int64(b.LogSize), LogLevel: "warn",
		Died: func(_ *cluster.Node, err error) { end(err) },
	})
	if err != nil {
		return nil, &failure{code: codeArgument, what: err.Error(), try: []string{help + " --help"}, cause: err}
	}
	defer func() { err = errors.Join(err, nodes.Close()) }()
	starting, cancel := context.WithTimeoutCause(running, devStartTimeout, errTimeout)
	defer cancel()
	if err := nodes.Start(starting); err != nil {
		return nil, &failure{code: codeFile, what: "a node can't start", seen: strings.Split(err.Error(), "\n"), cause: err}
	}
	if err := nodes.Await(starting); err != nil {
		return nil, &failure{code: codeUnavailable, what: err.Error(), cause: err}
	}
	options.Target = nodes.Target()
	for _, node := range nodes.Nodes() {
		options.Nodes = append(options.Nodes, load.Node{Name: node.Name(), PID: node.PID, Admin: node.Admin()})
	}
	armStrike(options.Strike, nodes)
	var profiles *profiling
	if b.Profile != "" {
		profiles = &profiling{dir: b.Profile, nodes: nodes.Nodes(), length: options.Duration}
		options.Measured = func() func() { return profiles.begin(running) }
	}
	report, err := load.Run(running, options)
	if profiles != nil {
		err = errors.Join(err, profiles.err)
	}
	return report, err
}

// armStrike has a strike hit nodes of the cluster.
func armStrike(s *load.Strike, nodes *cluster.Cluster) {
	if s == nil {
		return
	}
	if s.What == "paused" {
		s.Do = func(node string) error { return nodes.Node(node).Pause() }
		s.Mend = func(_ context.Context, node string) error { return nodes.Node(node).Resume() }
		return
	}
	s.Do = func(node string) error { return nodes.Node(node).Kill() }
	s.Mend = func(ctx context.Context, node string) error {
		starting, cancel := context.WithTimeoutCause(ctx, devStartTimeout, errTimeout)
		defer cancel()
		return nodes.Node(node).Start(starting)
	}
}

// earlier is the JSON of the run to compare with; nil if there is none.
func (b *benchFlags) earlier() ([]byte, error) {
	if b.Compare == "" {
		return nil, nil
	}
	old, err := os.ReadFile(b.Compare)
	if err != nil {
		return nil, fileFailure("the earlier run of --compare", err)
	}
	if _, err := load.Compare(old, &load.Report{}); err != nil {
		return nil, usageFailure(fmt.Sprintf("--compare %s: %v", b.Compare, err))
	}
	return old, nil
}

// benchTook is a length of time for a sentence.
func benchTook(ms float64) string {
	return time.Duration(ms * 1e6).Round(time.Millisecond).String()
}
