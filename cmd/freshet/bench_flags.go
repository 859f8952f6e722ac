package main

import (
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/freshet-mq/freshet/bench/load"
	"github.com/freshet-mq/freshet/client"
)

// benchFlags are those of every bench that puts load on a cluster. What has no default here has one
// by the work, which load.Options gives.
type benchFlags struct {
	Nodes      count    `default:"3" help:"Start a cluster of so many nodes: 1, 3 or 5; default 3." placeholder:"N"`
	Connect    string   `group:"Cluster" help:"Measure a cluster that runs already, in place of one of its own." placeholder:"HOST:PORT"`
	Topics     count    `default:"1" help:"Number of topics, at most 1024, which producers publish to in turns; default 1." placeholder:"N"`
	Partitions count    `group:"Cluster" help:"On how many partitions a topic is; default 1, for failover 8." placeholder:"N"`
	LogSize    size     `default:"2GiB" help:"Bytes that a node's log may hold; as much has to be free on the disk for each; default 2GiB." placeholder:"SIZE"`
	Profile    string   `group:"Results" help:"Write processor profiles of the measured time into this directory: load.pprof, n1.pprof and so on." placeholder:"DIR"`
	CSV        string   `group:"Results" help:"Write how it went, a line for each interval, into this file." name:"csv" placeholder:"FILE"`
	HDR        string   `group:"Results" help:"Write an HdrHistogram log of the latencies into this file." name:"hdr" placeholder:"FILE"`
	HTML       string   `help:"Write a page of charts into this file." name:"html" placeholder:"FILE"`
	Compare    string   `group:"Results" help:"Show what is different from an earlier run, of which this file holds the JSON." placeholder:"FILE"`
	Duration   duration `group:"Load" help:"How long it is measured; default 6s, for failover 15s." placeholder:"TIME"`
	WarmUp     duration `default:"2s" help:"How long the load is on before that; default 2s." placeholder:"TIME"`
	Producers  count    `default:"4" help:"Number of producers, each with connections of its own; default 4." placeholder:"N"`
	Rate       count    `group:"Load" help:"Offer so many events a second; without it as many as the cluster takes, but latency 2000 and failover 20000." placeholder:"N"`
	Batch      count    `default:"1000" help:"How many events a producer hands over at once, at most 16384; default 1000." placeholder:"N"`
	Flights    count    `group:"Load" help:"How many batches a producer has under way, at most 1024; default 4." placeholder:"N"`
	Linger     duration `group:"Load" help:"How long an event waits at most for others to share its block, up to 1s; default 5ms." placeholder:"TIME"`

	EventBytes  size   `group:"Events" help:"How long an event is, up to 1MiB; default 256." placeholder:"SIZE"`
	Shape       string `default:"json" enum:"json,orders,bytes" help:"What events are: json of which half is random, orders of a shop, or random bytes; default json." placeholder:"SHAPE"`
	Data        string `group:"Events" help:"Send the events of this file in turns, JSON objects, one a line." placeholder:"FILE"`
	Compression string `group:"Events" enum:",none,s2,zstd" default:"" help:"What producers do to blocks of events: none, s2 or zstd; default s2, as the client does, and none for one event a call." placeholder:"CODEC"`
}

// consumeFlags are those of a bench that has consumers.
type consumeFlags struct {
	Consumers count `help:"Number of consumers, each with connections of its own; default 4, or as many as it takes for the streams." placeholder:"N"`
	Ahead     count `group:"Load" help:"At full speed: how many deliveries may be outstanding until producers wait; default 131072." placeholder:"N"`
	Backlog   count `group:"Load" help:"Let so many events wait before anybody consumes; default none." placeholder:"N"`
	Window    count `default:"16384" help:"How many events a consumer may hold, at most 65536; default 16384." placeholder:"N"`
	Keys      count `group:"Events" help:"Give events so many keys, at most 1000000, and check the order of each; default none." placeholder:"N"`
}

// apply says it to the load.
func (c *consumeFlags) apply(o *load.Options) {
	o.Consumers, o.Window, o.Keys, o.Backlog, o.Ahead = int(c.Consumers), int(c.Window), int(c.Keys), int(c.Backlog), int(c.Ahead)
}

// benchPatternFlags are those of a bench that routes.
type benchPatternFlags struct {
	Matches  count  `group:"Load" help:"How many of the subscriptions match an event, by their patterns; default all, for route 3." placeholder:"N"`
	Patterns string `default:"exact" enum:"exact,numeric,mixed" help:"What patterns compare: a text, a number, or in turns; default exact." placeholder:"KIND"`
}

func (p *benchPatternFlags) apply(o *load.Options) {
	o.Matches = int(p.Matches)
	o.Patterns = map[string]load.Patterns{"exact": load.PatternsExact, "numeric": load.PatternsNumeric, "mixed": load.PatternsMixed}[p.Patterns]
}

// benchCodecs are what --compression may say; without it the work has a default.
var benchCodecs = map[string]client.Compression{"none": client.CompressionNone, "s2": client.CompressionS2, "zstd": client.CompressionZstd}

// options are what these flags say, with the defaults of a work.
func (b *benchFlags) options(call *invocation, work load.Work) (load.Options, error) {
	o := load.Options{
		Work: work, Target: b.Connect, Topic: "bench-" + uuid.NewString()[:8], EventBytes: int(b.EventBytes),
		Topics: int(b.Topics), Partitions: int(b.Partitions), Producers: int(b.Producers),
		Rate: int(b.Rate), Batch: int(b.Batch), Flights: int(b.Flights), Linger: time.Duration(b.Linger),
		WarmUp: time.Duration(b.WarmUp), Duration: time.Duration(b.Duration),
		Shape: map[string]load.Shape{"json": load.ShapeJSON, "orders": load.ShapeOrders, "bytes": load.ShapeBytes}[b.Shape],
		Progress: func(p load.Progress) {
			call.notef("%3.0f s  %-8s  %11s published/s  %11s delivered/s  %11s acked/s", p.Elapsed.Seconds(), p.Phase,
				thousands(p.Published), thousands(p.Delivered), thousands(p.Acked))
		},
	}
	if codec, ok := benchCodecs[b.Compression]; ok {
		o.Compression = &codec
	}
	if call.given["linger"] && b.Linger == 0 {
		o.Linger = -1
	}
	if b.Data == "" {
		return o, nil
	}
	for _, flag := range []string{"event-bytes", "shape"} {
		if call.given[flag] {
			return o, usageFailure(fmt.Sprintf("--%s makes events, --data takes those of a file", flag))
		}
	}
	var err error
	o.Lines, err = load.ReadLines(b.Data)
	if err != nil {
		return o, fileFailure("the events of --data", err)
	}
	return o, nil
}

// check refuses flags that contradict each other.
func (b *benchFlags) check(call *invocation) error {
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
