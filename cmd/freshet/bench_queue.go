package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/freshet-mq/freshet/bench/cluster"
	"github.com/freshet-mq/freshet/bench/load"
)

// benchQueueCommand measures the whole way of an event through a queue.
type benchQueueCommand struct {
	Nodes      count    `default:"3" help:"Start a cluster of so many nodes: 1, 3 or 5; default 3." placeholder:"N"`
	Connect    string   `help:"Measure a cluster that runs already, in place of one of its own." placeholder:"HOST:PORT"`
	EventBytes size     `default:"256" help:"How long an event is, 160 bytes to 1MiB; default 256." placeholder:"SIZE"`
	Duration   duration `default:"6s" help:"How long it is measured; default 6s." placeholder:"TIME"`
	WarmUp     duration `default:"2s" help:"How long the load is on before that; default 2s." placeholder:"TIME"`
	Partitions count    `default:"8" help:"On how many partitions the topic is; default 8." placeholder:"N"`
	Producers  count    `default:"4" help:"Number of producers, each with connections of its own; default 4." placeholder:"N"`
	Consumers  count    `default:"4" help:"Number of consumers, each with connections of its own; default 4." placeholder:"N"`
	Rate       count    `help:"Offer so many events a second; without it as many as the cluster takes." placeholder:"N"`
	Batch      count    `default:"1000" help:"How many events a producer hands over at once, at most; default 1000." placeholder:"N"`
	Flights    count    `default:"4" help:"How many batches a producer has under way; default 4." placeholder:"N"`
	Window     count    `default:"16384" help:"How many events a consumer may hold; default 16384." placeholder:"N"`
	LogSize    size     `default:"2GiB" help:"Bytes that a node's log may hold; as much has to be free on the disk for each; default 2GiB." placeholder:"SIZE"`
	Profile    string   `help:"Write processor profiles of the measured time into this directory: load.pprof, n1.pprof and so on." placeholder:"DIR"`
}

// loadGCPercent is GOGC of the load, unless somebody chose one. Its heap is a window of events, so collecting less often costs some
// hundred MiB, and took its processor time for a million events from 1.86 s to 1.5 s (medians of four, taking turns). Nodes
// keep theirs: with 400 they touch new memory in place of what is in the cache, and need more time.
const loadGCPercent = 400

// Help tells more.
func (*benchQueueCommand) Help() string {
	return `
Publishes events as fast as the cluster takes them, or at a rate, has consumers take and ack them all,
and checks each by its number: none may be lost or come twice. Half of an event is random. By default
it starts three nodes on free ports, each a process on this machine's disk, and removes them at the
end. What is measured is a few seconds behind a warm-up: events a second published, delivered and
acked, times from sending until it is known to be stored and until a handler has it, processor time
and bytes written to disk. At a rate, times begin when an event should have been sent. What else this
machine does counts: run it alone, and several times.

  freshet bench queue
  freshet bench queue --nodes 1 --duration 20s --json
  freshet bench queue --rate 50000
  freshet bench queue --connect 10.0.0.1:7600 --producers 16 --consumers 16
`
}

func (*benchQueueCommand) uses() everyday { return usesOutput }

func (b *benchQueueCommand) run(ctx context.Context, call *invocation) error {
	if err := b.check(call); err != nil {
		return err
	}
	options := load.Options{
		Target: b.Connect, Topic: "bench-" + uuid.NewString()[:8],
		EventBytes: int(b.EventBytes), Partitions: int(b.Partitions), Producers: int(b.Producers), Consumers: int(b.Consumers),
		Rate: int(b.Rate), Batch: int(b.Batch), Flights: int(b.Flights), Window: int(b.Window),
		WarmUp: time.Duration(b.WarmUp), Duration: time.Duration(b.Duration),
		Progress: func(p load.Progress) {
			call.notef("%3.0f s  %-8s  %11s published/s  %11s delivered/s  %11s acked/s", p.Elapsed.Seconds(), p.Phase,
				thousands(p.Published), thousands(p.Delivered), thousands(p.Acked))
		},
	}
	options.EnsureDefaults()
	measured := b.onCluster
	if b.Connect == "" {
		options.Target = "127.0.0.1:0" // known when the nodes run
	} else {
		measured = b.onOthers
	}
	if err := options.Validate(); err != nil {
		return usageFailure(err.Error()).trying("freshet bench queue --help")
	}
	if _, chosen := call.lookup("GOGC"); !chosen {
		defer debug.SetGCPercent(debug.SetGCPercent(loadGCPercent))
	}
	report, err := measured(ctx, call, options)
	if err != nil {
		if ctx.Err() != nil {
			call.notef("interrupted: what was made is removed")
			return errAnswerIsNo
		}
		return err
	}
	return b.answer(call, report)
}

// check refuses flags that contradict each other.
func (b *benchQueueCommand) check(call *invocation) error {
	if b.Connect == "" {
		return nodesFailure(b.Nodes)
	}
	for _, flag := range []string{"nodes", "log-size", "profile"} {
		if call.given[flag] {
			return usageFailure(fmt.Sprintf("--%s is for a cluster that is started, --connect for one that runs", flag))
		}
	}
	for address := range strings.SplitSeq(b.Connect, ",") {
		if _, _, err := net.SplitHostPort(address); err != nil {
			return usageFailure(fmt.Sprintf("--connect wants HOST:PORT, or several with commas between, got %q", b.Connect))
		}
	}
	return nil
}

// onOthers measures a cluster that somebody else runs.
func (b *benchQueueCommand) onOthers(ctx context.Context, call *invocation, options load.Options) (*load.Report, error) {
	there := *call
	there.Server = b.Connect
	if _, err := there.probe(ctx); err != nil {
		return nil, err
	}
	return load.Queue(ctx, options)
}

// onCluster starts a cluster, measures it and removes it (C5).
func (b *benchQueueCommand) onCluster(ctx context.Context, call *invocation, options load.Options) (_ *load.Report, err error) {
	program, err := ownProgram()
	if err != nil {
		return nil, err
	}
	if err := needRoom(os.TempDir(), size(b.Nodes)*(b.LogSize+devStateRoom)); err != nil {
		return nil, failureOf(err, nil).trying("freshet bench queue --log-size 512MiB", "TMPDIR=DIR freshet bench queue")
	}
	dir, err := os.MkdirTemp("", "freshet-bench-")
	if err != nil {
		return nil, fileFailure("a directory for the nodes' data", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	nodes, err := cluster.New(ctx, cluster.Options{
		Nodes: int(b.Nodes), Name: "bench", Dir: dir, Program: program, Partitions: int(b.Partitions), LogBytes: int64(b.LogSize), LogLevel: "warn",
		Died: func(_ *cluster.Node, err error) { end(err) },
	})
	if err != nil {
		return nil, &failure{code: codeArgument, what: err.Error(), try: []string{"freshet bench queue --help"}, cause: err}
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
		options.Processes = append(options.Processes, node.PID())
	}
	var profiles *profiling
	if b.Profile != "" {
		profiles = &profiling{dir: b.Profile, nodes: nodes.Nodes(), length: time.Duration(b.Duration)}
		options.Measured = func() func() { return profiles.begin(running) }
	}
	report, err := load.Queue(running, options)
	if profiles != nil {
		err = errors.Join(err, profiles.err)
	}
	return report, err
}

// answer writes the report. It is an answer of no when anything is wrong.
func (b *benchQueueCommand) answer(call *invocation, r *load.Report) error {
	if call.out.structured() {
		call.out.object(r)
		for _, fault := range r.Faults {
			call.notef("%s", fault)
		}
	} else {
		b.summary(call.out, r)
	}
	if !r.OK {
		return errors.Join(call.out.err, errAnswerIsNo)
	}
	return nil
}

// summary is the report for people, at a glance.
func (b *benchQueueCommand) summary(out *output, r *load.Report) {
	right := func(name string) column { return column{name: name, right: true} }
	t := table{columns: []column{{name: "MS"}, right("EVENTS/S"), right("MIB/S"), right("P50"), right("P90"), right("P99"), right("P99.9"), right("MAX")}}
	row := func(name string, rate float64, l *load.Latency) {
		cells := []string{name, thousands(int64(rate)), fmt.Sprintf("%.1f", rate*float64(r.EventBytes)/(1<<20))}
		if l == nil {
			l = &load.Latency{}
		}
		for _, ms := range []float64{l.P50, l.P90, l.P99, l.P999, l.Max} {
			cell := ""
			if ms > 0 {
				cell = fmt.Sprintf("%.1f", ms)
			}
			cells = append(cells, cell)
		}
		t.row(cells...)
	}
	row("publish", r.PublishedPerSecond, &r.Publish)
	row("end to end", r.DeliveredPerSecond, &r.EndToEnd)
	row("acked", r.AckedPerSecond, nil)
	out.table(t)
	out.linef("")
	out.linef("checked     %s sent  %s received  %s lost  %s repeated  %s unacked  %s errors", thousands(r.Sent), thousands(r.Received),
		thousands(r.Lost), thousands(r.Repeated), thousands(r.Unacked), thousands(r.Errors))
	out.linef("load        %s of %d bytes, %d partitions, %d producers, %d consumers, %d nodes, measured for %.1f s",
		"events", r.EventBytes, r.Partitions, r.Producers, r.Consumers, r.Nodes, r.DurationSeconds)
	if cost := costs(r); cost != "" {
		out.linef("cost        %s", cost)
	}
	out.linef("bottleneck  %s", r.Bottleneck)
	for _, fault := range r.Faults {
		out.linef("FAILED      %s", fault)
	}
}

// costs says what a million events cost, as far as it is known.
func costs(r *load.Report) string {
	var parts []string
	add := func(value *float64, format string) {
		if value != nil {
			parts = append(parts, fmt.Sprintf(format, *value))
		}
	}
	add(r.CPUNodes, "a million events %.2f processor seconds in the nodes")
	add(r.CPULoad, "%.2f in the load")
	add(r.DiskBytes, "%.2f bytes to disk a node and byte")
	add(r.ResidentMiB, "%.0f MiB of memory in the nodes")
	return strings.Join(parts, ", ")
}
