package load

import (
	"io"
	"time"

	"github.com/freshet-mq/freshet/client"
)

// Options say what a run is.
type Options struct {
	// Work is what is measured. Default WorkQueue. It sets other defaults.
	Work Work
	// Target is the cluster: what client.Connect takes. Required.
	Target string
	// Topic is what the topics are called that the run makes and deletes: the name, or
	// with several the name with -1, -2 and so on behind it. They must not be there yet.
	// Required.
	Topic string
	// Nodes are the cluster's, where they can be looked at. Default: none, and what nodes
	// use isn't reported.
	Nodes []Node

	// Shape is what events look like. Default ShapeJSON.
	Shape Shape
	// Lines are JSON objects to send in turns, in place of a Shape. Default: none. A member
	// "bench" is put in front of each, so they must not have one.
	Lines [][]byte
	// EventBytes is how long an event is, 128 bytes to 1 MiB. Default 256. With Lines
	// it is their average, and not chosen.
	EventBytes int
	// Keys is how many keys the events have, 0 to 1,000,000; each is one producer's. Default
	// 0: no event has one.
	Keys int
	// Ordered makes queues ordered by key.
	Ordered bool

	// Topics is how many there are, 1 to 1,024, each with all subscriptions. Producers
	// publish to them in turns. Default 1.
	Topics int
	// Partitions is on how many a topic is, 1 to as many as the cluster has. Each consumer
	// has a session with each. Default 8; 1 with WorkRoute, whose thousand queues are enough to
	// spread.
	Partitions int
	// Subscriptions is how many a topic has, 0 to 10,000. Fan-outs with WorkFanout, else
	// queues. Default by Work.
	Subscriptions int
	// Members is how many a fan-out has, 1 to 256. Default 1.
	Members int
	// Matches is how many of the subscriptions match an event, by their patterns, 1 to
	// Subscriptions. Default: 3 with WorkRoute; else all do, and none has a pattern.
	Matches int
	// Patterns is what patterns are made of. Default PatternsExact.
	Patterns Patterns

	// Producers and Consumers are how many clients there are, 1 to 1,024, each with
	// connections of its own. Subscriptions are spread over the consumers: of each and each of its
	// partitions a consumer has a stream, of which a connection carries 200 at most here. Default 4, or as
	// many consumers as that takes.
	Producers, Consumers int
	// Send is how producers hand events over. Default by Work.
	Send Send
	// Rate is how many events are offered in a second, by all producers together.
	// Default by Work, else 0: as many as the cluster takes.
	Rate int
	// FullSpeed takes the Rate's default away.
	FullSpeed bool
	// Batch is how many events a producer hands over at once, 1 to 16,384. Default
	// 1,000; with a Rate it is what has become due, and at most this.
	Batch int
	// Flights is how many batches a producer has under way, 1 to 1,024; with SendUnary, how many
	// calls. Default 4; 16 with SendUnary.
	Flights int
	// Linger is how long an event waits at most for others to share its block, 0 to 1
	// s; negative for not at all. Default: the client's.
	Linger time.Duration
	// Compression is what producers do to blocks. Default: what the client does, S2; with SendUnary nothing, as there is one event
	// in each.
	Compression *client.Compression
	// Window is how many events a consumer may hold, 1 to 65,536. Subscriptions beyond the
	// consumers share it. Default 16,384.
	Window int

	// Ahead is how many deliveries of what is stored may be outstanding before producers wait, 1 to
	// 1,000,000,000. Without a bound producers run away from consumers and take the processors from them, and
	// what is measured depends on for how long. It is looked at before each batch, so what is under way comes
	// on top. Default 131,072. With a Rate, with a Backlog and without subscriptions it is 0, no bound, and
	// nothing else is possible.
	Ahead int
	// Backlog is how many events wait before anybody consumes, 0 to 1,000,000,000: they are
	// published at full speed before the warm-up begins. Default 0.
	Backlog int

	// WarmUp is how long the load is on before it is measured. Default 2 s.
	WarmUp time.Duration
	// Duration is how long it is measured. Default 6 s; 15 s with WorkFailover.
	Duration time.Duration
	// Drain is how long nothing may arrive after that, before what is missing is lost.
	// Default 30 s.
	Drain time.Duration
	// Strike is what happens to a node meanwhile. Required with WorkFailover, else
	// nil.
	Strike *Strike

	// Intervals is where an HdrHistogram log is written, an interval for each sample of the
	// timeline. Default: nowhere.
	Intervals io.Writer
	// Measured is called when the measured time begins, and what it returns when that
	// ends. Default: nothing.
	Measured func() (ended func())
	// Progress is told once a second how it goes. Default: nobody.
	Progress func(Progress)
}

// Node is one of the cluster's that can be looked at.
type Node struct {
	// Name is its name.
	Name string
	// PID is its process on this machine, 0 while there is none.
	PID func() int
	// Admin is where its metrics are, HOST:PORT. Empty: unknown.
	Admin string
}

// Progress is how a run goes.
type Progress struct {
	Phase Phase
	// Elapsed is the time since the load began.
	Elapsed time.Duration
	// Published, Delivered and Acked are how many events there were in the last
	// second.
	Published, Delivered, Acked int64
}

// Phase is a part of a run's time.
type Phase uint8

// The phases, in their order.
const (
	PhaseWarmUp Phase = iota
	PhaseMeasured
	PhaseDrain
	// PhaseFill comes before them where there is a backlog.
	PhaseFill
)

func (p Phase) String() string { return [...]string{"warm-up", "measured", "drain", "fill"}[p] }

// Bounds and defaults of Options.
const (
	eventBytesDefault    = 256
	eventBytesMax        = 1 << 20
	keysMax              = 1_000_000
	topicsMax            = 1_024
	partitionsDefault    = 1 // as a topic has that is created without saying
	subscriptionsMax     = 10_000
	membersMax           = 256
	workersDefault       = 4
	workersMax           = 1_024
	batchDefault         = 1_000
	batchMax             = 16_384
	batchBytesMax        = 8 << 20
	flightsDefault       = 4
	flightsUnaryDefault  = 16
	flightsMax           = 1_024
	lingerMax            = time.Second
	windowDefault        = 16_384
	windowMax            = 65_536
	rateMax              = 100_000_000
	backlogMax           = 1_000_000_000
	aheadDefault         = 1 << 17
	aheadMax             = 1_000_000_000
	warmUpDefault        = 2 * time.Second
	durationDefault      = 6 * time.Second
	durationMax          = 24 * time.Hour
	drainDefault         = 30 * time.Second
	linesMax             = 1 << 20
	linesBytesMax        = 256 << 20
	deliveriesPerEvent   = 1_000 // matches and members together
	keyedAccountsMax     = 4_096
	orderCellsMax        = 1 << 24
	attachmentsAtOnceMax = 20_000
	// streamsMax is less than the calls that a node allows a connection (docs/lookup/limits.md), since a
	// client that has none left to make can't ask where to go either. One node may lead everything.
	streamsMax = 200
)

// EnsureDefaults fills in what was left out.
func (o *Options) EnsureDefaults() {
	d := o.Work.defaults()
	if !o.FullSpeed {
		defaultTo(&o.Rate, d.rate)
	}
	defaultTo(&o.Send, d.send)
	defaultTo(&o.EventBytes, eventBytesDefault)
	defaultTo(&o.Topics, 1)
	defaultTo(&o.Partitions, d.partitions)
	defaultTo(&o.Subscriptions, d.subscriptions)
	defaultTo(&o.Members, 1)
	if d.matches > 0 {
		defaultTo(&o.Matches, min(d.matches, o.Subscriptions))
	}
	defaultTo(&o.Matches, o.Subscriptions)
	defaultTo(&o.Producers, workersDefault)
	defaultTo(&o.Consumers, max(workersDefault, o.consumersMin()))
	defaultTo(&o.Batch, batchDefault)
	if o.Send == SendUnary {
		defaultTo(&o.Flights, flightsUnaryDefault)
	}
	defaultTo(&o.Flights, flightsDefault)
	if o.Compression == nil {
		o.Compression = new(client.CompressionS2)
		if o.Send == SendUnary {
			o.Compression = new(client.CompressionNone)
		}
	}
	defaultTo(&o.Window, windowDefault)
	if o.Rate == 0 && o.Backlog == 0 && o.Subscriptions > 0 {
		defaultTo(&o.Ahead, aheadDefault)
	}
	defaultTo(&o.WarmUp, warmUpDefault)
	defaultTo(&o.Duration, d.duration)
	defaultTo(&o.Drain, drainDefault)
	if o.Measured == nil {
		o.Measured = func() func() { return func() {} }
	}
	if o.Progress == nil {
		o.Progress = func(Progress) {}
	}
	if len(o.Lines) > 0 {
		o.EventBytes = averageBytes(o.Lines)
	}
	// What is under way is bounded in bytes too.
	o.Batch = max(1, min(o.Batch, batchBytesMax/max(1, o.EventBytes)))
	if o.Send == SendUnary {
		o.Batch = 1
	}
}

func defaultTo[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

// consumersMin is how many consumers it takes to carry all streams of deliveries.
func (o *Options) consumersMin() int { return (o.lanes()*o.Partitions + streamsMax - 1) / streamsMax }

// patterned says whether subscriptions have patterns.
func (o *Options) patterned() bool { return o.Matches < o.Subscriptions }

// copies is how often an event is delivered.
func (o *Options) copies() int {
	if o.Subscriptions == 0 {
		return 0
	}
	if o.Work == WorkFanout {
		return o.Matches * o.Members
	}
	return o.Matches
}

// accountsPerProducer is one, but where keys' order depends on which flight has them.
func (o *Options) accountsPerProducer() int {
	if o.Keys > 0 && o.Send != SendEach {
		return o.Flights
	}
	return 1
}
