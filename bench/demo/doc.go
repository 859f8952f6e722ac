// Package demo is the main job, checked: a node, a topic, a dozen subscriptions,
// events published at speed and consumed by competing consumers, a kill -9 in the
// middle, and a count at the end that has to come out even. It is what
// `freshet demo` runs, and the first thing that a change to freshet has to
// survive.
//
// # What it owns
//
// The scenario; the events (a generator's, or a file's) and what should become of
// them; the ledger that is told what did become of them; the node's process; the
// live view and the report. It owns nothing of the broker: it sees packages
// client, matcher and proto, as any user's program does, and the command that
// runs a node is given to it.
//
//	         Feed: Generator or Data
//	         an event, and who should get it
//	                │
//	node ◄───── publisher ── Sent, Stored, Unknown ──┐
//	(child                                           ▼
//	process) ─► consumers ── Arrived, Acked, ... ─► Ledger ──► Figures ──► view, Report
//	 ▲  ▲                                            ▲
//	 │  └────── drain: what do you still hold? Dead ─┘
//	 └───────── kill -9 when half is confirmed
//
// What should arrive is decided apart from the node. For the generator's events
// predicates in Go say it, beside each pattern and on the generator's own
// structs: nothing of package matcher is asked. For a file's lines its plain
// evaluator says it, here, line by line.
//
// # Invariants
//
//	D1  A pair is an event that is confirmed as stored, and a reader (a queue, or
//	    a member of a fan-out) that should get it. matched, delivered and lost
//	    count pairs, and lost = matched - delivered - dead_lettered.
//	D2  An event is known by the place that its publish's receipt names, never by
//	    an id: a file's lines may repeat one, or have none. Its bytes are published
//	    untouched, and those that arrive are compared by digest.
//	D3  A pair that arrived is delivered, also when its reader rejects it then.
//	    dead_lettered are only pairs that became dead letters without arriving.
//	    Rejections are counted as rejected, beside.
//	D4  An arrival is after its ack only if the handler began after Ack had
//	    returned to this process.
//	D5  A run in which not everything was published, no node was killed, or time
//	    ran out is a failure, however good its figures are.
//	D6  When Run returns the node's process has ended and its data are gone. If
//	    this process is killed the node dies with it.
//
// After the last event is settled the run listens for longer than any lease
// lasts: an ack that had ended no lease would show as an event that comes again.
//
// # Goroutines
//
// Run joins all that it starts: the view, the consumers, the publisher's two, the
// killer, a watcher of the node's process, and for each process one that keeps
// its thread (child.go says why). The ledger is told by many at once; everything
// else has one owner.
//
// # Where to start reading
//
// scenario.go from top to bottom, then ledger.go and figures.go. shop_subscriptions.go
// shows what is expected of what.
package demo
