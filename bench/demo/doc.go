// Package demo is the main job, checked: a cluster, a topic, a dozen subscriptions,
// events published at speed and consumed by competing consumers, a kill -9 of a
// leader in the middle, and a count at the end that has to come out even. It is what
// `freshet demo` runs, and the first thing that a change to freshet has to
// survive.
//
// # What it owns
//
// The scenario; the events (a generator's, or a file's) and what should become of
// them; the ledger that is told what did become of them, and the witness that writes
// it down for bench/history; the live view and the report. It owns nothing of the broker: it sees packages client, matcher and
// proto, as any user's program does, and the nodes are processes, which package
// bench/cluster runs.
//
//	         Feed: Generator or Data
//	         an event, and who should get it
//	                │
//	nodes ◄──── publisher ── Sent, Stored, Unknown ──┐
//	(child                                           ▼
//	processes)► consumers ── Arrived, Acked, ... ─► Ledger ──► Figures ──► view, Report
//	            (both tell the witness, too ──► history.Recorder ──► Check ──► Report)
//	 ▲  ▲  ▲        └─── began ─► sequence           ▲                       ▲
//	 │  │  └─── drain: what do you still hold? Dead ─┘                       │
//	 │  └────── agreement: what have you applied, with which state? ─────────┘
//	 └───────── kill -9 of a leader when half is confirmed
//
// What should arrive is decided apart from the nodes. For the generator's events
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
//	D5  A run in which not everything was published, no node was killed, the
//	    replicas were not seen to agree, or time ran out is a failure, however
//	    good its figures are.
//	D6  When Run returns the nodes' processes have ended and their data are gone. If
//	    this process is killed they die with it (bench/cluster, CL2).
//	D7  An event of an ordered queue begins for the first time after all events of
//	    its key that lie before it have.
//	D8  What clients were told is also judged by bench/history, which sees when things
//	    happened: whatever it finds makes the run a failure. It holds two million
//	    records (some 300,000 of the generator's events); of a longer run the ledger is
//	    the only judge.
//
// After the last event is settled the run listens for longer than any lease
// lasts: an ack that had ended no lease would show as an event that comes again.
//
// # Goroutines
//
// Run joins all that it starts: the view, one that asks who leads, the consumers,
// the publisher's two, and the killer. The ledger, the sequence and the witness are told
// by many at once; everything else has one owner.
//
// # Where to start reading
//
// scenario.go from top to bottom, then ledger.go, figures.go and witness.go. shop_subscriptions.go
// shows what is expected of what.
package demo
