package main

import (
	"context"
	"time"

	"github.com/freshet-mq/freshet/bench/load"
)

// benchPublishCommand measures publishing alone.
type benchPublishCommand struct {
	benchFlags
	Unary bool `group:"Load" help:"Make a call of its own for each event, with no batching in the client: 64 callers, by default 4 producers of 16 flights."`
}

// Help tells more.
func (*benchPublishCommand) Help() string {
	return `
Publishes events to topics without subscriptions, as fast as the cluster takes them or at a rate. As
nobody consumes, what is checked is where each event was stored: no place may be given twice, and
none left out.

  freshet bench publish
  freshet bench publish --compression zstd --shape orders
  freshet bench publish --unary --json
`
}

func (*benchPublishCommand) uses() everyday { return usesOutput }

func (b *benchPublishCommand) run(ctx context.Context, call *invocation) error {
	return b.measure(ctx, call, load.WorkPublish, func(o *load.Options) {
		if b.Unary {
			o.Send = load.SendUnary
		}
	})
}

// benchQueueCommand measures the whole way of an event through a queue.
type benchQueueCommand struct {
	benchFlags
	consumeFlags
	Ordered bool `group:"Load" help:"Make queues ordered by key."`
}

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
  freshet bench queue --topics 16 --rate 50000
  freshet bench queue --connect 10.0.0.1:7600 --producers 16 --consumers 16
`
}

func (*benchQueueCommand) uses() everyday { return usesOutput }

func (b *benchQueueCommand) run(ctx context.Context, call *invocation) error {
	return b.measure(ctx, call, load.WorkQueue, func(o *load.Options) {
		b.consumeFlags.apply(o)
		o.Ordered = b.Ordered
	})
}

// benchFanoutCommand measures every event to several subscriptions.
type benchFanoutCommand struct {
	benchFlags
	consumeFlags
	benchPatternFlags
	Subscriptions count `default:"10" help:"Number of fan-outs, at most 10000; default 10." placeholder:"N"`
	Members       count `default:"1" help:"Number of members of each, at most 256; default 1." placeholder:"N"`
}

// Help tells more.
func (*benchFanoutCommand) Help() string {
	return `
Publishes events to a topic with several fan-outs: each member of each gets every event, or with
--matches those that its pattern matches, and each delivery is checked.

  freshet bench fanout
  freshet bench fanout --subscriptions 10 --matches 1
  freshet bench fanout --subscriptions 1 --members 100 --rate 5000
`
}

func (*benchFanoutCommand) uses() everyday { return usesOutput }

func (b *benchFanoutCommand) run(ctx context.Context, call *invocation) error {
	return b.measure(ctx, call, load.WorkFanout, func(o *load.Options) {
		b.consumeFlags.apply(o)
		b.benchPatternFlags.apply(o)
		o.Subscriptions, o.Members = int(b.Subscriptions), int(b.Members)
	})
}

// benchRouteCommand measures many patterns.
type benchRouteCommand struct {
	benchFlags
	consumeFlags
	benchPatternFlags
	Subscriptions count `default:"1000" help:"Number of queues, each with a pattern, at most 10000; default 1000." placeholder:"N"`
}

// Help tells more.
func (*benchRouteCommand) Help() string {
	return `
Publishes events to a topic with many queues, each with a pattern of its own, of which some match an
event. All queues are consumed, and each delivery is checked: that it came, once, and to nobody else.

  freshet bench route
  freshet bench route --subscriptions 10000 --matches 3 --patterns mixed
`
}

func (*benchRouteCommand) uses() everyday { return usesOutput }

func (b *benchRouteCommand) run(ctx context.Context, call *invocation) error {
	return b.measure(ctx, call, load.WorkRoute, func(o *load.Options) {
		b.consumeFlags.apply(o)
		b.benchPatternFlags.apply(o)
		o.Subscriptions = int(b.Subscriptions)
	})
}

// benchLatencyCommand measures times at a modest rate.
type benchLatencyCommand struct {
	benchFlags
	consumeFlags
}

// Help tells more.
func (*benchLatencyCommand) Help() string {
	return `
Publishes each event alone, in its own moment, at 2,000 a second unless --rate says otherwise, through a
queue. Times begin when an event should have been sent, whatever became of those before, so a stall
shows in every event that it held up.

  freshet bench latency
  freshet bench latency --rate 20000 --duration 30s --hdr latency.hlog
`
}

func (*benchLatencyCommand) uses() everyday { return usesOutput }

func (b *benchLatencyCommand) run(ctx context.Context, call *invocation) error {
	return b.measure(ctx, call, load.WorkLatency, b.consumeFlags.apply)
}

// benchFailoverCommand measures what a node that is gone costs.
type benchFailoverCommand struct {
	benchFlags
	consumeFlags
	At    duration `default:"5s" help:"When it happens, counted from the end of the warm-up; default 5s." placeholder:"TIME"`
	For   duration `default:"5s" help:"How long the node is gone; default 5s." placeholder:"TIME"`
	Pause bool     `group:"Load" help:"Hold the node in its tracks (SIGSTOP) in place of killing it (SIGKILL)."`
}

// Help tells more.
func (*benchFailoverCommand) Help() string {
	return `
Publishes each event in its own moment, at 20,000 a second unless --rate says otherwise, through a queue,
and meanwhile kills the node that leads most partitions, as a power cut would, or with --pause holds it
in its tracks. It says how long nothing was published and delivered on the partitions that the node
led, and how many events came twice. None may be lost. It needs nodes of its own.

  freshet bench failover
  freshet bench failover --pause --for 8s --duration 20s
`
}

func (*benchFailoverCommand) uses() everyday { return usesOutput }

func (b *benchFailoverCommand) run(ctx context.Context, call *invocation) error {
	if b.Connect != "" {
		return usageFailure("--connect is for a cluster that somebody else runs: failover kills only nodes that it has started")
	}
	if b.Nodes == 1 {
		return usageFailure("--nodes wants 3 or 5: a node alone has nobody who takes over")
	}
	return b.measure(ctx, call, load.WorkFailover, func(o *load.Options) {
		b.consumeFlags.apply(o)
		o.Strike = &load.Strike{At: time.Duration(b.At), For: time.Duration(b.For), What: "killed"}
		if b.Pause {
			o.Strike.What = "paused"
		}
	})
}
