// Package load puts load on a cluster and measures what becomes of it: events per
// second published, delivered and acked, latencies, and what that costs the nodes and
// the load itself. It is what `freshet bench` runs, but for `bench match`.
//
// # Goal
//
// A figure that can be believed: with its proof that nothing was lost for it, with what it cost, and with
// what kept it from being higher.
//
// # What it owns
//
// The events, the producers and consumers that a run has, the ledger that checks them
// one by one, the samples of what processes used, the report, and the files of it that are text. It owns
// no node: it is given the address of a cluster and, where they can be looked at, the nodes' processes
// and metrics; and it is given what strikes a node. It sees packages client and proto and nothing of the
// broker, so what it measures is what a service would get.
//
// # Outline
//
// A Work is what a run measures: it sets defaults of Options (work.go), and the rest is one way for all.
//
//	 shape: an event, by account and number;       classes: which subscriptions' patterns it matches
//	   │
//	pacer ─► publishing ── PublishBatch ──► cluster ──► attachment: a handler a subscription and member
//	(rate)      │          PublishAsync,                               │
//	            │ stored   or a unary call                             │ arrived, as which delivery of it
//	            ▼                                                      ▼
//	          ledger: a bit for each event stored and each delivery arrived;   keys: their order
//	          offsets: a bit for each place in a stream, where nobody consumes
//	            │
//	  meter ────┴─► timeline ─► report        watch: /proc of the nodes; metrics: what they count
//	                         └► CSV, HdrHistogram log, comparison
//
// An account is a producer, or with keys one of its flights, so that a key's events are handed over one
// after the other. An event has its account and number, and by these the ledger knows it.
//
// A run, in time:
//
//	|-- warm-up --|------ measured ------|-- drain --|
//	              ^ sample   ^ strike    ^ sample     ^ everything stored has arrived,
//	                                                    and every ack is confirmed
//	|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|-|  intervals of the timeline
//
// # Invariants
//
//	B1  An event counts as published when its publisher has heard that it is stored, as
//	    acked when the client has heard that its ack is stored.
//	B2  Every delivery is checked by its event's account and number, also those of the warm-up
//	    and of the drain: lost is one of an event that was stored that never arrived, repeated is
//	    each arrival beyond the first. What was published with an unknown outcome may
//	    arrive, and isn't missed if it doesn't. What comes to a subscription that it doesn't match
//	    ends the run.
//	    (bench/history, which also sees when things happened, holds some seconds of this at
//	    most: freshet demo, chaos and the simulation ask it.)
//	B3  Rates and costs are of the measured time alone, latencies of what ended in it.
//	    At an offered rate a latency begins when the event should have been sent, so
//	    that a stall shows in all events that it held up.
//	B4  Memory doesn't grow with the events: a page of the ledger in which everything
//	    has arrived is let go (ledger.go), and so is a page of offsets; the timeline has a bound.
//	    What is outstanding has one too, at full speed: producers wait for consumers (Options.Ahead).
//	B5  Nothing is left behind: the topics are deleted, also when the run fails.
//
// # Goroutines
//
// Run joins all that it starts: the flights of each producer, or its callers, or one for each event that is
// under way; one an attachment besides the client's own; one that tells of progress, one that
// cuts the timeline, and one that strikes.
//
// # Where to start reading
//
// work.go and options.go say what there is; then run.go from top to bottom, ledger.go and meter.go.
package load
