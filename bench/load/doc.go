// Package load puts load on a cluster and measures what becomes of it: events per
// second published, delivered and acked, latencies, and what that costs the nodes and
// the load itself. It is what `freshet bench queue` runs.
//
// # What it owns
//
// The events, the producers and consumers that a run has, the ledger that checks them
// one by one, the samples of what processes used, and the report. It owns no node: it
// is given the address of a cluster and, if they are on this machine, the nodes'
// processes. It sees packages client and nothing of the broker, so what it measures is
// what a service would get.
//
//	 shape: an event, by producer and number
//	   │
//	pacer ─► publishing ── PublishBatch ──► cluster ──► consuming: handler
//	(rate)      │ stored                                     │ arrived
//	            ▼                                            ▼
//	          ledger: a bit for each event, by producer and number
//	            │
//	  meter ────┴─► report          usage: /proc of the nodes and of this process
//
// A run, in time:
//
//	|-- warm-up --|------ measured ------|-- drain --|
//	              ^ sample               ^ sample     ^ everything stored has arrived,
//	                                                  and every ack is confirmed
//
// # Invariants
//
//	B1  An event counts as published when its publisher has heard that it is stored, as
//	    acked when the client has heard that its ack is stored.
//	B2  Every event is checked by its producer and number, also those of the warm-up
//	    and of the drain: lost is what was stored and never arrived, repeated is
//	    each arrival beyond the first. What was published with an unknown outcome may
//	    arrive, and isn't missed if it doesn't.
//	B3  Rates and costs are of the measured time alone, latencies of what ended in it.
//	    At an offered rate a latency begins when the event should have been sent, so
//	    that a stall shows in all events that it held up.
//	B4  Memory doesn't grow with the events: a page of the ledger in which everything
//	    has arrived is let go (ledger.go).
//	B5  Nothing is left behind: the topic is deleted, also when the run fails.
//
// # Goroutines
//
// Run joins all that it starts: the flights of each producer, one a consumer besides
// the client's own, and one that watches the time.
//
// # Where to start reading
//
// run.go from top to bottom, then ledger.go and meter.go.
package load
